// BUILD, APPEND(S), ADDITEMS and SETITEM(S): what they give to an object, and
// the attributes that an unpickler itself looks up on one and calls. The
// file's own BUILD may have planted those.

#include <algorithm>
#include <array>
#include <utility>

#include "worker/parsing/pickle_machine.h"

namespace scanengine {
namespace {

using Kind = PickleKind;
using NodeKind = PickleNodeKind;
using Problem = PickleProblem;

// Attributes that an unpickler looks up.
constexpr std::string_view kSetState = "__setstate__";
constexpr std::string_view kAppend = "append";
constexpr std::string_view kExtend = "extend";
constexpr std::string_view kAdd = "add";
constexpr std::string_view kNew = "__new__";
constexpr std::array kLookedUp = {kSetState, kAppend, kExtend, kAdd, kNew};
constexpr std::string_view kDict = "__dict__";
constexpr std::uint64_t kLongestName = kSetState.size();
// Instead of a name: some attribute that nobody can tell.
constexpr std::string_view kAnyName = "?";
// Before the name of an item, in an object that may be a dict.
constexpr std::string_view kItemMark = "[]";

constexpr std::uint64_t kFreePlanting = 1'000'000;
constexpr std::size_t kMaxLoose = 256;
constexpr std::size_t kMaxOfOneName = 8;
constexpr std::size_t kMaxCallsOfOneOpcode = 1024;
constexpr std::uint32_t kMaxHashDepth = 8;
constexpr std::uint32_t kMaxHashed = 64;

bool IsLookedUp(std::string_view name) {
  return std::find(kLookedUp.begin(), kLookedUp.end(), name) != kLookedUp.end();
}

}  // namespace

bool PickleMachine::MayBeAnything(PickleValue value) const {
  return value.Is(Kind::kGlobal) || value.Is(Kind::kInstance) ||
         value.Is(Kind::kUnknown) || value.Is(Kind::kData) ||
         arena_.IsNode(value, NodeKind::kCall) ||
         arena_.IsNode(value, NodeKind::kAttribute);
}

bool PickleMachine::IsBytes(PickleValue value) const {
  return value.Is(Kind::kFarBytes) || arena_.IsNode(value, NodeKind::kBytes);
}

bool PickleMachine::Unhashable(PickleValue value, std::uint32_t depth,
                               std::uint32_t* budget) const {
  if (!value.Is(Kind::kNode) || depth > kMaxHashDepth || *budget == 0) {
    return false;
  }
  --*budget;
  switch (arena_.node(value).kind) {
    case NodeKind::kList:
    case NodeKind::kDict:
    case NodeKind::kSet:
      return true;
    case NodeKind::kTuple:
      for (const PickleValue item : arena_.Items(value, kMaxHashed)) {
        if (Unhashable(item, depth + 1, budget)) return true;
      }
      return false;
    default:
      return false;
  }
}

bool PickleMachine::IsUnhashable(PickleValue value) const {
  if (!value.Is(Kind::kNode)) return false;
  std::uint32_t budget = kMaxHashed;
  return Unhashable(value, 0, &budget);
}

void PickleMachine::CheckHashable(std::size_t start, std::size_t step) {
  for (std::size_t i = start; i < stack_.size(); i += step) {
    if (IsUnhashable(stack_[i])) {
      Note(Problem::kUnhashable,
           "a list, dict or set is put where it has to be hashed");
      return;
    }
    if (hash_cost_.Charge(arena_, stack_[i], op_offset_ - start_)) {
      Note(Problem::kExpansion,
           "hashing a key walks tuples that hold each other many times");
    }
  }
}

// ---- Attributes that were planted.

void PickleMachine::Remember(PickleValue object, std::string_view name,
                             PickleValue value) {
  PickleValue attributes;
  const bool call = arena_.IsNode(object, NodeKind::kCall);
  PickleValue* slot = object.Is(Kind::kGlobal)
                          ? &global_attributes_[globals_[object.index()].Path()]
                          : nullptr;
  if (call) {
    attributes = arena_.Extra(object);
  } else if (slot != nullptr) {
    attributes = *slot;
  } else {
    // Which object it is cannot be told later: it may be any of that sort.
    if (loose_.size() >= kMaxLoose) {
      loose_.back() = {std::string(kAnyName), PickleValue::None()};
    } else if (loose_.empty() || loose_.back().name != name ||
               !(loose_.back().value == value)) {
      loose_.push_back({std::string(name), value});
    }
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
  if (arena_.IsNode(object, NodeKind::kCall)) {
    attributes = arena_.Extra(object);
    found.any = arena_.node(object).lost;
  } else if (object.Is(Kind::kGlobal)) {
    if (global_attributes_.empty()) return found;
    const auto at = global_attributes_.find(globals_[object.index()].Path());
    if (at != global_attributes_.end()) attributes = at->second;
  } else if (MayBeAnything(object)) {
    for (const LooseAttribute& loose : loose_) {
      if (loose.name == name) found.values.push_back(loose.value);
      if (loose.name == kAnyName) found.any = true;
    }
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
  if (arena_.IsNode(key, NodeKind::kText) || IsComputed(key)) {
    const std::string_view name = arena_.text(key);
    if (IsLookedUp(name) || (!mark.empty() && name == kDict)) {
      Remember(object, std::string(mark) + std::string(name), value);
    }
  } else if (MayBeAnything(key) ||
             (key.Is(Kind::kFarText) && key.far_size() <= kLongestName)) {
    Remember(object, std::string(mark) + std::string(kAnyName), value);
  }
}

void PickleMachine::PlantFrom(PickleValue object, PickleValue state,
                              bool slots) {
  if (arena_.IsNode(state, NodeKind::kDict)) {
    planting_ += arena_.node(state).kept;
    if (planting_ > kFreePlanting + reader_.offset()) {
      // The same large dict again and again: stay linear.
      Remember(object, kAnyName, {});
      return;
    }
    const Values pairs = arena_.Items(state);
    if (slots) CheckSlotNames(pairs);
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
      RememberPair(object, {}, pairs[i], pairs[i + 1]);
      if (slots && arena_.IsNode(pairs[i], NodeKind::kText) &&
          arena_.text(pairs[i]) == kDict) {
        ReplaceAttributes(object, pairs[i + 1]);
      }
    }
    if (arena_.node(state).lost || arena_.node(state).touched) {
      Remember(object, kAnyName, {});
    }
    return;
  }
  if (!MayBeAnything(state)) return;
  if (!arena_.IsNode(state, NodeKind::kCall)) {
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
  if (arena_.IsNode(state, NodeKind::kTuple)) {
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
    for (const PickleValue value : *known) arena_.Append(all, value);
  }
  CallPlanted(PickleCall::Via::kPlantedNew, planted, all);
}

// ---- The opcodes.

// APPEND and APPENDS: the C unpickler calls extend if there is one, the Python
// one calls append for APPEND.
void PickleMachine::AppendTo(PickleValue target, std::size_t start) {
  if (arena_.IsNode(target, NodeKind::kList)) {
    PutItems(target, start, false);
    return;
  }
  if (!MayBeAnything(target)) {
    if (!IsBytes(target)) NoteItems(start, "appends to what is no list");
    stack_.Shrink(start);
    return;
  }
  if (target.Is(Kind::kGlobal)) {
    const PickleValue items = arena_.Add(NodeKind::kList);
    for (std::size_t i = start; i < stack_.size(); ++i) {
      arena_.Append(items, stack_[i]);
    }
    observer_.OnModify(*this, target, items, op_offset_);
  }
  if (arena_.IsNode(target, NodeKind::kCall)) {
    observer_.OnItems(*this, target, stack_.all().subspan(start), false);
  }
  const Planted extend = FindPlanted(target, kExtend);
  if (!extend.values.empty() || extend.any) {
    const PickleValue items = arena_.Add(NodeKind::kList);
    for (std::size_t i = start; i < stack_.size(); ++i) {
      arena_.Append(items, stack_[i]);
    }
    CallPlanted(PickleCall::Via::kAppend, extend,
                arena_.Add(NodeKind::kTuple, items, {}, {}, 1));
  }
  // The C unpickler calls one of them, if the class has not both.
  CallForItems(target, kAppend, start);
  stack_.Shrink(start);
}

// Calls a planted attribute once for each item.
void PickleMachine::CallForItems(PickleValue target, std::string_view name,
                                 std::size_t start) {
  const Planted planted = FindPlanted(target, name);
  if (planted.values.empty() && !planted.any) return;
  const std::size_t size = stack_.size() - start;
  for (std::size_t i = 0; i < std::min(size, kMaxCallsOfOneOpcode); ++i) {
    CallPlanted(PickleCall::Via::kAppend, planted,
                arena_.Add(NodeKind::kTuple, stack_[start + i], {}, {}, 1));
  }
  if (size > kMaxCallsOfOneOpcode) {
    CallPlanted(PickleCall::Via::kAppend, planted,
                PickleValue::Unknown(PickleMystery::kForgotten));
  }
}

void PickleMachine::NoteItems(std::size_t start, std::string_view what) {
  if (start < stack_.size()) {
    Note(Problem::kRaises, std::string(what));
  } else {
    // The C unpickler does nothing if there are no items.
    Note(Problem::kReadersDiffer, std::string(what));
  }
}

void PickleMachine::AddTo(PickleValue target, std::size_t start) {
  if (arena_.IsNode(target, NodeKind::kSet)) {
    CheckHashable(start, 1);
    PutItems(target, start, false);
    return;
  }
  if (!MayBeAnything(target)) {
    NoteItems(start, "adds to what is no set");
  } else {
    CallForItems(target, kAdd, start);
    if (target.Is(Kind::kGlobal)) {
      const PickleValue items = CollectTail(NodeKind::kList, start);
      observer_.OnModify(*this, target, items, op_offset_);
    }
  }
  stack_.Shrink(start);
}

void PickleMachine::SetItemsOf(PickleValue target, std::size_t start) {
  if (arena_.IsNode(target, NodeKind::kDict)) {
    CheckHashable(start, 2);
    PutItems(target, start, true);
    return;
  }
  if (target.Is(Kind::kGlobal)) {
    const PickleValue items = CollectTail(NodeKind::kDict, start, true);
    observer_.OnModify(*this, target, items, op_offset_);
    return;
  }
  if (arena_.IsNode(target, NodeKind::kCall)) {
    observer_.OnItems(*this, target, stack_.all().subspan(start), true);
    for (std::size_t i = start; i + 1 < stack_.size(); i += 2) {
      RememberPair(target, kItemMark, stack_[i], stack_[i + 1]);
    }
  } else if (arena_.IsNode(target, NodeKind::kList)) {
    SetListItems(target, start);
  } else if (!MayBeAnything(target) && !IsBytes(target) &&
             start < stack_.size()) {
    Note(Problem::kRaises, "sets an item of what takes none");
  }
  stack_.Shrink(start);
}

void PickleMachine::SetListItems(PickleValue list, std::size_t start) {
  for (std::size_t i = start; i + 1 < stack_.size(); i += 2) {
    const PickleValue key = stack_[i];
    if (key.Is(Kind::kInt) || key.Is(Kind::kBool)) {
      if (!arena_.SetItemAt(list, key.integer(), stack_[i + 1])) {
        Note(Problem::kRaises, "sets an item that the list does not have");
      }
    } else if (MayBeAnything(key)) {
      arena_.node(list).touched = true;
      arena_.Append(list, stack_[i + 1]);
    } else {
      Note(Problem::kRaises, "a list index that is no number");
    }
  }
}

// Whether the default __setstate__ takes |state|. What a class of its own would
// do with it is not known.
void PickleMachine::CheckState(PickleValue object, PickleValue state) {
  if (MayBeAnything(object)) return;
  PickleValue slots = PickleValue::Of(Kind::kEmptyTuple);
  bool has_slots = false;
  if (arena_.IsNode(state, NodeKind::kTuple) && arena_.node(state).count == 2) {
    slots = arena_.Item(state, 1);
    state = arena_.Item(state, 0);
    has_slots = true;
  }
  const auto has_items = [this](PickleValue value) {
    return arena_.IsNode(value, NodeKind::kDict) &&
           arena_.node(value).count != 0;
  };
  const bool empty_slots =
      !has_slots ||
      (arena_.IsNode(slots, NodeKind::kDict) && !has_items(slots));
  if (has_items(state) || has_items(slots)) {
    Note(Problem::kRaises, "a state for what has no attributes");
  } else if (!state.Is(Kind::kNone) || !empty_slots) {
    Note(Problem::kReadersDiffer, "a state for what has no attributes");
  }
}

void PickleMachine::CheckSlotNames(const std::vector<PickleValue>& pairs) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (!arena_.IsNode(pairs[i], NodeKind::kText) &&
        !pairs[i].Is(Kind::kFarText) && !MayBeAnything(pairs[i])) {
      // Unless a class has a __setstate__ of its own.
      Note(Problem::kReadersDiffer, "the name of a slot is no text");
      return;
    }
  }
}

void PickleMachine::BuildState(PickleValue object, PickleValue state) {
  if (!object.Is(Kind::kGlobal)) {
    observer_.OnState(*this, object, state, op_offset_);
  }
  const Planted planted = FindPlanted(object, kSetState);
  if (!planted.values.empty() || planted.any) {
    CallPlanted(PickleCall::Via::kBuild, planted,
                arena_.Add(NodeKind::kTuple, state, {}, {}, 1));
  }
  if (object.Is(Kind::kGlobal)) {
    observer_.OnModify(*this, object, state, op_offset_);
  }
  // It need not be there: see Remember(). So the state is set, too.
  CheckState(object, state);
  if (!MayBeAnything(object)) return;
  if (arena_.IsNode(object, NodeKind::kCall)) {
    arena_.node(object).items[2] = state;
    if (IsPartial(object)) {
      if (planted.values.empty() && !planted.any) {
        BindPartial(object, state);
      } else {
        // What it calls now depends on whose __setstate__ it was.
        arena_.node(object).items[1] =
            PickleValue::Unknown(PickleMystery::kForgotten);
      }
      return;
    }
  }
  Plant(object, state);
}

bool PickleMachine::IsPartial(PickleValue object) const {
  const std::uint32_t made_by = ClassOf(object);
  return made_by != kNoPickleGlobal &&
         globals_[made_by].meaning == PickleMeaning::kPartial;
}

// partial.__setstate__((function, arguments, keywords, dict)).
void PickleMachine::BindPartial(PickleValue object, PickleValue state) {
  const auto parts = ArgumentsOf(state);
  if (!parts || parts->empty()) return;
  const PickleValue bound = arena_.Add(NodeKind::kTuple);
  arena_.Append(bound, (*parts)[0]);
  if (parts->size() > 1) {
    for (const PickleValue value :
         ArgumentsOf((*parts)[1]).value_or(Values())) {
      arena_.Append(bound, value);
    }
  }
  arena_.node(object).items[1] = bound;
  if (parts->size() > 3) PlantFrom(object, (*parts)[3], false);
}

}  // namespace scanengine
