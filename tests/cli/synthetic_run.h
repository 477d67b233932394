#ifndef SCANENGINE_TESTS_CLI_SYNTHETIC_RUN_H_
#define SCANENGINE_TESTS_CLI_SYNTHETIC_RUN_H_

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/report.h"
#include "cli/report_writer.h"
#include "engine/scan_engine.h"

namespace scanengine::testing {

/// Collects what is written; fails from byte |room| on.
class MemorySink : public cli::ByteSink {
 public:
  explicit MemorySink(std::string& out, std::size_t room = ~std::size_t{0})
      : out_(out), room_(room) {}
  Status Write(std::string_view bytes) override {
    if (out_.size() + bytes.size() > room_) {
      return Error{ErrorCode::kIo, "No space left on device"};
    }
    out_ += bytes;
    return OkStatus();
  }
  Status Commit() override { return OkStatus(); }

 private:
  std::string& out_;
  std::size_t room_;
};

inline FileOutcome MakeOutcome(std::string path, OutcomeStatus status,
                               std::vector<Finding> findings = {}) {
  FileOutcome outcome;
  outcome.path = std::move(path);
  outcome.result.status = status;
  outcome.result.bytes = 1000;
  outcome.result.findings = std::move(findings);
  outcome.attempts = 1;
  outcome.worker = 2;
  outcome.result.duration_us = 1234;
  outcome.result.peak_memory = 8'000'000;
  if (status == OutcomeStatus::kScanned) {
    outcome.result.format = "pickle";
    outcome.result.scanners = {"pickle"};
  }
  return outcome;
}

inline Finding MakeFinding(std::string rule, Severity severity,
                           std::string message) {
  Finding finding;
  finding.rule_id = std::move(rule);
  finding.severity = severity;
  finding.message = std::move(message);
  finding.why = "Loading the file runs it.";
  finding.advice = "Do not load the file.";
  return finding;
}

/// The totals that the engine would give for |outcomes|.
inline RunSummary Summarise(const std::vector<FileOutcome>& outcomes) {
  RunSummary summary;
  std::set<std::string> scanners;
  for (const FileOutcome& outcome : outcomes) {
    ++summary.files;
    ++summary.by_status[static_cast<std::size_t>(outcome.result.status)];
    summary.bytes += outcome.result.bytes;
    for (const Finding& finding : outcome.result.findings) {
      ++summary
            .findings_by_severity[static_cast<std::size_t>(finding.severity)];
    }
    scanners.insert(outcome.result.scanners.begin(),
                    outcome.result.scanners.end());
  }
  summary.scanners.assign(scanners.begin(), scanners.end());
  summary.worker_count = 2;
  summary.workers_started = 2;
  summary.wall = std::chrono::milliseconds(2000);
  summary.cpu = std::chrono::milliseconds(3000);
  return summary;
}

inline std::string RenderRun(const cli::ReportOptions& options,
                             const std::vector<FileOutcome>& outcomes,
                             const RunSummary& summary) {
  std::string text;
  cli::ReportWriter writer(std::make_unique<MemorySink>(text));
  const std::unique_ptr<cli::Report> report = cli::NewReport(options, writer);
  for (const FileOutcome& outcome : outcomes) report->Add(outcome);
  if (!report->Finish(summary).ok() || !writer.Commit().ok()) return "failed";
  return text;
}

inline std::string RenderRun(const cli::ReportOptions& options,
                             const std::vector<FileOutcome>& outcomes) {
  return RenderRun(options, outcomes, Summarise(outcomes));
}

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_CLI_SYNTHETIC_RUN_H_
