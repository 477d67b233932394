// What a pickle gives to objects: states that their class runs, hooks, and
// texts that read as code.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "worker/parsing/pickle_judge.h"
#include "worker/parsing/pickle_meanings.h"
#include "worker/parsing/pickle_state_texts.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

constexpr std::uint32_t kMaxTextDepth = 5;

// A text in |value| or what it holds that |wanted| is true for; nothing if
// there is none among the first values.
template <typename Wanted>
std::optional<PickleValue> FindText(const PickleMachine& machine,
                                    PickleValue value, const Wanted& wanted,
                                    std::uint32_t depth,
                                    std::uint32_t* budget) {
  if (depth > kMaxTextDepth || *budget == 0) return std::nullopt;
  --*budget;
  if (!value.Is(PickleKind::kNode)) return std::nullopt;
  const PickleNode& node = machine.arena().node(value);
  if (node.kind == PickleNodeKind::kText ||
      node.kind == PickleNodeKind::kBytes) {
    if (wanted(machine.arena().text(value))) return value;
    return std::nullopt;
  }
  if (node.kind == PickleNodeKind::kCall || node.kept == 0) {
    return std::nullopt;
  }
  for (const PickleValue item : machine.arena().Items(value, *budget)) {
    auto found = FindText(machine, item, wanted, depth + 1, budget);
    if (found) return found;
  }
  return std::nullopt;
}

// True if |state| is a dict that is known whole, with texts for keys that
// |wanted| is true for. |look| is called with the values, up to a key that is
// not wanted.
template <typename Wanted, typename Look>
bool HasOnlyKeys(const PickleArena& arena, PickleValue state,
                 const Wanted& wanted, const Look& look) {
  if (!state.IsNode(PickleNodeKind::kDict)) return false;
  const PickleNode& node = arena.node(state);
  if (node.touched || node.lost) return false;
  bool is_key = false;
  return !arena.AnyItem(
      state, PickleArena::kMaxKeptAlive, [&](PickleValue item) {
        is_key = !is_key;
        if (!is_key) look(item);
        return is_key && !(item.IsNode(PickleNodeKind::kText) &&
                           wanted(arena.text(item)));
      });
}

// True if every key of the state that matters can be seen.
bool IsWhole(const PickleMachine& machine, PickleValue state) {
  return state.Is(PickleKind::kNone) ||
         HasOnlyKeys(
             machine.arena(), state, [](std::string_view) { return true; },
             [](PickleValue) {});
}

// What most objects get: none of the keys that are asked for below, however
// letters are encoded.
bool IsDullKey(std::string_view key) {
  return !key.empty() && key[0] != '_' && key != kFormula && IsAscii(key);
}

struct StateLook {
  bool dull = false;   // As above.
  bool plain = false;  // And it holds nothing but numbers, texts and bytes.
};
StateLook LookAt(const PickleArena& arena, PickleValue state) {
  StateLook look;
  look.plain = true;
  look.dull = HasOnlyKeys(arena, state, IsDullKey, [&](PickleValue value) {
    look.plain = look.plain &&
                 (value.kind() < PickleKind::kGlobal || value.IsTextNode());
  });
  look.plain = look.plain && look.dull;
  return look;
}

// An attribute or item that was worked out at run time: it may be a module or
// a class. Persistent objects and such that were forgotten are no trick.
bool IsUntold(PickleValue object) {
  if (!object.Is(PickleKind::kUnknown)) return false;
  const auto mystery = static_cast<PickleMystery>(object.content());
  return mystery == PickleMystery::kAttribute ||
         mystery == PickleMystery::kItem || mystery == PickleMystery::kName ||
         mystery == PickleMystery::kExtension;
}

}  // namespace

void PickleJudge::ReportState(const PickleMachine& machine, const Rule& rule,
                              std::string message, PickleValue object,
                              PickleValue state, std::uint64_t offset) {
  Report(rule, {std::move(message), offset,
                machine.Render(object, kMaxEvidence / 2) + ".__setstate__(" +
                    machine.Render(state, kMaxEvidence / 2) + ")"});
}

void PickleJudge::JudgeTexts(const PickleMachine& machine,
                             const PickleCall& call) {
  for (const PickleValue given : {call.arguments, call.keywords}) {
    std::uint32_t budget = kMaxReach;
    const auto text = FindText(machine, given, ReadsAsCode, 0, &budget);
    if (!text) continue;
    Known& known = Know(machine, call.global);
    if (++known.reports > kMaxReportsPerName) return;
    ReportCall(machine, call, kPickleCodeText,
               "gives text that reads as code or a command to " +
                   machine.global(call.global).written,
               {});
    return;
  }
}

void PickleJudge::OnHook(const PickleMachine& machine, PickleValue object,
                         std::string_view name,
                         std::optional<PickleValue> value,
                         std::uint64_t offset) {
  const std::string attribute(name);
  Report(kPicklePlantedHook,
         {value ? "plants " + attribute + " in an object"
                : "may plant " + attribute +
                      " in an object: there is more in its state than is kept",
          offset,
          machine.Render(object, kMaxEvidence / 2) + "." + attribute + " = " +
              (value ? machine.Render(*value, kMaxEvidence / 2) : "...")});
}

