#include <optional>
#include <utility>

#include "cli/issue_index.h"
#include "cli/json_encoding.h"
#include "cli/report.h"
#include "cli/sorted_records.h"

namespace scanengine::cli {
namespace {

// One document; each file and each issue on a line of its own, so that reports
// can be compared by line.
class JsonReport : public Report {
 public:
  JsonReport(const ReportOptions& options, ReportWriter& out)
      : options_(options), out_(out) {}

  void Add(const FileOutcome& outcome) override {
    issues_.Add(outcome);
    files_.Add(outcome.path,
               FileJson(outcome, options_.isolation, !options_.canonical,
                        /*with_type=*/false));
  }

  Status Finish(const RunSummary& summary) override {
    out_.Write("{\"schema\":" + JsonString(kReportSchema));
    if (!options_.canonical) {
      out_.Write(",\n\"run\":" + RunJson(summary, options_));
    }
    out_.Write(",\n\"totals\":" +
               TotalsJson(summary, options_.require_complete));
    out_.Write(issues_.truncated() ? ",\n\"issues_truncated\":true"
                                   : ",\n\"issues_truncated\":false");
    out_.Write(",\n\"issues\":[");
    std::string_view separator = "\n";
    for (const auto& [key, issue] : issues_.issues()) {
      out_.Write(separator);
      out_.Write(IssueJson(key, issue));
      separator = ",\n";
    }
    out_.Write("\n],\n\"files\":[");
    separator = "\n";
    Status status = files_.Drain([&](std::string_view text) {
      out_.Write(separator);
      out_.Write(text);
      separator = ",\n";
    });
    out_.Write("\n]}\n");
    return status;
  }

 private:
  const ReportOptions options_;
  ReportWriter& out_;
  IssueIndex issues_;
  SortedRecords files_;
};

// A line for each file as soon as it is done, for programs that follow.
class NdjsonReport : public Report {
 public:
  NdjsonReport(const ReportOptions& options, ReportWriter& out)
      : options_(options), out_(out) {}

  void Add(const FileOutcome& outcome) override {
    out_.Write(FileJson(outcome, options_.isolation, /*with_run=*/true,
                        /*with_type=*/true) +
               '\n');
    out_.Flush();
  }

  Status Finish(const RunSummary& summary) override {
    out_.Write("{\"type\":\"summary\",\"schema\":" + JsonString(kReportSchema) +
               ",\"run\":" + RunJson(summary, options_) + ",\"totals\":" +
               TotalsJson(summary, options_.require_complete) + "}\n");
    out_.Flush();
    return OkStatus();
  }

 private:
  const ReportOptions options_;
  ReportWriter& out_;
};

}  // namespace

std::unique_ptr<Report> NewJsonReport(const ReportOptions& options,
                                      ReportWriter& out) {
  return std::make_unique<JsonReport>(options, out);
}

std::unique_ptr<Report> NewNdjsonReport(const ReportOptions& options,
                                        ReportWriter& out) {
  return std::make_unique<NdjsonReport>(options, out);
}

std::unique_ptr<Report> NewReport(const ReportOptions& options,
                                  ReportWriter& out) {
  if (options.inspect) return NewInspectReport(options, out);
  switch (options.format) {
    case ReportFormat::kText:
      return NewTextReport(options, out);
    case ReportFormat::kJson:
      return NewJsonReport(options, out);
    case ReportFormat::kNdjson:
      break;
  }
  return NewNdjsonReport(options, out);
}

}  // namespace scanengine::cli
