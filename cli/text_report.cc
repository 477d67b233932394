#include <fmt/format.h>

#include <map>
#include <utility>

#include "cli/exit_code.h"
#include "cli/report.h"
#include "cli/sorted_records.h"
#include "cli/text_style.h"
#include "cli/text_summary.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

// Rule ids come from workers; a hijacked one must not fill our memory.
constexpr std::size_t kMaxRules = 1'000;

// What a rule's findings say about it, told once.
struct RuleText {
  std::string why;
  std::string advice;
  std::string reference;
};

// For people: files with findings, worst first; files that were not scanned to
// their end; the summary last, since that is what stays on the screen.
class TextReport : public Report {
 public:
  TextReport(const ReportOptions& options, ReportWriter& out)
      : options_(options), style_(options.color), out_(out) {}

  void Add(const FileOutcome& outcome) override {
    if (!outcome.result.findings.empty()) AddFindings(outcome);
    if (IsListed(outcome.result.status)) AddStatus(outcome);
  }

  Status Finish(const RunSummary& summary) override {
    const auto print = [this](std::string_view text) { out_.Write(text); };
    Status status = findings_.Drain(print);
    if (!status.ok()) return status;
    if (!options_.quiet) {
      if (!options_.verbose) WriteRules();
      status = WriteStatuses();
      if (!status.ok()) return status;
      out_.Write(SummaryText(summary, style_));
    }
    out_.Write(VerdictText(summary, options_, files_with_findings_, style_));
    return OkStatus();
  }

 private:
  bool IsListed(OutcomeStatus status) const {
    if (options_.quiet || status == OutcomeStatus::kScanned) return false;
    return IsIncomplete(status) || options_.verbose ||
           options_.require_complete;
  }

  void AddFindings(const FileOutcome& outcome) {
    const std::vector<const Finding*> sorted =
        WorstFirst(outcome.result.findings);
    const Severity worst = sorted.front()->severity;
    if (worst >= options_.fail_on) ++files_with_findings_;
    std::string text = style_.Strong(PathText(outcome.path));
    if (!outcome.result.format.empty()) {
      text += fmt::format(" ({})", FieldText(outcome.result.format));
    }
    text += '\n';
    for (const Finding* finding : sorted) {
      text += FindingText(*finding, style_);
      if (options_.verbose) {
        text += ReasonText(finding->why, finding->advice, finding->reference,
                           /*indent=*/12);
      } else if (rules_.size() < kMaxRules) {
        rules_.try_emplace(
            finding->rule_id,
            RuleText{finding->why, finding->advice, finding->reference});
      }
    }
    text += '\n';
    findings_.Add(WorstFirstKey(worst) + outcome.path, std::move(text));
  }

  void AddStatus(const FileOutcome& outcome) {
    statuses_.Add(StatusKey(outcome.result.status) + outcome.path,
                  StatusText(outcome, style_));
  }

  void WriteRules() {
    std::string text;
    for (const auto& [id, rule] : rules_) {
      const std::string reason =
          ReasonText(rule.why, rule.advice, rule.reference, /*indent=*/4);
      if (!reason.empty())
        text += fmt::format("  {}\n{}", FieldText(id), reason);
    }
    if (text.empty()) return;
    out_.Write(style_.Strong("What to do") + '\n' + text + '\n');
  }

  Status WriteStatuses() {
    if (statuses_.empty()) return OkStatus();
    out_.Write(style_.Strong("Not scanned to the end") + '\n');
    Status status =
        statuses_.Drain([this](std::string_view text) { out_.Write(text); });
    out_.Write("\n");
    return status;
  }

  const ReportOptions options_;
  const TextStyle style_;
  ReportWriter& out_;
  SortedRecords findings_;
  SortedRecords statuses_;
  std::map<std::string, RuleText> rules_;
  std::uint64_t files_with_findings_ = 0;  // At or above --fail-on.
};

}  // namespace

std::unique_ptr<Report> NewTextReport(const ReportOptions& options,
                                      ReportWriter& out) {
  return std::make_unique<TextReport>(options, out);
}

}  // namespace scanengine::cli
