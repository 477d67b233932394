// The worker that is no process.

#include "engine/in_process_launcher.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ipc/import_policy.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::TempDir;

constexpr Clock::Time kNow = Clock::Time::min();
const Clock::Time kForEver = Clock::Time(std::chrono::hours(24 * 365 * 100));

std::unique_ptr<WorkerLauncher> MakeLauncher(InProcessOptions options = {}) {
  static const std::vector<std::byte> compiled =
      CompileImportPolicy(BuiltInPolicy()).value();
  options.imports = compiled;
  return MakeInProcessLauncher(std::move(options)).value();
}

TaskRequest TaskFor(TaskId id, std::string path) {
  TaskRequest task;
  task.id = id;
  task.path = std::move(path);
  return task;
}

std::vector<TaskId> Answered(const std::vector<WorkerEvent>& events) {
  std::vector<TaskId> ids;
  for (const WorkerEvent& event : events) {
    for (const auto& reply : std::get<WorkerReplied>(event).replies) {
      ids.push_back(reply.task);
    }
  }
  return ids;
}

TEST_CASE("In-process launcher: no policy is an error, not a blind scan") {
  const auto made = MakeInProcessLauncher({});
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == ErrorCode::kMalformed);
}

TEST_CASE("In-process launcher: greets with this build and no sandbox") {
  const auto launcher = MakeLauncher();
  const Result<WorkerId> worker = launcher->Spawn();
  REQUIRE(worker.ok());
  const std::vector<WorkerEvent> events = launcher->Wait(kNow);
  REQUIRE(events.size() == 1);
  const auto& ready = std::get<WorkerReady>(events[0]);
  CHECK(ready.worker == worker.value());
  CHECK(ready.hello.build_id == BuildId());
  CHECK(ready.hello.protocol_version == kProtocolVersion);
  CHECK(ready.hello.pid != 0);
  CHECK(ready.hello.sandbox_active.empty());
  CHECK(launcher->Wait(kNow).empty());
  CHECK(launcher->Memory(worker.value()) == 0);
  CHECK(launcher->Board(worker.value()).task == 0);
}

TEST_CASE("In-process launcher: one task for each wait, in order") {
  TempDir folder;
  const auto launcher = MakeLauncher();
  const WorkerId worker = launcher->Spawn().value();
  CHECK(launcher->Wait(kNow).size() == 1);
  const std::vector<TaskRequest> tasks{
      TaskFor(5, folder.File("a.txt")),
      TaskFor(6, folder / "gone"),
      TaskFor(7, folder.File("c.pkl", "cos\nsystem\n(S'x'\ntR.")),
  };
  launcher->Send(worker, tasks);
  std::vector<ScanReply> replies;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    // Even when there is no time left: the supervisor must get on.
    const std::vector<WorkerEvent> events = launcher->Wait(kNow);
    REQUIRE(events.size() == 1);
    const auto& replied = std::get<WorkerReplied>(events[0]);
    CHECK(replied.worker == worker);
    REQUIRE(replied.replies.size() == 1);
    replies.push_back(replied.replies[0]);
    CHECK(replies.back().task == tasks[i].id);
  }
  CHECK(replies[0].status == OutcomeStatus::kNotAModel);
  CHECK(replies[1].status == OutcomeStatus::kChanged);
  CHECK(replies[2].status == OutcomeStatus::kScanned);
  REQUIRE_FALSE(replies[2].findings.empty());
  CHECK(replies[2].findings[0].severity == Severity::kCritical);
}

TEST_CASE("In-process launcher: an interrupt ends a wait that has nothing") {
  const auto launcher = MakeLauncher();
  SECTION("sent before") {
    launcher->Interrupt();
    CHECK(launcher->Wait(kForEver).empty());
  }
  SECTION("sent meanwhile") {
    std::thread other([&] { launcher->Interrupt(); });
    CHECK(launcher->Wait(kForEver).empty());
    other.join();
  }
  // Used up: only time ends the next one.
  CHECK(launcher->Wait(kNow).empty());
}

TEST_CASE("In-process launcher: a close answers what is held, then ends") {
  TempDir folder;
  const auto launcher = MakeLauncher();
  const WorkerId worker = launcher->Spawn().value();
  CHECK(launcher->Wait(kNow).size() == 1);
  launcher->Send(worker, std::vector{TaskFor(1, folder.File("a.txt")),
                                     TaskFor(2, folder.File("b.txt"))});
  launcher->Close(worker);
  CHECK(Answered(launcher->Wait(kNow)) == std::vector<TaskId>{1});
  CHECK(Answered(launcher->Wait(kNow)) == std::vector<TaskId>{2});
  const std::vector<WorkerEvent> end = launcher->Wait(kForEver);
  REQUIRE(end.size() == 1);
  CHECK(std::get<WorkerExited>(end[0]).end ==
        NativeEnd{NativeEnd::Kind::kExited, 0});
  CHECK(launcher->Wait(kNow).empty());
}

TEST_CASE("In-process launcher: a kill drops what is held and ends at once") {
  TempDir folder;
  const auto launcher = MakeLauncher();
  const WorkerId worker = launcher->Spawn().value();
  CHECK(launcher->Wait(kNow).size() == 1);
  launcher->Send(worker, std::vector{TaskFor(1, folder.File("a.txt"))});
  SECTION("kill") { launcher->Kill(worker); }
  SECTION("terminate") { launcher->Terminate(worker); }
  const std::vector<WorkerEvent> end = launcher->Wait(kForEver);
  REQUIRE(end.size() == 1);
  CHECK(std::holds_alternative<WorkerExited>(end[0]));
  CHECK(launcher->Wait(kNow).empty());
}

TEST_CASE("In-process launcher: it can be started again after its end") {
  TempDir folder;
  const auto launcher = MakeLauncher();
  WorkerId worker = launcher->Spawn().value();
  launcher->Close(worker);
  const std::vector<WorkerEvent> events = launcher->Wait(kForEver);
  REQUIRE(events.size() == 2);  // Ready, then gone.
  worker = launcher->Spawn().value();
  CHECK(std::holds_alternative<WorkerReady>(launcher->Wait(kNow).at(0)));
  launcher->Send(worker, std::vector{TaskFor(9, folder.File("a.txt"))});
  CHECK(Answered(launcher->Wait(kNow)) == std::vector<TaskId>{9});
}

TEST_CASE("In-process launcher: a cancelled run ends the scan under way") {
  TempDir folder;
  InProcessOptions options;
  options.cancelled = [] { return true; };
  const auto launcher = MakeLauncher(std::move(options));
  const WorkerId worker = launcher->Spawn().value();
  CHECK(launcher->Wait(kNow).size() == 1);
  // Long enough to be asked: each opcode is no checkpoint, each read is.
  std::string pickle = "\x80\x04";
  pickle.append(40U << 20, 'N');
  pickle += '.';
  launcher->Send(worker, std::vector{TaskFor(1, folder.File("a.pkl", pickle))});
  const std::vector<WorkerEvent> events = launcher->Wait(kNow);
  REQUIRE(events.size() == 1);
  CHECK(std::get<WorkerReplied>(events[0]).replies.at(0).status ==
        OutcomeStatus::kCancelled);
}

TEST_CASE("List of formats: each name once, each with something to say") {
  std::vector<std::string> names;
  for (const FormatInfo& format : ListFormats()) {
    names.push_back(format.name);
    CHECK_FALSE(format.summary.empty());
    CHECK(format.supported != format.extensions.empty());
  }
  CHECK(names.size() > 10);
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

}  // namespace
}  // namespace scanengine
