#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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
    if (kept_bytes_ > kMostKeptBytes && outcome.place != 0 &&
        options_.read_back) {
      files_.Add(outcome.path, kPlaceTag + std::to_string(outcome.place));
      return;
    }
    std::string text = TextOf(outcome);
    kept_bytes_ += text.size();
    files_.Add(outcome.path, std::move(text));
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
    Status read = OkStatus();
    const Status status = files_.Drain([&](std::string_view text) {
      if (!read.ok()) return;
      out_.Write(separator);
      separator = ",\n";
      if (text.starts_with(kPlaceTag)) {
        read = WriteFromJournal(text.substr(1));
      } else {
        out_.Write(text);
      }
    });
    out_.Write("\n]}\n");
    return status.ok() ? read : status;
  }

 private:
  // Texts of so many bytes are kept; of what comes later only where the journal
  // has it.
  static constexpr std::size_t kMostKeptBytes = 32U << 20;
  static constexpr char kPlaceTag = '@';  // JSON begins with a brace.

  std::string TextOf(const FileOutcome& outcome) const {
    return FileJson(outcome, options_.isolation, !options_.canonical,
                    /*with_type=*/false);
  }

  Status WriteFromJournal(std::string_view place) {
    std::uint64_t number = 0;
    for (const char digit : place) {
      number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    const Result<FileOutcome> outcome = options_.read_back(number);
    if (!outcome.ok()) {
      return Error{ErrorCode::kIo,
                   "cannot read results back from the journal: " +
                       outcome.error().detail};
    }
    out_.Write(TextOf(outcome.value()));
    return OkStatus();
  }

  const ReportOptions options_;
  ReportWriter& out_;
  IssueIndex issues_;
  SortedRecords files_;
  std::size_t kept_bytes_ = 0;
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
