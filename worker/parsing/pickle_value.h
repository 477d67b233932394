#ifndef SCANENGINE_WORKER_PARSING_PICKLE_VALUE_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_VALUE_H_

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "worker/parsing/growing_memory.h"
#include "worker/parsing/pickle_limits.h"

namespace scanengine {

/// What an abstract value of the pickle machine is.
enum class PickleKind : std::uint8_t {
  kNone,
  kBool,
  kInt,     ///< Fits in 56 bits.
  kBigInt,  ///< Larger; its digits are not kept.
  kFloat,
  kEmptyTuple,
  kFarText,   ///< A str that was not kept; it can be read again.
  kFarBytes,  ///< The same for bytes.
  kData,      ///< Plain data whose content was not kept.
  kGlobal,    ///< An imported name: an id of the machine's name table.
  kInstance,  ///< What a call of a name returned, arguments not kept.
  kUnknown,   ///< Nobody can say what it is at run time.
  kNode,      ///< Something in the arena.
};

/// Why a value is unknown; shown to people.
enum class PickleMystery : std::uint8_t {
  kExtension,   ///< EXT code that the pickle did not register.
  kPersistent,  ///< Persistent id: the loader supplies it.
  kBuffer,      ///< Out-of-band buffer.
  kForgotten,   ///< More values than are remembered.
  kName,        ///< An import whose name is not known.
  kAttribute,   ///< An attribute whose name or object is not known.
  kItem,        ///< An item of something that is not known.
  kResult,      ///< Result of a call that is not known.
};
std::string_view MysteryText(PickleMystery mystery);

/// What a node of the arena is.
enum class PickleNodeKind : std::uint8_t {
  kFree,
  kText,  ///< str; bytes in a slab.
  kBytes,
  kTuple,
  kList,
  kDict,  ///< Items are key, value, key, value.
  kSet,
  kFrozenSet,
  kCall,       ///< item 0 the callee, 1 the arguments, 2 the last state.
  kAttribute,  ///< item 0 the object, 1 the name.
  kMore,       ///< Continues the items of a container.
};

/// A value of the pickle machine: 8 bits of kind, 56 of content. Plain data
/// needs nothing else; strings, containers and calls live in a PickleArena, and
/// their value says of what kind they are, so that few have to be looked at.
/// Trivially copyable; meaningless without the machine that made it.
class PickleValue {
 public:
  constexpr PickleValue() : PickleValue(PickleKind::kNone, 0) {}

  static constexpr PickleValue None() { return {}; }
  static constexpr PickleValue Bool(bool value) {
    return {PickleKind::kBool, value ? 1U : 0U};
  }
  static constexpr PickleValue Int(std::int64_t value) {
    constexpr std::int64_t kLimit = std::int64_t{1} << 55;
    if (value < -kLimit || value >= kLimit) return {PickleKind::kBigInt, 0};
    return {PickleKind::kInt, static_cast<std::uint64_t>(value) & kMask};
  }
  static constexpr PickleValue Of(PickleKind kind, std::uint64_t content = 0) {
    return {kind, content};
  }
  static constexpr PickleValue Node(PickleNodeKind kind, std::uint32_t index) {
    return {PickleKind::kNode,
            std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 | index};
  }
  static constexpr PickleValue Unknown(PickleMystery mystery) {
    return {PickleKind::kUnknown, static_cast<std::uint64_t>(mystery)};
  }
  /// far_size() of strings of at least that many bytes.
  static constexpr std::uint64_t kFarSizeMax = 0xffff;
  /// A string of |size| bytes at |offset| in the source. Offsets from 2^40 on
  /// become kData.
  static PickleValue Far(PickleKind kind, std::uint64_t offset,
                         std::uint64_t size) {
    if (offset >> 40 != 0) return {PickleKind::kData, 0};
    return {kind, offset << 16 | (size > kFarSizeMax ? kFarSizeMax : size)};
  }

