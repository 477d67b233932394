#ifndef SCANENGINE_CLI_VERIFY_COMMAND_H_
#define SCANENGINE_CLI_VERIFY_COMMAND_H_

#include <span>
#include <string>

#include "cli/exit_code.h"
#include "engine/journal_verify.h"
#include "ipc/result.h"

namespace scanengine::cli {

/// `scanengine verify JOURNAL [--json]`.
struct VerifyRequest {
  std::string journal;
  bool json = false;
  bool help = false;
};
/// |args| without the command. Fails with one line that says what is wrong.
Result<VerifyRequest> ParseVerify(std::span<const std::string> args);

std::string VerifyHelp();

/// For people, and as one JSON document.
std::string VerifyText(const std::string& journal, const JournalCheck& check);
std::string VerifyJson(const std::string& journal, const JournalCheck& check);

/// kClean, kIncomplete or kUnable.
ExitCode VerifyExitCode(const JournalCheck& check);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_VERIFY_COMMAND_H_
