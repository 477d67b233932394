#include "worker/format_detector.h"

#include <array>

#include "worker/containers/decoder.h"
#include "worker/recognised_formats.h"

namespace scanengine {

Result<Detection> DetectFormat(ByteSource& source, std::string_view name) {
  std::array<std::byte, kProbeHeadBytes> buffer;
  std::size_t have = 0;
  while (have < buffer.size()) {
    const auto got = source.ReadAt(have, std::span(buffer).subspan(have));
    if (!got.ok()) return got.error();
    if (got.value() == 0) break;
    have += got.value();
  }
  const ProbeInput input{std::span(buffer).first(have), name, source};

  Detection detection;
  if (have == 0) {
    detection.empty = true;
    detection.not_a_model = true;
    return detection;
  }
  const Scanner* likely = nullptr;
  const Scanner* hint = nullptr;
  for (const Scanner* scanner : AllScanners()) {
    switch (scanner->probe(input)) {
      case Match::kCertain:
        detection.scanners.push_back(scanner);
        break;
      case Match::kLikely:
        if (likely == nullptr) likely = scanner;
        break;
      case Match::kHint:
        if (hint == nullptr) hint = scanner;
        break;
      case Match::kNo:
        break;
    }
  }
  if (!detection.scanners.empty()) return detection;
  if (likely != nullptr) {
    detection.scanners.push_back(likely);
    // It sees what is packed as little as anybody else in this build.
    const auto compression = CompressionOf(input.head);
    if (compression && !CanUnpack(*compression)) {
      detection.recognised = RecogniseUnsupported(input);
    }
    return detection;
  }
  // A magic number speaks louder than a name that only hints at a scanner.
  detection.recognised = RecogniseUnsupported(input);
  if (!detection.recognised.empty()) return detection;
  if (hint != nullptr) {
    detection.scanners.push_back(hint);
    return detection;
  }
  detection.not_a_model = IsNotAModel(input);
  return detection;
}

}  // namespace scanengine