  constexpr PickleKind kind() const {
    return static_cast<PickleKind>(bits_ >> 56);
  }
  constexpr std::uint64_t content() const { return bits_ & kMask; }
  constexpr std::uint32_t index() const {
    return static_cast<std::uint32_t>(bits_);
  }
  constexpr std::int64_t integer() const {
    return static_cast<std::int64_t>(bits_ << 8) >> 8;
  }
  std::uint64_t far_offset() const { return content() >> 16; }
  std::uint64_t far_size() const { return content() & 0xffff; }
  bool Is(PickleKind kind) const { return this->kind() == kind; }
  bool IsNode(PickleNodeKind kind) const {
    return bits_ >> 32 == Node(kind, 0).bits_ >> 32;
  }
  /// kFree if it is no node.
  PickleNodeKind node_kind() const {
    return Is(PickleKind::kNode)
               ? static_cast<PickleNodeKind>(bits_ >> 32 & 0xffU)
               : PickleNodeKind::kFree;
  }
  /// A tuple, list, dict, set or frozenset.
  bool IsContainer() const {
    return node_kind() >= PickleNodeKind::kTuple &&
           node_kind() <= PickleNodeKind::kFrozenSet;
  }
  /// A node that is a str or bytes: all other nodes hold values.
  bool IsTextNode() const {
    return IsNode(PickleNodeKind::kText) || IsNode(PickleNodeKind::kBytes);
  }

  constexpr auto operator<=>(const PickleValue&) const = default;

 private:
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << 56) - 1;
  constexpr PickleValue(PickleKind kind, std::uint64_t content)
      : bits_(static_cast<std::uint64_t>(kind) << 56 | (content & kMask)) {}

  std::uint64_t bits_;
};

/// Fixed-size cell. Containers chain further cells.
struct PickleNode {
  PickleNodeKind kind = PickleNodeKind::kFree;
  bool marked : 1 = false;
  bool touched : 1 = false;   ///< A function had it and may have changed it.
  bool lost : 1 = false;      ///< Lacks items that may matter.
  bool computed : 1 = false;  ///< Text that a function put together.
  /// Text that Python 2 wrote as str: the loader chooses an encoding, or bytes.
  bool python_two : 1 = false;
  std::uint16_t kept = 0;  ///< Items that are kept.
  std::uint32_t next = 0;  ///< Cell with further items; 0: none.
  /// Last cell of the chain; 0: this one. Of a call: its opcode's offset, cut
  /// to 32 bits.
  std::uint32_t tail = 0;
  std::uint32_t count = 0;  ///< Items or bytes there were; saturates.
  PickleValue items[3];     ///< Text: slab and place; a short one itself.
};

/// Text of at most so many bytes sits in its node.
inline constexpr std::size_t kPickleShortText = sizeof(PickleNode::items);

