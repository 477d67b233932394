#ifndef SCANENGINE_WORKER_PARSING_PICKLE_MEMO_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_MEMO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "worker/parsing/growing_memory.h"
#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_value.h"

namespace scanengine {

/// The memo of a pickle: values by index, in bounded memory.
///
/// Picklers number from 0 upwards; those entries sit in pages. Far-off indices
/// go to a map. Once either is full, new entries are forgotten, imported names
/// later than others: Get() then answers "unknown", which counts as unresolved
/// when it is called.
class PickleMemo {
 public:
  static constexpr std::size_t kMaxDense =
      PickleLimit<std::size_t>(2'500'000, 16);  // 20 MB
  static constexpr std::size_t kMaxSparse =
      PickleLimit<std::size_t>(100'000, 8);  // about 5 MB

  void Put(std::uint32_t index, PickleValue value) {
    if (index == size_ && tip_ != tip_end_) [[likely]] {
      *tip_++ = value;
      ++size_;
    } else {
      PutAnywhere(index, value);
    }
  }

  /// A value that no opcode makes.
  static constexpr PickleValue kEmpty =
      PickleValue::Of(PickleKind::kUnknown, 0xff);

  /// kEmpty if the index was never set.
  PickleValue Get(std::uint32_t index) const {
    if (index >> kPageBits < pages_.size()) [[likely]]
      return At(index);
    return GetSlow(index);
  }

  /// Entries, as CPython counts them for MEMOIZE.
  std::uint64_t size() const { return size_; }
  /// Entries that a collection has to mark.
  std::size_t roots() const;
  void MarkAll(PickleArena& arena) const;
  /// True if the entries surely have more than |count| nodes among them, each
  /// counted once: those that are younger than all nodes of entries before.
  bool HasMoreNodesThan(std::size_t count) const;

 private:
  static constexpr std::uint32_t kPageBits = PickleLimit<std::uint32_t>(10, 3);
  static constexpr std::size_t kPage = std::size_t{1} << kPageBits;
  using Page = std::array<PickleValue, kPage>;

  PickleValue& At(std::uint32_t index) {
    return (*pages_[index >> kPageBits])[index & (kPage - 1)];
  }
  const PickleValue& At(std::uint32_t index) const {
    return (*pages_[index >> kPageBits])[index & (kPage - 1)];
  }
  void PutAnywhere(std::uint32_t index, PickleValue value);
  void PutFar(std::uint32_t index, PickleValue value);
  void OpenPage();
  PickleValue GetSlow(std::uint32_t index) const;

  GrowingMemory memory_;
  std::vector<Page*> pages_;
  std::unordered_map<std::uint32_t, PickleValue> sparse_;
  std::uint32_t largest_ = 0;  // Index that ever was in the map.
  std::uint64_t size_ = 0;
  // While the entries are those below size_, as picklers write them: where the
  // next one goes, and the end of its page.
  bool in_order_ = true;
  PickleValue* tip_ = nullptr;
  PickleValue* tip_end_ = nullptr;
  // Indices below this may have been set and forgotten.
  std::uint64_t forgotten_below_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_MEMO_H_
