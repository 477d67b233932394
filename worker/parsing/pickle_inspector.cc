#include "worker/parsing/pickle_inspector.h"

#include <algorithm>

#include "ipc/text.h"
#include "worker/parsing/pickle_listing.h"
#include "worker/parsing/pickle_outline.h"
#include "worker/parsing/pickle_render.h"

namespace scanengine {
namespace {

using Room = InspectionBuilder::Room;

constexpr std::size_t kMaxNameText = 256;
constexpr std::size_t kMaxPending = 64;
constexpr std::size_t kMaxGaps = 100'000;

NameVerdict VerdictOfJudgement(ImportVerdict verdict) {
  switch (verdict) {
    case ImportVerdict::kUnvetted:
      return NameVerdict::kUnvetted;
    case ImportVerdict::kVetted:
      return NameVerdict::kVetted;
    case ImportVerdict::kDangerous:
      return NameVerdict::kDangerous;
    case ImportVerdict::kKnownLibrary:
      return NameVerdict::kKnownLibrary;
  }
  return NameVerdict::kUnvetted;
}

int Badness(NameVerdict verdict) {
  switch (verdict) {
    case NameVerdict::kDangerous:
      return 4;
    case NameVerdict::kUnresolved:
      return 3;
    case NameVerdict::kUnvetted:
      return 2;
    case NameVerdict::kKnownLibrary:
      return 1;
    case NameVerdict::kVetted:
    case NameVerdict::kNone:
      return 0;
  }
  return 0;
}

}  // namespace

PickleInspector::SeenImport& PickleInspector::Seen(std::uint32_t id) {
  if (id >= imports_.size()) imports_.resize(std::size_t{id} + 1);
  return imports_[id];
}

std::uint32_t PickleInspector::ValueOf(const PickleMachine& machine,
                                       PickleValue value) const {
  if (!value.IsNode(PickleNodeKind::kCall)) return 0;
  const auto at = named_.find(value.index());
  if (at == named_.end()) return 0;
  const Named& named = at->second;
  return machine.arena().node(value).items[0] == named.callee ? named.value : 0;
}

std::string PickleInspector::NameOf(const PickleMachine& machine,
                                    PickleValue value) const {
  const std::uint32_t number = ValueOf(machine, value);
  return number == 0 ? std::string() : "v" + std::to_string(number);
}

const InspectedObject* PickleInspector::ObjectOf(const PickleMachine& machine,
                                                 PickleValue value) const {
  const auto at = objects_.find(ValueOf(machine, value));
  return at == objects_.end() ? nullptr : &at->second;
}

InspectedObject* PickleInspector::NewObject(const PickleMachine& machine,
                                            PickleValue value) {
  const std::uint32_t number = ValueOf(machine, value);
  return number == 0 ? nullptr : &objects_[number];
}

NameVerdict PickleInspector::VerdictOf(const PickleMachine& machine,
                                       std::uint32_t id) {
  if (id == kNoPickleGlobal) return NameVerdict::kUnresolved;
  return VerdictOfJudgement(judge_.JudgementOf(machine, id).verdict);
}

std::string PickleInspector::Text(const PickleMachine& machine,
                                  PickleValue value, std::size_t max_bytes,
                                  std::vector<std::uint32_t>* uses) {
  PickleRenderer renderer(machine, max_bytes, [&](PickleValue made) {
    const std::uint32_t number = ValueOf(machine, made);
    if (number != 0) uses->push_back(number);
    return NameOf(machine, made);
  });
  renderer.Write(value);
  return renderer.Finish();
}

std::string PickleInspector::CallText(const PickleMachine& machine,
                                      const PickleCall& call,
                                      std::vector<std::uint32_t>* uses) {
  PickleRenderer renderer(machine, kMaxTextBytes, [&](PickleValue made) {
    const std::uint32_t number = ValueOf(machine, made);
    if (number != 0) uses->push_back(number);
    return NameOf(machine, made);
  });
  renderer.Write(call.callee);
  if (call.via == PickleCall::Via::kNewObject) renderer.Add(".__new__");
  renderer.WriteArguments(call.arguments, 0, call.keywords);
  return renderer.Finish();
}

std::vector<std::uint32_t> PickleInspector::ChainOf(
    const std::vector<std::uint32_t>& uses) const {
  std::vector<std::uint32_t> chain;
  for (const std::uint32_t use : uses) {
    const InspectedStep& maker = section_.steps[step_of_value_[use - 1]];
    chain.insert(chain.end(), maker.chain.begin(), maker.chain.end());
    chain.push_back(use);
  }
  std::sort(chain.begin(), chain.end());
  chain.erase(std::unique(chain.begin(), chain.end()), chain.end());
  if (chain.size() > kMaxChain) {
    // What is nearest says most.
    chain.erase(chain.begin(),
                chain.end() - static_cast<std::ptrdiff_t>(kMaxChain));
  }
  return chain;
}

bool PickleInspector::HasRoom() {
  if (full_ || section_.steps.size() >= kMaxSteps) {
    full_ = true;
    ++section_.dropped;
    return false;
  }
  return true;
}

bool PickleInspector::AddStep(InspectedStep step) {
  if (!inspection_.Charge(WireSize(step), Room::kSteps)) {
    full_ = true;
    ++section_.dropped;
    return false;
  }
  section_.steps.push_back(std::move(step));
  return true;
}

void PickleInspector::OnImport(const PickleMachine& machine,
                               const PickleImport& import) {
  judge_.OnImport(machine, import);
  saw_import_ = true;
  if (import.global == kNoPickleGlobal) {
    if (unresolved_.size() >= kMaxUnresolved) {
      ++section_.dropped;
      return;
    }
    InspectedImport made;
    made.name = Printable(import.detail, kMaxNameText);
    made.verdict = NameVerdict::kUnresolved;
    made.offset = import.offset;
    made.imports = 1;
    made.by_attribute = import.by_attribute;
    unresolved_.push_back(std::move(made));
    return;
  }
  SeenImport& seen = Seen(import.global);
  if (seen.imports++ == 0) {
    seen.offset = import.offset;
    seen.by_attribute = import.by_attribute;
  }
}

void PickleInspector::OnCall(const PickleMachine& machine,
                             const PickleCall& call) {
  judge_.OnCall(machine, call);
  const bool named = call.target == PickleCall::Target::kName;
  if (named) ++Seen(call.global).calls;
  while (!pending_.empty() && pending_.back().offset != call.offset) {
    pending_.pop_back();
  }
  if (!HasRoom()) return;
  InspectedStep step;
  step.offset = call.offset;
  step.verdict =
      named ? VerdictOf(machine, call.global) : NameVerdict::kUnresolved;
  std::vector<std::uint32_t> uses;
  step.text = CallText(machine, call, &uses);
  if (call.via == PickleCall::Via::kCallee && !pending_.empty()) {
    step.within = section_.steps[pending_.back().step].value;
    uses.push_back(step.within);
  }
  step.chain = ChainOf(uses);
  step.value = static_cast<std::uint32_t>(step_of_value_.size() + 1);
  const std::size_t index = section_.steps.size();
  if (!AddStep(std::move(step))) return;
  step_of_value_.push_back(index);
  if (pending_.size() < kMaxPending) {
    pending_.push_back({call.callee, call.arguments, call.offset, index});
  }
}

void PickleInspector::OnReturn(const PickleMachine& machine,
                               const PickleCall& call, PickleValue result) {
  const auto at = std::find_if(
      pending_.rbegin(), pending_.rend(), [&](const Pending& pending) {
        return pending.offset == call.offset && pending.callee == call.callee &&
               pending.arguments == call.arguments;
      });
  const PickleArena& arena = machine.arena();
  const bool made = result.IsNode(PickleNodeKind::kCall) &&
                    arena.node(result).items[0] == call.callee &&
                    arena.node(result).items[1] == call.arguments;
  if (at == pending_.rend()) {
    // Not written down: its place may have had a name.
    if (made) named_.erase(result.index());
    return;
  }
  const std::size_t index = at->step;
  pending_.erase(at.base() - 1, pending_.end());
  InspectedStep& step = section_.steps[index];
  if (made) {
    named_[result.index()] = {step.value, call.callee};
    objects_.erase(step.value);
    if (call.target == PickleCall::Target::kName &&
        machine.global(call.global).module == "torch._utils" &&
        !last_storage_.empty()) {
      NewObject(machine, result)->storage = last_storage_;
    }
    return;
  }
  if (result.Is(PickleKind::kUnknown) || result.Is(PickleKind::kInstance)) {
    return;
  }
  std::vector<std::uint32_t> uses;
  std::string outcome = Text(machine, result, kMaxOutcomeBytes, &uses);
  if (inspection_.Charge(outcome.size(), Room::kSteps)) {
    step.outcome = std::move(outcome);
  }
}

void PickleInspector::OnModify(const PickleMachine& machine, PickleValue target,
                               PickleValue state, std::uint64_t offset) {
  judge_.OnModify(machine, target, state, offset);
  if (!HasRoom()) return;
  InspectedStep step;
  step.offset = offset;
  step.action = StepAction::kModify;
  step.verdict = VerdictOf(machine, target.index());
  std::vector<std::uint32_t> uses;
  step.text = Text(machine, target, kMaxNameText, &uses) + ".__dict__.update(" +
              Text(machine, state, kMaxTextBytes, &uses) + ")";
  step.chain = ChainOf(uses);
  AddStep(std::move(step));
}

void PickleInspector::OnState(const PickleMachine& machine, PickleValue object,
                              PickleValue state, std::uint64_t offset) {
  judge_.OnState(machine, object, state, offset);
  if (!HasRoom()) return;
  InspectedStep step;
  step.offset = offset;
  step.action = StepAction::kState;
  const std::uint32_t made_by = machine.ClassOf(object);
  if (made_by != kNoPickleGlobal) step.verdict = VerdictOf(machine, made_by);
  std::vector<std::uint32_t> uses;
  step.text = Text(machine, object, kMaxNameText, &uses) + ".__setstate__(" +
              Text(machine, state, kMaxTextBytes, &uses) + ")";
  step.chain = ChainOf(uses);
  AddStep(std::move(step));
}

void PickleInspector::OnItems(const PickleMachine& machine, PickleValue object,
                              std::span<const PickleValue> items, bool pairs) {
  judge_.OnItems(machine, object, items, pairs);
  if (InspectedObject* made = NewObject(machine, object)) {
    const std::uint32_t sweeps = machine.arena().sweeps();
    if (made->sweeps != sweeps) made->items.clear();
    made->sweeps = sweeps;
    made->pairs = pairs;
    made->item_count += items.size();
    for (const PickleValue item : items) {
      if (made->items.size() >= kMaxItemsOfObject ||
          kept_items_ >= kMaxItemsOfAll) {
        break;
      }
      made->items.push_back(item);
      ++kept_items_;
    }
  }
  if (!HasRoom()) return;
  InspectedStep step;
  step.offset = machine.op_offset();
  step.action = StepAction::kItems;
  std::vector<std::uint32_t> uses;
  step.text = Text(machine, object, kMaxNameText, &uses);
  const std::size_t count = pairs ? items.size() / 2 : items.size();
  step.text += pairs ? ".__setitem__(" : ".extend(";
  if (items.size() <= 2 && pairs) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i != 0) step.text += ", ";
      step.text += Text(machine, items[i], kMaxTextBytes / 2, &uses);
    }
  } else {
    step.text +=
        "<" + std::to_string(count) + (pairs ? " entries>" : " items>");
  }
  step.text += ")";
  step.chain = ChainOf(uses);
  AddStep(std::move(step));
}

