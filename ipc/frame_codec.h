#ifndef SCANENGINE_IPC_FRAME_CODEC_H_
#define SCANENGINE_IPC_FRAME_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ipc/messages.h"
#include "ipc/result.h"

namespace scanengine {

/// Upper bound on one frame's payload, in bytes. A worker is not trusted once
/// it has read a file, so this is checked before anything is allocated.
inline constexpr std::uint32_t kMaxPayloadBytes = 16U << 20;

/// One message on the wire: its type and its serialised content.
struct Frame {
  MessageType type;
  std::vector<std::byte> payload;
};

/// Appends one frame to |out|: magic "SE", type, a zero byte, length of the
/// payload (32 bits, little-endian), payload.
/// REQUIRES: payload.size() <= kMaxPayloadBytes.
void AppendFrame(MessageType type, std::span<const std::byte> payload,
                 std::vector<std::byte>* out);

/// Reassembles frames from a byte stream that arrives in arbitrary pieces.
///
/// Does no I/O and keeps no clock. Not thread-safe.
class FrameDecoder {
 public:
  /// Takes the next |bytes| of the stream and returns the frames that they
  /// complete; none if more input is needed, or after a failure.
  std::vector<Frame> Feed(std::span<const std::byte> bytes);

  /// OK, or why the stream cannot be trusted any more: kMalformed for a bad
  /// magic or type, kLimitExceeded for an oversized length. Stays so: drop the
  /// peer. Frames before the bad one count.
  const Status& status() const { return status_; }

  /// True if the stream stopped inside a frame: at end of file this means that
  /// the peer died while it was writing.
  bool mid_frame() const { return status_.ok() && !buffer_.empty(); }

 private:
  std::vector<std::byte> buffer_;  // Bytes of an incomplete frame.
  Status status_ = OkStatus();
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_FRAME_CODEC_H_