void PickleJudge::JudgeScipyState(const PickleMachine& machine,
                                  PickleValue object, PickleValue state,
                                  std::uint64_t offset) {
  const std::uint32_t made_by = machine.ClassOf(object);
  const bool scipy = made_by != kNoPickleGlobal &&
                     machine.global(made_by).module.starts_with(kScipyStats);
  const auto texts = machine.LookupAll(state, kScipyTemplate);
  if (texts.empty()) {
    if (!scipy || IsWhole(machine, state)) return;
    ReportState(machine, kPickleUnresolvedCall,
                "gives " + machine.global(made_by).written +
                    " a state that cannot be told; it may run a part of it",
                object, state, offset);
    return;
  }
  const auto odd =
      std::find_if(texts.begin(), texts.end(), [&](PickleValue text) {
        const auto known = machine.TextOf(text);
        return !known || !IsScipyTemplate(*known);
      });
  if (odd == texts.end() && (!scipy || IsWhole(machine, state))) return;
  Report(kPickleDangerousCall,
         {"gives " + machine.Render(object, kMaxEvidence / 4) +
              " a text that it runs as code",
          offset,
          machine.Render(odd == texts.end() ? texts[0] : *odd, kMaxEvidence)});
}

void PickleJudge::JudgeFormulaState(const PickleMachine& machine,
                                    PickleValue object, PickleValue state,
                                    std::uint64_t offset) {
  const std::uint32_t made_by = machine.ClassOf(object);
  const bool data =
      made_by != kNoPickleGlobal &&
      machine.global(made_by).module.starts_with(kStatsmodelsData);
  const auto formulas = machine.LookupAll(state, kFormula);
  if (formulas.empty()) {
    if (!data || IsWhole(machine, state)) return;
  } else {
    const bool restores = machine.Lookup(state, kRestoreDesign).has_value();
    if (!data && !restores) return;
    const auto odd = [&](PickleValue formula) {
      const auto text = machine.TextOf(formula);
      return !formula.Is(PickleKind::kNone) && !(text && IsPlainFormula(*text));
    };
    const bool none = std::all_of(
        formulas.begin(), formulas.end(),
        [](PickleValue value) { return value.Is(PickleKind::kNone); });
    if (none || (std::none_of(formulas.begin(), formulas.end(), odd) &&
                 (!data || IsWhole(machine, state)))) {
      return;
    }
  }
  ReportState(machine, kPickleDangerousCall,
              "gives an object a formula that it evaluates as Python", object,
              state, offset);
}

void PickleJudge::OnState(const PickleMachine& machine, PickleValue object,
                          PickleValue state, std::uint64_t offset) {
  const std::uint32_t made_by = machine.ClassOf(object);
  const StateLook look = LookAt(machine.arena(), state);
  if (made_by != kNoPickleGlobal && Know(machine, made_by).plain_states &&
      (state.Is(PickleKind::kData) || look.plain)) {
    return;
  }
  const std::uint32_t found = FindIn(machine, state, Sought::kDanger);
  if (found != kNoPickleGlobal) {
    Known& known = Know(machine, found);
    known.called = true;
    if (++known.reports <= kMaxReportsPerName) {
      Report(kPickleDangerousCall,
             {"puts " + machine.global(found).written +
                  " into the state of an object" + Why(known.judgement),
              offset,
              machine.Render(object, kMaxEvidence / 2) + ".__setstate__(" +
                  machine.Render(state, kMaxEvidence / 2) + ")",
              std::string(known.judgement.reference)});
    }
  }
  if (IsUntold(object)) {
    ReportState(machine, kPickleModifies,
                "sets attributes of something that cannot be told", object,
                state, offset);
  }
  if (made_by != kNoPickleGlobal) {
    const PickleGlobal& maker = machine.global(made_by);
    if (Know(machine, made_by).returns_argument) {
      ReportState(machine, kPickleModifies,
                  "sets attributes of what " + maker.written + " returned",
                  object, state, offset);
    }
    const bool partial = maker.meaning == PickleMeaning::kPartial;
    if (partial &&
        FindIn(machine, state, Sought::kConstructor) != kNoPickleGlobal) {
      ReportState(machine, kPickleDangerousCall,
                  "gives a partial a constructor to call that is dangerous",
                  object, state, offset);
    }
    if (partial && !state.IsNode(PickleNodeKind::kTuple)) {
      ReportState(machine, kPickleUnresolvedCall,
                  "gives a partial something to call that cannot be told",
                  object, state, offset);
    }
    std::uint32_t budget = kMaxReach;
    if (Know(machine, made_by).judgement.verdict != ImportVerdict::kVetted &&
        FindText(machine, state, ReadsAsCode, 0, &budget)) {
      ReportState(
          machine, kPickleCodeText,
          "puts text that reads as code or a command into " + maker.written,
          object, state, offset);
    }
  }
  if (look.dull) return;
  JudgeScipyState(machine, object, state, offset);
  JudgeFormulaState(machine, object, state, offset);
}

// The loader makes of the id what it likes: torch's calls the type in it.
void PickleJudge::OnPersistent(const PickleMachine& machine, PickleValue id) {
  if (options_.on_persistent) options_.on_persistent(machine, id);
  // Legacy torch files name classes so, for a check of their source.
  if (id.IsNode(PickleNodeKind::kTuple) &&
      machine.TextOf(machine.arena().Item(id, 0)) == "module") {
    return;
  }
  const std::uint32_t found = FindIn(machine, id, Sought::kUnvetted);
  if (found == kNoPickleGlobal || !options_.report_everything) return;
  Known& known = Know(machine, found);
  known.called = true;
  if (known.reported) return;
  known.reported = true;
  Report(kPickleUnvettedCall, {"gives " + machine.global(found).written +
                                   " to the loader in a persistent id",
                               known.offset, machine.Render(id, kMaxEvidence)});
}

}  // namespace scanengine