void PickleInspector::OnHook(const PickleMachine& machine, PickleValue object,
                             std::string_view name,
                             std::optional<PickleValue> value,
                             std::uint64_t offset) {
  judge_.OnHook(machine, object, name, value, offset);
}

void PickleInspector::OnProblem(PickleProblem problem, std::uint64_t offset,
                                std::string detail) {
  last_problem_ = Printable(detail, kMaxTextBytes);
  last_problem_offset_ = offset;
  if (HasRoom()) {
    InspectedStep step;
    step.offset = offset;
    step.action = StepAction::kProblem;
    step.text = last_problem_;
    AddStep(std::move(step));
  }
  judge_.OnProblem(problem, offset, std::move(detail));
}

void PickleInspector::OnPayload(std::uint64_t offset, std::uint64_t size,
                                std::string_view head, bool decoded) {
  inspection_.SetStringOffset(offset);
  judge_.OnPayload(offset, size, head, decoded);
  inspection_.SetStringOffset(kNoOffset);
}

void PickleInspector::OnFrameCrossed(std::uint64_t frame_end) {
  judge_.OnFrameCrossed(frame_end);
}

void PickleInspector::OnPersistent(const PickleMachine& machine,
                                   PickleValue id) {
  judge_.OnPersistent(machine, id);
  last_storage_.clear();
  const auto parts = machine.ArgumentsOf(id);
  if (parts && parts->size() > 1 && (*parts)[1].Is(PickleKind::kGlobal)) {
    last_storage_ =
        Printable(machine.global((*parts)[1].index()).Path(), kMaxNameText);
  }
  if (!HasRoom()) return;
  InspectedStep step;
  step.offset = machine.op_offset();
  step.action = StepAction::kPersistent;
  std::vector<std::uint32_t> uses;
  step.text =
      "persistent_load(" + Text(machine, id, kMaxTextBytes, &uses) + ")";
  step.chain = ChainOf(uses);
  AddStep(std::move(step));
}

