// Attributes that the file's own BUILD gives to objects: an unpickler looks
// some up, and calls them. Values that there was no room for count, too.

#include <algorithm>
#include <array>
#include <utility>

#include "worker/parsing/pickle_machine.h"

namespace scanengine {
namespace {

using Kind = PickleKind;
using NodeKind = PickleNodeKind;
using Problem = PickleProblem;

// Instead of a name: some attribute that nobody can tell.
constexpr std::string_view kAnyName = "?";

constexpr std::uint64_t kFreePlanting = 1'000'000;
constexpr std::size_t kMaxLoose = 256;
constexpr std::size_t kMaxLost = 64;
constexpr std::size_t kMaxInstances = 20'000;
constexpr std::size_t kMaxOfOneName = 8;

}  // namespace

std::size_t PickleMachine::IndexOfName(std::string_view text) {
  static_assert(std::all_of(kLookedUp.begin(), kLookedUp.end(), MayBeLookedUp));
  if (!MayBeLookedUp(text)) return kLookedUp.size();
  const auto at = std::find(kLookedUp.begin(), kLookedUp.end(), text);
  return static_cast<std::size_t>(at - kLookedUp.begin());
}

PickleValue PickleMachine::NameWithoutRoom(std::string_view text) const {
  const std::size_t index = IndexOfName(text);
  return index < names_.size() ? names_[index]
                               : PickleValue::Of(Kind::kData, kDullText);
}

bool PickleMachine::MayNameAttribute(PickleValue key) const {
  if (!key.Is(Kind::kNode)) {
    return MayBeAnything(key) && key != PickleValue::Of(Kind::kData, kDullText);
  }
  const bool is_text = key.IsNode(NodeKind::kText) || IsComputed(key);
  return is_text ? IndexOfName(arena_.text(key)) < kLookedUp.size()
                 : MayBeAnything(key);
}

void PickleMachine::AddLoose(std::vector<LooseAttribute>* list,
                             std::size_t most, std::string_view name,
                             PickleValue value) {
  for (const LooseAttribute& known : *list) {
    if (known.name == name && known.value == value) return;
  }
  if (list->size() < most) {
    list->push_back({std::string(name), value});
  } else {
    list->back() = {std::string(kAnyName), PickleValue::None()};
  }
}

void PickleMachine::Lose(PickleValue key, PickleValue value) {
  if (!MayNameAttribute(key)) return;
  const bool known = key.Is(Kind::kNode) && !MayBeAnything(key);
  AddLoose(&lost_, kMaxLost, known ? arena_.text(key) : kAnyName, value);
}

// A tuple of a name and other values without nodes, as copyreg's functions are
// given for each object; or of four with None at the end, as partials are.
// Nothing for others.
std::optional<PickleValue> PickleMachine::SharedTuple(
    std::span<const PickleValue> items) {
  std::array<PickleValue, 4> key;
  if (items.size() > key.size() ||
      (items.size() == key.size() && !items.back().Is(Kind::kNone))) {
    return std::nullopt;
  }
  bool named = false;
  for (const PickleValue item : items) {
    if (item.Is(Kind::kNode)) return std::nullopt;
    named = named || item.Is(Kind::kGlobal);
  }
  if (!named) return std::nullopt;
  key.fill(PickleMemo::kEmpty);
  std::ranges::copy(items, key.begin());
  // What differs from one object to the next is given up before there is no
  // room for what they are made of.
  if (shared_tuples_.size() >= PickleArena::kSpareNodes / 2) {
    std::ranges::replace_if(
        key,
        [](PickleValue item) {
          return item.kind() > Kind::kBool && !item.Is(Kind::kEmptyTuple) &&
                 !item.Is(Kind::kGlobal) && item != PickleMemo::kEmpty;
        },
        PickleValue::Of(Kind::kData));
  }
  if (const auto known = shared_tuples_.find(key);
      known != shared_tuples_.end()) {
    return known->second;
  }
  const auto size = static_cast<std::uint16_t>(items.size());
  const auto item = [&](std::size_t i) {
    return i < size ? key[i] : PickleValue();
  };
  const PickleValue made =
      arena_.AddSpare(NodeKind::kTuple, item(0), item(1), item(2),
                      std::min<std::uint16_t>(size, 3));
  if (!made.Is(Kind::kNode)) return std::nullopt;
  arena_.node(made).count = size;
  shared_tuples_.emplace(key, made);
  return made;
}

// What is kept of a tuple that there was no room for. One of two values may be
// a state: dicts that have no nodes are told of by lost_, others are unknown.
PickleValue PickleMachine::TupleWithoutRoom(
    std::span<const PickleValue> items) {
  if (const auto shared = SharedTuple(items)) return *shared;
  const bool unknown =
      items.size() == 2 &&
      std::any_of(items.begin(), items.end(), [this](PickleValue item) {
        return (MayBeAnything(item) && !item.Is(Kind::kData)) ||
               item.IsNode(NodeKind::kDict);
      });
  return PickleValue::Of(Kind::kData, unknown ? kUnknownPair : 0);
}

// Objects that have no node.
void PickleMachine::RememberLoose(PickleValue object, std::string_view name,
                                  PickleValue value) {
  if (!object.Is(Kind::kInstance)) {
    // Which object it is cannot be told later: it may be any of that sort.
    AddLoose(&loose_, kMaxLoose, name, value);
  } else if (const auto at = of_instances_.find(object.content());
             at != of_instances_.end()) {
    AddLoose(&at->second, kMaxOfOneName, name, value);
  } else if (of_instances_.size() < kMaxInstances) {
    AddLoose(&of_instances_[object.content()], kMaxOfOneName, name, value);
  } else {
    instances_full_ = true;
  }
}

void PickleMachine::FindLoose(const std::vector<LooseAttribute>& list,
                              std::string_view name, Planted* found) const {
  for (const LooseAttribute& loose : list) {
    if (loose.name == name) found->values.push_back(loose.value);
    if (loose.name == kAnyName) found->any = true;
  }
}

void PickleMachine::Remember(PickleValue object, std::string_view name,
                             PickleValue value) {
  // Lists and the like have no attributes.
  if (object.Is(Kind::kData)) return;
  PickleValue attributes;
  const bool call = object.IsNode(NodeKind::kCall);
  PickleValue* slot = object.Is(Kind::kGlobal)
                          ? &global_attributes_[globals_[object.index()].Path()]
                          : nullptr;
  if (call) {
    attributes = arena_.Extra(object);
  } else if (slot != nullptr) {
    attributes = *slot;
  } else {
    RememberLoose(object, name, value);
    return;
  }
  if (!attributes.Is(Kind::kNode)) {
    attributes = arena_.Add(NodeKind::kDict);
    if (slot != nullptr) *slot = attributes;
    if (!attributes.Is(Kind::kNode)) {
      if (call) arena_.node(object).lost = true;
      return;
    }
    if (call) arena_.SetExtra(object, attributes);
  }
  // An earlier value may still be there: the class may have a __setstate__ of
  // its own that takes one state and not the other, and whether a name that
  // Python 2 wrote is the same as a str is the choice of the loader.
  const Values known = ValuesOf(attributes, name);
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  if (known.size() >= kMaxOfOneName) {
    if (name != kAnyName) Remember(object, kAnyName, PickleValue::None());
    return;
  }
  const PickleValue key = arena_.AddText(NodeKind::kText, name);
  if (key.Is(Kind::kNode)) {
    arena_.AppendPair(attributes, key, value);
  } else {
    arena_.node(attributes).lost = true;
  }
}

PickleMachine::Values PickleMachine::ValuesOf(PickleValue attributes,
                                              std::string_view name) const {
  Values values;
  const Values pairs = arena_.Items(attributes);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (arena_.text(pairs[i]) == name) values.push_back(pairs[i + 1]);
  }
  return values;
}

