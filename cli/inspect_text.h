#ifndef SCANENGINE_CLI_INSPECT_TEXT_H_
#define SCANENGINE_CLI_INSPECT_TEXT_H_

#include <string>

#include "cli/text_style.h"
#include "engine/scan_engine.h"

namespace scanengine::cli {

/// What a file holds, as text for people. Whatever a worker says is bounded and
/// escaped: it cannot forge a line or drive a terminal.
std::string InspectedFileText(const FileOutcome& outcome,
                              const TextStyle& style);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_INSPECT_TEXT_H_
