#ifndef SCANENGINE_CLI_PARSE_FLAGS_H_
#define SCANENGINE_CLI_PARSE_FLAGS_H_

#include <span>
#include <string>

#include "cli/flags.h"
#include "ipc/result.h"

namespace scanengine::cli {

/// Parses |args| (without the program's name) by the table of flags and checks
/// that they make sense together. Reads no file.
///
/// A first argument "scan" is the command and no path. -h wins over --help. An
/// action other than a scan needs no path. Fails with kInvalidArgument and one
/// line that names the option and the value.
Result<ParsedFlags> ParseFlags(std::span<const std::string> args);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_PARSE_FLAGS_H_
