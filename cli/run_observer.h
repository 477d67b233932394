#ifndef SCANENGINE_CLI_RUN_OBSERVER_H_
#define SCANENGINE_CLI_RUN_OBSERVER_H_

#include <functional>
#include <string_view>

#include "cli/report.h"
#include "cli/status_line.h"
#include "engine/scan_engine.h"

namespace scanengine::cli {

/// Hands the events of a run to the report, the status line and, as single
/// lines, to standard error.
class RunObserver : public ScanObserver {
 public:
  /// All but |status_line| must be set; what is referred to must outlive this.
  struct Parts {
    Report& report;
    const ReportWriter& writer;
    StatusLine* status_line;  ///< Null: none is shown.
    /// The report goes to the terminal that shows the status line.
    bool shared_terminal;
    bool quiet;
    bool verbose;
    std::function<void(std::string_view)> write_error;
    /// Called once, when the report cannot be written any more.
    std::function<void()> on_output_failed;
  };

  explicit RunObserver(Parts parts) : parts_(std::move(parts)) {}

  void OnFileFinished(const FileOutcome& outcome) override;
  void OnProgress(const Progress& progress) override;
  void OnNotice(const Notice& notice) override;

 private:
  Parts parts_;
  bool output_failed_ = false;
};

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_RUN_OBSERVER_H_
