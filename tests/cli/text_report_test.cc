#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "cli/report.h"
#include "cli/text_summary.h"
#include "tests/cli/synthetic_run.h"

namespace scanengine::cli {
namespace {

using testing::MakeFinding;
using testing::MakeOutcome;
using testing::RenderRun;
using testing::Summarise;

std::vector<FileOutcome> MixedRun() {
  Finding call =
      MakeFinding("pickle-call", Severity::kCritical, "calls posix.system");
  call.member = "archive/data.pkl";
  call.offset = 47;
  call.evidence = "cposix\\nsystem";
  call.count = 3;
  call.reference = "CWE-502";
  const Finding odd =
      MakeFinding("pickle-odd", Severity::kLow, "unusual opcode");
  const Finding name =
      MakeFinding("name-mismatch", Severity::kMedium, "is no zip archive");
  FileOutcome crashed = MakeOutcome("b/crash.bin", OutcomeStatus::kCrashed);
  crashed.result.detail = "its worker ended twice";
  crashed.ended = "SIGSEGV";
  crashed.attempts = 2;
  FileOutcome readme = MakeOutcome("README.md", OutcomeStatus::kNotAModel);
  return {MakeOutcome("z/name.pkl", OutcomeStatus::kScanned, {name}),
          MakeOutcome("a/evil.pkl", OutcomeStatus::kScanned, {odd, call}),
          MakeOutcome("a/clean.pkl", OutcomeStatus::kScanned),
          std::move(crashed), std::move(readme)};
}

constexpr const char* kFindings =
    "a/evil.pkl (pickle)\n"
    "  critical  pickle-call: calls posix.system\n"
    "            in archive/data.pkl at byte 47, 3 times\n"
    "            evidence: cposix\\nsystem\n"
    "  low       pickle-odd: unusual opcode\n"
    "\n"
    "z/name.pkl (pickle)\n"
    "  medium    name-mismatch: is no zip archive\n"
    "\n";
constexpr const char* kVerdict =
    "INCOMPLETE: 1 file was not scanned to its end; 2 findings at medium or "
    "above in 2 files\n";

TEST_CASE("TextReport: worst first, then what was missed, summary last") {
  RunSummary summary = Summarise(MixedRun());
  summary.crashes = 2;
  summary.respawns = 1;
  summary.retries = 1;
  summary.peak_memory = 64ULL << 20;
  summary.sandbox_active = {"landlock", "seccomp"};
  CHECK(RenderRun({}, MixedRun(), summary) ==
        std::string(kFindings) +
            "What to do\n"
            "  name-mismatch\n"
            "    Loading the file runs it.\n"
            "    Do not load the file.\n"
            "  pickle-call\n"
            "    Loading the file runs it.\n"
            "    Do not load the file.\n"
            "    See CWE-502\n"
            "  pickle-odd\n"
            "    Loading the file runs it.\n"
            "    Do not load the file.\n"
            "\n"
            "Not scanned to the end\n"
            "  crashed            b/crash.bin: its worker ended twice (worker "
            "ended: SIGSEGV, 2 attempts)\n"
            "\n"
            "Summary\n"
            "  files     5: 3 scanned, 1 not-a-model, 1 crashed\n"
            "  findings  1 critical, 1 medium, 1 low\n"
            "  read      4.9 KiB in 2.0 s, 2.4 KiB/s, 2 files/s\n"
            "  workers   2, isolation process, peak memory 64.0 MiB\n"
            "  trouble   2 workers lost, 1 respawn, 1 retry\n"
            "  sandbox   landlock, seccomp\n"
            "\n" +
            kVerdict);
}

TEST_CASE("TextReport: quiet leaves findings and verdict") {
  ReportOptions options;
  options.quiet = true;
  CHECK(RenderRun(options, MixedRun()) == std::string(kFindings) + kVerdict);
}

TEST_CASE("TextReport: verbose tells reasons in place and lists what is left") {
  ReportOptions options;
  options.verbose = true;
  const std::string text = RenderRun(options, MixedRun());
  CHECK(text.find("            evidence: cposix\\nsystem\n"
                  "            Loading the file runs it.\n"
                  "            Do not load the file.\n"
                  "            See CWE-502\n") != std::string::npos);
  CHECK(text.find("What to do") == std::string::npos);
  CHECK(text.find("  not-a-model        README.md\n") != std::string::npos);
}

TEST_CASE("TextReport: does not depend on the order of files") {
  std::vector<FileOutcome> outcomes = MixedRun();
  const std::string expected = RenderRun({}, outcomes);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    std::rotate(outcomes.begin(), outcomes.begin() + 1, outcomes.end());
    CHECK(RenderRun({}, outcomes) == expected);
  }
}

TEST_CASE("TextReport: colors only where asked") {
  ReportOptions options;
  options.color = true;
  const std::string text = RenderRun(options, MixedRun());
  CHECK(text.find("  \x1b[1;31mcritical\x1b[0m  pickle-call") !=
        std::string::npos);
  CHECK(RenderRun({}, MixedRun()).find('\x1b') == std::string::npos);
}

TEST_CASE("TextReport: hostile names and evidence cannot forge a line") {
  Finding finding = MakeFinding("rule\nCLEAN", Severity::kHigh,
                                "message\x1b[2J\nCLEAN: all fine");
  finding.member = "a\r\nCLEAN";
  finding.evidence =
      "\xff\xe2\x80\xae"
      "CLEAN\n";
  finding.why = "why\nCLEAN";
  finding.advice = "advice\nCLEAN";
  finding.reference = "x\nCLEAN";
  FileOutcome evil = MakeOutcome("evil\nCLEAN: all\x1b[0m\xff",
                                 OutcomeStatus::kTimedOut, {finding});
  evil.result.format = "pickle\nCLEAN";
  evil.result.detail = "detail\nCLEAN";
  evil.ended = "x\nCLEAN";
  RunSummary summary = Summarise({evil});
  summary.degraded = true;
  summary.degraded_reason = "r\nCLEAN";
  summary.sandbox_missing = {"s\nCLEAN"};
  for (const bool verbose : {false, true}) {
    ReportOptions options;
    options.verbose = verbose;
    const std::string text = '\n' + RenderRun(options, {evil}, summary);
    CHECK(text.find("\nCLEAN") == std::string::npos);
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      CHECK((byte == '\n' || (byte >= 0x20 && byte < 0x7f)));
    }
  }
}