PickleMachine::Planted PickleMachine::FindPlanted(PickleValue object,
                                                  std::string_view name) const {
  Planted found;
  PickleValue attributes;
  if (object.IsNode(NodeKind::kCall)) {
    attributes = arena_.Extra(object);
    found.any = arena_.node(object).lost;
  } else if (object.Is(Kind::kGlobal)) {
    if (global_attributes_.empty()) return found;
    const auto at = global_attributes_.find(globals_[object.index()].Path());
    if (at != global_attributes_.end()) attributes = at->second;
  } else if (object.Is(Kind::kInstance)) {
    const auto at = of_instances_.find(object.content());
    if (at != of_instances_.end()) FindLoose(at->second, name, &found);
    FindLoose(loose_, name, &found);
    found.any = found.any || instances_full_;
    return found;
  } else if (MayBeAnything(object) && !object.Is(Kind::kData)) {
    FindLoose(loose_, name, &found);
    found.any = found.any || !of_instances_.empty();
    return found;
  }
  if (attributes.Is(Kind::kNode)) {
    found.values = ValuesOf(attributes, name);
    found.any = found.any || arena_.node(attributes).lost ||
                !ValuesOf(attributes, kAnyName).empty();
  } else if (!attributes.Is(Kind::kNone)) {
    found.any = true;  // There was no room for them.
  }
  return found;
}

// One entry of a state; |mark| is put before names.
void PickleMachine::RememberPair(PickleValue object, std::string_view mark,
                                 PickleValue key, PickleValue value) {
  if (!MayNameAttribute(key)) return;
  if (MayBeAnything(key)) {
    Remember(object, std::string(mark) + std::string(kAnyName), value);
    return;
  }
  const std::string_view name = arena_.text(key);
  if (name == kDict && mark.empty()) return;
  Remember(object, std::string(mark) + std::string(name), value);
}