void PickleInspector::OnResult(const PickleMachine& machine,
                               PickleValue result) {
  judge_.OnResult(machine, result);
  PickleOutline outline(machine, *this);
  outline.Write(result);
  section_.dropped += outline.dropped();
  for (InspectedLine& line : outline.lines()) {
    if (!inspection_.Charge(WireSize(line), Room::kSummary)) {
      ++section_.dropped;
      continue;
    }
    section_.outline.push_back(std::move(line));
  }
}

std::uint64_t PickleInspector::OnBuilt(const PickleMachine& machine,
                                       PickleValue object, std::uint64_t next) {
  const std::uint64_t resumed = judge_.OnBuilt(machine, object, next);
  if (resumed != next && gaps_.size() < kMaxGaps) {
    gaps_.emplace_back(next, resumed);
  }
  return resumed;
}

bool PickleInspector::OnProgress(std::uint64_t offset) {
  return judge_.OnProgress(offset);
}

void PickleInspector::AddImports(const PickleMachine& machine) {
  std::vector<InspectedImport> all = std::move(unresolved_);
  for (std::uint32_t id = 0; id < imports_.size(); ++id) {
    const SeenImport& seen = imports_[id];
    if (seen.imports == 0 && seen.calls == 0) continue;
    const PickleGlobal& global = machine.global(id);
    const ImportJudgement& judgement = judge_.JudgementOf(machine, id);
    InspectedImport made;
    made.name = Printable(global.Path(), kMaxNameText);
    if (global.written != global.Path()) {
      made.written = Printable(global.written, kMaxNameText);
    }
    made.verdict = VerdictOfJudgement(judgement.verdict);
    made.category = judgement.category;
    made.effect = judgement.effect;
    made.reference = judgement.reference;
    made.offset = seen.offset;
    made.imports = seen.imports;
    made.calls = seen.calls;
    made.by_attribute = seen.by_attribute;
    all.push_back(std::move(made));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const InspectedImport& a, const InspectedImport& b) {
                     const int worse = Badness(a.verdict) - Badness(b.verdict);
                     return worse != 0 ? worse > 0 : a.offset < b.offset;
                   });
  for (InspectedImport& import : all) {
    if (!inspection_.Charge(WireSize(import), Room::kSummary)) {
      ++section_.dropped;
      continue;
    }
    section_.imports.push_back(std::move(import));
  }
}

