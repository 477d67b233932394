// Fuzz target: any bytes as a file named as a tar archive, and with the
// checksums of all blocks made right, so that headers are got past.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/support/scan_bytes.h"

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kChecksum = 148;

// Blocks that have letters where the magic number is.
void MendChecksums(std::string& bytes) {
  for (std::size_t at = 0; at + kBlock <= bytes.size(); at += kBlock) {
    if (bytes.compare(at + 257, 5, "ustar") != 0) continue;
    bytes.replace(at + kChecksum, 8, 8, ' ');
    unsigned sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      sum += static_cast<unsigned char>(bytes[at + i]);
    }
    char text[8];
    std::snprintf(text, sizeof text, "%06o", sum);
    bytes.replace(at + kChecksum, 7, text, 7);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  ScanLimits limits;
  limits.max_unpacked = 1 << 20;
  limits.max_members = 50;
  MendChecksums(bytes);
  ScanBytes(bytes, "fuzz.tar", limits);
  if (size % 8 != 0) return 0;
  MemorySource source(std::as_bytes(std::span(bytes)));
  UnsizedSource unsized(source);
  ScanSourceAs(unsized, "fuzz.tar", limits);
  return 0;
}
