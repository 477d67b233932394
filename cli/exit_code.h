#ifndef SCANENGINE_CLI_EXIT_CODE_H_
#define SCANENGINE_CLI_EXIT_CODE_H_

#include <cstdint>
#include <string_view>

#include "engine/scan_engine.h"

namespace scanengine::cli {

/// What the process returns. A contract: documented in --help; append only.
enum class ExitCode : int {
  kClean = 0,          ///< All was scanned to its end; nothing at --fail-on.
  kFindings = 1,       ///< All was scanned; a finding at or above --fail-on.
  kIncomplete = 2,     ///< A file was not scanned to its end, or no report.
  kUsage = 3,          ///< The command line or the configuration is wrong.
  kUnable = 4,         ///< The journal failed; of doctor: no worker can be had.
  kInterrupted = 130,  ///< Stopped by SIGINT; the report is partial.
  kTerminated = 143,   ///< Stopped by SIGTERM or SIGHUP; the report is partial.
};

/// One line of the exit code table in --help.
struct ExitCodeText {
  ExitCode code;
  std::string_view text;
};
inline constexpr ExitCodeText kExitCodeTexts[] = {
    {ExitCode::kClean,
     "everything that is a model or an archive was scanned to its end, and "
     "there is no finding at or above --fail-on"},
    {ExitCode::kFindings,
     "everything was scanned, and there is at least one such finding"},
    {ExitCode::kIncomplete,
     "at least one file was not scanned to its end (unsupported, encrypted, "
     "over a limit, unreadable, changed, timed out, crashed, ...), or there "
     "was no file at all, or the report could not be written; outranks 1"},
    {ExitCode::kUsage, "the command line or a policy file is wrong"},
    {ExitCode::kUnable,
     "the journal could not be written, which stopped the run, or cannot be "
     "used, or (verify) is damaged; of doctor: no worker can be had on this "
     "machine (0: all is there, 2: scans work, with weaker isolation or "
     "slower)"},
    {ExitCode::kInterrupted,
     "stopped by SIGINT (Ctrl-C); the report is partial"},
    {ExitCode::kTerminated,
     "stopped by SIGTERM or SIGHUP; the report is partial"},
};

/// Which signal asked the run to stop.
enum class StopCause : std::uint8_t { kNone, kInterrupt, kTerminate };

/// What decides on the exit code besides the summary.
struct ExitFacts {
  Severity fail_on = Severity::kMedium;
  bool require_complete = false;  ///< not-a-model and skipped count, too.
  bool output_failed = false;     ///< A report or stdout was not written.
  bool journal_failed = false;    ///< The journal was not written to its end.
  StopCause stop = StopCause::kNone;
  bool findings_count = true;  ///< False for an inspection: it only shows.
  bool whole = true;           ///< The report lacks nothing.
};

/// Files that were not scanned to their end under these rules.
std::uint64_t CountIncomplete(const RunSummary& summary, bool require_complete);

/// Distinct findings per file, summed, at or above |fail_on|.
std::uint64_t CountFindings(const RunSummary& summary, Severity fail_on);

/// True if the run saw at least one file and all of what it saw to its end.
bool IsComplete(const RunSummary& summary, bool require_complete);

/// Pure. A signal outranks kUnable, that kIncomplete, and that kFindings.
ExitCode DecideExitCode(const RunSummary& summary, const ExitFacts& facts);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_EXIT_CODE_H_
