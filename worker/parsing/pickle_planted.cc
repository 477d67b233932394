// Attributes that the file's own BUILD gives to objects: an unpickler looks
// some up, and calls them. Values that there was no room for count, too.

#include <algorithm>
#include <array>
#include <utility>

#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_machine.h"

namespace scanengine {
namespace {

using Kind = PickleKind;
using NodeKind = PickleNodeKind;
using Problem = PickleProblem;

// Instead of a name: some attribute that nobody can tell.
constexpr std::string_view kAnyName = "?";

constexpr std::uint64_t kFreePlanting =
    PickleLimit<std::uint64_t>(1'000'000, 100);
constexpr std::size_t kMaxLoose = PickleLimit<std::size_t>(256, 8);
constexpr std::size_t kMaxLost = PickleLimit<std::size_t>(64, 4);
constexpr std::size_t kMaxInstances = PickleLimit<std::size_t>(20'000, 8);
constexpr std::size_t kMaxOfOneName = 8;

}  // namespace

std::size_t PickleMachine::IndexOfName(std::string_view text) {
  static_assert(std::all_of(kLookedUp.begin(), kLookedUp.end(), MayBeLookedUp));
  if (!MayBeLookedUp(text)) return kLookedUp.size();
  const auto at = std::find(kLookedUp.begin(), kLookedUp.end(), text);
  return static_cast<std::size_t>(at - kLookedUp.begin());
}

// A name that there is always room for; None for others.
PickleValue PickleMachine::KeptName(std::string_view text) const {
  if (const std::size_t i = IndexOfName(text); i < kLookedUp.size()) {
    return names_[i];
  }
  const std::size_t hook = IndexOfHook(text);
  return hook < kHookAttributes.size() ? names_[kLookedUp.size() + hook]
                                       : PickleValue::None();
}

PickleValue PickleMachine::NameWithoutRoom(std::string_view text) const {
  const PickleValue name = KeptName(text);
  return name.Is(Kind::kNode) ? name : PickleValue::Of(Kind::kData, kDullText);
}

bool PickleMachine::MayNameAttribute(PickleValue key) const {
  if (!key.Is(Kind::kNode)) {
    return MayBeAnything(key) && key != PickleValue::Of(Kind::kData, kDullText);
  }
  if (!key.IsNode(NodeKind::kText) && !IsComputed(key)) {
    return MayBeAnything(key);
  }
  const std::string_view text = arena_.text(key);
  return IndexOfName(text) < kLookedUp.size() || IsHookAttribute(text);
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
  arena_.LoseEntry(key, value);
  if (!MayNameAttribute(key)) return;
  const bool known = key.Is(Kind::kNode) && !MayBeAnything(key);
  if (known && IsHookAttribute(arena_.text(key))) return;
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
    const bool kept = item.Is(Kind::kNode) && item.index() <= names_.size();
    if (item.Is(Kind::kNode) && !kept) return std::nullopt;
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
  if (items.size() == 2) arena_.LoseEntry(items[0], items[1]);
  const bool unknown =
      items.size() == 2 &&
      std::any_of(items.begin(), items.end(), [](PickleValue item) {
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

void PickleMachine::LoseAttribute(std::string_view name, PickleValue value) {
  if (name.starts_with(kItemMark)) name.remove_prefix(kItemMark.size());
  arena_.LoseEntry(name, value);
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
      LoseAttribute(name, value);
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
    LoseAttribute(name, value);
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

// object[key] = value, where the object may be a dict.
void PickleMachine::RememberItem(PickleValue object, PickleValue key,
                                 PickleValue value) {
  if (!MayNameAttribute(key)) return;
  const std::string_view name =
      MayBeAnything(key) ? kAnyName : arena_.text(key);
  Remember(object, std::string(kItemMark) + std::string(name), value);
}

// A __class__ in a dict does nothing: Python asks the type.
void PickleMachine::PlantHook(PickleValue object, std::string_view name,
                              std::optional<PickleValue> value, bool slots) {
  if (slots || name != "__class__") {
    observer_.OnHook(*this, object, name, value, op_offset_);
  }
}

// One of those that were in a dict that was not kept whole.
void PickleMachine::PlantLostHooks(PickleValue object, bool slots) {
  for (std::size_t i = 0; i < kHookAttributes.size(); ++i) {
    if ((arena_.lost_hooks() >> i & 1U) == 0) continue;
    PlantHook(object, kHookAttributes[i], std::nullopt, slots);
  }
}

// Attributes of which nothing is known.
void PickleMachine::PlantUnseen(PickleValue object, bool slots) {
  Remember(object, kAnyName, {});
  PlantLostHooks(object, slots);
}

void PickleMachine::PlantAttribute(PickleValue object, std::string_view name,
                                   PickleValue value, bool slots) {
  if (IsHookAttribute(name)) {
    PlantHook(object, name, value, slots);
  } else if (name != kDict) {
    Remember(object, name, value);
  } else if (slots) {
    // Picklers leave it out. Whatever is put into that dict later is an
    // attribute, too.
    PlantHook(object, name, value, slots);
    ReplaceAttributes(object, value);
  }
}

// The same large dict again and again: stay linear.
bool PickleMachine::IsTiredOfPlanting(std::size_t work) {
  planting_ += work;
  if (planting_ <= kFreePlanting + reader_.offset()) return false;
  if (!std::exchange(planting_noted_, true)) {
    Note(Problem::kLimit, "more attributes are set than are followed");
  }
  return true;
}

// A dict that there was no room for: its items may be any of those that were
// put into such dicts.
void PickleMachine::PlantLost(PickleValue object, bool slots) {
  lost_planting_ += lost_.size();
  if (lost_planting_ > kFreePlanting + reader_.offset()) {
    return PlantUnseen(object, slots);
  }
  for (std::size_t i = 0; i < lost_.size(); ++i) {
    const LooseAttribute item = lost_[i];
    PlantAttribute(object, item.name, item.value, slots);
  }
  PlantLostHooks(object, slots);
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

void PickleMachine::PlantIfHook(PickleValue object, PickleValue key,
                                PickleValue value) {
  if (!key.IsNode(NodeKind::kText)) return;
  const std::string_view name = arena_.text(key);
  if (IsHookAttribute(name)) PlantHook(object, name, value, true);
}

// Hooks alone, of what a class of its own may take for a dict: one, or pairs.
void PickleMachine::PlantHooksOf(PickleValue object, PickleValue container) {
  if (!container.IsContainer()) return;
  if (IsTiredOfPlanting(arena_.node(container).kept)) return;
  const Values items = arena_.Items(container);
  if (container.IsNode(NodeKind::kDict)) {
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      PlantIfHook(object, items[i], items[i + 1]);
    }
    return;
  }
  for (const PickleValue pair : items) {
    if (!pair.IsContainer() || pair.IsNode(NodeKind::kDict)) continue;
    PlantIfHook(object, arena_.Item(pair, 0), arena_.Item(pair, 1));
  }
}

void PickleMachine::PlantDict(PickleValue object, PickleValue dict,
                              bool slots) {
  const bool whole = !arena_.node(dict).lost && !arena_.node(dict).touched;
  if (IsTiredOfPlanting(arena_.node(dict).kept)) {
    return PlantUnseen(object, slots);
  }
  if (!slots && whole && !HasNameOfAttribute(dict)) return;
  const Values pairs = arena_.Items(dict);
  if (slots) CheckSlotNames(pairs);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (!MayNameAttribute(pairs[i])) continue;
    if (MayBeAnything(pairs[i])) {
      Remember(object, kAnyName, pairs[i + 1]);
    } else {
      const std::string name(arena_.text(pairs[i]));
      PlantAttribute(object, name, pairs[i + 1], slots);
    }
  }
  if (!whole) PlantUnseen(object, slots);
}

// What a subclass of dict, like OrderedDict, was made with, and its items.
void PickleMachine::PlantDictObject(PickleValue object, PickleValue made,
                                    bool slots) {
  const PickleValue arguments = arena_.node(made).items[1];
  const PickleValue extra = arena_.Extra(made);
  const Values pairs = arena_.Items(extra);
  if (IsTiredOfPlanting(pairs.size())) return PlantUnseen(object, slots);
  if (!arguments.Is(Kind::kEmptyTuple)) {
    for (const PickleValue argument : arena_.Items(arguments, 4)) {
      PlantHooksOf(object, argument);
    }
    PlantUnseen(object, slots);
  } else if (arena_.node(made).lost ||
             (extra.Is(Kind::kNode) && arena_.node(extra).lost)) {
    PlantUnseen(object, slots);
  }
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::string item(arena_.text(pairs[i]));
    if (!item.starts_with(kItemMark)) continue;
    const std::string_view name =
        std::string_view(item).substr(kItemMark.size());
    PlantAttribute(object, name, pairs[i + 1], slots);
  }
}

void PickleMachine::PlantFrom(PickleValue object, PickleValue state,
                              bool slots) {
  if (state.IsNode(NodeKind::kDict)) return PlantDict(object, state, slots);
  if (!MayBeAnything(state)) return;
  if (state == PickleValue::Of(Kind::kData)) return PlantLost(object, slots);
  if (!state.IsNode(NodeKind::kCall)) return PlantUnseen(object, slots);
  PlantDictObject(object, state, slots);
}

void PickleMachine::ReplaceAttributes(PickleValue object, PickleValue dict) {
  PlantFrom(object, dict, false);
  Remember(object, kAnyName, {});
}

void PickleMachine::Plant(PickleValue object, PickleValue state) {
  if (state.IsNode(NodeKind::kTuple)) {
    if (arena_.node(state).count != 2) {
      for (const PickleValue part : arena_.Items(state, 4)) {
        if (part.IsNode(NodeKind::kDict)) PlantHooksOf(object, part);
      }
      return;
    }
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
