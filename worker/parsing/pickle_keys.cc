// Which values a key of a dict may stand for. Keys that Python 2 wrote are str
// in some encoding or bytes as the loader likes, so that two keys may be one.

#include <algorithm>
#include <array>

#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

using Kind = PickleKind;
using NodeKind = PickleNodeKind;

constexpr std::size_t kMaxParts = 8;

}  // namespace

void PickleMachine::Candidates::Add(PickleValue value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) {
    values.push_back(value);
  }
}

PickleMachine::TextSort PickleMachine::SortOf(PickleValue text) const {
  if (!text.Is(Kind::kNode)) return TextSort::kEither;
  const PickleNode& node = arena_.node(text);
  if (node.python_two || node.computed) return TextSort::kEither;
  return text.IsNode(NodeKind::kBytes) ? TextSort::kBytes : TextSort::kStr;
}

PickleMachine::Candidates PickleMachine::FindKey(PickleValue dict,
                                                 std::string_view key,
                                                 TextSort sort) const {
  Candidates found;
  // What keys of each sort have: a later entry replaces an earlier one.
  std::array<std::optional<PickleValue>, 3> by_sort;
  const auto take = [&](PickleValue own, PickleValue value) {
    if (!own.IsTextNode()) {
      const bool far = own.Is(Kind::kFarText) || own.Is(Kind::kFarBytes);
      found.any = found.any || far || MayBeAnything(own);
      return;
    }
    const TextSort own_sort = SortOf(own);
    const bool same_sort = own_sort == sort;
    if (!same_sort && own_sort != TextSort::kEither &&
        sort != TextSort::kEither) {
      return;
    }
    if (arena_.text(own) == key) {
      if (same_sort) by_sort.fill(std::nullopt);
      by_sort[static_cast<std::size_t>(own_sort)] = value;
      found.sure = found.sure || same_sort;
    } else if (!same_sort && !(IsAscii(key) && IsAscii(arena_.text(own)))) {
      // Not the same bytes, but perhaps the same letters.
      found.Add(value);
    }
  };
  std::optional<PickleValue> open;  // A key whose value comes next.
  arena_.AnyItem(dict, PickleArena::kMaxKeptAlive, [&](PickleValue item) {
    if (open) take(*open, item);
    open = open ? std::nullopt : std::optional(item);
    return false;
  });
  for (const auto& value : by_sort) {
    if (value) found.Add(*value);
  }
  return found;
}

std::vector<PickleValue> PickleMachine::LookupAll(PickleValue state,
                                                  std::string_view key) const {
  if (state.IsNode(NodeKind::kDict)) {
    return FindKey(state, key, TextSort::kStr).values;
  }
  std::vector<PickleValue> all;
  if (!state.IsNode(NodeKind::kTuple)) return all;
  for (const PickleValue part : arena_.Items(state, kMaxParts)) {
    if (!part.IsNode(NodeKind::kDict)) continue;
    const auto found = FindKey(part, key, TextSort::kStr).values;
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

std::optional<PickleValue> PickleMachine::Lookup(PickleValue state,
                                                 std::string_view key) const {
  const auto all = LookupAll(state, key);
  if (all.empty()) return std::nullopt;
  return all.back();
}

}  // namespace scanengine
