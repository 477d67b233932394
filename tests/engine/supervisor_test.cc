// The rules of ARCHITECTURE.md, "Rules of the supervisor", one by one, without
// a process and without real time.

#include "engine/supervisor.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "tests/support/supervisor_fixture.h"

namespace scanengine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::SupervisorFixture;

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
  SECTION("which is there") {
    Run({"bad", "x", "y", "z"});
    CHECK(launcher.spawned == 3);  // The spare has done nothing yet.
    CHECK(supervisor->stats().recycled == 0);
  }
  SECTION("for which the one that did x, y, z makes way") {
    launcher.most_allowed = 1;
    Run({"bad", "x", "y", "z"});
    const Log& log = launcher.log;
    const auto last = std::find(log.rbegin(), log.rend(), "send bad");
    REQUIRE(last != log.rend());
    CHECK(*std::next(last) == "spawn");
    CHECK(supervisor->stats().recycled == 1);
    CHECK(sink.NoticesOf(Notice::Kind::kFewerWorkers) == 0);
  }
  CHECK(StatusOf("bad") == OutcomeStatus::kScanned);
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
                 "Rule 4: who begins nothing has the time of one task") {
  launcher.board_is_silent = true;
  launcher.script["first"] = {"stubborn"};
  source.Add("first").cost = milliseconds(2);
  for (int i = 0; i < 40; ++i) source.Add("f" + std::to_string(i));
  Make();
  const Clock::Time begin = clock.Now();
  RunToEnd();
  CHECK(launcher.most_held > 10);
  CHECK(StatusOf("first") == OutcomeStatus::kTimedOut);
  CHECK(sink.outcomes.size() == 41);
  // Two attempts of 60 seconds, and a quarter more each.
  CHECK(clock.Now() - begin < seconds(2 * 75 + 5));
}

TEST_CASE_METHOD(SupervisorFixture,
                 "Rule 4: who was told to end and does not, is ended") {
  for (int i = 0; i < 3; ++i) source.Add("f" + std::to_string(i));
  launcher.never_ends = true;
  Make();
  const Clock::Time begin = clock.Now();
  RunToEnd();
  CHECK(sink.outcomes.size() == 3);
  CHECK(sink.NoticesOf(Notice::Kind::kWorkerLost) == 0);
  CHECK(clock.Now() - begin < seconds(10));
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

}  // namespace
}  // namespace scanengine