TEST_CASE("TextReport: megabytes from a worker are cut") {
  Finding finding =
      MakeFinding("r", Severity::kHigh, std::string(5'000'000, 'x'));
  finding.evidence = finding.message;
  CHECK(RenderRun({}, {MakeOutcome("a", OutcomeStatus::kScanned, {finding})})
            .size() < 20'000);
}

TEST_CASE("TextReport: what the rules do not say takes no room") {
  Finding bare = MakeFinding("r", Severity::kHigh, "m");
  bare.why.clear();
  bare.advice.clear();
  CHECK(RenderRun({}, {MakeOutcome("a", OutcomeStatus::kScanned, {bare})})
            .find("What to do") == std::string::npos);
}

TEST_CASE("TextReport: in-process and degraded runs say so") {
  RunSummary summary = Summarise({});
  summary.isolation = IsolationMode::kInProcess;
  CHECK(
      SummaryText(summary, TextStyle(false))
          .find("isolation in-process (no protection from what is scanned)") !=
      std::string::npos);
  summary.degraded = true;
  summary.fallbacks = 3;
  summary.degraded_reason = "no workers";
  CHECK(SummaryText(summary, TextStyle(false))
            .find("  degraded  3 files were scanned without isolation: no "
                  "workers\n") != std::string::npos);
}

TEST_CASE("TextReport: a run with fewer workers than wanted says so") {
  RunSummary summary = Summarise({});
  summary.fewer_workers_reason = "no more\nprocesses";
  CHECK(SummaryText(summary, TextStyle(false))
            .find("  fewer     fewer workers than wanted: no "
                  "more\\nprocesses\n") != std::string::npos);
}

std::string Verdict(const RunSummary& summary, ReportOptions options = {}) {
  return VerdictText(summary, options, 1, TextStyle(false));
}

TEST_CASE("Verdict: says clean only if everything was scanned") {
  const auto run = [](OutcomeStatus status) {
    return Summarise({MakeOutcome("a", status)});
  };
  CHECK(Verdict(run(OutcomeStatus::kScanned)) ==
        "CLEAN: 1 file scanned to the end, no finding at medium or above\n");
  CHECK(Verdict(RunSummary()) == "INCOMPLETE: no file was found\n");
  CHECK(Verdict(run(OutcomeStatus::kNotAModel)) ==
        "NOTHING TO SCAN: no model or archive in 1 file\n");
  for (int i = 0; i < kOutcomeStatusCount; ++i) {
    const auto status = static_cast<OutcomeStatus>(i);
    CAPTURE(OutcomeStatusName(status));
    const bool clean =
        Verdict(Summarise({MakeOutcome("a", OutcomeStatus::kScanned),
                           MakeOutcome("b", status)}))
            .starts_with("CLEAN");
    CHECK(clean == !IsIncomplete(status));
  }
  ReportOptions strict;
  strict.require_complete = true;
  CHECK(Verdict(run(OutcomeStatus::kSkipped), strict) ==
        "INCOMPLETE: 1 file was not scanned to its end\n");
}

TEST_CASE("Verdict: a stopped run is partial, whatever it found") {
  RunSummary summary =
      Summarise({MakeOutcome("a", OutcomeStatus::kScanned,
                             {MakeFinding("r", Severity::kHigh, "m")}),
                 MakeOutcome("b", OutcomeStatus::kCancelled)});
  summary.stopped = true;
  CHECK(Verdict(summary) ==
        "STOPPED: the report is partial; 1 file was not scanned to its end; 1 "
        "finding at medium or above in 1 file\n");
}

TEST_CASE("Verdict: findings below --fail-on leave it clean") {
  const RunSummary summary =
      Summarise({MakeOutcome("a", OutcomeStatus::kScanned,
                             {MakeFinding("r", Severity::kMedium, "m")})});
  CHECK(Verdict(summary) ==
        "FINDINGS: 1 finding at medium or above in 1 file\n");
  ReportOptions options;
  options.fail_on = Severity::kHigh;
  CHECK(Verdict(summary, options) ==
        "CLEAN: 1 file scanned to the end, no finding at high or above\n");
}

TEST_CASE("Grouped: thousands are set apart") {
  CHECK(Grouped(0) == "0");
  CHECK(Grouped(999) == "999");
  CHECK(Grouped(1000) == "1,000");
  CHECK(Grouped(1234567) == "1,234,567");
}

}  // namespace
}  // namespace scanengine::cli
