// Fuzz target: any bytes as a code object, and as a string in a pickle.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ipc/check.h"
#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/parsing/marshal_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto code = ReadMarshalCode(bytes)) {
    SCANENGINE_CHECK(code->names.size() <= MarshalCode::kMostNames);
    SCANENGINE_CHECK(code->strings.size() <= MarshalCode::kMostStrings);
  }
  ScanLimits limits;
  limits.max_unpacked = 1 << 20;
  ScanBytes(PickleBuilder().Bytes(bytes).Stop(), "fuzz.pkl", limits);
  return 0;
}
