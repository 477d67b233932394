#include "cli/inspect_text.h"
#include "cli/json_encoding.h"
#include "cli/report.h"
#include "cli/sorted_records.h"
#include "cli/text_style.h"

namespace scanengine::cli {
namespace {

// What each file holds, sorted by path; as JSON one document with each file on
// a line of its own.
class InspectReport : public Report {
 public:
  InspectReport(const ReportOptions& options, ReportWriter& out)
      : options_(options), style_(options.color), out_(out) {}

  void Add(const FileOutcome& outcome) override {
    if (outcome.result.inspection.truncated) whole_ = false;
    files_.Add(outcome.path,
               json() ? InspectedFileJson(outcome, options_.isolation)
                      : InspectedFileText(outcome, style_));
  }

  Status Finish(const RunSummary& summary) override {
    if (!json()) {
      return files_.Drain([this](std::string_view text) { out_.Write(text); });
    }
    out_.Write("{\"schema\":" + JsonString(kInspectSchema) +
               ",\n\"run\":" + RunJson(summary, options_) + ",\n\"totals\":" +
               TotalsJson(summary, options_.require_complete) +
               ",\n\"files\":[");
    std::string_view separator = "\n";
    Status status = files_.Drain([&](std::string_view text) {
      out_.Write(separator);
      out_.Write(text);
      separator = ",\n";
    });
    out_.Write("\n]}\n");
    return status;
  }

  bool whole() const override { return whole_; }

 private:
  bool json() const { return options_.format == ReportFormat::kJson; }

  const ReportOptions options_;
  const TextStyle style_;
  ReportWriter& out_;
  SortedRecords files_;
  bool whole_ = true;
};

}  // namespace

std::unique_ptr<Report> NewInspectReport(const ReportOptions& options,
                                         ReportWriter& out) {
  return std::make_unique<InspectReport>(options, out);
}

}  // namespace scanengine::cli
