// Fuzzes the pickle machine and all that stands on it. The first byte of the
// input picks the file name, which decides between the scanners.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ipc/status_board.h"
#include "tests/support/scan_bytes.h"
#include "worker/file_scan.h"

namespace {

constexpr const char* kNames[] = {"a.pkl", "a.joblib", "a.pt", "a"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  if (size == 0) return 0;
  const auto board = StatusBoardWriter::Detached();
  ScanEnvironment environment;
  environment.imports = TestPolicy();
  environment.limits.max_unpacked = 2 << 20;
  environment.board = board.get();
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  MemorySource source(bytes);
  FileScan scan(environment, TaskRequest{});
  (void)scan.Run(source, kNames[data[0] % std::size(kNames)]);
  return 0;
}
