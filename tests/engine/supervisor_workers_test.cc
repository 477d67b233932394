// How many workers there are, what memory they may take, and a random test of
// all rules at once. Without a process and without real time.

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "engine/memory_governor.h"
#include "engine/supervisor.h"
#include "tests/support/supervisor_fixture.h"

namespace scanengine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FakeClock;
using testing::FakeLauncher;
using testing::FakeSource;
using testing::RecordingSink;
using testing::SupervisorFixture;

TEST_CASE_METHOD(SupervisorFixture,
                 "Spare: started once a worker was lost, and never busy") {
  options.workers = 2;
  for (int i = 0; i < 500; ++i) source.Add("f" + std::to_string(i));
  SECTION("nothing is lost") {
    Make();
    RunToEnd();
    CHECK(launcher.most_alive == 2);
    CHECK(launcher.spawned == 2);
  }
  SECTION("one is") {
    launcher.script["f0"] = {"segv", "ok"};
    Make();
    while (supervisor->Step()) clock.Advance(milliseconds(100));
    CHECK(launcher.most_alive == 3);
    CHECK(sink.most_workers_shown == 2);
    CHECK(StatusOf("f0") == OutcomeStatus::kScanned);
  }
  CHECK(launcher.most_busy == 2);
  CHECK(supervisor->stats().most_workers == 2);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Spare: a start that fails is told of nobody") {
  options.workers = 2;
  for (int i = 0; i < 500; ++i) source.Add("f" + std::to_string(i));
  launcher.script["f0"] = {"segv", "ok"};
  Make();
  while (launcher.spawned < 3)
    REQUIRE(supervisor->Step());  // The loss is made good.
  SECTION("at once") { launcher.spawn_failures_left = 1'000'000; }
  SECTION("before its greeting") { launcher.dies_at_start_left = 1'000'000; }
  const int before = launcher.spawned;
  RunToEnd();
  CHECK(launcher.spawned <= before + 1);
  CHECK(StatusOf("f0") == OutcomeStatus::kScanned);
  CHECK(sink.outcomes.size() == 500);
  CHECK(sink.NoticesOf(Notice::Kind::kFewerWorkers) == 0);
  CHECK_FALSE(supervisor->stats().degraded);
}

