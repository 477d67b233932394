#include "ipc/frame_codec.h"

#include "ipc/byte_reader.h"
#include "ipc/check.h"

namespace scanengine {
namespace {

constexpr std::uint16_t kMagic = 0x4553;  // "SE" in little-endian order.
constexpr std::size_t kHeaderBytes = 8;
constexpr std::uint8_t kMaxType = 4;

struct Header {
  MessageType type;
  std::uint32_t size;
};

Result<Header> ParseHeader(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  const std::uint16_t magic = reader.U16();
  const std::uint8_t type = reader.U8();
  const std::uint8_t reserved = reader.U8();
  const std::uint32_t size = reader.U32();
  if (magic != kMagic || reserved != 0) {
    return Error{ErrorCode::kMalformed, "frame does not start with its magic"};
  }
  if (type == 0 || type > kMaxType) {
    return Error{ErrorCode::kMalformed, "frame has an unknown type"};
  }
  if (size > kMaxPayloadBytes) {
    return Error{ErrorCode::kLimitExceeded, "frame payload is too large"};
  }
  return Header{static_cast<MessageType>(type), size};
}

}  // namespace

void AppendFrame(MessageType type, std::span<const std::byte> payload,
                 std::vector<std::byte>* out) {
  SCANENGINE_CHECK(payload.size() <= kMaxPayloadBytes);
  const auto size = static_cast<std::uint32_t>(payload.size());
  const std::uint32_t words[2] = {
      kMagic | static_cast<std::uint32_t>(type) << 16, size};
  for (const std::uint32_t word : words) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      out->push_back(static_cast<std::byte>(word >> shift));
    }
  }
  out->insert(out->end(), payload.begin(), payload.end());
}

std::vector<Frame> FrameDecoder::Feed(std::span<const std::byte> bytes) {
  std::vector<Frame> frames;
  if (!status_.ok()) return frames;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  std::span<const std::byte> rest(buffer_);
  while (rest.size() >= kHeaderBytes) {
    const Result<Header> header = ParseHeader(rest.first(kHeaderBytes));
    if (!header.ok()) {
      status_ = header.error();
      break;
    }
    const std::size_t size = header.value().size;
    if (rest.size() - kHeaderBytes < size) break;
    const auto payload = rest.subspan(kHeaderBytes, size);
    frames.push_back({header.value().type, {payload.begin(), payload.end()}});
    rest = rest.subspan(kHeaderBytes + size);
  }
  buffer_.erase(buffer_.begin(), buffer_.end() - std::ssize(rest));
  return frames;
}

}  // namespace scanengine
