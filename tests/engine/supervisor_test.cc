// The rules of ARCHITECTURE.md, "Rules of the supervisor", one by one, without
// a process and without real time.

#include "engine/supervisor.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "tests/support/engine_fakes.h"

namespace scanengine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FakeClock;
using testing::FakeLauncher;
using testing::FakeSource;
using testing::RecordingSink;

class SupervisorFixture {
 protected:
  SupervisorFixture() {
    options.workers = 1;
    options.max_attempts = 2;
  }

  Supervisor& Make() {
    supervisor.emplace(options, &launcher, &clock, &source, &sink);
    if (with_fallback) supervisor->SetFallback(&fallback);
    return *supervisor;
  }
  void RunToEnd(int most_steps = 20'000) {
    int steps = 0;
    while (supervisor->Step()) {
      REQUIRE(++steps < most_steps);
    }
    CHECK(launcher.alive() == 0);
    CHECK(fallback.alive() == 0);
  }
  void Run(std::initializer_list<const char*> paths) {
    for (const char* path : paths) source.Add(path);
    Make();
    RunToEnd();
  }
  OutcomeStatus StatusOf(const std::string& path) {
    CAPTURE(path);
    REQUIRE(sink.count[path] == 1);
    return sink.outcomes.at(path).result.status;
  }

  SupervisorOptions options;
  bool with_fallback = true;
  FakeClock clock;
  FakeLauncher launcher{&clock};
  FakeLauncher fallback{&clock};
  FakeSource source;
  RecordingSink sink;
  std::optional<Supervisor> supervisor;
};

using Log = std::vector<std::string>;

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 1: every task has exactly one outcome") {
  launcher.script["bad"] = {"segv"};
  launcher.script["hang"] = {"hang"};
  launcher.script["twice"] = {"twice"};
  options.workers = 2;
  for (int i = 0; i < 40; ++i) source.Add("f" + std::to_string(i));
  Run({"bad", "hang", "twice"});
  CHECK(sink.outcomes.size() == 43);
  for (const auto& [path, count] : sink.count) {
    CAPTURE(path);
    CHECK(count == 1);
  }
  CHECK(supervisor->stats().ignored_events == 0);
}

