#ifndef SCANENGINE_CLI_HELP_H_
#define SCANENGINE_CLI_HELP_H_

#include <string>
#include <vector>

#include "engine/scan_engine.h"

namespace scanengine::cli {

/// For -h: usage and one line for each flag, in groups.
std::string ShortHelp();

/// For --help: everything, with defaults, exit codes, environment, examples;
/// at most 80 columns wide.
std::string LongHelp();

/// For --list-formats: a table.
std::string FormatsText(const std::vector<FormatInfo>& formats);

/// For --version.
std::string VersionPage(std::string_view version,
                        const std::vector<std::string>& features);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_HELP_H_
