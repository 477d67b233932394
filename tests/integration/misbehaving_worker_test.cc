// Every way in which a worker can fail, against the real launcher and
// supervisor: the file that it happened in gets the right outcome, every other
// file is scanned, and nothing is left behind.

#include <catch2/catch.hpp>
#include <cstddef>
#include <optional>
#include <string>

#include "engine/process_launcher.h"
#include "engine/supervisor.h"
#include "tests/integration/misbehaving_rows.h"
#include "tests/support/engine_fakes.h"

namespace scanengine {
namespace {

using std::chrono::milliseconds;
using testing::Children;
using testing::CrashName;
using testing::FakeSource;
using testing::MisbehaviourRow;
using testing::NoSuchProgram;
using testing::OpenHandles;
using testing::RecordingSink;
using testing::ShortDeadline;
using testing::SystemRows;

struct Outcome {
  OutcomeStatus status;
  std::string ended;  ///< Of the report; empty if the file was answered.
};

class Harness {
 public:
  explicit Harness(const std::string& mode) {
    launch_.worker_path = MISBEHAVING_WORKER;
    launch_.extra_arguments = {"--mode", mode};
    options.workers = 2;
    options.max_attempts = 1;
    options.max_external_kills = 2;
    options.grace = milliseconds(50);
    options.start_deadline = std::chrono::minutes(1);
    options.one_worker_tasks = 0;
  }

  void Run(int files = 40) {
    for (int i = 0; i < files; ++i) {
      const bool trigger = i == files / 2;
      Task& task = source.Add(trigger ? "trigger" : "f" + std::to_string(i));
      task.deadline = deadline;
      // Neither the first nor the last of its message.
      task.cost = std::chrono::microseconds(100);
    }
    auto launcher = MakeProcessLauncher(launch_);
    const SteadyClock clock;
    Supervisor supervisor(options, launcher.get(), &clock, &source, &sink);
    while (supervisor.Step()) {
    }
    stats = supervisor.stats();
    CHECK(sink.outcomes.size() == static_cast<std::size_t>(files));
    for (const auto& [path, count] : sink.count) {
      CAPTURE(path);
      CHECK(count == 1);
    }
    CHECK(stats.ignored_events == 0);
  }
  void CheckOthersScanned() {
    for (const auto& [path, outcome] : sink.outcomes) {
      if (path == "trigger") continue;
      CAPTURE(path, outcome.result.detail);
      CHECK(outcome.result.status == OutcomeStatus::kScanned);
    }
  }

  SupervisorOptions options;
  std::chrono::microseconds deadline{std::chrono::seconds(30)};
  FakeSource source;
  RecordingSink sink;
  SupervisorStats stats;