TEST_CASE_METHOD(SupervisorFixture, "Spare: none beside this process") {
  for (int i = 0; i < 50; ++i) source.Add("f" + std::to_string(i));
  launcher.script["f0"] = {"segv"};
  Make();
  while (launcher.spawned == 0) REQUIRE(supervisor->Step());
  launcher.most_allowed = 0;
  RunToEnd();
  CHECK(supervisor->stats().degraded);
  CHECK(sink.outcomes.size() == 50);
  CHECK(fallback.most_alive == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 3: a last attempt without a fresh worker holds nobody "
                 "up") {
  options.workers = 2;
  options.one_worker_tasks = 0;
  launcher.script["bad"] = {"segv"};
  for (int i = 0; i < 300; ++i) source.Add("f" + std::to_string(i));
  source.Add("bad").cost = milliseconds(1);  // The first.
  Make();
  RunToEnd();
  CHECK(StatusOf("bad") == OutcomeStatus::kCrashed);
  CHECK(launcher.log.back() != "send bad");
  CHECK(supervisor->stats().recycled == 0);  // The spare took it.
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 11: tasks are admitted as far as memory goes") {
  options.workers = 4;
  options.memory_limit = MemoryGovernor::kFirstEstimate * 2 + 1;
  for (int i = 0; i < 12; ++i) {
    source.Add("f" + std::to_string(i)).cost = milliseconds(50);
  }
  Make();
  std::size_t most_busy = 0;
  while (supervisor->Step()) {
    std::size_t busy = 0;
    if (sink.last_progress) {
      for (const WorkerView& view : sink.last_progress->workers) {
        busy += view.path.empty() ? 0U : 1U;
      }
    }
    most_busy = std::max(most_busy, busy);
    clock.Advance(milliseconds(100));
  }
  CHECK(sink.outcomes.size() == 12);
  CHECK(most_busy <= 2);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 11: above the limit who grew most is run again alone") {
  options.workers = 2;
  options.memory_limit = 1ULL << 30;
  options.one_worker_tasks = 0;
  launcher.script["big"] = {"hang", "ok"};
  launcher.script["small"] = {"hang", "ok"};
  launcher.memory_of["big"] = 900ULL << 20;
  launcher.memory_of["small"] = 200ULL << 20;
  source.Add("big").cost = milliseconds(9);
  source.Add("small").cost = milliseconds(8);
  Make();
  RunToEnd();
  CHECK(StatusOf("big") == OutcomeStatus::kScanned);
  CHECK(StatusOf("small") == OutcomeStatus::kScanned);
  CHECK(sink.outcomes.at("big").attempts == 1);  // It cost none.
  CHECK(launcher.log[0] == "spawn");
}

TEST_CASE_METHOD(
    SupervisorFixture,
    "Rule 11: what exceeds the limit even alone ends as out of memory") {
  options.workers = 2;
  options.memory_limit = 1ULL << 30;
  launcher.script["huge"] = {"hang"};
  launcher.memory_of["huge"] = 2ULL << 30;
  Run({"huge", "good"});
  CHECK(StatusOf("huge") == OutcomeStatus::kOutOfMemory);
  CHECK(StatusOf("good") == OutcomeStatus::kScanned);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 11: an estimate never keeps a task waiting for ever") {
  options.memory_limit = 1024;  // Less than any estimate.
  options.workers = 2;
  Run({"a", "b", "c"});
  CHECK(sink.outcomes.size() == 3);
  CHECK(StatusOf("a") == OutcomeStatus::kScanned);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Few small files start one worker, many start all") {
  options.workers = 4;
  SECTION("nine small ones") {
    for (int i = 0; i < 9; ++i) source.Add("f" + std::to_string(i));
    Make();
    RunToEnd();
    CHECK(launcher.most_alive == 1);
  }
  SECTION("two big ones") {
    source.Add("a").cost = seconds(1);
    source.Add("b").cost = seconds(1);
    Make();
    RunToEnd();
    CHECK(launcher.most_alive == 2);
  }
  SECTION("a hundred") {
    for (int i = 0; i < 100; ++i) source.Add("f" + std::to_string(i));
    Make();
    RunToEnd();
    CHECK(launcher.most_alive == 4);
  }
}

TEST_CASE_METHOD(SupervisorFixture,
                 "A required sandbox that is incomplete ends the run") {
  options.require_sandbox = true;
  launcher.sandbox_missing = {"landlock: not in this kernel"};
  Run({"a"});
  REQUIRE(supervisor->fatal());
  CHECK(supervisor->fatal()->code == ErrorCode::kUnsupported);
  CHECK(sink.outcomes.empty());
}

TEST_CASE_METHOD(SupervisorFixture, "What the kernel lacks is reported once") {
  options.workers = 3;
  launcher.sandbox_missing = {"landlock: not in this kernel"};
  for (int i = 0; i < 50; ++i) source.Add("f" + std::to_string(i));
  Make();
  RunToEnd();
  CHECK(sink.NoticesOf(Notice::Kind::kSandboxPartial) == 1);
}

TEST_CASE_METHOD(SupervisorFixture, "Settled files need no worker") {
  ScanReply reply;
  reply.status = OutcomeStatus::kSkipped;
  reply.detail = "is a FIFO";
  source.Add("fifo").settled = reply;
  Make();
  RunToEnd();
  CHECK(StatusOf("fifo") == OutcomeStatus::kSkipped);
  CHECK(launcher.spawned == 0);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "An answer of out of memory ends the worker, not the run") {
  launcher.script["big"] = {"oom"};
  Run({"big", "x"});
  CHECK(StatusOf("big") == OutcomeStatus::kOutOfMemory);
  CHECK(sink.outcomes.at("big").attempts == 1);
  CHECK(StatusOf("x") == OutcomeStatus::kScanned);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "The supervisor waits for a walk that is slow") {
  source.held_back = true;
  source.Add("late");
  Make();
  for (int i = 0; i < 20; ++i) REQUIRE(supervisor->Step());
  CHECK(launcher.spawned == 0);
  source.held_back = false;
  RunToEnd();
  CHECK(StatusOf("late") == OutcomeStatus::kScanned);
}

// Rules 1 and "no worker leaked" against everything at once.
TEST_CASE("Supervisor: 10,000 random scripts lose nothing and leak nothing") {
  static const char* const kSteps[] = {
      "ok",      "ok",  "ok",    "ok", "segv",    "kill",     "hang",  "twice",
      "foreign", "oom", "exit7", "ok", "garbage", "stubborn", "sigsys"};
  std::mt19937 random(20'261'121);
  const auto pick = [&](int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n));
  };
  for (int round = 0; round < 10'000; ++round) {
    CAPTURE(round);
    FakeClock clock;
    FakeLauncher launcher(&clock);
    FakeLauncher fallback(&clock);
    FakeSource source;
    RecordingSink sink;
    SupervisorOptions options;
    options.workers = 1 + pick(4);
    options.max_attempts = 1 + pick(3);
    options.tasks_per_worker = pick(4);
    options.one_worker_tasks = pick(12);
    options.require_isolation = pick(8) == 0;
    options.memory_limit = pick(3) == 0 ? 100ULL << 20 : 0;
    launcher.memory = static_cast<std::uint64_t>(pick(60)) << 20;
    launcher.spawn_failures_left = pick(4) == 0 ? pick(12) : 0;
    launcher.dies_at_start_left = pick(4) == 0 ? pick(12) : 0;
    launcher.board_is_silent = pick(5) == 0;
    if (pick(10) == 0) launcher.board_lie = static_cast<TaskId>(pick(20));
    const int files = 1 + pick(20);
    for (int i = 0; i < files; ++i) {
      const std::string path = "f" + std::to_string(i);
      Task& task = source.Add(path);
      task.cost = std::chrono::microseconds(50 + pick(3000));
      task.deadline = milliseconds(500 + pick(5000));
      task.resource_class = std::to_string(pick(3));
      for (int k = pick(4); k > 0; --k) {
        launcher.script[path].emplace_back(
            kSteps[pick(static_cast<int>(std::size(kSteps)))]);
      }
      if (pick(20) == 0) launcher.memory_of[path] = 400ULL << 20;
    }
    Supervisor supervisor(options, &launcher, &clock, &source, &sink);
    supervisor.SetFallback(&fallback);
    const int stop_at = pick(6) == 0 ? pick(30) : -1;
    int steps = 0;
    while (supervisor.Step()) {
      if (steps == stop_at || steps == stop_at + 7) supervisor.RequestStop();
      sink.congested = pick(7) == 0;
      REQUIRE(++steps < 50'000);
    }
    REQUIRE(launcher.alive() == 0);
    REQUIRE(fallback.alive() == 0);
    REQUIRE(launcher.most_busy <= options.workers);
    REQUIRE(sink.outcomes.size() == static_cast<std::size_t>(files));
    for (const auto& [path, count] : sink.count) REQUIRE(count == 1);
    REQUIRE(supervisor.stats().ignored_events == 0);
    // Whatever ended a worker was not run without one.
    for (const auto& [path, outcome] : sink.outcomes) {
      if (outcome.in_process) REQUIRE(outcome.attempts == 1);
    }
  }
}

}  // namespace
}  // namespace scanengine
