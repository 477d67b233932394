#ifndef SCANENGINE_TESTS_SUPPORT_SUPERVISOR_FIXTURE_H_
#define SCANENGINE_TESTS_SUPPORT_SUPERVISOR_FIXTURE_H_

#include <catch2/catch.hpp>
#include <initializer_list>
#include <optional>
#include <string>

#include "engine/supervisor.h"
#include "tests/support/engine_fakes.h"

namespace scanengine::testing {

/// A supervisor among fakes: one worker at a time, two attempts for each file.
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

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_SUPERVISOR_FIXTURE_H_
