#include "worker/containers/checked_source.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace scanengine {

Result<std::size_t> CheckedSource::ReadAt(std::uint64_t offset,
                                          std::span<std::byte> out) {
  auto got = base_.ReadAt(offset, out);
  if (!got.ok()) {
    if (got.error().code == ErrorCode::kMalformed && !broken_) {
      broken_ = got.error();
    }
    return got;
  }
  const std::uint64_t end = offset + got.value();
  if (offset <= length_ && end > length_) {
    const auto fresh = out.first(got.value())
                           .subspan(static_cast<std::size_t>(length_ - offset));
    crc_ = static_cast<std::uint32_t>(crc32_z(
        crc_, reinterpret_cast<const Bytef*>(fresh.data()), fresh.size()));
    length_ = end;
  }
  if (got.value() < out.size() && end == length_) complete_ = true;
  return got;
}

void CheckedSource::ReadOn(std::uint64_t most) {
  const std::uint64_t claimed = base_.size();
  if (claimed != kUnknownSize && claimed > length_ &&
      claimed - length_ > most) {
    return;
  }
  std::array<std::byte, 16 << 10> buffer;
  std::uint64_t read = 0;
  while (!complete_ && read <= most) {
    const auto got = ReadAt(length_, buffer);
    if (!got.ok()) return;
    read += got.value();
  }
}

}  // namespace scanengine
