#include "worker/parsing/pickle_memo.h"

#include <algorithm>

namespace scanengine {

void PickleMemo::PutAnywhere(std::uint32_t index, PickleValue value) {
  if (index >> kPageBits >= pages_.size()) {
    // A page is opened only right after the last one, so that memory follows
    // the number of entries and not the indices.
    const bool opens = pages_.size() * kPage < kMaxDense &&
                       index >> kPageBits == pages_.size() &&
                       index <= size_ + kPage;
    if (!opens) {
      PutFar(index, value);
      return;
    }
    OpenPage();
  }
  PickleValue& slot = At(index);
  if (slot == kEmpty) {
    in_order_ = in_order_ && index == size_;
    tip_ = in_order_ ? &slot + 1 : nullptr;
    tip_end_ = in_order_ ? pages_.back()->data() + kPage : nullptr;
    ++size_;
  }
  slot = value;
}

void PickleMemo::OpenPage() {
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
}

void PickleMemo::PutFar(std::uint32_t index, PickleValue value) {
  if (index <= largest_) {
    const auto at = sparse_.find(index);
    if (at != sparse_.end()) {
      at->second = value;
      return;
    }
  }
  ++size_;
  in_order_ = false;
  tip_ = tip_end_ = nullptr;
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

bool PickleMemo::HasMoreNodesThan(std::size_t count) const {
  if (size_ <= count) return false;
  std::size_t found = 0;
  std::uint32_t youngest = 0;
  for (const Page* page : pages_) {
    for (const PickleValue value : *page) {
      const bool next = value.Is(PickleKind::kNode) && value.index() > youngest;
      found += next ? 1 : 0;
      youngest = next ? value.index() : youngest;
    }
    if (found > count) return true;
  }
  return false;
}

void PickleMemo::MarkAll(PickleArena& arena) const {
  for (const Page* page : pages_) {
    for (const PickleValue value : *page) arena.Mark(value);
  }
  for (const auto& [index, value] : sparse_) arena.Mark(value);
}

}  // namespace scanengine
