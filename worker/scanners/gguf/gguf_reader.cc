#include "worker/scanners/gguf/gguf_reader.h"

#include <algorithm>
#include <limits>
#include <span>

namespace scanengine::gguf {

std::uint64_t Reader::Integer(std::size_t size) {
  if (!ok_) return 0;
  const std::span<const std::byte> bytes = stream_.Take(size);
  if (bytes.size() < size) {
    ok_ = false;
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::byte byte = bytes[big_endian_ ? i : size - 1 - i];
    value = value << 8 | std::to_integer<std::uint64_t>(byte);
  }
  return value;
}

std::string Reader::Text(std::size_t size) {
  std::string text;
  while (ok_ && text.size() < size) {
    const auto bytes =
        stream_.Take(std::min(size - text.size(), std::size_t{64} << 10));
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    ok_ = !bytes.empty();
  }
  return ok_ ? text : std::string();
}

void Reader::Skip(std::uint64_t size) {
  if (ok_ && stream_.Skip(size) < size) ok_ = false;
}

std::uint64_t Reader::Remaining() const {
  const std::uint64_t size = source_.size();
  if (size == kUnknownSize) return std::numeric_limits<std::uint64_t>::max();
  return size - std::min(size, stream_.offset());
}

}  // namespace scanengine::gguf
