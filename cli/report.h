#ifndef SCANENGINE_CLI_REPORT_H_
#define SCANENGINE_CLI_REPORT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cli/flags.h"
#include "cli/report_writer.h"
#include "engine/scan_engine.h"

namespace scanengine::cli {

/// What a report looks like.
struct ReportOptions {
  ReportFormat format = ReportFormat::kText;
  bool inspect = false;    ///< What files hold, not what is wrong with them.
  bool canonical = false;  ///< JSON only: nothing that differs between runs.
  bool quiet = false;      ///< Text only.
  bool verbose = false;    ///< Text only.
  bool color = false;      ///< Text only.
  Severity fail_on = Severity::kMedium;
  bool require_complete = false;
  IsolationMode isolation = IsolationMode::kProcess;  ///< That was asked for.
  std::string version;                                ///< Of the program.
  std::string started;  ///< "2026-01-31T12:34:56Z".
  /// Gives back an outcome by its place, so that a report over very many files
  /// need not keep them; nothing: reports keep what they need.
  std::function<Result<FileOutcome>(std::uint64_t place)> read_back;
};

/// Turns outcomes into one report. Calls come from one thread at a time.
class Report {
 public:
  virtual ~Report() = default;

  /// Takes what the report needs of one file.
  virtual void Add(const FileOutcome& outcome) = 0;

  /// Writes what is left. Call once, after the last Add(). Fails if files that
  /// had to be set aside on disk cannot be read back; failures to write are
  /// kept by the writer.
  virtual Status Finish(const RunSummary& summary) = 0;

  /// False if something that should be in it is missing.
  virtual bool whole() const { return true; }
};

/// A report of the format that |options| say, written to |out|, which must
/// outlive it.
std::unique_ptr<Report> NewReport(const ReportOptions& options,
                                  ReportWriter& out);

// One each; NewReport() chooses.
std::unique_ptr<Report> NewTextReport(const ReportOptions& options,
                                      ReportWriter& out);
std::unique_ptr<Report> NewJsonReport(const ReportOptions& options,
                                      ReportWriter& out);
std::unique_ptr<Report> NewNdjsonReport(const ReportOptions& options,
                                        ReportWriter& out);
std::unique_ptr<Report> NewInspectReport(const ReportOptions& options,
                                         ReportWriter& out);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_REPORT_H_
