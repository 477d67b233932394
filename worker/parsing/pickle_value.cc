#include "worker/parsing/pickle_value.h"

#include <algorithm>
#include <cstring>

#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_state_texts.h"

namespace scanengine {
namespace {

// A sweep pays for itself once so many nodes were asked for.
constexpr std::uint32_t kLeastPatience =
    PickleLimit<std::uint32_t>(100'000, 16);
constexpr std::uint32_t kMaxPatience = 1U << 30;

bool HasItems(PickleNodeKind kind) {
  return kind != PickleNodeKind::kText && kind != PickleNodeKind::kBytes &&
         kind != PickleNodeKind::kFree;
}

bool CanMatter(PickleValue item) {
  return item.kind() >= PickleKind::kGlobal && !item.IsTextNode();
}

}  // namespace

std::string_view MysteryText(PickleMystery mystery) {
  switch (mystery) {
    case PickleMystery::kExtension:
      return "an entry of the extension registry";
    case PickleMystery::kPersistent:
      return "a persistent object";
    case PickleMystery::kBuffer:
      return "an out-of-band buffer";
    case PickleMystery::kForgotten:
      return "a value from far back";
    case PickleMystery::kName:
      return "an import under a name that is not known";
    case PickleMystery::kAttribute:
      return "an attribute that is not known";
    case PickleMystery::kItem:
      return "an item that is not known";
    case PickleMystery::kResult:
      return "the result of a call";
  }
  return "something unknown";
}

PickleArena::PickleArena() : patience_(kMaxNodes) {
  AddPage();
  nodes_ = 1;  // Index 0 means "none" in chains.
}

void PickleArena::AddPage() {
  constexpr std::size_t kBytes = sizeof(PickleNode) << kPageBits;
  // Add() writes each node before anything reads it; to make them all here
  // would write a page for nothing.
  pages_.push_back(reinterpret_cast<PickleNode*>(memory_.Take(kBytes)));
}

PickleValue PickleArena::AddSpare(PickleNodeKind kind, PickleValue a,
                                  PickleValue b, PickleValue c,
                                  std::uint16_t kept) {
  if (!free_.empty() || nodes_ < kMaxNodes) return Add(kind, a, b, c, kept);
  if (nodes_ >= kMaxNodes + kSpareNodes) {
    return PickleValue::Of(PickleKind::kData);
  }
  if (nodes_ >> kPageBits == pages_.size()) AddPage();
  return Make(nodes_++, kind, a, b, c, kept);
}

bool PickleArena::ReserveText(std::size_t size) {
  if (!slabs_.empty() && slab_used_ + size <= kSlabBytes) return true;
  if (slabs_full_) {
    if (since_sweep_ >= patience_) wants_collection_ = true;
    return false;
  }
  for (std::size_t i = 0; i < slabs_.size(); ++i) {
    if (slabs_[i].live) continue;
    slab_ = static_cast<std::uint32_t>(i);
    slab_used_ = 0;
    slabs_[i].live = true;
    return true;
  }
  if (slabs_.size() >= kMaxSlabs) {
    slabs_full_ = true;
    return false;
  }
  slabs_.push_back({reinterpret_cast<char*>(memory_.Take(kSlabBytes)), true});
  slab_ = static_cast<std::uint32_t>(slabs_.size() - 1);
  slab_used_ = 0;
  return true;
}

PickleValue PickleArena::AddLongText(PickleNodeKind kind,
                                     std::string_view text) {
  const PickleValue none = PickleValue::Of(PickleKind::kData);
  if (text.size() > kMaxTextBytes || !ReserveText(text.size())) {
    ++since_sweep_;
    return none;
  }
  const PickleValue made = Add(kind);
  if (!made.Is(PickleKind::kNode)) return none;
  PickleNode& target = node(made);
  std::memcpy(slabs_[slab_].bytes + slab_used_, text.data(), text.size());
  target.items[0] = PickleValue::Of(PickleKind::kInt,
                                    std::uint64_t{slab_} << 32 | slab_used_);
  target.count = static_cast<std::uint32_t>(text.size());
  slab_used_ += static_cast<std::uint32_t>(text.size());
  return made;
}

std::string_view PickleArena::text(PickleValue value) const {
  const PickleNode& source = node(value);
  if (source.count <= kPickleShortText) {
    return {reinterpret_cast<const char*>(source.items), source.count};
  }
  const std::uint64_t place = source.items[0].content();
  return {slabs_[place >> 32].bytes + (place & 0xffffffff), source.count};
}

// A key that decides what a class does with its state.
bool PickleArena::IsTellingKey(PickleValue key) const {
  if (key.Is(PickleKind::kFarText) || key.Is(PickleKind::kData)) return true;
  if (!key.IsNode(PickleNodeKind::kText)) return false;
  const std::string_view name = text(key);
  return name.starts_with("__") || name.starts_with("_parse_arg") ||
         name == "formula";
}

// False if there is no room.
bool PickleArena::AppendKept(PickleNode& head, PickleValue item) {
  const std::uint32_t slot = head.kept % 3;
  if (slot == 0 && head.kept != 0) {
    const PickleValue more = Add(PickleNodeKind::kMore);
    if (!more.Is(PickleKind::kNode)) return false;
    ++continued_;
    PickleNode& last = head.tail == 0 ? head : cell(head.tail);
    last.next = more.index();
    head.tail = more.index();
  }
  PickleNode& last = head.tail == 0 ? head : cell(head.tail);
  last.items[slot] = item;
  ++head.kept;
  return true;
}

void PickleArena::AppendFurther(PickleNode& head,
                                std::span<const PickleValue> items) {
  AddToCount(&head.count, items.size());
  auto item = items.begin();
  for (; item != items.end() && head.kept < kMaxKept; ++item) {
    // Nor is there room for the rest.
    if (!AppendKept(head, *item)) return LoseItems({item, items.end()});
  }
  for (; item != items.end(); ++item) {
    if (!CanMatter(*item)) continue;
    if (head.kept < kMaxKeptAlive && AppendKept(head, *item)) continue;
    if (head.kept >= kMaxKeptAlive) head.lost = true;
    LoseItems({&*item, 1});
  }
}

void PickleArena::AppendFurtherPairs(PickleNode& head,
                                     std::span<const PickleValue> pairs) {
  AddToCount(&head.count, pairs.size());
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const PickleValue key = pairs[i];
    const PickleValue value = pairs[i + 1];
    const bool early = head.kept + 1U < kMaxKept;
    if (!early && !CanMatter(value) && !CanMatter(key) && !IsTellingKey(key)) {
      continue;
    }
    if (head.kept + 1U >= kMaxKeptAlive) [[unlikely]] {
      head.lost = true;
      LoseEntry(key, value);
      continue;
    }
    const std::uint16_t before = head.kept;
    AppendKept(head, key);
    AppendKept(head, value);
    // Out of nodes between the two: a key without its value misleads.
    if (head.kept == before + 1) --head.kept;
    if (head.kept == before) [[unlikely]] {
      head.lost = true;
      LoseEntry(key, value);
    }
  }
}

void PickleArena::LoseEntry(PickleValue key, PickleValue value) {
  if (key.IsNode(PickleNodeKind::kText)) LoseEntry(text(key), value);
}

void PickleArena::LoseEntry(std::string_view key, PickleValue value) {
  const std::size_t hook = IndexOfHook(key);
  if (hook == kHookAttributes.size()) return;
  // A vocabulary has such names, too. A hook is called, but for those of
  // buffers, which are dicts.
  const bool works = key.ends_with("_interface__")
                         ? CanMatter(value) || value.Is(PickleKind::kData)
                         : CanMatter(value) && !value.IsContainer();
  if (works) lost_hooks_ |= 1U << hook;
}

void PickleArena::LoseItems(std::span<const PickleValue> items) {
  for (const PickleValue item : items) {
    if (!item.IsContainer() || node(item).kept < 2) continue;
    LoseEntry(node(item).items[0], node(item).items[1]);
  }
}

std::vector<PickleValue> PickleArena::Items(PickleValue container,
                                            std::size_t limit) const {
  std::vector<PickleValue> items;
  if (!container.Is(PickleKind::kNode)) return items;
  const PickleNode* at = &node(container);
  const std::size_t kept = std::min<std::size_t>(at->kept, limit);
  items.reserve(kept);
  for (std::size_t i = 0; i < kept; ++i) {
    if (i != 0 && i % 3 == 0) at = &cell(at->next);
    items.push_back(at->items[i % 3]);
  }
  return items;
}

PickleValue PickleArena::Item(PickleValue container, std::size_t i) const {
  if (!container.Is(PickleKind::kNode) || node(container).kept <= i) {
    return PickleValue::Unknown(PickleMystery::kForgotten);
  }
  const PickleNode* at = &node(container);
  for (std::size_t skip = i / 3; skip != 0; --skip) at = &cell(at->next);
  return at->items[i % 3];
}

bool PickleArena::SetItemAt(PickleValue sequence, std::int64_t index,
                            PickleValue item) {
  PickleNode& head = node(sequence);
  if (!head.touched) {
    if (index < 0) index += head.count;
    if (index < 0 || index >= std::int64_t{head.count}) return false;
    if (index < std::int64_t{kMaxKept} && head.kept == head.count) {
      Replace(sequence, static_cast<std::size_t>(index), item);
      return true;
    }
    // Too far down the chain.
    head.touched = true;
  }
  Append(sequence, item);
  return true;
}

void PickleArena::Replace(PickleValue container, std::size_t i,
                          PickleValue item) {
  PickleNode* at = &node(container);
  for (std::size_t skip = i / 3; skip != 0; --skip) at = &cell(at->next);
  at->items[i % 3] = item;
}

PickleValue PickleArena::Extra(PickleValue call) const {
  const std::uint32_t next = node(call).next;
  return next == 0 ? PickleValue::None()
                   : PickleValue::Node(PickleNodeKind::kDict, next);
}

void PickleArena::SetExtra(PickleValue call, PickleValue dict) {
  if (dict.Is(PickleKind::kNode)) node(call).next = dict.index();
}

void PickleArena::Mark(PickleValue value) {
  if (value.Is(PickleKind::kNode)) MarkCell(value.index());
  while (!marking_.empty()) {
    const PickleNode& at = cell(marking_.back());
    marking_.pop_back();
    for (const PickleValue item : at.items) {
      if (item.Is(PickleKind::kNode)) MarkCell(item.index());
    }
    if (at.next != 0) MarkCell(at.next);
  }
}

// What it holds is to be marked later; of most there is nothing.
void PickleArena::MarkCell(std::uint32_t index) {
  PickleNode& at = cell(index);
  if (at.marked) return;
  at.marked = true;
  if (HasItems(at.kind)) {
    marking_.push_back(index);
  } else if (at.count > kPickleShortText) {
    slabs_[at.items[0].content() >> 32].live = true;
  }
}

void PickleArena::BeginCollection() {
  for (std::size_t i = 0; i < slabs_.size(); ++i) {
    slabs_[i].live = i == slab_;
  }
}

void PickleArena::Sweep(std::size_t roots) {
  ++sweeps_;
  free_.clear();
  slabs_full_ = false;
  for (std::uint32_t i = nodes_; i-- > 1;) {
    PickleNode& at = cell(i);
    if (!at.marked) {
      if (at.kind == PickleNodeKind::kMore) --continued_;
      at = PickleNode();
      free_.push_back(i);
    }
    at.marked = false;
  }
  // Visits per wish stay bounded whatever is alive; where nearly all is, the
  // next sweep is put off further each time.
  const auto least = std::max<std::uint32_t>(
      kLeastPatience, static_cast<std::uint32_t>((roots + nodes_) / 2));
  const bool in_vain = free_.size() < nodes_ / 8;
  AllowWishes(in_vain ? std::max(least, std::min(2 * patience_, kMaxPatience))
                      : least);
}

void PickleArena::PutOffCollection() {
  AllowWishes(std::min(2 * patience_, kMaxPatience));
}

void PickleArena::AllowWishes(std::uint32_t patience) {
  since_sweep_ = 0;
  patience_ = patience;
  wants_collection_ = false;
}

}  // namespace scanengine
