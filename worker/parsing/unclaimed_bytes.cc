#include "worker/parsing/unclaimed_bytes.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "ipc/text.h"
#include "worker/byte_source.h"
#include "worker/format_detector.h"

namespace scanengine {
namespace {

// Padding is looked through this far; a longer run of zeros is no padding.
constexpr std::uint64_t kMaxPadding = 64 << 10;
// Some writers leave what was in memory; this little is no payload.
constexpr std::uint64_t kHarmless = 64;

bool IsPadding(ByteSource& bytes) {
  if (bytes.size() > kMaxPadding) return false;
  const auto all =
      ReadExactly(bytes, 0, static_cast<std::size_t>(bytes.size()));
  return all.ok() && std::all_of(all.value().begin(), all.value().end(),
                                 [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

const Rule kUnclaimedBytes{
    "unclaimed-bytes",
    Severity::kMedium,
    "Bytes that no part of the file accounts for",
    "Loaders of this format ignore or refuse them, so they are a place to hide "
    "another file or a payload.",
    "Find out what put them there, or convert the model with a tool that you "
    "trust.",
    "CWE-506"};

void ScanUnclaimed(ScanContext& context, std::uint64_t offset,
                   std::uint64_t size, std::string_view where) {
  if (size == 0 || context.stopped()) return;
  SubSource bytes(context.source(), offset, size);
  const std::string what =
      std::string(where) + ": " + HumanSize(size) + " that nothing refers to";
  if (IsPadding(bytes)) {
    context.Report(kUnclaimedBytes, Severity::kLow,
                   {.message = what + ", all zero", .offset = offset});
    return;
  }
  // The name says nothing about these bytes, so their content alone decides.
  const auto detection = DetectFormat(bytes, "");
  if (!detection.ok()) return;
  const Detection& found = detection.value();
  std::string_view format = found.recognised;
  if (!found.scanners.empty()) format = found.scanners.front()->name;
  context.Report(kUnclaimedBytes,
                 {.message = what + (format.empty() ? std::string()
                                                    : ", of format " +
                                                          std::string(format)),
                  .offset = offset});
  if (!found.scanners.empty()) context.ScanMember(where, bytes);
}

void ScanPadding(ScanContext& context, std::uint64_t offset, std::uint64_t size,
                 std::string_view where) {
  if (size <= kHarmless) return;
  SubSource bytes(context.source(), offset, size);
  if (!IsPadding(bytes)) ScanUnclaimed(context, offset, size, where);
}

}  // namespace scanengine
