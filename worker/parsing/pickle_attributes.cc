// BUILD, APPEND(S), ADDITEMS and SETITEM(S): what they give to an object. See
// pickle_planted.cc for the attributes that they make an unpickler call.

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

constexpr std::size_t kMaxCallsOfOneOpcode = PickleLimit<std::size_t>(1024, 16);
constexpr std::uint32_t kMaxHashDepth = 8;
constexpr std::uint32_t kMaxHashed = 64;

}  // namespace

bool PickleMachine::MayBeAnything(PickleValue value) {
  return value.Is(Kind::kGlobal) || value.Is(Kind::kInstance) ||
         value.Is(Kind::kUnknown) || value.Is(Kind::kData) ||
         value.IsNode(NodeKind::kCall) || value.IsNode(NodeKind::kAttribute);
}

bool PickleMachine::MayBeText(PickleValue value) {
  return MayBeAnything(value) || value.Is(Kind::kFarText) ||
         value.IsNode(NodeKind::kText);
}

bool PickleMachine::IsBytes(PickleValue value) {
  return value.Is(Kind::kFarBytes) || value.IsNode(NodeKind::kBytes);
}

bool PickleMachine::Unhashable(PickleValue value, std::uint32_t depth,
                               std::uint32_t* budget) const {
  if (depth > kMaxHashDepth || *budget == 0) return false;
  --*budget;
  switch (value.node_kind()) {
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

// APPEND and APPENDS: the C unpickler calls extend if there is one, the Python
// one calls append for APPEND.
void PickleMachine::AppendTo(PickleValue target, std::size_t start) {
  if (target.IsNode(NodeKind::kList)) {
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
    arena_.AppendAll(items, stack_.all().subspan(start));
    observer_.OnModify(*this, target, items, op_offset_);
  }
  if (target.IsNode(NodeKind::kCall)) {
    observer_.OnItems(*this, target, stack_.all().subspan(start), false);
  }
  if (target.Is(Kind::kData)) arena_.LoseItems(stack_.all().subspan(start));
  const Planted extend = FindPlanted(target, kExtend);
  if (!extend.values.empty() || extend.any) {
    const PickleValue items = arena_.Add(NodeKind::kList);
    arena_.AppendAll(items, stack_.all().subspan(start));
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
  if (target.IsNode(NodeKind::kSet)) {
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
  if (target.IsNode(NodeKind::kDict)) {
    CheckHashable(start, 2);
    PutItems(target, start, true);
    return;
  }
  if (target.Is(Kind::kData)) {
    PutItems(target, start, true);
    return;
  }
  if (target.Is(Kind::kGlobal)) {
    const PickleValue items = CollectTail(NodeKind::kDict, start, true);
    observer_.OnModify(*this, target, items, op_offset_);
    return;
  }
  if (target.IsNode(NodeKind::kCall)) {
    observer_.OnItems(*this, target, stack_.all().subspan(start), true);
    for (std::size_t i = start; i + 1 < stack_.size(); i += 2) {
      RememberItem(target, stack_[i], stack_[i + 1]);
    }
  } else if (target.IsNode(NodeKind::kList)) {
    SetListItems(target, start);
  } else if (target.Is(Kind::kInstance)) {
    for (std::size_t i = start; i + 1 < stack_.size(); i += 2) {
      arena_.LoseEntry(stack_[i], stack_[i + 1]);
    }
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
  if (state.IsNode(NodeKind::kTuple) && arena_.node(state).count == 2) {
    slots = arena_.Item(state, 1);
    state = arena_.Item(state, 0);
    has_slots = true;
  }
  const auto has_items = [this](PickleValue value) {
    return value.IsNode(NodeKind::kDict) && arena_.node(value).count != 0;
  };
  const bool empty_slots =
      !has_slots || (slots.IsNode(NodeKind::kDict) && !has_items(slots));
  if (has_items(state) || has_items(slots)) {
    Note(Problem::kRaises, "a state for what has no attributes");
  } else if (!state.Is(Kind::kNone) || !empty_slots) {
    Note(Problem::kReadersDiffer, "a state for what has no attributes");
  }
}

void PickleMachine::CheckSlotNames(const std::vector<PickleValue>& pairs) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (!MayBeText(pairs[i])) {
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
  if (object.IsNode(NodeKind::kCall)) {
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
  if (!parts) {
    arena_.node(object).items[1] =
        PickleValue::Unknown(PickleMystery::kForgotten);
  }
  if (!parts || parts->empty()) return;
  const PickleValue bound = arena_.Add(NodeKind::kTuple);
  arena_.Append(bound, (*parts)[0]);
  if (parts->size() > 1) {
    const auto arguments = ArgumentsOf((*parts)[1]).value_or(Values());
    arena_.AppendAll(bound, arguments);
  }
  arena_.node(object).items[1] = bound;
  if (parts->size() > 3) PlantFrom(object, (*parts)[3], false);
}

}  // namespace scanengine