void PickleInspector::Finish(const PickleMachine& machine,
                             const PickleEnd& end) {
  section_.end = end.offset;
  AddImports(machine);
  const std::uint64_t opcodes = machine.opcodes() + (end.complete ? 1 : 0);
  std::string how = "complete";
  if (!end.complete) {
    how = last_problem_.empty() ? "stopped"
                                : last_problem_ + " at offset " +
                                      std::to_string(last_problem_offset_);
  }
  section_.facts.emplace_back("protocol", std::to_string(machine.protocol()));
  section_.facts.emplace_back("opcodes", std::to_string(opcodes));
  section_.facts.emplace_back("end", std::move(how));
}

PickleEnd InspectPickle(ScanContext& context, ByteSource& source,
                        std::uint64_t offset, const PickleOptions& options,
                        PickleJudge& judge) {
  InspectionBuilder& inspection = *context.inspection();
  if (!inspection.Open(context.member(), "pickle")) {
    PickleMachine machine(source, offset, judge, options.mode);
    const PickleEnd end = machine.Run();
    judge.Finish(machine);
    return end;
  }
  PickleInspector inspector(judge, inspection, offset);
  PickleMachine machine(source, offset, inspector, options.mode);
  const PickleEnd end = machine.Run();
  inspector.Finish(machine, end);
  judge.Finish(machine);
  const bool guess = !options.report_everything;
  if (guess && !end.complete && !inspector.saw_import()) {
    // Chance bytes that began like a pickle.
    inspection.Discard();
    return end;
  }
  InspectionSection section = inspector.TakeSection();
  if (guess) {
    section.facts.emplace_back(
        "found",
        options.second_reading
            ? "by a reader that drops the rest of a frame"
            : "by a search; loaders that start elsewhere would run it");
  }
  if (inspection.options().opcodes) {
    section.dropped += ListPickle(source, offset, end.offset, inspector.gaps(),
                                  inspection, &section.opcodes);
  }
  inspection.Close(std::move(section));
  return end;
}

}  // namespace scanengine
