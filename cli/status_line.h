#ifndef SCANENGINE_CLI_STATUS_LINE_H_
#define SCANENGINE_CLI_STATUS_LINE_H_

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "engine/scan_engine.h"

namespace scanengine::cli {

/// One line about a running scan in at most |width| columns: done and total
/// ("+" while files are still being found), findings, rate, remaining time,
/// busy workers and, if there is room, the files that are scanned longest.
std::string FormatStatusLine(const Progress& progress, int width);

/// Keeps one line on a terminal up to date by writing over it. Not thread-safe.
class StatusLine {
 public:
  using Clock = std::chrono::steady_clock;

  /// What it needs of the terminal and the world; all must be set.
  struct Hooks {
    std::function<void(std::string_view)> write;
    std::function<int()> width;
    std::function<Clock::time_point()> now;
  };

  explicit StatusLine(Hooks hooks);

  /// Shows |progress|, unless the last update was less than 100 ms ago.
  void Update(const Progress& progress);

  /// Takes the line away, before anything else is written to the terminal. The
  /// next Update() brings it back at once.
  void Clear();

 private:
  Hooks hooks_;
  bool shown_ = false;
  Clock::time_point next_{};
};

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_STATUS_LINE_H_