 private:
  ProcessLauncherOptions launch_;
};

constexpr OutcomeStatus kCrashed = OutcomeStatus::kCrashed;
constexpr OutcomeStatus kTimedOut = OutcomeStatus::kTimedOut;
constexpr OutcomeStatus kProtocol = OutcomeStatus::kProtocol;
constexpr OutcomeStatus kScanned = OutcomeStatus::kScanned;

const MisbehaviourRow kRows[] = {
    {"exit-0", kCrashed, "exit code 0"},
    {"exit-7", kCrashed, "exit code 7"},
    {"crash", kCrashed, CrashName()},
    {"exit-watchdog", kTimedOut, "watchdog"},
    {"hang", kTimedOut, "killed at deadline", true},
    {"hang-ignoring-term", kTimedOut, "killed at deadline", true},
    {"hang-busy", kTimedOut, "killed at deadline", true},
    {"reads-nothing-writes-nothing", kTimedOut, "killed at deadline", true},
    {"close-pipe-and-hang", kProtocol, "killed for protocol"},
    {"noise-on-stdout", kProtocol, "killed for protocol"},
    {"half-a-frame-then-exit", kProtocol, "killed for protocol"},
    {"half-a-frame-then-crash", kCrashed, CrashName()},
    {"half-a-frame-then-hang", kTimedOut, "killed at deadline", true},
    {"oversized-length", kProtocol, "killed for protocol"},
    {"unknown-type", kProtocol, "killed for protocol"},
    {"slow-drip", kTimedOut, "killed at deadline", true},
    {"flood-stdout", kProtocol, "killed for protocol"},
    {"flood-stderr", kTimedOut, "killed at deadline", true},
    {"empty-replies", kProtocol, "killed for protocol"},
    {"huge-count", kProtocol, "killed for protocol"},
    {"bad-enumerator", kProtocol, "killed for protocol"},
    {"trailing-bytes", kProtocol, "killed for protocol"},
    {"reply-foreign", kProtocol, "killed for protocol"},
    {"reply-never-sent", kProtocol, "killed for protocol"},
    {"hello-twice", kProtocol, "killed for protocol"},
    {"sends-tasks", kProtocol, "killed for protocol"},
    {"board-foreign-then-crash", kCrashed, CrashName()},
};

void CheckRow(const MisbehaviourRow& row) {
  Harness harness(row.mode);
  if (row.until_deadline) harness.deadline = ShortDeadline();
  harness.Run();
  harness.CheckOthersScanned();
  REQUIRE(harness.sink.outcomes.contains("trigger"));
  const FileOutcome& outcome = harness.sink.outcomes.at("trigger");
  CAPTURE(outcome.result.detail);
  CHECK(outcome.result.status == row.status);
  CHECK(outcome.ended == row.ended);
}

TEST_CASE("Misbehaving worker: each way to fail hurts its own file only") {
  for (const MisbehaviourRow& row : kRows) {
    DYNAMIC_SECTION(row.mode) { CheckRow(row); }
  }
  for (const MisbehaviourRow& row : SystemRows()) {
    DYNAMIC_SECTION("of this system: " << row.mode) { CheckRow(row); }
  }
}

TEST_CASE("Misbehaving worker: an end between tasks costs nobody an outcome") {
  Harness harness("exit-between-tasks");
  harness.options.max_attempts = 2;
  harness.Run();
  harness.CheckOthersScanned();
  CHECK(harness.sink.outcomes.at("trigger").result.status == kScanned);
}

TEST_CASE("Misbehaving worker: a second answer does not undo the first") {
  Harness harness("reply-twice");
  harness.Run(1);
  CHECK(harness.sink.outcomes.at("trigger").result.status == kScanned);
  CHECK(harness.sink.count.at("trigger") == 1);
}

TEST_CASE("Misbehaving worker: a board that says nothing buys no time") {
  Harness harness("board-silent-hang");
  harness.deadline = ShortDeadline();
  harness.Run(3);
  harness.CheckOthersScanned();
  CHECK(harness.sink.outcomes.at("trigger").result.status == kTimedOut);
}

TEST_CASE("Misbehaving worker: a retry passes where the first attempt hung") {
  // A second attempt fails as well here; what counts is that it was made.
  Harness harness("crash");
  harness.options.max_attempts = 3;
  harness.Run();
  harness.CheckOthersScanned();
  CHECK(harness.sink.outcomes.at("trigger").attempts == 3);
  CHECK(harness.stats.retries == 2);
  CHECK(harness.stats.crashes == 3);
}

TEST_CASE("Misbehaving worker: memory above the sum for all is taken back") {
  Harness harness("eat-memory");
  harness.options.memory_limit = 300ULL << 20;
  harness.Run();
  harness.CheckOthersScanned();
  const FileOutcome& outcome = harness.sink.outcomes.at("trigger");
  CHECK(outcome.result.status == OutcomeStatus::kOutOfMemory);
  CHECK(harness.stats.peak_memory < 600ULL << 20);
}

TEST_CASE("Misbehaving worker: who cannot even start is no outcome of a file") {
  for (const char* mode :
       {"start-exit", "start-crash", "hello-never", "hello-garbage",
        "hello-malformed", "hello-wrong-version", "hello-wrong-build",
        "reply-before-hello"}) {
    DYNAMIC_SECTION(mode) {
      Harness harness(mode);
      harness.options.max_spawn_failures = 3;
      harness.options.start_deadline = milliseconds(400);
      harness.options.workers = 1;
      harness.Run(3);
      CHECK(harness.stats.degraded);
      for (const auto& [path, outcome] : harness.sink.outcomes) {
        CHECK(outcome.result.status == OutcomeStatus::kNotRun);
        CHECK_FALSE(outcome.result.detail.empty());
      }
      CHECK(harness.stats.started == 3);
    }
  }
}

TEST_CASE("A worker that is not there is a spawn failure with its reason") {
  ProcessLauncherOptions launch;
  launch.worker_path = "/nonexistent/scanengine-worker";
  auto launcher = MakeProcessLauncher(launch);
  const Result<WorkerId> worker = launcher->Spawn();
  REQUIRE_FALSE(worker.ok());
  CHECK(worker.error().code == ErrorCode::kSpawnFailed);
  CHECK(worker.error().detail.find(NoSuchProgram()) != std::string::npos);
}

TEST_CASE("A thousand crashes leave no descriptor and no process behind") {
  const std::size_t before = OpenHandles();
  {
    Harness harness("crash");
    harness.options.max_attempts = 500;
    harness.Run(4);
    CHECK(harness.stats.crashes == 500);
  }
  CHECK(OpenHandles() <= before);
  CHECK(Children() == 0);
}

}  // namespace
}  // namespace scanengine