TEST_CASE_METHOD(
    SupervisorFixture,
    "Rule 2: a lost worker costs only the task it was running an attempt") {
  launcher.script["b"] = {"segv", "ok"};
  Run({"a", "b", "c", "d"});
  CHECK(launcher.most_held > 1);  // Or nothing was waiting behind it.
  CHECK(sink.outcomes.at("b").attempts == 2);
  CHECK(sink.outcomes.at("c").attempts == 1);
  CHECK(sink.outcomes.at("d").attempts == 1);
  CHECK(supervisor->stats().retries == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 2: without a board the first unanswered is blamed") {
  launcher.board_is_silent = true;
  launcher.script["a"] = {"segv", "ok"};
  Run({"a", "b"});
  CHECK(sink.outcomes.at("a").attempts == 2);
  CHECK(sink.outcomes.at("b").attempts == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 2: a board that names a foreign task is not believed") {
  launcher.board_lie = 4711;
  launcher.script["a"] = {"segv", "ok"};
  Run({"a", "b"});
  CHECK(sink.outcomes.at("a").attempts == 2);
  CHECK(sink.outcomes.at("b").attempts == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 2: what came back three times runs next alone") {
  // Each of three files before it ends the worker, so that "z" returns thrice.
  options.max_attempts = 1;
  launcher.script["a"] = {"segv"};
  launcher.script["b"] = {"segv"};
  launcher.script["c"] = {"segv"};
  source.Add("a").cost = milliseconds(1);
  source.Add("b").cost = std::chrono::microseconds(900);
  source.Add("c").cost = std::chrono::microseconds(800);
  source.Add("y").cost = std::chrono::microseconds(3);
  source.Add("z").cost = std::chrono::microseconds(2);
  Make();
  RunToEnd();
  CHECK(StatusOf("z") == OutcomeStatus::kScanned);
  // Neither is sent while the worker holds the other any more: each last send
  // is followed by its reply, not by another send.
  const Log& log = launcher.log;
  const auto last_y = std::find(log.rbegin(), log.rend(), "send y");
  const auto last_z = std::find(log.rbegin(), log.rend(), "send z");
  REQUIRE(last_y != log.rend());
  REQUIRE(last_z != log.rend());
  CHECK(sink.outcomes.at("y").attempts == 1);
  CHECK(std::count(log.begin(), log.end(), "send z") == 4);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 3: a retried task goes behind everything that waits") {
  options.one_worker_tasks = 1000;
  launcher.script["bad"] = {"segv", "ok"};
  source.Add("bad").cost = milliseconds(10);  // Alone in its message.
  source.Add("x").cost = milliseconds(5);
  source.Add("y").cost = milliseconds(4);
  Make();
  RunToEnd();
  Log sends;
  for (const std::string& line : launcher.log) {
    if (line.starts_with("send")) sends.push_back(line);
  }
  CHECK(sends == Log{"send bad", "send x", "send y", "send bad"});
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 3: the last attempt runs alone in a fresh worker") {
  launcher.script["bad"] = {"segv", "ok"};
  Run({"bad", "x", "y", "z"});
  // The worker that took over did x, y, z; it makes way for a fresh one.
  const Log& log = launcher.log;
  const auto last = std::find(log.rbegin(), log.rend(), "send bad");
  REQUIRE(last != log.rend());
  CHECK(*std::next(last) == "spawn");
  CHECK(supervisor->stats().recycled == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 3: the outcome of the last attempt says how it ended") {
  launcher.script["bad"] = {"segv"};
  launcher.script["sys"] = {"sigsys"};
  launcher.script["seven"] = {"exit7"};
  Run({"bad", "sys", "seven", "good"});
  CHECK(StatusOf("bad") == OutcomeStatus::kCrashed);
  CHECK(sink.outcomes.at("bad").ended == NameOfEnd(testing::CrashEnd()));
  CHECK(sink.outcomes.at("bad").attempts == 2);
  CHECK(StatusOf("sys") == OutcomeStatus::kSandboxViolation);
  CHECK(StatusOf("seven") == OutcomeStatus::kCrashed);
  CHECK(sink.outcomes.at("seven").ended == "exit code 7");
  CHECK(StatusOf("good") == OutcomeStatus::kScanned);
}

TEST_CASE_METHOD(
    SupervisorFixture,
    "Rule 3: a kill from outside costs no attempt, ten times a file") {
  launcher.script["unlucky"] = {"kill", "kill", "kill", "kill", "kill", "kill",
                                "kill", "kill", "kill", "kill", "ok"};
  launcher.script["hunted"] = {"kill"};
  Run({"unlucky", "hunted"});
  CHECK(StatusOf("unlucky") == OutcomeStatus::kScanned);
  CHECK(sink.outcomes.at("unlucky").attempts == 1);
  CHECK(StatusOf("hunted") == OutcomeStatus::kCrashed);
  CHECK(sink.outcomes.at("hunted").ended == NameOfEnd(testing::KilledEnd()));
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 3: a kill at the memory limit is out of memory") {
  options.worker_memory = 1000;
  launcher.memory_of["big"] = 990;
  launcher.script["big"] = {"grow"};
  options.max_attempts = 1;
  Run({"big"});
  CHECK(StatusOf("big") == OutcomeStatus::kOutOfMemory);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 4: a hang is terminated at its deadline, per attempt") {
  launcher.script["hang"] = {"hang"};
  const Clock::Time start = clock.Now();
  Run({"hang"});
  CHECK(StatusOf("hang") == OutcomeStatus::kTimedOut);
  const FileOutcome& outcome = sink.outcomes.at("hang");
  CHECK(outcome.attempts == 2);
  CHECK(outcome.result.detail.find("in phase at offset 42") !=
        std::string::npos);
  CHECK(supervisor->stats().timeouts == 2);
  // 60 s and the slack of a quarter, twice; polling adds less than a second.
  CHECK(clock.Now() - start >= 2 * seconds(75));
  CHECK(clock.Now() - start < 2 * seconds(76));
  CHECK(std::count(launcher.log.begin(), launcher.log.end(), "kill") == 0);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 4: who ignores being asked is killed after the grace") {
  options.max_attempts = 1;
  launcher.script["stubborn"] = {"stubborn"};
  const Clock::Time start = clock.Now();
  Run({"stubborn", "good"});
  CHECK(StatusOf("stubborn") == OutcomeStatus::kTimedOut);
  CHECK(StatusOf("good") == OutcomeStatus::kScanned);
  CHECK(std::count(launcher.log.begin(), launcher.log.end(), "kill") == 1);
  CHECK(clock.Now() - start < seconds(77));
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 4: a silent board buys no more than all tasks' time") {
  options.max_attempts = 1;
  launcher.board_is_silent = true;
  launcher.script["a"] = {"hang"};
  const Clock::Time start = clock.Now();
  Run({"a", "b", "c"});
  CHECK(StatusOf("a") == OutcomeStatus::kTimedOut);
  CHECK(StatusOf("b") == OutcomeStatus::kScanned);
  CHECK(clock.Now() - start <= 3 * seconds(75) + seconds(2));
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 4: a task that waits is not on the clock") {
  // "slow" blocks the worker until its deadline; "next" waits behind it and
  // must then still have all of its own time.
  options.max_attempts = 1;
  launcher.script["a-slow"] = {"hang"};
  launcher.script["b-next"] = {"ok"};
  source.Add("a-slow").cost = std::chrono::microseconds(200);
  source.Add("b-next").deadline = seconds(1);
  Make();
  RunToEnd();
  CHECK(StatusOf("b-next") == OutcomeStatus::kScanned);
  CHECK(sink.outcomes.at("b-next").attempts == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 4: no deadline is given where none is asked for") {
  options.max_attempts = 1;
  launcher.script["slow"] = {"hang"};
  source.Add("slow").deadline = seconds(0);
  Make();
  for (int i = 0; i < 10'000; ++i) REQUIRE(supervisor->Step());
  CHECK(sink.outcomes.empty());
  supervisor->RequestStop();
  supervisor->RequestStop();
  RunToEnd();
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 4: a jump of our own clock extends all deadlines") {
  launcher.script["slow"] = {"hang"};
  options.max_attempts = 1;
  source.Add("slow");
  Make();
  for (int i = 0; i < 5; ++i) REQUIRE(supervisor->Step());
  clock.Advance(std::chrono::hours(8));  // The lid was closed.
  for (int i = 0; i < 5; ++i) REQUIRE(supervisor->Step());
  CHECK(sink.outcomes.empty());
  const Clock::Time resumed = clock.Now();
  RunToEnd();
  CHECK(StatusOf("slow") == OutcomeStatus::kTimedOut);
  CHECK(clock.Now() - resumed > seconds(60));
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 5: spawn failures back off and then degrade once") {
  launcher.spawn_failures_left = 1000;
  const Clock::Time start = clock.Now();
  Run({"a", "b"});
  CHECK(sink.NoticesOf(Notice::Kind::kDegraded) == 1);
  CHECK(std::count(launcher.log.begin(), launcher.log.end(), "spawn fails") ==
        options.max_spawn_failures);
  // 10 + 20 + 40 + 80 ms between five attempts.
  CHECK(clock.Now() - start >= milliseconds(150));
  CHECK(StatusOf("a") == OutcomeStatus::kScanned);
  CHECK(sink.outcomes.at("a").in_process);
  CHECK(supervisor->stats().degraded);
  CHECK(supervisor->stats().fallbacks == 2);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 5: workers that end before they are ready count too") {
  launcher.dies_at_start_left = 1000;
  Run({"a"});
  CHECK(supervisor->stats().degraded);
  CHECK(supervisor->stats().degraded_reason.find("exit code 78") !=
        std::string::npos);
  CHECK(StatusOf("a") == OutcomeStatus::kScanned);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 5: a worker of another version is a spawn failure") {
  launcher.wrong_version = true;
  options.require_isolation = true;
  Run({"a"});
  CHECK(StatusOf("a") == OutcomeStatus::kNotRun);
  CHECK(sink.outcomes.at("a").result.detail.find("another version") !=
        std::string::npos);
  CHECK(launcher.spawned == options.max_spawn_failures);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 5: a few spawn failures are got over") {
  launcher.spawn_failures_left = 3;
  Run({"a"});
  CHECK_FALSE(supervisor->stats().degraded);
  CHECK(StatusOf("a") == OutcomeStatus::kScanned);
  CHECK_FALSE(sink.outcomes.at("a").in_process);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 5: with one worker alive the run goes on with it") {
  options.workers = 4;
  for (int i = 0; i < 200; ++i) {
    source.Add("f" + std::to_string(i)).cost = milliseconds(5);
  }
  Make();
  REQUIRE(supervisor->Step());
  launcher.spawn_failures_left = 100'000;
  RunToEnd();
  CHECK_FALSE(supervisor->stats().degraded);
  CHECK(sink.outcomes.size() == 200);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 5: required isolation forbids to degrade") {
  launcher.spawn_failures_left = 1000;
  options.require_isolation = true;
  Run({"a", "b"});
  CHECK(StatusOf("a") == OutcomeStatus::kNotRun);
  CHECK(StatusOf("b") == OutcomeStatus::kNotRun);
  CHECK(fallback.spawned == 0);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 6: a file that ended a worker is not run in-process") {
  launcher.script["bad"] = {"segv"};
  source.Add("bad").cost = milliseconds(50);
  source.Add("good").cost = milliseconds(5);
  options.max_attempts = 3;
  Make();
  // As soon as the first attempt is lost no worker can be had any more.
  while (supervisor->stats().retries == 0) REQUIRE(supervisor->Step());
  launcher.spawn_failures_left = 1000;
  RunToEnd();
  CHECK(supervisor->stats().degraded);
  CHECK(StatusOf("bad") == OutcomeStatus::kCrashed);
  CHECK_FALSE(sink.outcomes.at("bad").in_process);
  CHECK(StatusOf("good") == OutcomeStatus::kScanned);
  CHECK(std::count(fallback.log.begin(), fallback.log.end(), "send bad") == 0);
}

TEST_CASE_METHOD(SupervisorFixture, "Rule 7: garbage is a kill for protocol") {
  launcher.script["bad"] = {"garbage"};
  Run({"bad", "good"});
  CHECK(StatusOf("bad") == OutcomeStatus::kProtocol);
  CHECK(sink.outcomes.at("bad").result.detail == "scripted garbage");
  CHECK(StatusOf("good") == OutcomeStatus::kScanned);
  CHECK(std::count(launcher.log.begin(), launcher.log.end(), "kill") == 2);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 7: a reply for a task that is not held kills") {
  launcher.script["bad"] = {"foreign"};
  Run({"bad", "good"});
  CHECK(StatusOf("bad") == OutcomeStatus::kProtocol);
  CHECK(StatusOf("good") == OutcomeStatus::kScanned);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 7: an inspection that nobody asked for kills") {
  launcher.script["bad"] = {"talkative"};
  source.Add("bad");
  source.Add("good");
  Make();
  RunToEnd();
  CHECK(StatusOf("bad") == OutcomeStatus::kProtocol);
  CHECK(StatusOf("good") == OutcomeStatus::kScanned);
}

TEST_CASE_METHOD(SupervisorFixture, "Tasks: an inspection is answered by one") {
  launcher.script["asked"] = {"talkative"};
  source.Add("asked").kind = kInspectTask;
  Make();
  RunToEnd();
  CHECK(sink.outcomes.at("asked").result.inspection.sections.size() == 1);
}

TEST_CASE_METHOD(SupervisorFixture, "Rule 7: a second reply kills") {
  launcher.script["a"] = {"twice"};
  Run({"a", "b"});
  // The first answer stands; the lie is blamed on what ran next, which then
  // passes in another worker.
  CHECK(StatusOf("a") == OutcomeStatus::kScanned);
  CHECK(StatusOf("b") == OutcomeStatus::kScanned);
  CHECK(std::count(launcher.log.begin(), launcher.log.end(), "kill") == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 8: workers are recycled after so many tasks") {
  options.tasks_per_worker = 3;
  for (int i = 0; i < 9; ++i) source.Add("f" + std::to_string(i));
  Make();
  RunToEnd();
  CHECK(sink.outcomes.size() == 9);
  CHECK(launcher.spawned == 3);
  for (const auto& [path, outcome] : sink.outcomes) {
    CHECK(outcome.attempts == 1);
  }
  CHECK(supervisor->stats().crashes == 0);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 8: workers are recycled when their memory grew") {
  launcher.memory = 600ULL << 20;
  for (int i = 0; i < 4; ++i) {
    source.Add("f" + std::to_string(i)).cost = milliseconds(50);
  }
  Make();
  while (supervisor->Step()) clock.Advance(milliseconds(100));
  CHECK(sink.outcomes.size() == 4);
  CHECK(launcher.spawned > 1);
  CHECK(supervisor->stats().crashes == 0);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 8: one task a worker isolates every file") {
  options.tasks_per_worker = 1;
  options.workers = 2;
  Run({"a", "b", "c", "d", "e"});
  CHECK(launcher.spawned == 5);
  CHECK(launcher.most_held == 1);
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 9: the first request drains, the rest is cancelled") {
  for (int i = 0; i < 300; ++i) {
    source.Add("f" + std::to_string(i)).cost = milliseconds(1);
  }
  Make();
  for (int i = 0; i < 10; ++i) REQUIRE(supervisor->Step());
  const std::size_t before = sink.outcomes.size();
  REQUIRE(before < 300);
  supervisor->RequestStop();
  RunToEnd();
  CHECK(source.stopped);
  CHECK(sink.outcomes.size() == 300);
  std::size_t scanned = 0;
  std::size_t cancelled = 0;
  for (const auto& [path, outcome] : sink.outcomes) {
    scanned += outcome.result.status == OutcomeStatus::kScanned ? 1U : 0U;
    cancelled += outcome.result.status == OutcomeStatus::kCancelled ? 1U : 0U;
  }
  CHECK(scanned + cancelled == 300);
  CHECK(scanned >= before);
  CHECK(cancelled > 200);
  CHECK(std::count(launcher.log.begin(), launcher.log.end(), "kill") == 0);
}

TEST_CASE_METHOD(SupervisorFixture, "Rule 9: the second request kills") {
  launcher.script["hang"] = {"stubborn"};
  source.Add("hang");
  Make();
  for (int i = 0; i < 5; ++i) REQUIRE(supervisor->Step());
  const Clock::Time asked = clock.Now();
  supervisor->RequestStop();
  for (int i = 0; i < 5; ++i) REQUIRE(supervisor->Step());
  supervisor->RequestStop();
  RunToEnd();
  CHECK(StatusOf("hang") == OutcomeStatus::kCancelled);
  CHECK(clock.Now() - asked < seconds(2));
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 10: a slow observer slows the hand-out only") {
  for (int i = 0; i < 50; ++i) source.Add("f" + std::to_string(i));
  launcher.script["f49"] = {"ok"};
  Make();
  for (int i = 0; i < 3; ++i) REQUIRE(supervisor->Step());
  sink.congested = true;
  // What was handed out is read to the end, and nothing new goes out.
  for (int i = 0; i < 200; ++i) REQUIRE(supervisor->Step());
  const std::size_t done = sink.outcomes.size();
  const auto sends = static_cast<std::size_t>(
      std::count_if(launcher.log.begin(), launcher.log.end(),
                    [](const auto& l) { return l.starts_with("send"); }));
  CHECK(done == sends);
  // An hour later nobody was killed for being late.
  for (int i = 0; i < 100; ++i) {
    clock.Advance(seconds(36));
    REQUIRE(supervisor->Step());
  }
  CHECK(supervisor->stats().timeouts == 0);
  sink.congested = false;
  RunToEnd();
  CHECK(sink.outcomes.size() == 50);
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
