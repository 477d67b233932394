#include "cli/doctor_report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace scanengine::cli {
namespace {

using nlohmann::json;

Diagnosis Example() {
  Diagnosis diagnosis;
  DoctorCheck good;
  good.name = "cores";
  good.found = "2 of 2";
  DoctorCheck bad;
  bad.name = "landlock";
  bad.state = CheckState::kMissing;
  bad.found = "not\nthere";
  bad.consequence = "files can be read";
  bad.advice = "use a newer kernel";
  diagnosis.checks = {good, bad};
  diagnosis.workers = {.count = 2, .why = "one for each core", .shortage = ""};
  diagnosis.round_trip.steps = {
      {"start", true, std::chrono::microseconds(1500), ""},
      {"hello", false, std::chrono::microseconds(20), "it \x1b[31m ended"}};
  diagnosis.round_trip.sandbox_active = {"seccomp", "limits"};
  diagnosis.round_trip.sandbox_missing = {"landlock: not in this kernel"};
  diagnosis.fitness = Fitness::kUnable;
  return diagnosis;
}

TEST_CASE("DoctorReport: text says what is, what follows and what to do") {
  CHECK(DoctorText(Example(), TextStyle(false)) ==
        "Machine\n"
        "  ok      cores             2 of 2\n"
        "  missing landlock          not\\nthere\n"
        "                            files can be read\n"
        "                            use a newer kernel\n"
        "\n"
        "Workers\n"
        "  2: one for each core\n"
        "\n"
        "A worker's life\n"
        "  ok     start                     1.500 ms  \n"
        "  failed hello                     0.020 ms  it \\x1b[31m ended\n"
        "  sandbox in force: seccomp, limits\n"
        "  sandbox lacks: landlock: not in this kernel\n"
        "\n"
        "UNABLE: no worker can be had; scans would go on in this process, "
        "without isolation, or with --require-isolation not at all\n");
}

TEST_CASE("DoctorReport: JSON has all of it") {
  const json expected = {
      {"schema", "scanengine-doctor/1"},
      {"version", "1.2.3"},
      {"verdict", "unable"},
      {"checks",
       {{{"name", "cores"},
         {"state", "ok"},
         {"vital", false},
         {"found", "2 of 2"},
         {"consequence", ""},
         {"advice", ""}},
        {{"name", "landlock"},
         {"state", "missing"},
         {"vital", false},
         {"found", "not\nthere"},
         {"consequence", "files can be read"},
         {"advice", "use a newer kernel"}}}},
      {"workers",
       {{"count", 2}, {"why", "one for each core"}, {"shortage", ""}}},
      {"round_trip",
       {{"complete", false},
        {"steps",
         {{{"name", "start"},
           {"ok", true},
           {"duration_us", 1500},
           {"detail", ""}},
          {{"name", "hello"},
           {"ok", false},
           {"duration_us", 20},
           {"detail", "it \x1b[31m ended"}}}}}},
      {"sandbox",
       {{"active", {"seccomp", "limits"}},
        {"missing", {"landlock: not in this kernel"}}}}};
  CHECK(json::parse(DoctorJson(Example(), "1.2.3")) == expected);
}

TEST_CASE("DoctorReport: exit codes are 0, 2 and 4") {
  CHECK(static_cast<int>(DoctorExitCode(Fitness::kFull)) == 0);
  CHECK(static_cast<int>(DoctorExitCode(Fitness::kWeaker)) == 2);
  CHECK(static_cast<int>(DoctorExitCode(Fitness::kUnable)) == 4);
}

}  // namespace
}  // namespace scanengine::cli
