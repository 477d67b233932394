#ifndef SCANENGINE_TESTS_SUPPORT_PICKLE_EVENTS_H_
#define SCANENGINE_TESTS_SUPPORT_PICKLE_EVENTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/byte_strings.h"
#include "worker/parsing/pickle_machine.h"

namespace scanengine {

/// Writes down what a pickle does, one line an event: "import os.system",
/// "call os.system('id')", "call <an item that is not known>()",
/// "write numpy <- {...}", "hook m.C().__reduce__ = os.system", "problem 3".
class RecordingPickleObserver final : public PickleObserver {
 public:
  void OnImport(const PickleMachine& machine,
                const PickleImport& import) override {
    std::string line = import.by_attribute ? "reach " : "import ";
    line += import.global == kNoPickleGlobal
                ? "? " + import.detail
                : machine.global(import.global).Path();
    events.push_back(line);
  }
  void OnCall(const PickleMachine& machine, const PickleCall& call) override {
    std::string line = "call ";
    if (call.target == PickleCall::Target::kUnknown) line = "call? ";
    if (call.target == PickleCall::Target::kResult) line = "call-result ";
    events.push_back(line + machine.RenderCall(call, 200));
  }
  void OnModify(const PickleMachine& machine, PickleValue target,
                PickleValue state, std::uint64_t) override {
    events.push_back("write " + machine.Render(target, 100) + " <- " +
                     machine.Render(state, 100));
  }
  void OnHook(const PickleMachine& machine, PickleValue object,
              std::string_view name, std::optional<PickleValue> value,
              std::uint64_t) override {
    events.push_back("hook " + machine.Render(object, 100) + "." +
                     std::string(name) + " = " +
                     (value ? machine.Render(*value, 100) : "..."));
  }
  void OnProblem(PickleProblem problem, std::uint64_t offset,
                 std::string) override {
    problems.push_back(problem);
    problem_offsets.push_back(offset);
  }
  void OnPayload(std::uint64_t offset, std::uint64_t, std::string_view,
                 bool) override {
    payloads.push_back(offset);
  }
  bool OnProgress(std::uint64_t) override { return true; }

  std::vector<std::string> events;
  std::vector<PickleProblem> problems;
  std::vector<std::uint64_t> problem_offsets;
  std::vector<std::uint64_t> payloads;
};

/// One stream, run from the first byte of |bytes|.
struct PickleRun {
  std::vector<std::string> events;
  std::vector<PickleProblem> problems;
  PickleEnd end;
};
inline PickleRun RunPickle(std::string_view bytes) {
  MemorySource source(testing::BytesOf(bytes));
  RecordingPickleObserver observer;
  PickleMachine machine(source, 0, observer);
  PickleRun run;
  run.end = machine.Run();
  run.events = std::move(observer.events);
  run.problems = std::move(observer.problems);
  return run;
}

}  // namespace scanengine

#endif  // SCANENGINE_TESTS_SUPPORT_PICKLE_EVENTS_H_