/// Bounded store of what values refer to, with a mark-and-sweep collector.
///
/// When it is full, values that need a node come out as kData (containers),
/// far strings or kInstance: they lose detail, never their danger, since
/// whatever is not known counts as unresolved when it is called. Not
/// thread-safe.
class PickleArena {
 public:
  static constexpr std::size_t kMaxNodes =
      PickleLimit<std::size_t>(400'000, 100);  // 16 MB
  static constexpr std::size_t kSpareNodes = PickleLimit<std::size_t>(4096, 16);
  static constexpr std::size_t kSlabBytes =
      PickleLimit<std::size_t>(64 << 10, 4 << 10);
  static constexpr std::size_t kMaxSlabs =
      PickleLimit<std::size_t>(192, 2);               // 12 MB
  static constexpr std::size_t kMaxTextBytes = 4096;  // Kept of a string.
  static constexpr std::uint32_t kMaxKept = 24;       // Dull items.
  static constexpr std::uint32_t kMaxKeptAlive =
      PickleLimit<std::uint32_t>(1024, 32);  // Callable items.

  PickleArena();

  /// True if room is short and a collection is due: the owner calls
  /// BeginCollection(), then Mark() for each root, then Sweep(). |roots| is
  /// how many there were, so that the work stays linear.
  bool WantsCollection() const { return wants_collection_; }
  /// Values that a sweep found not to be marked mean nothing after it.
  std::uint32_t sweeps() const { return sweeps_; }
  void BeginCollection();
  void Mark(PickleValue value);
  void Sweep(std::size_t roots);
  /// Instead of all that, if next to nothing would be found.
  void PutOffCollection();
  /// Nodes that values have, at most: the rest continue others.
  std::size_t heads() const { return nodes_ - continued_; }

  /// A str or bytes; nothing (kData) if there is no room or |text| is longer
  /// than kMaxTextBytes.
  PickleValue AddText(PickleNodeKind kind, std::string_view text) {
    if (text.size() > kPickleShortText) return AddLongText(kind, text);
    const PickleValue made = Add(kind);
    if (made.Is(PickleKind::kNode)) {
      PickleNode& target = node(made);
      std::memcpy(static_cast<void*>(target.items), text.data(), text.size());
      target.count = static_cast<std::uint32_t>(text.size());
    }
    return made;
  }
  /// A node with up to three items; kData if there is no room.
  PickleValue Add(PickleNodeKind kind, PickleValue a = {}, PickleValue b = {},
                  PickleValue c = {}, std::uint16_t kept = 0) {
    const std::uint32_t index = Allocate();
    if (index == 0) return PickleValue::Of(PickleKind::kData);
    return Make(index, kind, a, b, c, kept);
  }
  /// The same from what is left when there is no room, for what matters most.
  PickleValue AddSpare(PickleNodeKind kind, PickleValue a, PickleValue b,
                       PickleValue c, std::uint16_t kept);
  /// Appends to a container. Past kMaxKept only values that can be called or
  /// that hold such are kept.
  void Append(PickleValue container, PickleValue item) {
    AppendAll(container, {&item, 1});
  }
  /// Appends each of |items|.
  void AppendAll(PickleValue container, std::span<const PickleValue> items) {
    if (!container.Is(PickleKind::kNode)) return;
    PickleNode& head = node(container);
    std::size_t done = 0;
    while (done != items.size() && head.kept < std::size(head.items)) {
      head.items[head.kept++] = items[done++];
    }
    AddToCount(&head.count, done);
    if (done != items.size()) AppendFurther(head, items.subspan(done));
  }
  /// Notes that an entry of a dict is not kept, or a pair that may become one.
  void LoseEntry(PickleValue key, PickleValue value);
  void LoseEntry(std::string_view key, PickleValue value);
  /// The same for items of a list or set that are pairs: a dict may be made of
  /// them.
  void LoseItems(std::span<const PickleValue> items);
  /// Which of kHookAttributes were among the keys of those, a bit for each,
  /// with a value that may work as one. They may be in any dict that lacks
  /// entries.
  std::uint32_t lost_hooks() const { return lost_hooks_; }
  /// Appends a key and its value to a dict.
  void AppendPair(PickleValue dict, PickleValue key, PickleValue value) {
    const PickleValue pair[] = {key, value};
    AppendPairs(dict, pair);
  }
  /// Appends keys and values in turn to a dict. REQUIRES: an even number.
  void AppendPairs(PickleValue dict, std::span<const PickleValue> pairs) {
    if (!dict.Is(PickleKind::kNode)) return;
    PickleNode& head = node(dict);
    if (head.count == 0 && pairs.size() == 2) {
      head.items[0] = pairs[0];
      head.items[1] = pairs[1];
      head.kept = 2;
      head.count = 2;
    } else {
      AppendFurtherPairs(head, pairs);
    }
  }

  const PickleNode& node(PickleValue value) const {
    return cell(value.index());
  }
  PickleNode& node(PickleValue value) { return cell(value.index()); }
  /// Text of a kText or kBytes node.
  std::string_view text(PickleValue value) const;
  /// Items of a container that are kept, at most |limit|.
  std::vector<PickleValue> Items(PickleValue container,
                                 std::size_t limit = kMaxKeptAlive) const;
  /// Calls |use| with those items, at most |limit|, until it returns true.
  /// Returns whether it did. |use| must not change the arena.
  template <typename Use>
  bool AnyItem(PickleValue container, std::size_t limit, Use use) const {
    if (!container.Is(PickleKind::kNode)) return false;
    const PickleNode* at = &node(container);
    const std::size_t kept = std::min<std::size_t>(at->kept, limit);
    for (std::size_t i = 0; i < kept; ++i) {
      if (i != 0 && i % 3 == 0) at = &cell(at->next);
      if (use(at->items[i % 3])) return true;
    }
    return false;
  }
  /// True for a container of up to three items that are numbers, texts or
  /// bytes, as most arguments are.
  bool HoldsPlainData(PickleValue container) const {
    const PickleNode& head = node(container);
    return head.kept <= std::size(head.items) &&
           std::all_of(
               head.items, head.items + head.kept, [](PickleValue item) {
                 return item.kind() < PickleKind::kGlobal || item.IsTextNode();
               });
  }
  /// Item |i| of those kept, or an unknown one.
  PickleValue Item(PickleValue container, std::size_t i) const;
  /// sequence[index] = item; false if it has no such index.
  bool SetItemAt(PickleValue sequence, std::int64_t index, PickleValue item);
  /// Replaces item |i| of those kept. REQUIRES: there is one.
  void Replace(PickleValue container, std::size_t i, PickleValue item);

  /// A dict that belongs to a call's result; None if there is none. What it
  /// means is the machine's matter.
  PickleValue Extra(PickleValue call) const;
  void SetExtra(PickleValue call, PickleValue dict);

 private:
  static constexpr std::uint32_t kMaxCount =
      std::numeric_limits<std::uint32_t>::max();
  static constexpr std::uint32_t kPageBits = PickleLimit<std::uint32_t>(9, 4);
  static constexpr std::uint32_t kPageMask = (1U << kPageBits) - 1;

  // 0 if there is no room.
  std::uint32_t Allocate() {
    ++since_sweep_;
    if (!free_.empty()) {
      const std::uint32_t index = free_.back();
      free_.pop_back();
      return index;
    }
    if (nodes_ < kMaxNodes) {
      if (nodes_ >> kPageBits == pages_.size()) [[unlikely]]
        AddPage();
      return nodes_++;
    }
    if (since_sweep_ >= patience_) wants_collection_ = true;
    return 0;
  }
  PickleValue Make(std::uint32_t index, PickleNodeKind kind, PickleValue a,
                   PickleValue b, PickleValue c, std::uint16_t kept) {
    // Whole words, in place: what was there is not read, and no word is put
    // together in memory, to be waited for.
    static_assert(std::endian::native == std::endian::little);
    const std::array<std::uint64_t, 2> head = {
        static_cast<std::uint64_t>(kind) | std::uint64_t{kept} << 16,
        std::uint64_t{kept} << 32};
    PickleNode& made = cell(index);
    std::memcpy(static_cast<void*>(&made), head.data(), sizeof(head));
    made.items[0] = a;
    made.items[1] = b;
    made.items[2] = c;
    return PickleValue::Node(kind, index);
  }
  static void AddToCount(std::uint32_t* count, std::size_t more) {
    *count = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(kMaxCount, std::uint64_t{*count} + more));
  }
  bool IsTellingKey(PickleValue key) const;
  bool AppendKept(PickleNode& head, PickleValue item);
  void AppendFurther(PickleNode& head, std::span<const PickleValue> items);
  void AppendFurtherPairs(PickleNode& head, std::span<const PickleValue> pairs);
  PickleNode& cell(std::uint32_t index) {
    return PageOf(index)[index & kPageMask];
  }
  const PickleNode& cell(std::uint32_t index) const {
    return PageOf(index)[index & kPageMask];
  }
  PickleNode* PageOf(std::uint32_t index) const {
    return pages_[index >> kPageBits];
  }
  void MarkCell(std::uint32_t index);
  void AllowWishes(std::uint32_t patience);
  bool ReserveText(std::size_t size);
  PickleValue AddLongText(PickleNodeKind kind, std::string_view text);
  void AddPage();

  struct Slab {
    char* bytes;
    bool live = false;
  };

  GrowingMemory memory_;  // Of pages and slabs.
  std::vector<PickleNode*> pages_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> marking_;
  std::uint32_t sweeps_ = 0;
  std::uint32_t nodes_ = 0;        // Ever handed out, by index.
  std::uint32_t continued_ = 0;    // Of kind kMore.
  std::uint32_t since_sweep_ = 0;  // Wishes since the last sweep.
  std::uint32_t patience_ = 0;     // Wishes before the next sweep.
  bool wants_collection_ = false;
  std::vector<Slab> slabs_;
  std::uint32_t slab_ = 0;  // Being filled.
  std::uint32_t slab_used_ = 0;
  bool slabs_full_ = false;  // Until the next sweep.
  std::uint32_t lost_hooks_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_VALUE_H_
