#include "worker/parsing/pickle_judge.h"

#include <algorithm>
#include <utility>

#include "worker/parsing/pickle_file.h"
#include "worker/parsing/pickle_meanings.h"
#include "worker/parsing/pickle_names.h"
#include "worker/parsing/pickle_nested.h"

namespace scanengine {
namespace {

constexpr std::size_t kMaxEvidence = 300;
constexpr std::uint32_t kMaxReach = 64;  // Values looked at for a call.
constexpr std::uint32_t kMaxReachDepth = 6;
constexpr std::uint16_t kMaxReportsPerName = 16;
constexpr std::uint32_t kMaxUnresolved = 64;
constexpr std::uint64_t kMaxOperandBytes = 9;  // Opcode and count.

int Badness(ImportVerdict verdict) {
  switch (verdict) {
    case ImportVerdict::kVetted:
      return 0;
    case ImportVerdict::kKnownLibrary:
      return 1;
    case ImportVerdict::kUnvetted:
      return 2;
    case ImportVerdict::kDangerous:
      return 3;
  }
  return 3;
}

// What str, bytes, list, dict, set, int and float have, sorted. They compute
// and do nothing else. Not format and format_map, which read attributes.
constexpr std::string_view kDataMethods[] = {"add",
                                             "append",
                                             "as_integer_ratio",
                                             "bit_count",
                                             "bit_length",
                                             "capitalize",
                                             "casefold",
                                             "center",
                                             "clear",
                                             "conjugate",
                                             "copy",
                                             "count",
                                             "decode",
                                             "denominator",
                                             "difference",
                                             "difference_update",
                                             "discard",
                                             "encode",
                                             "endswith",
                                             "expandtabs",
                                             "extend",
                                             "find",
                                             "from_bytes",
                                             "fromhex",
                                             "fromkeys",
                                             "get",
                                             "hex",
                                             "imag",
                                             "index",
                                             "insert",
                                             "intersection",
                                             "intersection_update",
                                             "is_integer",
                                             "isalnum",
                                             "isalpha",
                                             "isascii",
                                             "isdecimal",
                                             "isdigit",
                                             "isdisjoint",
                                             "isidentifier",
                                             "islower",
                                             "isnumeric",
                                             "isprintable",
                                             "isspace",
                                             "issubset",
                                             "issuperset",
                                             "istitle",
                                             "isupper",
                                             "items",
                                             "join",
                                             "keys",
                                             "ljust",
                                             "lower",
                                             "lstrip",
                                             "maketrans",
                                             "numerator",
                                             "partition",
                                             "pop",
                                             "popitem",
                                             "real",
                                             "remove",
                                             "removeprefix",
                                             "removesuffix",
                                             "replace",
                                             "reverse",
                                             "rfind",
                                             "rindex",
                                             "rjust",
                                             "rpartition",
                                             "rsplit",
                                             "rstrip",
                                             "setdefault",
                                             "sort",
                                             "split",
                                             "splitlines",
                                             "startswith",
                                             "strip",
                                             "swapcase",
                                             "symmetric_difference",
                                             "symmetric_difference_update",
                                             "title",
                                             "to_bytes",
                                             "translate",
                                             "union",
                                             "update",
                                             "upper",
                                             "values",
                                             "zfill"};

// str.upper, dict.get and the like.
bool IsPlainDataMethod(const PickleGlobal& global) {
  constexpr std::string_view kTypes[] = {
      "str", "bytes",     "bytearray", "list",  "tuple",   "dict",
      "set", "frozenset", "int",       "float", "complex", "bool"};
  if (global.module != "builtins" && global.module != "__builtin__") {
    return false;
  }
  const std::string_view name = global.name;
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view method = name.substr(dot + 1);
  return std::find(std::begin(kTypes), std::end(kTypes), name.substr(0, dot)) !=
             std::end(kTypes) &&
         std::binary_search(std::begin(kDataMethods), std::end(kDataMethods),
                            method);
}

// What the name is to Python 3, and to Python 2 if it means something there.
ImportJudgement JudgeName(const ImportPolicy& policy,
                          const PickleGlobal& global) {
  if (IsPlainDataMethod(global)) return {ImportVerdict::kVetted, {}, {}, {}};
  const ImportJudgement plain = policy.Judge(global.module, global.name);
  const PickleName fixed = FixPythonTwoName(global.module, global.name);
  if (fixed.module == global.module && fixed.name == global.name) return plain;
  const ImportJudgement other = policy.Judge(fixed.module, fixed.name);
  // Old names of vetted ones are in no table.
  if (plain.verdict == ImportVerdict::kUnvetted) return other;
  return Badness(other.verdict) > Badness(plain.verdict) ? other : plain;
}

// Distributions of scipy.stats keep the source of three small functions in
// their state and run it when they are unpickled.
constexpr std::string_view kScipyTemplate = "_parse_arg_template";

// True for what scipy writes: three definitions that return their arguments.
// No call fits in, since a line has one opening parenthesis and no string but
// 'mv'.
bool IsScipyTemplate(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.empty()) continue;
    const bool defines = line.starts_with("def _parse_args");
    const bool rvs = line.starts_with("return self._argcheck_rvs(");
    if (!defines && !rvs && !line.starts_with("return (")) return false;
    if (std::count(line.begin(), line.end(), '(') != 1) return false;
    constexpr std::string_view kMarks = "_ ,=.():'-";
    for (const char c : line) {
      const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9');
      if (!word && kMarks.find(c) == std::string_view::npos) return false;
    }
    if (line.find("__") != std::string_view::npos) return false;
  }
  return true;
}

