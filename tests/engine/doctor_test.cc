// What the doctor makes of facts. The facts are injected: no test here depends
// on the machine that it runs on.

#include "engine/doctor.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace scanengine {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30;

// A machine that lacks nothing.
MachineFacts Healthy() {
  MachineFacts facts;
  facts.system = "Linux 6.15.0 x86_64";
  facts.online_cores = 8;
  facts.affinity_cores = 4;
  facts.total_memory = 32 * kGiB;
  facts.available_memory = 16 * kGiB;
  facts.has_shm_folder = true;
  facts.shm_free = kGiB;
  facts.landlock_abi = 7;
  facts.open_files = 1024;
  facts.free_descriptors = 1000;
  facts.processes = 1000;
  facts.pending_signals = 1000;
  facts.state = {"/home/u/.local/state/scanengine", true, kGiB};
  facts.temporary = {"/tmp", true, kGiB};
  facts.worker_path = "/usr/bin/scanengine-worker";
  return facts;
}

DoctorCheck CheckOf(const MachineFacts& facts, const std::string& name) {
  const std::vector<DoctorCheck> checks = JudgeMachine(facts);
  const auto at = std::find_if(
      checks.begin(), checks.end(),
      [&](const DoctorCheck& check) { return check.name == name; });
  REQUIRE(at != checks.end());
  return *at;
}

RoundTrip GoodTrip() {
  RoundTrip trip;
  trip.complete = true;
  trip.sandbox_active = {"seccomp"};
  return trip;
}

Fitness FitnessOf(const MachineFacts& facts) {
  return JudgeFitness(JudgeMachine(facts), GoodTrip());
}

TEST_CASE("Doctor: a machine that lacks nothing is capable") {
  for (const DoctorCheck& check : JudgeMachine(Healthy())) {
    CAPTURE(check.name);
    CHECK(check.state == CheckState::kOk);
    CHECK_FALSE(check.found.empty());
    CHECK(check.consequence.empty());
    CHECK(check.advice.empty());
  }
  CHECK(FitnessOf(Healthy()) == Fitness::kFull);
}

struct Lack {
  const char* check;
  CheckState state;
  Fitness fitness;
  std::function<void(MachineFacts&)> take;
};

const Lack kLacks[] = {
    {"memory", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.available_memory = 1 << 20; }},
    {"memory", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.available_memory = 0; }},
    {"shared-memory", CheckState::kMissing, Fitness::kUnable,
     [](MachineFacts& f) { f.shared_memory_error = "not implemented"; }},
    {"pidfd", CheckState::kMissing, Fitness::kUnable,
     [](MachineFacts& f) { f.pidfd_error = "not implemented"; }},
    {"worker-program", CheckState::kMissing, Fitness::kUnable,
     [](MachineFacts& f) { f.worker_error = "No such file"; }},
    {"seccomp", CheckState::kMissing, Fitness::kWeaker,
     [](MachineFacts& f) { f.seccomp_error = "not implemented"; }},
    {"landlock", CheckState::kMissing, Fitness::kWeaker,
     [](MachineFacts& f) {
       f.landlock_abi = 0;
       f.landlock_error = "not supported";
     }},
    {"landlock", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.landlock_abi = 5; }},
    {"limit-files", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.free_descriptors = 20; }},
    {"limit-processes", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.processes = 5; }},
    {"limit-memory", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.address_space = 1 << 28; }},
    {"limit-memory", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.data = 1 << 28; }},
    {"limit-file-size", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.file_size = 1 << 20; }},
    {"limit-signals", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.pending_signals = 3; }},
    {"limit-signals", CheckState::kMissing, Fitness::kUnable,
     [](MachineFacts& f) { f.pending_signals = 0; }},
    {"state-folder", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.state.writable = false; }},
    {"state-folder", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.state = {}; }},
    {"temporary-folder", CheckState::kWeaker, Fitness::kWeaker,
     [](MachineFacts& f) { f.temporary.free = 0; }},
};

TEST_CASE("Doctor: each lack is told with what follows and what to do") {
  for (const Lack& lack : kLacks) {
    CAPTURE(lack.check);
    MachineFacts facts = Healthy();
    lack.take(facts);
    const DoctorCheck check = CheckOf(facts, lack.check);
    CHECK(check.state == lack.state);
    CHECK_FALSE(check.found.empty());
    CHECK_FALSE(check.consequence.empty());
    CHECK_FALSE(check.advice.empty());
    CHECK(FitnessOf(facts) == lack.fitness);
    // And nothing else is said to be amiss.
    const std::vector<DoctorCheck> checks = JudgeMachine(facts);
    CHECK(std::count_if(checks.begin(), checks.end(), [](const auto& each) {
            return each.state != CheckState::kOk;
          }) == 1);
  }
}

TEST_CASE("Doctor: says what was found in words") {
  MachineFacts facts = Healthy();
  CHECK(CheckOf(facts, "cores").found == "4 of 8 by affinity, no quota");
  facts.cgroup.cores = 1.5;
  CHECK(CheckOf(facts, "cores").found == "4 of 8 by affinity, quota 1.5");
  facts.cgroup.memory = 4 * kGiB;
  CHECK(CheckOf(facts, "memory").found ==
        "16.0 GiB available of 32.0 GiB, control group allows 4.0 GiB");
  CHECK(CheckOf(facts, "landlock").found == "ABI 7");
  facts.landlock_abi = 3;
  CHECK(CheckOf(facts, "landlock")
            .consequence.find("signals and abstract sockets, TCP") !=
        std::string::npos);
  CHECK(CheckOf(facts, "shared-memory").found ==
        "sealed memfd; /dev/shm (1.0 GiB free) is not used");
  CHECK(CheckOf(facts, "limit-files").found == "1024 (ulimit -n), 1000 free");
  facts.processes = kUnlimited;
  CHECK(CheckOf(facts, "limit-processes").found == "unlimited (ulimit -u)");
}

TEST_CASE("Doctor: root is not held by a limit of processes") {
  MachineFacts facts = Healthy();
  facts.is_root = true;
  facts.processes = 1;
  CHECK(CheckOf(facts, "limit-processes").state == CheckState::kOk);
  CHECK(CheckOf(facts, "user").found.starts_with("root"));
}

TEST_CASE("Doctor: names of files cannot drive a terminal") {
  MachineFacts facts = Healthy();
  facts.state.path = "/tmp/\x1b[31m\n";
  CHECK(CheckOf(facts, "state-folder").found.find('\x1b') == std::string::npos);
}

TEST_CASE("Doctor: the worker has the last word") {
  const std::vector<DoctorCheck> checks = JudgeMachine(Healthy());
  RoundTrip trip = GoodTrip();
  CHECK(JudgeFitness(checks, trip) == Fitness::kFull);
  trip.sandbox_missing = {"seccomp: not in this kernel"};
  CHECK(JudgeFitness(checks, trip) == Fitness::kWeaker);
  trip.complete = false;
  CHECK(JudgeFitness(checks, trip) == Fitness::kUnable);
}

}  // namespace
}  // namespace scanengine
