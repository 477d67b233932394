#include "worker/parsing/pickle_judge.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <utility>

#include "worker/parsing/pickle_file.h"
#include "worker/parsing/pickle_import_verdict.h"
#include "worker/parsing/pickle_meanings.h"
#include "worker/parsing/pickle_nested.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

constexpr std::uint32_t kMaxReachDepth = 6;
constexpr std::uint32_t kMaxUnresolved = 64;
constexpr std::uint64_t kMaxOperandBytes = 9;  // Opcode and count.

// Containers and the like: they hold what they are given and call nothing.
constexpr std::array kHolders = std::to_array<std::string_view>(
    {"argparse.Namespace", "builtins.dict", "builtins.frozenset",
     "builtins.list", "builtins.set", "builtins.tuple", "collections.ChainMap",
     "collections.Counter", "collections.OrderedDict", "collections.deque",
     "operator.itemgetter", "types.SimpleNamespace"});

// Those whose callee the machine works out: what they reach is judged.
bool IsFollowed(PickleMeaning meaning) {
  switch (meaning) {
    case PickleMeaning::kGetAttr:
    case PickleMeaning::kAttrGetter:
    case PickleMeaning::kPartial:
    case PickleMeaning::kReconstructor:
    case PickleMeaning::kCallWithRest:
    case PickleMeaning::kApplyNext:
    case PickleMeaning::kNewObjectEx:
      return true;
    default:
      return false;
  }
}

