// Fuzz target: any bytes as a file named as safetensors.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tests/support/scan_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  MemorySource source(std::as_bytes(std::span(data, size)));
  ScanSourceAs(source, "fuzz.safetensors");
  // Large windows make it slow: some inputs are enough.
  if (size % 8 != 0) return 0;
  UnsizedSource unsized(source);
  ScanSourceAs(unsized, "fuzz.safetensors");
  return 0;
}
