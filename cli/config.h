#ifndef SCANENGINE_CLI_CONFIG_H_
#define SCANENGINE_CLI_CONFIG_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "cli/report.h"
#include "engine/scan_engine.h"
#include "ipc/result.h"

namespace scanengine::cli {

/// What the program does, decided: all files named on the command line have
/// been read.
struct Config {
  ScanOptions scan;
  ReportOptions report;               ///< |color|, |started|, |version|: later.
  std::optional<std::string> output;  ///< File for the report.
  std::optional<std::string> debug_worker;
  When color = When::kAuto;
  When progress = When::kAuto;
};

/// Makes |flags| concrete: reads policy files and the list of --files-from.
/// Fails with a line that says what, where and what to do.
Result<Config> BuildConfig(const ParsedFlags& flags);

/// Names in a list, ended by |separator|; empty ones are left out. Fails if
/// names that end with a line feed hold a null byte: most likely -0 is missing.
Result<std::vector<std::string>> SplitNames(std::string_view list,
                                            char separator);

/// What the environment says about terminals; nothing: not set.
struct Environment {
  std::optional<std::string> no_color;
  std::optional<std::string> clicolor_force;
  std::optional<std::string> term;
};
Environment ReadEnvironment();

/// Whether to use colors on a stream: the flag, then NO_COLOR, then
/// CLICOLOR_FORCE, then whether it is a terminal.
bool UseColor(When flag, const Environment& environment, bool is_terminal);

/// Whether to show a status line.
bool UseStatusLine(When flag, bool quiet, const Environment& environment,
                   bool is_terminal);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_CONFIG_H_
