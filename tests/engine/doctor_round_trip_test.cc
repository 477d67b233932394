// The doctor's round trip with real workers: one that is well and some that are
// not.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "engine/doctor.h"

namespace scanengine {
namespace {

RoundTrip TryAt(const std::string& worker_path) {
  ScanOptions options;
  options.worker_path = worker_path;
  return TryWorker(options);
}

std::vector<std::string> NamesOf(const RoundTrip& trip) {
  std::vector<std::string> names;
  for (const RoundTripStep& step : trip.steps) names.push_back(step.name);
  return names;
}

TEST_CASE("Doctor: a worker that is well goes through every step") {
  const RoundTrip trip = TryAt(SCANENGINE_WORKER);
  for (const RoundTripStep& step : trip.steps) {
    CAPTURE(step.name, step.detail);
    CHECK(step.ok);
  }
  CHECK(NamesOf(trip) == std::vector<std::string>{
                             "cache", "start", "hello", "scan", "batch",
                             "outside", "soft-timeout", "board", "cancel",
                             "respawn", "crash", "respawn-after-crash", "end"});
  CHECK(trip.complete);
  CHECK_FALSE(trip.sandbox_active.empty());
}

TEST_CASE("Doctor: a worker that is not there fails to start, with why") {
  const RoundTrip trip = TryAt("/nonexistent/worker");
  CHECK_FALSE(trip.complete);
  REQUIRE(NamesOf(trip) == std::vector<std::string>{"cache", "start"});
  CHECK(trip.steps.back().detail.find(NO_SUCH_PROGRAM) != std::string::npos);
}

TEST_CASE("Doctor: a program that is no worker ends before its Hello") {
  const RoundTrip trip = TryAt(NO_WORKER);
  CHECK_FALSE(trip.complete);
  REQUIRE(NamesOf(trip).back() == "hello");
  CHECK(trip.steps.back().detail.find("exit code 1") != std::string::npos);
}

TEST_CASE("Doctor: a worker that finds nothing in the sample is not well") {
  const RoundTrip trip = TryAt(MISBEHAVING_WORKER);
  CHECK_FALSE(trip.complete);
  REQUIRE(NamesOf(trip).back() == "scan");
  CHECK_FALSE(trip.steps.back().ok);
}

TEST_CASE("Doctor: a policy that does not parse fails at the cache") {
  ScanOptions options;
  options.worker_path = SCANENGINE_WORKER;
  options.policies = {{"mine", "nonsense"}};
  const RoundTrip trip = TryWorker(options);
  CHECK(NamesOf(trip) == std::vector<std::string>{"cache"});
  CHECK(trip.steps[0].detail.find("mine:1") != std::string::npos);
}

}  // namespace
}  // namespace scanengine
