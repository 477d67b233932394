#ifndef SCANENGINE_CLI_PROGRAM_H_
#define SCANENGINE_CLI_PROGRAM_H_

#include <span>
#include <string>

#include "cli/engine_api.h"
#include "cli/exit_code.h"

namespace scanengine::cli {

/// The whole program: |args| without its name. Writes to the standard streams
/// and takes over the signals that stop a program. Call once, before any thread
/// is started.
ExitCode RunProgram(std::span<const std::string> args, EngineApi& engine);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_PROGRAM_H_
