#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/inspect_text.h"
#include "cli/report.h"
#include "tests/cli/synthetic_run.h"

namespace scanengine::cli {
namespace {

using nlohmann::json;
using testing::MakeFinding;
using testing::MakeOutcome;
using testing::MemorySink;
using testing::Summarise;

FileOutcome Inspected(const std::string& path) {
  FileOutcome outcome = MakeOutcome(path, OutcomeStatus::kScanned,
                                    {MakeFinding("r", Severity::kHigh, "m"),
                                     MakeFinding("s", Severity::kLow, "n")});
  outcome.result.assets = {{"a", "zip", 12, {{"members", "1"}}}};
  InspectionSection section;
  section.member = "a/data.pkl";
  section.kind = "pickle";
  section.number = 1;
  section.end = 60;
  section.facts = {{"protocol", "2"}, {"end", "complete"}};
  section.imports = {
      {"os.system", "posix.system", NameVerdict::kDangerous, "process",
       "runs a command", "CVE-1", 3, 2, 1, true},
      {"a.B", "", NameVerdict::kVetted, "", "", "", 9, 1, 0, false}};
  section.steps = {
      {12, StepAction::kCall, NameVerdict::kVetted, 1, 0, "a.B()", "", {}},
      {20,
       StepAction::kCall,
       NameVerdict::kDangerous,
       2,
       1,
       "os.system(v1)",
       "0",
       {1}},
      {30,
       StepAction::kState,
       NameVerdict::kNone,
       0,
       0,
       "v1.__setstate__({})",
       "",
       {1}},
      {59,
       StepAction::kProblem,
       NameVerdict::kNone,
       0,
       0,
       "breaks off",
       "",
       {}}};
  section.outline = {{0, "list, 1 item"}, {1, "v2 = os.system(...)"}};
  section.opcodes = {{0, "PROTO", "2"}, {2, "STOP", ""}};
  section.dropped = 7;
  InspectionSection inner;
  inner.kind = "pickle";
  inner.parent = 1;
  inner.parent_offset = 44;
  outcome.result.inspection = {{section, inner}, true};
  return outcome;
}

std::string ReportOf(const ReportOptions& options,
                     const std::vector<FileOutcome>& outcomes,
                     bool* whole = nullptr) {
  std::string out;
  ReportWriter writer(std::make_unique<MemorySink>(out));
  const std::unique_ptr<Report> report = NewReport(options, writer);
  for (const FileOutcome& outcome : outcomes) report->Add(outcome);
  CHECK(report->Finish(Summarise(outcomes)).ok());
  CHECK(writer.Commit().ok());
  if (whole != nullptr) *whole = report->whole();
  return out;
}

ReportOptions InspectOptionsFor(ReportFormat format) {
  ReportOptions options;
  options.inspect = true;
  options.format = format;
  options.version = "1.2.3";
  return options;
}

TEST_CASE("Inspect text: everything that is known, in order") {
  CHECK(InspectedFileText(Inspected("m.pt"), TextStyle(false)) ==
        R"(m.pt: pickle, 1000 B
  a: zip, 12 B
      members: 1
  [1] a/data.pkl: pickle, bytes 0 to 60, protocol 2, end complete
    imports: 2
      dangerous     os.system (process: runs a command), written posix.system, @3 by attribute, 2 times, called once [CVE-1]
      vetted        a.B, @9
    what it does
      @12       v1 = a.B()
      @20       v2 = os.system(v1)  # dangerous; gives 0; called by v1; from v1
      @30       v1.__setstate__({})
      @59       problem: breaks off
    what it makes
      list, 1 item
        v2 = os.system(...)
    opcodes
              0 PROTO 2
              2 STOP
    not shown: 7 more of this section
  [2] string at 44 of [1]: pickle
  findings: 1 high, 1 low (scanengine scan tells them)
  cut short: there is more in the file than is shown

)");
}

TEST_CASE("Inspect text: a lost worker and missing isolation are told") {
  FileOutcome outcome = MakeOutcome("x", OutcomeStatus::kCrashed);
  outcome.result.detail = "ended its worker";
  outcome.ended = "SIGSEGV";
  CHECK(InspectedFileText(outcome, TextStyle(false)) ==
        "x: 1000 B, crashed: ended its worker (SIGSEGV)\n\n");
  outcome = MakeOutcome("x", OutcomeStatus::kScanned);
  outcome.in_process = true;
  CHECK(InspectedFileText(outcome, TextStyle(false)) ==
        "x: pickle, 1000 B (in-process: without isolation)\n\n");
}

TEST_CASE("Inspect: a lying worker forges no line and drives no terminal") {
  const std::string evil = "\x1b[2J\nforged\r\xe2\x80\xae";
  FileOutcome outcome = MakeOutcome(evil, OutcomeStatus::kScanned);
  outcome.ended = outcome.result.format = outcome.result.detail = evil;
  outcome.result.assets = {{evil, evil, 1, {{evil, evil}}}};
  InspectionSection section;
  section.member = section.kind = evil;
  section.parent = 4'000'000'000U;
  section.facts = {{evil, evil}};
  section.imports = {
      {evil, evil, NameVerdict::kUnresolved, evil, evil, evil, 1, 1, 1, false}};
  section.steps = {{1,
                    StepAction::kCall,
                    NameVerdict::kUnresolved,
                    1,
                    2,
                    evil,
                    evil,
                    {9, 8}}};
  section.outline = {{65'535, evil}};
  section.opcodes = {{1, evil, evil}};
  outcome.result.inspection.sections = {section};
  for (const ReportFormat format : {ReportFormat::kText, ReportFormat::kJson}) {
    const std::string text = ReportOf(InspectOptionsFor(format), {outcome});
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\r') == std::string::npos);
    CHECK(text.find("\xe2\x80\xae") == std::string::npos);
    CHECK(text.find("\nforged") == std::string::npos);
    CHECK(text.size() < 10'000);
  }
}

TEST_CASE("Inspect JSON: a versioned document with the same facts") {
  bool whole = true;
  const std::string text = ReportOf(
      InspectOptionsFor(ReportFormat::kJson),
      {Inspected("b"), MakeOutcome("a", OutcomeStatus::kScanned)}, &whole);
  CHECK_FALSE(whole);
  const json document = json::parse(text);
  CHECK(document["schema"] == "scanengine-inspect/1");
  CHECK(document["run"]["version"] == "1.2.3");
  CHECK(document["totals"]["files"] == 2);
  REQUIRE(document["files"].size() == 2);
  CHECK(document["files"][0]["path"] == "a");
  CHECK(document["files"][0]["truncated"] == false);
  CHECK(document["files"][0]["sections"] == json::array());
  const json& file = document["files"][1];
  CHECK(file["truncated"] == true);
  CHECK(file["findings"].size() == 2);
  REQUIRE(file["sections"].size() == 2);
  CHECK(file["sections"][0] == json::parse(R"json({
    "member": "a/data.pkl", "kind": "pickle", "number": 1, "parent": 0,
    "parent_offset": null, "begin": 0, "end": 60,
    "facts": [["protocol", "2"], ["end", "complete"]],
    "imports": [
      {"name": "os.system", "written": "posix.system", "verdict": "dangerous",
       "category": "process", "effect": "runs a command", "reference": "CVE-1",
       "offset": 3, "imports": 2, "calls": 1, "by_attribute": true},
      {"name": "a.B", "written": "", "verdict": "vetted", "category": "",
       "effect": "", "reference": "", "offset": 9, "imports": 1, "calls": 0,
       "by_attribute": false}],
    "steps": [
      {"offset": 12, "action": "call", "verdict": "vetted", "value": 1,
       "within": 0, "text": "a.B()", "outcome": "", "chain": []
},
      {"offset": 20, "action": "call", "verdict": "dangerous", "value": 2,
       "within": 1, "text": "os.system(v1)", "outcome": "0", "chain": [1]},
      {"offset": 30, "action": "state", "verdict": "", "value": 0, "within": 0,
       "text": "v1.__setstate__({})", "outcome": "", "chain": [1]},
      {"offset": 59, "action": "problem", "verdict": "", "value": 0,
       "within": 0, "text": "breaks off", "outcome": "", "chain": []}],
    "outline": [{"depth": 0, "text": "list, 1 item"},
                {"depth": 1, "text": "v2 = os.system(...)"}],
    "opcodes": [{"offset": 0, "name": "PROTO", "operand": "2"},
                {"offset": 2, "name": "STOP", "operand": ""}],
    "dropped": 7
})json"));
  CHECK(file["sections"][1]["parent_offset"] == 44);
}

TEST_CASE("Inspect text: files are sorted by path") {
  const std::string text =
      ReportOf(InspectOptionsFor(ReportFormat::kText),
               {MakeOutcome("b", OutcomeStatus::kScanned),
                MakeOutcome("a", OutcomeStatus::kScanned)});
  CHECK(text == "a: pickle, 1000 B\n\nb: pickle, 1000 B\n\n");
}

}  // namespace
}  // namespace scanengine::cli
