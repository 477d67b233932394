// What `scanengine inspect` does with any bytes: the worker's part, then both
// reports. The first byte picks the file name and whether opcodes are listed.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "cli/inspect_text.h"
#include "cli/json_encoding.h"
#include "cli/valid_text.h"
#include "engine/scan_engine.h"
#include "ipc/check.h"
#include "ipc/messages.h"
#include "tests/support/scan_bytes.h"

namespace {

constexpr std::array<const char*, 4> kNames = {"a.pkl", "a.joblib", "a.pt",
                                               "a"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  if (size == 0) return 0;
  NullBoard board;
  ScanEnvironment environment;
  environment.imports = TestPolicy();
  environment.limits.max_unpacked = 2 << 20;
  environment.board = &board;
  TaskRequest task;
  task.kind = kInspectTask;
  task.inspect.opcodes = (data[0] & 0x80) != 0;
  MemorySource source(std::as_bytes(std::span(data + 1, size - 1)));
  FileScan scan(environment, task);
  FileOutcome outcome;
  outcome.path = "a";
  outcome.result = scan.Run(source, kNames[data[0] % kNames.size()]);

  // A worker may say it, and the supervisor understands it.
  const std::vector<std::byte> sent = Encode(std::span(&outcome.result, 1));
  SCANENGINE_CHECK(DecodeReplies(sent).ok());
  const std::string text =
      cli::InspectedFileText(outcome, cli::TextStyle(false));
  SCANENGINE_CHECK(text.find('\x1b') == std::string::npos);
  (void)cli::InspectedFileJson(outcome, IsolationMode::kProcess);
  return 0;
}
