#include "worker/parsing/pickle_memo.h"

#include <algorithm>

namespace scanengine {

void PickleMemo::PutSlow(std::uint32_t index, PickleValue value) {
  // A page is opened only right after the last one, so that memory follows
  // the number of entries and not the indices.
  if (index >> kPageBits == pages_.size() && index <= size_ + kPage &&
      pages_.size() * kPage < kMaxDense) {
    pages_.push_back(reinterpret_cast<Page*>(memory_.Take(sizeof(Page))));
    pages_.back()->fill(kEmpty);
    // Entries that came early may wait in the map.
    for (auto at = sparse_.begin(); at != sparse_.end();) {
      if (at->first >> kPageBits == pages_.size() - 1) {
        At(at->first) = at->second;
        at = sparse_.erase(at);
      } else {
        ++at;
      }
    }
    Put(index, value);
    return;
  }
  if (index <= largest_) {
    const auto at = sparse_.find(index);
    if (at != sparse_.end()) {
      at->second = value;
      return;
    }
  }
  ++size_;
  // What is called is a name, as a rule: room is left for those.
  const bool name = value.Is(PickleKind::kGlobal);
  if (sparse_.size() < (name ? kMaxSparse : kMaxSparse / 2)) {
    sparse_.emplace(index, value);
    largest_ = std::max(largest_, index);
  } else {
    forgotten_below_ = std::max(forgotten_below_, std::uint64_t{index} + 1);
  }
}

PickleValue PickleMemo::GetSlow(std::uint32_t index) const {
  const auto at = sparse_.find(index);
  if (at != sparse_.end()) return at->second;
  if (index < forgotten_below_) {
    return PickleValue::Unknown(PickleMystery::kForgotten);
  }
  return kEmpty;
}

std::size_t PickleMemo::roots() const {
  return pages_.size() * kPage + sparse_.size();
}

void PickleMemo::MarkAll(PickleArena& arena) const {
  for (const Page* page : pages_) {
    for (const PickleValue value : *page) arena.Mark(value);
  }
  for (const auto& [index, value] : sparse_) arena.Mark(value);
}

}  // namespace scanengine
