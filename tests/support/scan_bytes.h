#ifndef SCANENGINE_TESTS_SUPPORT_SCAN_BYTES_H_
#define SCANENGINE_TESTS_SUPPORT_SCAN_BYTES_H_

#include <string_view>

#include "ipc/status_board.h"
#include "tests/support/byte_strings.h"
#include "worker/file_scan.h"

namespace scanengine::testing {

/// A board that nobody reads.
class NullBoard final : public StatusBoardWriter {
 public:
  void BeginTask(std::uint64_t) override {}
  void EndTask() override {}
  void SetPhase(std::string_view) override {}
  void SetProgress(std::uint64_t, std::uint64_t) override {}
};

/// Scans |bytes| as a file called |name|, with every scanner there is.
inline ScanReply ScanBytes(std::string_view bytes, std::string_view name,
                           const ScanLimits& limits = {}) {
  NullBoard board;
  ScanEnvironment environment;
  environment.limits = limits;
  environment.board = &board;
  MemorySource source(BytesOf(bytes));
  FileScan scan(environment, TaskRequest{});
  return scan.Run(source, name);
}

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_SCAN_BYTES_H_
