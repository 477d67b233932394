#include "cli/exit_code.h"

#include <catch2/catch.hpp>

namespace scanengine::cli {
namespace {

RunSummary Run(std::initializer_list<OutcomeStatus> statuses) {
  RunSummary summary;
  for (const OutcomeStatus status : statuses) {
    ++summary.files;
    ++summary.by_status[static_cast<std::size_t>(status)];
  }
  return summary;
}

RunSummary RunWithFinding(OutcomeStatus status, Severity severity) {
  RunSummary summary = Run({status});
  summary.findings_by_severity[static_cast<std::size_t>(severity)] = 1;
  return summary;
}

TEST_CASE("ExitCode: each status alone yields its code") {
  for (int i = 0; i < kOutcomeStatusCount; ++i) {
    const auto status = static_cast<OutcomeStatus>(i);
    CAPTURE(OutcomeStatusName(status));
    const bool fine = status == OutcomeStatus::kScanned ||
                      status == OutcomeStatus::kNotAModel ||
                      status == OutcomeStatus::kSkipped;
    CHECK(DecideExitCode(Run({OutcomeStatus::kScanned, status}), {}) ==
          (fine ? ExitCode::kClean : ExitCode::kIncomplete));
    CHECK(DecideExitCode(Run({status}), {.require_complete = true}) ==
          (status == OutcomeStatus::kScanned ? ExitCode::kClean
                                             : ExitCode::kIncomplete));
  }
}

TEST_CASE("ExitCode: findings count from --fail-on upwards") {
  for (int have = 0; have < 5; ++have) {
    for (int fail_on = 0; fail_on < 5; ++fail_on) {
      CAPTURE(have, fail_on);
      CHECK(DecideExitCode(RunWithFinding(OutcomeStatus::kScanned,
                                          static_cast<Severity>(have)),
                           {.fail_on = static_cast<Severity>(fail_on)}) ==
            (have >= fail_on ? ExitCode::kFindings : ExitCode::kClean));
    }
  }
}

TEST_CASE("ExitCode: incomplete outranks findings") {
  CHECK(DecideExitCode(
            RunWithFinding(OutcomeStatus::kCrashed, Severity::kCritical), {}) ==
        ExitCode::kIncomplete);
}

TEST_CASE("ExitCode: no file, a lost report and a stopped run are incomplete") {
  CHECK(DecideExitCode(RunSummary(), {}) == ExitCode::kIncomplete);
  const RunSummary clean = Run({OutcomeStatus::kScanned});
  CHECK(DecideExitCode(clean, {.output_failed = true}) ==
        ExitCode::kIncomplete);
  RunSummary stopped = clean;
  stopped.stopped = true;
  CHECK(DecideExitCode(stopped, {}) == ExitCode::kIncomplete);
}

TEST_CASE("ExitCode: a signal outranks everything") {
  const RunSummary bad =
      RunWithFinding(OutcomeStatus::kCrashed, Severity::kCritical);
  CHECK(DecideExitCode(
            bad, {.output_failed = true, .stop = StopCause::kInterrupt}) ==
        ExitCode::kInterrupted);
  CHECK(DecideExitCode(bad, {.stop = StopCause::kTerminate}) ==
        ExitCode::kTerminated);
}

TEST_CASE("ExitCode: the numbers are a contract") {
  CHECK(static_cast<int>(ExitCode::kClean) == 0);
  CHECK(static_cast<int>(ExitCode::kFindings) == 1);
  CHECK(static_cast<int>(ExitCode::kIncomplete) == 2);
  CHECK(static_cast<int>(ExitCode::kUsage) == 3);
  CHECK(static_cast<int>(ExitCode::kInterrupted) == 130);
  CHECK(static_cast<int>(ExitCode::kTerminated) == 143);
}

TEST_CASE("Exit code: an inspection only says whether all was shown") {
  RunSummary summary;
  summary.files = 1;
  summary.by_status[static_cast<std::size_t>(OutcomeStatus::kScanned)] = 1;
  summary.findings_by_severity[4] = 3;
  ExitFacts facts;
  facts.require_complete = true;
  facts.findings_count = false;
  CHECK(DecideExitCode(summary, facts) == ExitCode::kClean);
  facts.whole = false;
  CHECK(DecideExitCode(summary, facts) == ExitCode::kIncomplete);
  facts.whole = true;
  summary.by_status[static_cast<std::size_t>(OutcomeStatus::kNotAModel)] = 1;
  CHECK(DecideExitCode(summary, facts) == ExitCode::kIncomplete);
  facts.stop = StopCause::kInterrupt;
  CHECK(DecideExitCode(summary, facts) == ExitCode::kInterrupted);
}

}  // namespace
}  // namespace scanengine::cli
