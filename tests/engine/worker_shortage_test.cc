// Fewer workers than wanted: how many are started, when none is left, and what
// is never scanned without one.

#include <catch2/catch.hpp>
#include <string>

#include "engine/respawn_policy.h"
#include "engine/supervisor.h"
#include "engine/worker_count.h"
#include "tests/support/supervisor_fixture.h"

namespace scanengine {
namespace {

using std::chrono::milliseconds;
using testing::SupervisorFixture;

class Shortage : public SupervisorFixture {
 protected:
  Shortage() {
    options.workers = 12;
    for (int i = 0; i < 200; ++i) {
      source.Add("f" + std::to_string(i)).cost = milliseconds(5);
    }
  }
  void CheckAllScannedByWorkers() {
    CHECK_FALSE(supervisor->stats().degraded);
    CHECK(sink.outcomes.size() == 200);
    for (const auto& [path, outcome] : sink.outcomes) {
      CAPTURE(path);
      CHECK(outcome.result.status == OutcomeStatus::kScanned);
      CHECK_FALSE(outcome.in_process);
    }
  }
};

TEST_CASE_METHOD(Shortage,
                 "Rule 5: workers that fail together are tried one by one") {
  launcher.dies_at_start_left = 12;
  Make();
  RunToEnd();
  CheckAllScannedByWorkers();
}

TEST_CASE_METHOD(Shortage,
                 "Rule 5: failures beside a working worker do not add up") {
  Make();
  launcher.script["f7"] = {"segv", "ok"};
  REQUIRE(supervisor->Step());  // All have started.
  launcher.dies_at_start_left = 2;
  RunToEnd();
  CheckAllScannedByWorkers();
}

TEST_CASE_METHOD(Shortage,
                 "Rule 5: when the last worker ends a new series begins") {
  options.workers = 2;
  Make();
  REQUIRE(supervisor->Step());
  launcher.script["f100"] = {"segv", "segv", "ok"};
  launcher.script["f101"] = {"segv", "segv", "ok"};
  options.max_attempts = 3;
  launcher.spawn_failures_left = options.max_spawn_failures - 1;
  RunToEnd();
  CHECK_FALSE(supervisor->stats().degraded);
  CHECK(sink.outcomes.size() == 200);
}

TEST_CASE_METHOD(Shortage, "Rule 5: fewer workers are told once, with why") {
  Make();
  REQUIRE(supervisor->Step());
  launcher.script["f3"] = {"segv", "ok"};
  launcher.spawn_failures_left = 1'000;
  RunToEnd();
  CheckAllScannedByWorkers();
  CHECK(sink.NoticesOf(Notice::Kind::kFewerWorkers) == 1);
  CHECK(supervisor->stats().fewer_workers_reason == "scripted");
}

TEST_CASE_METHOD(Shortage, "Rule 5: enough workers are no shortage") {
  Make();
  RunToEnd();
  CHECK(sink.NoticesOf(Notice::Kind::kFewerWorkers) == 0);
  CHECK(supervisor->stats().fewer_workers_reason.empty());
}

TEST_CASE_METHOD(
    Shortage, "Rule 6: a file whose worker was killed is not run in-process") {
  options.workers = 1;
  launcher.script["f0"] = {"kill"};
  Make();
  // It is handed out, its worker is killed from outside, and that was the last.
  while (sink.NoticesOf(Notice::Kind::kWorkerLost) == 0) {
    REQUIRE(supervisor->Step());
  }
  launcher.spawn_failures_left = 1'000;
  RunToEnd();
  CHECK(supervisor->stats().degraded);
  CHECK(sink.outcomes.size() == 200);
  const FileOutcome& outcome = sink.outcomes.at("f0");
  CHECK(outcome.result.status == OutcomeStatus::kNotRun);
  CHECK_FALSE(outcome.result.detail.empty());
  CHECK_FALSE(outcome.in_process);
  CHECK(sink.outcomes.at("f1").in_process);
}

TEST_CASE("Respawn policy: failures beside a worker exhaust nothing") {
  RespawnPolicy policy(3);
  const Clock::Time now{std::chrono::seconds(1)};
  for (int i = 0; i < 50; ++i) policy.OnFailure(now, /*alone=*/false);
  CHECK_FALSE(policy.exhausted());
  // What the other had is free now: soon again, and a whole series.
  policy.OnFailure(now);
  CHECK(policy.retry_at() == now + RespawnPolicy::kFirstDelay);
  policy.OnFailure(now);
  CHECK_FALSE(policy.exhausted());
  policy.OnFailure(now);
  CHECK(policy.exhausted());
}

TEST_CASE("Respawn policy: kills from outside exhaust it ten times later") {
  RespawnPolicy policy(3);
  const Clock::Time now{std::chrono::seconds(1)};
  for (int i = 0; i < 29; ++i) policy.OnKilled(now);
  CHECK_FALSE(policy.exhausted());
  CHECK(policy.retry_at() == now + RespawnPolicy::kFirstDelay);
  CHECK(policy.failures() == 0);
  policy.OnKilled(now);
  CHECK(policy.exhausted());
  policy.OnSuccess();
  CHECK_FALSE(policy.exhausted());
}

TEST_CASE("Worker count: what was asked for, else one for each core") {
  CHECK(ChooseWorkerCount({.cores = 4}).count == 4);
  CHECK(ChooseWorkerCount({.cores = 4}).why ==
        "one for each of 4 usable cores");
  CHECK(ChooseWorkerCount({.asked = 7, .cores = 4}).count == 7);
  CHECK(ChooseWorkerCount({.asked = 7, .cores = 4}).why == "as asked for");
  CHECK(ChooseWorkerCount({.asked = 7, .cores = 4}).shortage.empty());
  CHECK(ChooseWorkerCount({.cores = 0}).count == 1);
}

TEST_CASE("Worker count: memory bounds a number that nobody asked for") {
  constexpr std::uint64_t kMiB = 1U << 20;
  const WorkerCount few =
      ChooseWorkerCount({.cores = 8, .memory_limit = 200 * kMiB});
  CHECK(few.count == 3);
  CHECK(few.shortage == few.why);
  CHECK(few.why.find("memory") != std::string::npos);
  CHECK(ChooseWorkerCount({.cores = 8, .memory_limit = kMiB}).count == 1);
  CHECK(ChooseWorkerCount({.cores = 8, .memory_limit = ~std::uint64_t{0}})
            .count == 8);
  CHECK(ChooseWorkerCount({.asked = 8, .cores = 8, .memory_limit = 200 * kMiB})
            .count == 8);
}

TEST_CASE("Worker count: descriptors bound any number, and leave some over") {
  const auto with = [](int free) {
    return ChooseWorkerCount({.asked = 8, .free_descriptors = free});
  };
  CHECK(with(1'000).count == 8);
  CHECK(with(54).count == 8);
  CHECK(with(53).count == 7);
  CHECK(with(53).shortage ==
        "only 53 more descriptors may be opened (ulimit -n), and each takes 5");
  CHECK(with(0).count == 1);
  CHECK(with(-1).count == 8);
}

}  // namespace
}  // namespace scanengine