// A dict that there was no room for: its items may be any of those that were
// put into such dicts.
void PickleMachine::PlantLost(PickleValue object, bool slots) {
  planting_ += lost_.size();
  if (planting_ > kFreePlanting + reader_.offset()) {
    Remember(object, kAnyName, {});
    return;
  }
  for (std::size_t i = 0; i < lost_.size(); ++i) {
    const LooseAttribute item = lost_[i];
    if (item.name != kDict) {
      Remember(object, item.name, item.value);
    } else if (slots) {
      ReplaceAttributes(object, item.value);
    }
  }
}

// Of a dict.
bool PickleMachine::HasNameOfAttribute(PickleValue dict) const {
  bool is_key = false;
  return arena_.AnyItem(dict, PickleArena::kMaxKeptAlive,
                        [&](PickleValue item) {
                          is_key = !is_key;
                          return is_key && MayNameAttribute(item);
                        });
}

void PickleMachine::PlantDict(PickleValue object, PickleValue dict,
                              bool slots) {
  const bool whole = !arena_.node(dict).lost && !arena_.node(dict).touched;
  planting_ += arena_.node(dict).kept;
  if (planting_ > kFreePlanting + reader_.offset()) {
    // The same large dict again and again: stay linear.
    Remember(object, kAnyName, {});
    return;
  }
  if (!slots && whole && !HasNameOfAttribute(dict)) return;
  const Values pairs = arena_.Items(dict);
  if (slots) CheckSlotNames(pairs);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    RememberPair(object, {}, pairs[i], pairs[i + 1]);
    if (slots && pairs[i].IsNode(NodeKind::kText) &&
        arena_.text(pairs[i]) == kDict) {
      ReplaceAttributes(object, pairs[i + 1]);
    }
  }
  if (!whole) Remember(object, kAnyName, {});
}

void PickleMachine::PlantFrom(PickleValue object, PickleValue state,
                              bool slots) {
  if (state.IsNode(NodeKind::kDict)) return PlantDict(object, state, slots);
  if (!MayBeAnything(state)) return;
  if (state == PickleValue::Of(Kind::kData)) return PlantLost(object, slots);
  if (!state.IsNode(NodeKind::kCall)) {
    Remember(object, kAnyName, {});
    return;
  }
  // A subclass of dict, like OrderedDict: what it was made with, and its items.
  if (!arena_.node(state).items[1].Is(Kind::kEmptyTuple)) {
    Remember(object, kAnyName, {});
  }
  const Values pairs = arena_.Items(arena_.Extra(state));
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::string item(arena_.text(pairs[i]));
    if (!item.starts_with(kItemMark)) continue;
    const std::string_view name =
        std::string_view(item).substr(kItemMark.size());
    if (name != kDict) {
      Remember(object, name, pairs[i + 1]);
    } else if (slots) {
      ReplaceAttributes(object, pairs[i + 1]);
    }
  }
}

// object.__dict__ = dict: the two are the same from now on, so that whatever is
// put into the dict later is an attribute, too.
void PickleMachine::ReplaceAttributes(PickleValue object, PickleValue dict) {
  PlantFrom(object, dict, false);
  Remember(object, kAnyName, {});
}

void PickleMachine::Plant(PickleValue object, PickleValue state) {
  if (state.IsNode(NodeKind::kTuple)) {
    if (arena_.node(state).count != 2) return;
    PlantFrom(object, arena_.Item(state, 0), false);
    PlantFrom(object, arena_.Item(state, 1), true);
    return;
  }
  PlantFrom(object, state, false);
}

void PickleMachine::CallPlanted(PickleCall::Via via, const Planted& planted,
                                PickleValue arguments) {
  for (const PickleValue value : planted.values) {
    if (!MayBeAnything(value)) {
      // The Python unpickler passes over a __setstate__ that is None; and a
      // class may have an extend of its own.
      Note(Problem::kReadersDiffer, "a planted attribute cannot be called");
      continue;
    }
    Call(via, value, arguments);
  }
  if (planted.any) {
    Call(via, PickleValue::Unknown(PickleMystery::kAttribute), arguments);
  }
}

void PickleMachine::CallPlantedNew(PickleValue callee, PickleValue arguments) {
  const Planted planted = FindPlanted(callee, kNew);
  if (planted.values.empty()) return;
  PickleValue all = PickleValue::Unknown(PickleMystery::kForgotten);
  if (const auto known = ArgumentsOf(arguments)) {
    all = arena_.Add(NodeKind::kTuple, callee, {}, {}, 1);
    arena_.AppendAll(all, *known);
  }
  CallPlanted(PickleCall::Via::kPlantedNew, planted, all);
}

}  // namespace scanengine
