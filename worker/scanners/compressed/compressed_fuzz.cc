// Fuzz target: the first byte picks a compression, the rest is a stream of it.
// What was unpacked once must come out the same when it is read again; then the
// rest is scanned as a file.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ipc/check.h"
#include "tests/support/scan_bytes.h"
#include "worker/containers/unpacked_source.h"

namespace {

constexpr std::uint64_t kMost = 1 << 20;

scanengine::UnpackBudget Budget(std::uint64_t* spent) {
  return [spent](std::uint64_t out, std::uint64_t in) {
    *spent += out + in;
    return *spent < kMost;
  };
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  if (size == 0) return 0;
  const auto compression = static_cast<Compression>(data[0] % 7);
  MemorySource packed(std::as_bytes(std::span(data + 1, size - 1)));
  std::uint64_t spent = 0;
  UnpackedSource source(Budget(&spent), packed, compression);
  const std::string all = testing::ReadAll(source, 0, 3000);
  SCANENGINE_CHECK(source.packed_end() == kUnknownSize ||
                   source.packed_end() <= packed.size());
  // Backwards, by a decoder of its own.
  spent = 0;
  UnpackedSource again(Budget(&spent), packed, compression);
  for (const std::size_t at : {all.size() / 2, all.size() / 3}) {
    std::string piece(100, '\0');
    const auto got = again.ReadAt(at, std::as_writable_bytes(std::span(piece)));
    if (!got.ok()) continue;
    SCANENGINE_CHECK(
        std::string_view(piece).substr(0, got.value()) ==
        std::string_view(all).substr(std::min(at, all.size()), got.value()));
  }
  ScanLimits limits;
  limits.max_unpacked = kMost;
  limits.max_members = 100;
  ScanSourceAs(packed, "fuzz.joblib", limits);
  ScanSourceAs(packed, "fuzz.pt.gz", limits);
  return 0;
}