std::string Why(const ImportJudgement& judgement) {
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

}  // namespace

void PickleJudge::Report(const Rule& rule, Sighting sighting) {
  Severity severity = rule.severity;
  if (options_.depth != 0) {
    // Not run by loading the file, but by whoever unpickles the string.
    severity = std::min(severity, Severity::kHigh);
    sighting.message += ", in a pickle inside a string";
  }
  if (options_.report_offset != kNoOffset) {
    sighting.offset = options_.report_offset;
  }
  context_.Report(rule, severity, sighting);
}

PickleJudge::Known& PickleJudge::Know(const PickleMachine& machine,
                                      std::uint32_t id) {
  if (id >= known_.size()) known_.resize(std::size_t{id} + 1);
  Known& known = known_[id];
  if (!known.judged) {
    known.judged = true;
    known.judgement = JudgeName(context_.imports(), machine.global(id));
  }
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
    return;
  }
  if (!options_.report_everything || ++unresolved_ > kMaxUnresolved) return;
  Report(kPickleUnresolvedImport,
         {"imports " + import.detail, import.offset, import.detail});
}

std::uint32_t PickleJudge::DangerIn(const PickleMachine& machine,
                                    PickleValue value, std::uint32_t depth,
                                    std::uint32_t* budget) {
  if (depth > kMaxReachDepth || *budget == 0) return kNoPickleGlobal;
  --*budget;
  if (value.Is(PickleKind::kGlobal)) {
    Known& known = Know(machine, value.index());
    return known.judgement.verdict == ImportVerdict::kDangerous
               ? value.index()
               : kNoPickleGlobal;
  }
  if (!value.Is(PickleKind::kNode)) return kNoPickleGlobal;
  const PickleNode& node = machine.arena().node(value);
  // What a call was given was judged when it was made.
  if (node.kind == PickleNodeKind::kText ||
      node.kind == PickleNodeKind::kBytes ||
      node.kind == PickleNodeKind::kCall || node.kept == 0) {
    return kNoPickleGlobal;
  }
  for (const PickleValue item : machine.arena().Items(value, *budget)) {
    const std::uint32_t found = DangerIn(machine, item, depth + 1, budget);
    if (found != kNoPickleGlobal) return found;
  }
  return kNoPickleGlobal;
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
  if (IsTransparent(global.meaning)) return;
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

// torch.save() of a storage puts a legacy torch file into a string; that was
// scanned as a pickle inside a string.
bool PickleJudge::LoadsScannedBytes(const PickleMachine& machine,
                                    const PickleCall& call) {
  constexpr std::size_t kEnough = 64;
  const auto arguments = machine.ArgumentsOf(call.arguments);
  if (!arguments || arguments->size() != 1) return false;
  const std::string head = machine.HeadOf((*arguments)[0], kEnough);
  return IsLegacyTorch(std::as_bytes(std::span(head.data(), head.size())));
}

void PickleJudge::JudgeOperands(const PickleMachine& machine,
                                const PickleCall& call) {
  std::uint32_t budget = kMaxReach;
  std::uint32_t found = DangerIn(machine, call.arguments, 0, &budget);
  if (found == kNoPickleGlobal) {
    found = DangerIn(machine, call.keywords, 0, &budget);
  }
  if (found == kNoPickleGlobal) return;
  Known& known = Know(machine, found);
  known.called = true;
  if (++known.reports > kMaxReportsPerName) return;
  ReportCall(machine, call, kPickleDangerousCall,
             "gives " + machine.global(found).written + " to " +
                 machine.global(call.global).written + Why(known.judgement),
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
    const auto name = machine.TextOf((*arguments)[i]);
    if (!name) continue;
    const ImportJudgement judgement = context_.imports().Judge("object", *name);
    if (judgement.verdict != ImportVerdict::kDangerous) continue;
    ReportCall(machine, call, kPickleDangerousImport,
               "reaches for attribute " + *name + Why(judgement), judgement);
  }
}

void PickleJudge::OnCall(const PickleMachine& machine, const PickleCall& call) {
  switch (call.target) {
    case PickleCall::Target::kName: {
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

void PickleJudge::OnState(const PickleMachine& machine, PickleValue object,
                          PickleValue state, std::uint64_t offset) {
  std::uint32_t budget = kMaxReach;
  const std::uint32_t found = DangerIn(machine, state, 0, &budget);
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
  const std::uint32_t made_by = machine.ClassOf(object);
  if (made_by == kNoPickleGlobal ||
      !machine.global(made_by).module.starts_with("scipy.stats")) {
    return;
  }
  const auto text = machine.Lookup(state, kScipyTemplate);
  if (!text) return;
  const auto known_text = machine.TextOf(*text);
  if (known_text && IsScipyTemplate(*known_text)) return;
  Report(kPickleDangerousCall, {"gives " + machine.global(made_by).written +
                                    " a text that it runs as code",
                                offset, machine.Render(*text, kMaxEvidence)});
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
  PickleOptions options = options_;
  options.report_everything = false;
  options.second_reading = true;
  options.on_built = nullptr;
  options.on_persistent = nullptr;
  options.on_result = nullptr;
  // A reader that drops the rest of the frame goes on behind the operand that
  // was cut, or at the frame's end.
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
