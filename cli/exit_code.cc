#include "cli/exit_code.h"

namespace scanengine::cli {

std::uint64_t CountIncomplete(const RunSummary& summary,
                              bool require_complete) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < summary.by_status.size(); ++i) {
    const auto status = static_cast<OutcomeStatus>(i);
    const bool left_out = status == OutcomeStatus::kNotAModel ||
                          status == OutcomeStatus::kSkipped;
    if (IsIncomplete(status) || (require_complete && left_out)) {
      count += summary.by_status[i];
    }
  }
  return count;
}

std::uint64_t CountFindings(const RunSummary& summary, Severity fail_on) {
  std::uint64_t count = 0;
  for (auto i = static_cast<std::size_t>(fail_on);
       i < summary.findings_by_severity.size(); ++i) {
    count += summary.findings_by_severity[i];
  }
  return count;
}

bool IsComplete(const RunSummary& summary, bool require_complete) {
  return summary.files > 0 && !summary.stopped &&
         CountIncomplete(summary, require_complete) == 0;
}

ExitCode DecideExitCode(const RunSummary& summary, const ExitFacts& facts) {
  if (facts.stop == StopCause::kInterrupt) return ExitCode::kInterrupted;
  if (facts.stop == StopCause::kTerminate) return ExitCode::kTerminated;
  if (facts.journal_failed) return ExitCode::kUnable;
  if (facts.output_failed) return ExitCode::kIncomplete;
  if (!IsComplete(summary, facts.require_complete) || !facts.whole) {
    return ExitCode::kIncomplete;
  }
  if (!facts.findings_count) return ExitCode::kClean;
  return CountFindings(summary, facts.fail_on) > 0 ? ExitCode::kFindings
                                                   : ExitCode::kClean;
}

}  // namespace scanengine::cli
