#ifndef SCANENGINE_WORKER_PARSING_PICKLE_MACHINE_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_MACHINE_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/byte_source.h"
#include "worker/parsing/pickle_expansion.h"
#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_memo.h"
#include "worker/parsing/pickle_observer.h"
#include "worker/parsing/pickle_opcodes.h"
#include "worker/parsing/pickle_reader.h"
#include "worker/parsing/pickle_stack.h"
#include "worker/parsing/pickle_state_texts.h"
#include "worker/parsing/pickle_text.h"
#include "worker/parsing/pickle_value.h"

namespace scanengine {

/// Executes one pickle stream on abstract values: every opcode of protocols 0
/// to 5 as CPython's C unpickler does, without importing or calling anything.
///
/// Specification: CPython 3.11 Modules/_pickle.c and Lib/pickletools.py.
/// Linear in the stream; memory stays under about 64 MB whatever is in it.
/// Payloads are not loaded: of a string up to PickleArena::kMaxTextBytes are
/// kept. Not thread-safe; use once.
class PickleMachine {
 public:
  static constexpr std::size_t kMaxStack =
      PickleLimit<std::size_t>(2'000'000, 1000);  // 16 MB
  static constexpr std::size_t kMaxMarks =
      PickleLimit<std::size_t>(1'000'000, 50);  // 4 MB
  static constexpr std::size_t kMaxGlobals =
      PickleLimit<std::size_t>(50'000, 40);
  static constexpr std::size_t kMaxNameBytes = 1024;

  /// Runs the stream that starts at |offset|. |source| and |observer| must
  /// outlive the machine.
  PickleMachine(ByteSource& source, std::uint64_t offset,
                PickleObserver& observer, PickleMode mode = {});

  PickleEnd Run();

  // For observers, during a callback.
  const PickleGlobal& global(std::uint32_t id) const { return globals_[id]; }
  std::size_t global_count() const { return globals_.size(); }
  const PickleArena& arena() const { return arena_; }
  /// The value as Python-like text of at most about |max_bytes| bytes.
  std::string Render(PickleValue value, std::size_t max_bytes) const;
  std::string RenderCall(const PickleCall& call, std::size_t max_bytes) const;
  /// Text of a str or bytes that is known here; nothing for all else.
  std::optional<std::string> TextOf(PickleValue value) const;
  /// Items of a tuple or list; nothing if they are not known.
  std::optional<std::vector<PickleValue>> ArgumentsOf(PickleValue value) const;
  /// True for a tuple or list that is kept; not for the empty tuple.
  static bool HasArguments(PickleValue value) {
    return value.IsNode(PickleNodeKind::kTuple) ||
           value.IsNode(PickleNodeKind::kList);
  }
  /// Last value of |key| in the dict |state| (or in a tuple of dicts, as slots
  /// have); nothing if it is not there.
  std::optional<PickleValue> Lookup(PickleValue state,
                                    std::string_view key) const;
  /// All values that the str |key| may have there. Whether a key that Python 2
  /// wrote is the same as a str is the choice of the loader.
  std::vector<PickleValue> LookupAll(PickleValue state,
                                     std::string_view key) const;
  /// First bytes of a str or bytes, at most |size|; empty if not known.
  std::string HeadOf(PickleValue value, std::size_t size) const;
  /// The name whose call made |value|, kNoPickleGlobal if it is no such thing.
  std::uint32_t ClassOf(PickleValue value) const;
  /// True for a str or bytes that a call or a container gave.
  bool IsComputed(PickleValue value) const {
    return value.IsTextNode() && arena_.node(value).computed;
  }
  std::uint8_t protocol() const { return protocol_; }
  /// Offset of the opcode that is executed.
  std::uint64_t op_offset() const { return op_offset_; }
  /// Opcodes that were executed so far.
  std::uint64_t opcodes() const { return opcodes_; }

 private:
  friend class PickleCaller;
  using Handler = bool (PickleMachine::*)();
  struct Handlers;

  // pickle_run.cc: the loop.
  class Hot;
  bool RunPlain();
  void PlaceAt(const std::uint8_t* at, const PickleValue* top);
  bool Step();

  // pickle_machine.cc: stack, memo, names.
  bool Fail(PickleProblem problem, std::string detail);
  void Note(PickleProblem problem, std::string detail);
  bool Truncated();
  bool Underflow();
  void Collect();
  void LeaveFrame();
  bool IsUnhashable(PickleValue value) const;
  bool Push(PickleValue value) {
    if (stack_.size() >= kMaxStack) [[unlikely]]
      return StackFull();
    stack_.push_back(value);
    return true;
  }
  bool StackFull();
  void TellCrossing(std::uint64_t frame_end);
  std::size_t available() const { return stack_.size() - fence_; }
  PickleValue PopValue() {
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }
  bool PopMark(std::size_t* start);
  PickleValue CollectTail(PickleNodeKind kind, std::size_t start,
                          bool pairs = false);
  template <std::size_t kBytes>
  bool TakeInteger(std::uint64_t* value);
  bool Memoize(std::uint32_t index);
  bool MemoizeFar(const std::string& digits);
  bool Recall(std::uint32_t index);
  bool RecallFar(const std::string& digits);
  bool LineIndex(PickleIndex* index);
  bool TakeName(std::string* module, std::string* name);
  bool IsPlainCall(PickleValue callee, PickleValue arguments) const;
  PickleValue ResultOf(PickleValue callee, PickleValue arguments,
                       std::uint64_t offset);
  void CheckArguments(PickleValue arguments);
  void CheckKeywords(PickleValue keywords);
  bool PushText(PickleKind kind, std::uint64_t size, bool python_two = false);
  bool PushDecoded(std::string_view text, bool python_two);
  std::uint32_t Intern(std::string_view module, std::string_view name,
                       std::string_view written);
  PickleValue Import(std::uint32_t id, bool by_attribute,
                     std::string_view name);
  std::uint32_t InternWritten(std::string_view module, std::string_view name);
  PickleValue ImportWritten(std::string_view module, std::string_view name);
  void PutItems(PickleValue target, std::size_t start, bool pairs);

  // pickle_keys.cc.
  enum class TextSort : std::uint8_t { kStr, kBytes, kEither };
  using Values = std::vector<PickleValue>;
  // What a key may stand for.
  struct Candidates {
    Values values;
    bool sure = false;  // It is one of |values|, if not |any|.
    bool any = false;   // It may be something unknown, too.

    void Add(PickleValue value);
  };
  TextSort SortOf(PickleValue text) const;
  Candidates FindKey(PickleValue dict, std::string_view key,
                     TextSort sort) const;

  // pickle_attributes.cc.
  struct Planted {
    Values values;     // What the name may stand for.
    bool any = false;  // Something unknown, too.
  };
  struct LooseAttribute {  // Of what has no node.
    std::string name;
    PickleValue value;
  };
  // Attributes that an unpickler looks up, and __dict__, which replaces all.
  static constexpr std::string_view kSetState = "__setstate__";
  static constexpr std::string_view kAppend = "append";
  static constexpr std::string_view kExtend = "extend";
  static constexpr std::string_view kAdd = "add";
  static constexpr std::string_view kNew = "__new__";
  static constexpr std::string_view kDict = "__dict__";
  static constexpr std::array<std::string_view, 6> kLookedUp = {
      kSetState, kAppend, kExtend, kAdd, kNew, kDict};
  // Before the name of an item, in an object that may be a dict.
  static constexpr std::string_view kItemMark = "[]";
  // Contents of kData, besides 0: a text that is none of those names; a tuple
  // of two that may be a state of which nothing is known.
  static constexpr std::uint64_t kDullText = 1;
  static constexpr std::uint64_t kUnknownPair = 2;
  // False for next to all texts that are none.
  static constexpr bool MayBeLookedUp(std::string_view text) {
    std::uint32_t lengths = 0;
    for (const std::string_view name : kLookedUp) {
      lengths |= 1U << name.size();
    }
    if (text.size() >= 32 || (lengths >> text.size() & 1U) == 0) return false;
    return text.back() == '_' || text.back() == 'd';
  }
  static constexpr bool MayBeKept(std::string_view text) {
    return MayBeLookedUp(text) || text.starts_with("__");
  }
  static std::size_t IndexOfName(std::string_view text);
  PickleValue KeptName(std::string_view text) const;
  PickleValue NameWithoutRoom(std::string_view text) const;
  PickleValue FarText(std::string_view text, PickleKind kind,
                      std::uint64_t offset, std::uint64_t size) const;
  PickleValue TupleWithoutRoom(std::span<const PickleValue> items);
  std::optional<PickleValue> SharedTuple(std::span<const PickleValue> items);
  bool MayNameAttribute(PickleValue key) const;
  bool HasNameOfAttribute(PickleValue dict) const;
  static void AddLoose(std::vector<LooseAttribute>* list, std::size_t most,
                       std::string_view name, PickleValue value);
  void RememberLoose(PickleValue object, std::string_view name,
                     PickleValue value);
  void FindLoose(const std::vector<LooseAttribute>& list, std::string_view name,
                 Planted* found) const;
  void Lose(PickleValue key, PickleValue value);
  void PlantLost(PickleValue object, bool slots);
  static bool MayBeAnything(PickleValue value);
  static bool MayBeText(PickleValue value);
  static bool IsBytes(PickleValue value);
  bool Unhashable(PickleValue value, std::uint32_t depth,
                  std::uint32_t* budget) const;
  void CheckHashable(std::size_t start, std::size_t step);
  void LoseAttribute(std::string_view name, PickleValue value);
  void Remember(PickleValue object, std::string_view name, PickleValue value);
  Values ValuesOf(PickleValue attributes, std::string_view name) const;
  void RememberItem(PickleValue object, PickleValue key, PickleValue value);
  Planted FindPlanted(PickleValue object, std::string_view name) const;
  void PlantHook(PickleValue object, std::string_view name,
                 std::optional<PickleValue> value, bool slots);
  void PlantLostHooks(PickleValue object, bool slots);
  void PlantAttribute(PickleValue object, std::string_view name,
                      PickleValue value, bool slots);
  void PlantIfHook(PickleValue object, PickleValue key, PickleValue value);
  void PlantHooksOf(PickleValue object, PickleValue container);
  void PlantUnseen(PickleValue object, bool slots);
  bool IsTiredOfPlanting(std::size_t work);
  void PlantDict(PickleValue object, PickleValue dict, bool slots);
  void PlantDictObject(PickleValue object, PickleValue made, bool slots);
  void PlantFrom(PickleValue object, PickleValue state, bool slots);
  void ReplaceAttributes(PickleValue object, PickleValue dict);
  void Plant(PickleValue object, PickleValue state);
  void CallPlanted(PickleCall::Via via, const Planted& planted,
                   PickleValue arguments);
  void CallPlantedNew(PickleValue callee, PickleValue arguments);
  void CallForItems(PickleValue target, std::string_view name,
                    std::size_t start);
  void AppendTo(PickleValue target, std::size_t start);
  void AddTo(PickleValue target, std::size_t start);
  void SetItemsOf(PickleValue target, std::size_t start);
  void SetListItems(PickleValue list, std::size_t start);
  void NoteItems(std::size_t start, std::string_view what);
  void CheckState(PickleValue object, PickleValue state);
  void CheckSlotNames(const std::vector<PickleValue>& pairs);
  void BuildState(PickleValue object, PickleValue state);
  std::uint64_t Build();
  bool PassOver(std::uint64_t bytes);
  bool IsPartial(PickleValue object) const;
  void BindPartial(PickleValue object, PickleValue state);

  // One a handler, in pickle_handlers.cc.
  bool DoMark();
  bool DoStop();
  bool DoPop();
  bool DoPopMark();
  bool DoDup();
  bool DoFloat();
  bool DoInt();
  bool DoBinInt();
  bool DoBinInt1();
  bool DoLong();
  bool DoBinInt2();
  bool DoNone();
  bool DoPersId();
  bool DoBinPersId();
  bool DoReduce();
  bool DoString();
  bool DoBinString();
  bool DoShortBinString();
  bool DoUnicode();
  bool DoBinUnicode();
  bool DoAppend();
  bool DoBuild();
  bool DoGlobal();
  bool DoDict();
  bool DoEmptyDict();
  bool DoAppends();
  bool DoGet();
  bool DoBinGet();
  bool DoInst();
  bool DoLongBinGet();
  bool DoList();
  bool DoEmptyList();
  bool DoObj();
  bool DoPut();
  bool DoBinPut();
  bool DoLongBinPut();
  bool DoSetItem();
  bool DoTuple();
  bool DoEmptyTuple();
  bool DoSetItems();
  bool DoBinFloat();
  bool DoBinBytes();
  bool DoShortBinBytes();
  bool DoProto();
  bool DoNewObj();
  bool DoExt1();
  bool DoExt2();
  bool DoExt4();
  bool DoTuple1();
  bool DoTuple2();
  bool DoTuple3();
  bool DoNewTrue();
  bool DoNewFalse();
  bool DoLong1();
  bool DoLong4();
  bool DoShortBinUnicode();
  bool DoBinUnicode8();
  bool DoBinBytes8();
  bool DoEmptySet();
  bool DoAddItems();
  bool DoFrozenSet();
  bool DoNewObjEx();
  bool DoStackGlobal();
  bool DoMemoize();
  bool DoFrame();
  bool DoByteArray8();
  bool DoNextBuffer();
  bool DoReadOnlyBuffer();
  bool DoBadOpcode();

  bool ShortTuple(std::size_t size);
  bool Extension(std::uint32_t code);
  bool LongBytes(std::uint64_t size);

  // pickle_calls.cc.
  PickleValue Call(PickleCall::Via via, PickleValue callee,
                   PickleValue arguments, PickleValue keywords = {});

  ByteSource& source_;
  PickleObserver& observer_;
  const PickleMode mode_;
  PickleReader reader_;
  PickleArena arena_;
  PickleMemo memo_;
  PickleHashCost hash_cost_;
  PickleStack stack_;
  std::vector<std::uint32_t> marks_;
  std::size_t fence_ = 0;  // Stack size at the top mark.
  std::uint64_t start_;
  std::uint64_t op_offset_ = 0;
  std::uint64_t frame_end_ = ~std::uint64_t{0};
  std::uint64_t opcodes_ = 0;
  std::uint8_t protocol_ = 0;
  std::uint32_t call_depth_ = 0;
  mutable std::uint32_t far_reads_ = 0;
  bool complete_ = false;
  bool frame_noted_ = false;
  bool crossing_told_ = false;
  bool limit_noted_ = false;
  bool computed_ = false;  // The next name to import was put together.
  std::uint32_t of_result_ = kNoPickleGlobal;  // See PickleImport.

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::vector<PickleGlobal> globals_;
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>
      global_index_;
  std::map<std::uint32_t, PickleValue> extensions_;
  // Codes that were looked up: an unpickler keeps what it found.
  std::map<std::uint32_t, PickleValue> found_extensions_;
  // Entries of the memo past 32 bits, by their decimal digits.
  std::map<std::string, PickleValue> far_memo_;
  // What the file itself gave to imports, by their paths (a dict each), and to
  // objects that have no identity here.
  std::unordered_map<std::string, PickleValue> global_attributes_;
  std::vector<LooseAttribute> loose_;
  // To objects that there was no room for, by the content of their value.
  std::unordered_map<std::uint64_t, std::vector<LooseAttribute>> of_instances_;
  bool instances_full_ = false;
  std::uint64_t instances_ = 0;  // That were made.
  // Tuples with a name in them that there was no room for: many objects are
  // made with the same one. By their items, then kEmpty.
  std::map<std::array<PickleValue, 4>, PickleValue> shared_tuples_;
  // What was put into dicts that there was no room for.
  std::vector<LooseAttribute> lost_;
  // Texts of kLookedUp, then of kHookAttributes: the first of all nodes.
  std::array<PickleValue, kLookedUp.size() + kHookAttributes.size()> names_;
  std::uint64_t planting_ = 0;  // Work done for BUILD.
  bool planting_noted_ = false;
  std::uint64_t lost_planting_ = 0;  // The same with lost_.
  // The same by what the file has, with the protocol's class.
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>
      written_index_;
  std::string key_;          // Scratch.
  std::string written_key_;  // Scratch.
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_MACHINE_H_