// The last part of the name.
std::string_view LastPart(const PickleGlobal& global) {
  const std::string_view name = global.name;
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

bool NamesFunction(const PickleGlobal& global) {
  std::string_view name = LastPart(global);
  name.remove_prefix(std::min(name.find_first_not_of('_'), name.size()));
  return name.empty() || name[0] < 'A' || name[0] > 'Z';
}

// "Color.RED"
bool NamesMember(const PickleGlobal& global) {
  const std::string_view name = LastPart(global);
  return name.size() != global.name.size() &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

// Functions that give back what they are given, or a part of it: no pickler
// sets a state on that.
bool ReturnsItsArgument(const PickleGlobal& global) {
  const bool plain_module =
      global.module == "builtins" || global.module == "__builtin__" ||
      global.module == "operator" || global.module == "_operator" ||
      global.module == "itertools";
  constexpr std::string_view kTypes[] = {
      "bytearray", "bytes", "complex", "dict",   "float",
      "frozenset", "int",   "list",    "object", "range",
      "set",       "slice", "str",     "tuple",  "bool"};
  return plain_module && !IsTransparent(global.meaning) &&
         !global.name.empty() && global.name[0] >= 'a' &&
         global.name[0] <= 'z' &&
         std::find(std::begin(kTypes), std::end(kTypes), global.name) ==
             std::end(kTypes);
}

}  // namespace

std::string PickleJudge::Why(const ImportJudgement& judgement) {
  std::string text;
  if (!judgement.category.empty()) {
    text += " (" + std::string(judgement.category);
    if (!judgement.effect.empty()) {
      text += ": " + std::string(judgement.effect);
    }
    text += ")";
  }
  return text;
}

void PickleJudge::Report(const Rule& rule, Sighting sighting) {
  Severity severity = rule.severity;
  const bool unvetted = &rule == &kPickleUnvettedCall ||
                        &rule == &kPickleUnvettedImport ||
                        &rule == &kPickleUnknownClass;
  if (unvetted && context_.imports().strict()) severity = Severity::kHigh;
  if (options_.depth != 0) {
    // Not run by loading the file, but by whoever unpickles the string.
    severity = std::min(severity, Severity::kHigh);
    sighting.message += ", in a pickle inside a string";
  }
  if (options_.report_offset != kNoOffset) {
    sighting.offset = options_.report_offset;
  } else if (sighting.offset < options_.report_from) {
    return;
  }
  context_.Report(rule, severity, sighting);
}

// REQUIRES: |id| is not kNoPickleGlobal.
PickleJudge::Known& PickleJudge::KnowAnother(const PickleMachine& machine,
                                             std::uint32_t id) {
  if (id >= known_.size()) known_.resize(std::size_t{id} + 1);
  Known& known = known_[id];
  if (!known.judged) {
    known.judged = true;
    const PickleGlobal& global = machine.global(id);
    known.judgement = JudgeName(context_.imports(), global);
    known.constructor =
        context_.imports().JudgeConstructor(global.module, global.name);
    const std::string path = global.Path();
    known.holder = std::binary_search(kHolders.begin(), kHolders.end(), path);
    known.is_type = path == "builtins.type";
    known.returns_argument = ReturnsItsArgument(global);
    known.plain = known.judgement.verdict == ImportVerdict::kVetted &&
                  known.constructor.verdict != ImportVerdict::kDangerous &&
                  global.meaning == PickleMeaning::kOpaque && !known.is_type;
    known.plain_states = known.plain && !known.returns_argument &&
                         !global.module.starts_with(kScipyStats) &&
                         !global.module.starts_with(kStatsmodelsData);
  }
  last_id_ = id;
  last_ = &known;
  return known;
}

void PickleJudge::OnImport(const PickleMachine& machine,
                           const PickleImport& import) {
  if (import.global != kNoPickleGlobal) {
    Known& known = Know(machine, import.global);
    if (!known.imported) {
      known.imported = true;
      known.offset = import.offset;
    }
    // A function that nobody knows may return a module as well.
    const bool untold = import.of_result != kNoPickleGlobal &&
                        Know(machine, import.of_result).judgement.verdict ==
                            ImportVerdict::kUnvetted &&
                        NamesFunction(machine.global(import.of_result));
    if (untold) Know(machine, import.global).computed = true;
    if (import.computed && !known.computed) {
      known.computed = true;
      Report(kPickleUnresolvedImport,
             {"imports " + machine.global(import.global).written +
                  ", a name that is put together while the file is loaded",
              import.offset, machine.global(import.global).Path(),
              std::string(known.judgement.reference)});
    }
    return;
  }
  if (!options_.report_everything || ++unresolved_ > kMaxUnresolved) return;
  Report(kPickleUnresolvedImport,
         {"imports " + import.detail, import.offset, import.detail});
}

// type(None), type(...) and type(NotImplemented), as Python pickles them.
bool PickleJudge::IsPlainTypeCall(const PickleMachine& machine,
                                  const PickleCall& call) {
  if (!Know(machine, call.global).is_type) return false;
  const auto given = machine.ArgumentsOf(call.arguments);
  if (!given || given->size() != 1) return false;
  const PickleValue of = given->front();
  if (of.Is(PickleKind::kNone)) return true;
  if (!of.Is(PickleKind::kGlobal)) return false;
  const std::string path = machine.global(of.index()).Path();
  return path == "builtins.Ellipsis" || path == "builtins.NotImplemented";
}

bool PickleJudge::Matches(const PickleMachine& machine, std::uint32_t id,
                          Sought sought) {
  const PickleGlobal& global = machine.global(id);
  const ImportVerdict verdict = Know(machine, id).judgement.verdict;
  switch (sought) {
    case Sought::kAnything:
      return true;
    case Sought::kDanger:
      return verdict == ImportVerdict::kDangerous;
    case Sought::kUnvetted:
      // Transparent ones are judged by what they reach; members of
      // enumerations are not callable.
      return verdict == ImportVerdict::kUnvetted &&
             !IsTransparent(global.meaning) && !NamesMember(global);
    case Sought::kConstructor:
      return Know(machine, id).constructor.verdict == ImportVerdict::kDangerous;
  }
  return true;
}

std::uint32_t PickleJudge::FindIn(const PickleMachine& machine,
                                  PickleValue value, Sought sought) {
  std::uint32_t budget = kMaxReach;
  return FindIn(machine, value, sought, 0, &budget);
}

std::uint32_t PickleJudge::FindIn(const PickleMachine& machine,
                                  PickleValue value, Sought sought,
                                  std::uint32_t depth, std::uint32_t* budget) {
  if (depth > kMaxReachDepth || *budget == 0) return kNoPickleGlobal;
  --*budget;
  if (value.Is(PickleKind::kGlobal)) {
    return Matches(machine, value.index(), sought) ? value.index()
                                                   : kNoPickleGlobal;
  }
  // What a call was given was judged when it was made.
  if (!value.Is(PickleKind::kNode) || value.IsTextNode() ||
      value.IsNode(PickleNodeKind::kCall)) {
    return kNoPickleGlobal;
  }
  std::uint32_t found = kNoPickleGlobal;
  machine.arena().AnyItem(value, *budget, [&](PickleValue item) {
    found = FindIn(machine, item, sought, depth + 1, budget);
    return found != kNoPickleGlobal;
  });
  return found;
}

void PickleJudge::ReportCall(const PickleMachine& machine,
                             const PickleCall& call, const Rule& rule,
                             std::string message,
                             const ImportJudgement& judgement) {
  Sighting sighting;
  sighting.message = std::move(message);
  sighting.offset = call.offset;
  sighting.evidence = machine.RenderCall(call, kMaxEvidence);
  sighting.reference = judgement.reference;
  Report(rule, std::move(sighting));
}

void PickleJudge::JudgeNamed(const PickleMachine& machine,
                             const PickleCall& call) {
  const PickleGlobal& global = machine.global(call.global);
  Known& known = Know(machine, call.global);
  known.called = true;
  if (known.computed && known.judgement.verdict != ImportVerdict::kDangerous) {
    if (++known.reports > kMaxReportsPerName) return;
    ReportCall(machine, call, kPickleUnresolvedCall,
               "calls " + global.written +
                   ", a name that is put together while the file is loaded",
               known.judgement);
    return;
  }
  if (IsTransparent(global.meaning) || IsPlainTypeCall(machine, call)) return;
  if (global.meaning == PickleMeaning::kLoadBytes &&
      LoadsScannedBytes(machine, call)) {
    return;
  }
  const ImportVerdict verdict = known.judgement.verdict;
  if (verdict == ImportVerdict::kDangerous) {
    if (++known.reports > kMaxReportsPerName) return;
    ReportCall(machine, call, kPickleDangerousCall,
               "calls " + global.written + Why(known.judgement),
               known.judgement);
    return;
  }
  if (JudgeConstructor(machine, call)) return;
  if (verdict != ImportVerdict::kVetted) JudgeTexts(machine, call);
  if (verdict == ImportVerdict::kVetted || known.reported ||
      !options_.report_everything) {
    return;
  }
  known.reported = true;
  const bool library = verdict == ImportVerdict::kKnownLibrary;
  ReportCall(machine, call, library ? kPickleUnknownClass : kPickleUnvettedCall,
             (library ? "makes an object of " : "calls ") + global.written,
             known.judgement);
}

// Many classes are harmless when a pickler makes them empty and gives them a
// state, and not when their __init__ is run with arguments of the file.
bool PickleJudge::JudgeConstructor(const PickleMachine& machine,
                                   const PickleCall& call) {
  if (call.via == PickleCall::Via::kNewObject) return false;
  if (call.arguments.Is(PickleKind::kEmptyTuple)) return false;
  Known& known = Know(machine, call.global);
  const ImportJudgement& judgement = known.constructor;
  if (judgement.verdict != ImportVerdict::kDangerous) return false;
  const PickleGlobal& global = machine.global(call.global);
  if (++known.reports > kMaxReportsPerName) return true;
  ReportCall(machine, call, kPickleDangerousCall,
             "calls the constructor of " + global.written + Why(judgement),
             judgement);
  return true;
}

// torch.save() of a storage puts a legacy torch file into a string; that was
// scanned as a pickle inside a string.
bool PickleJudge::LoadsScannedBytes(const PickleMachine& machine,
                                    const PickleCall& call) {
  constexpr std::size_t kEnough = 64;
  const auto arguments = machine.ArgumentsOf(call.arguments);
  if (!arguments || arguments->size() != 1) return false;
  const PickleValue bytes = arguments->front();
  std::string head = machine.HeadOf(bytes, kEnough);
  const std::uint32_t maker = machine.ClassOf(bytes);
  if (maker != kNoPickleGlobal &&
      machine.global(maker).Path() == "_codecs.encode") {
    // How protocol 2 writes bytes.
    const auto encoded = machine.ArgumentsOf(machine.arena().Item(bytes, 1));
    if (!encoded || encoded->size() != 2 ||
        machine.TextOf((*encoded)[1]) != "latin1") {
      return false;
    }
    head = machine.HeadOf((*encoded)[0], kEnough);
    while (!head.empty() &&
           (static_cast<unsigned char>(head.back()) & 0xc0U) == 0xc0U) {
      head.pop_back();
    }
    head = DecodeLatin1(head).value_or(std::string());
  }
  return IsLegacyTorch(std::as_bytes(std::span(head.data(), head.size())));
}

void PickleJudge::ReportHeld(const PickleMachine& machine,
                             const PickleCall& call, std::uint32_t found) {
  Known& known = Know(machine, found);
  known.called = true;
  if (++known.reports > kMaxReportsPerName) return;
  ReportCall(machine, call, kPickleDangerousCall,
             "gives " + machine.global(found).written + " to " +
                 machine.global(call.global).written + Why(known.judgement),
             known.judgement);
}

void PickleJudge::JudgeOperands(const PickleMachine& machine,
                                const PickleCall& call) {
  const bool plain = call.arguments.Is(PickleKind::kEmptyTuple) ||
                     (call.arguments.IsNode(PickleNodeKind::kTuple) &&
                      machine.arena().HoldsPlainData(call.arguments));
  if (plain && call.keywords.Is(PickleKind::kNone)) return;
  const auto given = [&](Sought sought) {
    const std::uint32_t found = FindIn(machine, call.arguments, sought);
    return found != kNoPickleGlobal ? found
                                    : FindIn(machine, call.keywords, sought);
  };
  if (given(Sought::kAnything) == kNoPickleGlobal) return;
  const PickleGlobal& callee = machine.global(call.global);
  const bool holder = Know(machine, call.global).holder;
  std::uint32_t found = given(Sought::kDanger);
  // A partial of a class calls it with arguments, and so do others.
  if (found == kNoPickleGlobal && !holder &&
      callee.meaning != PickleMeaning::kReconstructor &&
      callee.meaning != PickleMeaning::kCallWithRest &&
      callee.meaning != PickleMeaning::kNewObjectEx) {
    found = given(Sought::kConstructor);
  }
  if (found != kNoPickleGlobal) {
    ReportHeld(machine, call, found);
    return;
  }
  if (!options_.report_everything || holder || IsFollowed(callee.meaning)) {
    return;
  }
  found = given(Sought::kUnvetted);
  if (found == kNoPickleGlobal) return;
  Known& known = Know(machine, found);
  known.called = true;
  if (known.reported) return;
  known.reported = true;
  ReportCall(machine, call, kPickleUnvettedCall,
             "gives " + machine.global(found).written + " to " +
                 callee.written + ", which may call it",
             known.judgement);
}

// attrgetter("__globals__") may be called later, by code that holds it.
void PickleJudge::JudgeAttributeNames(const PickleMachine& machine,
                                      const PickleCall& call) {
  const PickleMeaning meaning = machine.global(call.global).meaning;
  const auto arguments = machine.ArgumentsOf(call.arguments);
  if (!arguments) return;
  std::size_t first = 0;
  std::size_t last = arguments->size();
  if (meaning == PickleMeaning::kGetAttr) {
    first = 1;
    last = 2;
  } else if (meaning == PickleMeaning::kMethodCaller) {
    last = 1;
  } else if (meaning != PickleMeaning::kAttrGetter) {
    return;
  }
  for (std::size_t i = first; i < std::min(last, arguments->size()); ++i) {
    const PickleValue value = (*arguments)[i];
    const auto name = machine.TextOf(value);
    if (!name) {
      // Text that was not kept is no trick: the pickle is large.
      if (!value.Is(PickleKind::kNode) && !value.Is(PickleKind::kGlobal) &&
          !value.Is(PickleKind::kUnknown)) {
        continue;
      }
      if (++unresolved_ > kMaxUnresolved) continue;
      ReportCall(machine, call, kPickleUnresolvedImport,
                 "reaches for an attribute whose name cannot be told", {});
      continue;
    }
    const ImportJudgement judgement = context_.imports().Judge("object", *name);
    if (judgement.verdict != ImportVerdict::kDangerous) continue;
    ReportCall(machine, call, kPickleDangerousImport,
               "reaches for attribute " + *name + Why(judgement), judgement);
  }
}

void PickleJudge::OnCall(const PickleMachine& machine, const PickleCall& call) {
  switch (call.target) {
    case PickleCall::Target::kName: {
      if (Known& known = Know(machine, call.global);
          known.plain && !known.computed) {
        known.called = true;
        JudgeOperands(machine, call);
        return;
      }
      JudgeNamed(machine, call);
      const PickleMeaning meaning = machine.global(call.global).meaning;
      if (meaning == PickleMeaning::kGetAttr ||
          meaning == PickleMeaning::kAttrGetter ||
          meaning == PickleMeaning::kMethodCaller) {
        JudgeAttributeNames(machine, call);
      }
      if (Know(machine, call.global).judgement.verdict !=
              ImportVerdict::kDangerous &&
          meaning != PickleMeaning::kGetAttr) {
        JudgeOperands(machine, call);
      }
      return;
    }
    case PickleCall::Target::kResult: {
      const PickleGlobal& global = machine.global(call.global);
      const Known& known = Know(machine, call.global);
      if (!options_.report_everything || ++unresolved_ > kMaxUnresolved) {
        return;
      }
      const bool vetted = known.judgement.verdict == ImportVerdict::kVetted &&
                          !IsTransparent(global.meaning);
      ReportCall(machine, call,
                 vetted ? kPickleUnvettedCall : kPickleUnresolvedCall,
                 "calls what " + global.written + " returned", {});
      return;
    }
    case PickleCall::Target::kUnknown:
      if (!options_.report_everything || ++unresolved_ > kMaxUnresolved) {
        return;
      }
      ReportCall(machine, call, kPickleUnresolvedCall,
                 "calls " + std::string(MysteryText(call.mystery)), {});
      return;
  }
}

bool PickleJudge::PassesOverPlainCalls(const PickleMachine& machine,
                                       std::uint32_t global) {
  const Known& known = Know(machine, global);
  return known.plain && !known.computed;
}

void PickleJudge::OnModify(const PickleMachine& machine, PickleValue target,
                           PickleValue state, std::uint64_t offset) {
  Known& known = Know(machine, target.index());
  known.called = true;
  if (++known.reports > kMaxReportsPerName) return;
  const std::string path = machine.global(target.index()).Path();
  Report(kPickleModifies,
         {"writes into " + path, offset,
          path + ".update(" + machine.Render(state, kMaxEvidence) + ")",
          std::string(known.judgement.reference)});
}

void PickleJudge::OnProblem(PickleProblem problem, std::uint64_t offset,
                            std::string detail) {
  if (problem == PickleProblem::kLimit) {
    Report(kPickleLimit, {detail, offset});
    context_.MarkIncomplete(OutcomeStatus::kLimit, "pickle: " + detail);
    return;
  }
  if (problem == PickleProblem::kExpansion) {
    Report(kPickleHashBomb, {std::move(detail), offset});
    return;
  }
  // A string that only looks like a pickle may break off anywhere.
  if (options_.depth != 0 || !options_.report_everything) return;
  Report(problem == PickleProblem::kOddPlace ? kPickleOddStructure
                                             : kPickleMalformed,
         {std::move(detail), offset});
}

void PickleJudge::OnResult(const PickleMachine& machine, PickleValue result) {
  if (options_.on_result) options_.on_result(machine, result);
  if (!options_.report_everything) return;
  const PickleTree tree = MeasurePickleTree(machine.arena(), result);
  if (!tree.IsBomb()) return;
  Report(kPickleExpansion, {"a tree of more than a billion items, made of " +
                            std::to_string(tree.nodes) + " objects"});
}

void PickleJudge::OnPayload(std::uint64_t offset, std::uint64_t size,
                            std::string_view head, bool decoded) {
  PicklePayload payload{source_, offset, size,          head,
                        decoded, offset, options_.depth};
  if (options_.report_offset != kNoOffset) {
    payload.report_offset = options_.report_offset;
  }
  ScanNestedPickle(context_, payload);
}

void PickleJudge::OnFrameCrossed(std::uint64_t frame_end) {
  if (options_.second_reading) return;
  crossed_ = frame_end;
  PickleOptions options = options_;
  options.report_everything = false;
  options.second_reading = true;
  options.on_built = nullptr;
  options.on_persistent = nullptr;
  options.on_result = nullptr;
  // CPython's C unpickler is followed once this reading is done. Others may
  // begin anew behind the operand that was cut, or at the frame's end.
  for (std::uint64_t skip = 0; skip <= kMaxOperandBytes; ++skip) {
    ScanPickleIn(context_, source_, frame_end + skip, options);
  }
}

std::uint64_t PickleJudge::OnBuilt(const PickleMachine& machine,
                                   PickleValue object, std::uint64_t next) {
  return options_.on_built ? options_.on_built(machine, object, next) : next;
}

bool PickleJudge::OnProgress(std::uint64_t offset) {
  return context_.Checkpoint(
      options_.report_offset == kNoOffset ? offset : options_.report_offset);
}

void PickleJudge::Finish(const PickleMachine& machine) {
  for (std::uint32_t id = 0; id < known_.size(); ++id) {
    const Known& known = known_[id];
    const PickleGlobal& global = machine.global(id);
    if (!known.imported || known.called) continue;
    Sighting sighting{"imports " + global.written + Why(known.judgement),
                      known.offset, global.Path(),
                      std::string(known.judgement.reference)};
    if (known.judgement.verdict == ImportVerdict::kDangerous) {
      Report(kPickleDangerousImport, std::move(sighting));
    } else if (known.judgement.verdict == ImportVerdict::kUnvetted &&
               !IsTransparent(global.meaning) && options_.report_everything) {
      Report(kPickleUnvettedImport, std::move(sighting));
    }
  }
}

}  // namespace scanengine
