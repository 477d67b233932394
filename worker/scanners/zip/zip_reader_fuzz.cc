// Walks any bytes as a zip archive and reads every member to its end, then
// scans them with every scanner, as a worker would.

#include <cstddef>
#include <cstdint>

#include "ipc/check.h"
#include "tests/support/recording_zip_sink.h"
#include "tests/support/scan_bytes.h"
#include "worker/containers/zip_walk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using scanengine::testing::RecordingZipSink;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  RecordingZipSink sink;
  sink.max_unpacked = 4 << 20;
  sink.scan_limits.max_members = 100;
  scanengine::MemorySource source(scanengine::testing::BytesOf(bytes));
  const scanengine::ZipSummary summary = scanengine::WalkZip(source, sink);
  // Bytes in no member and no record: silence would call them covered.
  SCANENGINE_CHECK(!sink.rules.empty() || !sink.incomplete.empty() ||
                   summary.hidden == 0);
  scanengine::ScanLimits limits;
  limits.max_unpacked = 4 << 20;
  limits.max_members = 100;
  scanengine::testing::ScanBytes(bytes, "fuzz.zip", limits);
  return 0;
}
