#ifndef SCANENGINE_CLI_TERMINAL_H_
#define SCANENGINE_CLI_TERMINAL_H_

#include <string_view>

/// What a platform supplies for standard streams.
namespace scanengine::cli {

enum class Stream { kInput = 0, kOutput = 1, kError = 2 };

/// Readies the process: descriptors 0 to 2 that are closed are opened on the
/// null device, so that no file of ours gets their number and is written to by
/// accident; a broken pipe becomes an error instead of a signal. Call first.
void PrepareStandardStreams();

bool IsTerminal(Stream stream);

/// Columns of the terminal: as the system says, else COLUMNS, else 80.
int TerminalWidth(Stream stream);
/// The last two of these.
int WidthWithoutTerminal();

/// Writes to standard error; failures have nowhere to go.
void WriteError(std::string_view text);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_TERMINAL_H_
