// Fuzz target: any bytes as a file named as gguf.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tests/support/scan_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  MemorySource source(std::as_bytes(std::span(data, size)));
  ScanSourceAs(source, "fuzz.gguf");
  // Large windows make it slow: some inputs are enough.
  if (size % 8 != 0) return 0;
  UnsizedSource unsized(source);
  ScanSourceAs(unsized, "fuzz.gguf");
  return 0;
}
