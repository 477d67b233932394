#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/issue_index.h"
#include "cli/json_encoding.h"
#include "cli/report.h"
#include "cli/valid_text.h"
#include "tests/cli/synthetic_run.h"

namespace scanengine::cli {
namespace {

using nlohmann::json;
using testing::MakeFinding;
using testing::MakeOutcome;
using testing::RenderRun;
using testing::Summarise;

ReportOptions JsonOptions(bool canonical) {
  ReportOptions options;
  options.format = ReportFormat::kJson;
  options.canonical = canonical;
  options.version = "0.1.0";
  options.started = "2026-01-31T12:34:56Z";
  return options;
}

std::vector<FileOutcome> TwoFiles() {
  Finding call =
      MakeFinding("pickle-call", Severity::kCritical, "calls posix.system");
  call.member = "data.pkl";
  call.offset = 47;
  call.evidence = "system";
  call.reference = "CWE-502";
  call.count = 2;
  FileOutcome evil = MakeOutcome("b/evil.pkl", OutcomeStatus::kScanned, {call});
  evil.result.assets = {{"data.pkl", "pickle", 12, {{"imports", "2"}}}};
  FileOutcome crashed = MakeOutcome("a/crash.bin", OutcomeStatus::kCrashed);
  crashed.result.detail = "its worker ended";
  crashed.ended = "SIGSEGV";
  crashed.attempts = 2;
  return {std::move(evil), std::move(crashed)};
}

// The golden report: a change here is a change of the schema.
TEST_CASE("JsonReport: the canonical report is this text") {
  CHECK(RenderRun(JsonOptions(true), TwoFiles()) ==
        R"({"schema":"scanengine-report/1",)"
        "\n"
        R"("totals":{"files":2,"complete":false,"by_status":{"scanned":1,)"
        R"("unsupported":0,"not-a-model":0,"encrypted":0,"limit":0,)"
        R"("unreadable":0,"changed":0,"skipped":0,"timed-out":0,"crashed":1,)"
        R"("out-of-memory":0,"sandbox-violation":0,"protocol":0,)"
        R"("cancelled":0,"not-run":0},"bytes":2000,"findings":{"critical":1,)"
        R"("high":0,"medium":0,"low":0,"info":0},"scanner_names":["pickle"]},)"
        "\n"
        R"("issues_truncated":false,)"
        "\n"
        R"("issues":[)"
        "\n"
        R"({"rule":"pickle-call","severity":"critical",)"
        R"("message":"calls posix.system","member":"data.pkl",)"
        R"("evidence":"system","count":2,"file_count":1,)"
        R"("files":["b/evil.pkl"]})"
        "\n"
        R"(],)"
        "\n"
        R"("files":[)"
        "\n"
        R"({"path":"a/crash.bin","format":"","status":"crashed",)"
        R"("detail":"its worker ended","bytes":1000,"scanners":[],)"
        R"("findings":[],"assets":[]},)"
        "\n"
        R"({"path":"b/evil.pkl","format":"pickle","status":"scanned",)"
        R"("detail":"","bytes":1000,"scanners":["pickle"],"findings":[)"
        R"({"rule":"pickle-call","severity":"critical",)"
        R"("message":"calls posix.system","member":"data.pkl","offset":47,)"
        R"("evidence":"system","count":2,"why":"Loading the file runs it.",)"
        R"("advice":"Do not load the file.","reference":"CWE-502"}],)"
        R"("assets":[{"member":"data.pkl","format":"pickle","bytes":12,)"
        R"("facts":[["imports","2"]]}]})"
        "\n"
        "]}\n");
}

TEST_CASE("JsonReport: the run object holds what issue 2 asks for") {
  RunSummary summary = Summarise(TwoFiles());
  summary.crashes = 2;
  summary.respawns = 1;
  summary.retries = 3;
  summary.timeouts = 4;
  summary.fallbacks = 5;
  summary.recycled = 6;
  summary.peak_memory = 7;
  summary.serialising = std::chrono::microseconds(8);
  summary.sandbox_active = {"seccomp"};
  const json report =
      json::parse(RenderRun(JsonOptions(false), TwoFiles(), summary));
  const json expected = {
      {"tool", "scanengine"},
      {"version", "0.1.0"},
      {"started", "2026-01-31T12:34:56Z"},
      {"duration_us", 2000000},
      {"stopped", false},
      {"resumed", 0},
      {"cached", 0},
      {"scanned", 0},
      {"parallel_scan", true},
      {"worker_count", 2},
      {"workers_started", 2},
      {"isolation", "process"},
      {"degraded", false},
      {"degraded_reason", ""},
      {"fewer_workers_reason", ""},
      {"crashes", 2},
      {"respawns", 1},
      {"retries", 3},
      {"timeouts", 4},
      {"fallback_count", 5},
      {"recycled", 6},
      {"peak_memory_bytes", 7},
      {"serialising_us", 8},
      {"cpu_us", 3000000},
      {"cpu_utilisation", 1.5},
      {"sandbox", {{"active", {"seccomp"}}, {"missing", json::array()}}}};
  CHECK(report["run"] == expected);
  const json crashed = {{"ended", "SIGSEGV"}, {"attempts", 2},
                        {"worker", 2},        {"isolation", "process"},
                        {"resumed", false},   {"duration_us", 1234},
                        {"cached", false},    {"peak_memory_bytes", 8000000}};
  CHECK(report["files"][0]["run"] == crashed);
}

TEST_CASE("JsonReport: without run objects it is the canonical report") {
  json full = json::parse(RenderRun(JsonOptions(false), TwoFiles()));
  full.erase("run");
  for (json& file : full["files"]) file.erase("run");
  CHECK(full == json::parse(RenderRun(JsonOptions(true), TwoFiles())));
}

TEST_CASE("JsonReport: canonical reports of different runs are the same") {
  std::vector<FileOutcome> outcomes;
  for (int i = 0; i < 200; ++i) {
    std::vector<Finding> findings;
    for (int j = 0; j < i % 4; ++j) {
      findings.push_back(MakeFinding("rule-" + std::to_string(i % 7),
                                     static_cast<Severity>(j), "message"));
    }
    outcomes.push_back(MakeOutcome("dir/" + std::to_string(i),
                                   OutcomeStatus::kScanned, findings));
  }
  outcomes.push_back(outcomes[3]);  // A path that was given twice.
  const RunSummary summary = Summarise(outcomes);
  const std::string expected = RenderRun(JsonOptions(true), outcomes, summary);

  std::vector<FileOutcome> other = outcomes;
  std::reverse(other.begin(), other.end());
  std::rotate(other.begin(), other.begin() + 77, other.end());
  for (FileOutcome& outcome : other) {
    outcome.attempts = 0;
    outcome.worker = 0;
    outcome.in_process = true;
    outcome.result.duration_us = 1;
    outcome.result.peak_memory = 2;
    outcome.result.task = 99;
  }
  RunSummary changed = summary;
  changed.isolation = IsolationMode::kInProcess;
  changed.worker_count = 0;
  changed.crashes = 5;
  changed.peak_memory = 5;
  changed.wall = std::chrono::seconds(77);
  changed.degraded = true;
  ReportOptions options = JsonOptions(true);
  options.isolation = IsolationMode::kInProcess;
  options.started = "later";
  CHECK(RenderRun(options, other, changed) == expected);
}

TEST_CASE("JsonReport: how a file was isolated is in its run object") {
  FileOutcome outcome = MakeOutcome("a", OutcomeStatus::kScanned);
  const auto isolation = [&] {
    return json::parse(FileJson(outcome, IsolationMode::kPerFile, true,
                                false))["run"]["isolation"];
  };
  CHECK(isolation() == "per-file");
  outcome.in_process = true;
  CHECK(isolation() == "in-process");
  outcome.in_process = false;
  outcome.attempts = 0;
  CHECK(isolation() == "none");
}

TEST_CASE("JsonReport: a path that is no UTF-8 keeps its bytes") {
  const json file = json::parse(
      FileJson(MakeOutcome("a/\xff\xfe.pkl", OutcomeStatus::kScanned),
               IsolationMode::kProcess, false, false));
  CHECK(file["path"] == "a/\\xff\\xfe.pkl");
  CHECK(file["path_b64"] == "YS///i5wa2w=");
  const json plain = json::parse(
      FileJson(MakeOutcome("a/\xc3\xa4\n.pkl", OutcomeStatus::kScanned),
               IsolationMode::kProcess, false, false));
  CHECK(plain["path"] == "a/\xc3\xa4\n.pkl");
  CHECK_FALSE(plain.contains("path_b64"));
}

TEST_CASE("JsonReport: hostile text is valid, bounded ASCII JSON") {
  Finding finding = MakeFinding("r\xff", Severity::kHigh, "\xed\xa0\x80");
  finding.member = std::string("a\0b", 3);
  finding.evidence =
      "\xc2\x9b"
      "2J" +
      std::string(100'000, 'x');
  finding.why = "\xff";
  finding.advice = "\xc0\x80";
  finding.reference = "\xf5";
  FileOutcome evil =
      MakeOutcome("\x1b[2J\xe2\x80\xae", OutcomeStatus::kScanned, {finding});
  evil.result.format = "\xff";
  evil.result.detail = "\xff";
  evil.result.scanners = {"\xff"};
  evil.result.assets = {{"\xff", "\xff", 1, {{"\xff", "\xff"}}}};
  evil.ended = "\xff";
  RunSummary summary = Summarise({evil});
  summary.degraded_reason = "\xff";
  summary.sandbox_missing = {"\xff"};
  for (const ReportFormat format :
       {ReportFormat::kJson, ReportFormat::kNdjson}) {
    ReportOptions options = JsonOptions(false);
    options.format = format;
    const std::string text = RenderRun(options, {evil}, summary);
    CHECK(std::all_of(text.begin(), text.end(), [](char c) {
      return c == '\n' || (c >= 0x20 && c < 0x7f);
    }));
    CHECK(text.size() < 20'000);
    std::istringstream lines(text);
    if (format == ReportFormat::kJson) {
      CHECK(json::accept(text));
    } else {
      for (std::string line; std::getline(lines, line);) {
        CHECK(json::accept(line));
      }
    }
  }
}

TEST_CASE("JsonReport: an empty run is a valid report") {
  const json report = json::parse(RenderRun(JsonOptions(false), {}));
  CHECK(report["files"] == json::array());
  CHECK(report["issues"] == json::array());
  CHECK(report["totals"]["complete"] == false);
}

TEST_CASE("NdjsonReport: a line a file as it is done, then the summary") {
  ReportOptions options = JsonOptions(false);
  options.format = ReportFormat::kNdjson;
  std::string text;
  ReportWriter writer(std::make_unique<testing::MemorySink>(text));
  const auto report = NewReport(options, writer);
  const std::vector<FileOutcome> outcomes = TwoFiles();
  report->Add(outcomes[0]);
  const json first = json::parse(text);  // Flushed already.
  CHECK(first["type"] == "file");
  CHECK(first["path"] == "b/evil.pkl");
  report->Add(outcomes[1]);
  REQUIRE(report->Finish(Summarise(outcomes)).ok());
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  const json last = json::parse(text.substr(text.rfind('\n', text.size() - 2)));
  CHECK(last["type"] == "summary");
  CHECK(last["schema"] == "scanengine-report/1");
  CHECK(last["totals"]["files"] == 2);
  CHECK(last["run"]["worker_count"] == 2);
}

TEST_CASE("IssueIndex: the same finding in many files is one issue") {
  IssueIndex index(/*max_issues=*/10, /*max_files=*/2);
  Finding finding = MakeFinding("r", Severity::kHigh, "m");
  Finding again = finding;
  again.offset = 9;
  again.count = 4;
  index.Add(MakeOutcome("c", OutcomeStatus::kScanned, {finding, again}));
  index.Add(MakeOutcome("b", OutcomeStatus::kScanned, {finding}));
  index.Add(MakeOutcome("a", OutcomeStatus::kScanned, {again}));
  REQUIRE(index.issues().size() == 1);
  const Issue& issue = index.issues().begin()->second;
  CHECK(issue.findings == 1 + 4 + 1 + 4);
  CHECK(issue.file_count == 3);
  CHECK(issue.files == std::set<std::string>{"a", "b"});
  CHECK_FALSE(index.truncated());
}

TEST_CASE("IssueIndex: what is kept does not depend on the order") {
  std::vector<FileOutcome> outcomes;
  for (int i = 0; i < 60; ++i) {
    outcomes.push_back(
        MakeOutcome("f" + std::to_string(i), OutcomeStatus::kScanned,
                    {MakeFinding("rule-" + std::to_string(i % 20),
                                 static_cast<Severity>(i % 5), "m")}));
  }
  const auto names = [](const IssueIndex& index) {
    std::string out;
    for (const auto& [key, issue] : index.issues()) {
      out += key.rule_id + ' ' + std::to_string(issue.file_count) + '\n';
    }
    return out;
  };
  IssueIndex forward(5, 2);
  for (const FileOutcome& outcome : outcomes) forward.Add(outcome);
  std::reverse(outcomes.begin(), outcomes.end());
  IssueIndex backward(5, 2);
  for (const FileOutcome& outcome : outcomes) backward.Add(outcome);
  CHECK(forward.truncated());
  CHECK(backward.truncated());
  CHECK(names(forward) == names(backward));
  CHECK(names(forward).starts_with("rule-14 3\n"));
}

TEST_CASE("ValidText: valid text stays, all else is escaped or cut") {
  CHECK(ValidText("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
  CHECK(ValidText("a\xff") == "a\\xff");
  CHECK(ValidText("ab\xc3\xbc", 3) == "ab...");
  CHECK(ValidText("abcd", 4) == "abcd");
}

TEST_CASE("Base64: the vectors of RFC 4648") {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : cases) CHECK(Base64(plain) == encoded);
}

}  // namespace
}  // namespace scanengine::cli
