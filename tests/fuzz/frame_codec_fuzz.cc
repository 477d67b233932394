// The frame codec: pieces of any size give the frames that the whole gives, and
// what was decoded encodes to the same bytes.

#include <algorithm>
#include <cstdint>
#include <span>

#include "ipc/check.h"
#include "ipc/frame_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using scanengine::Frame;
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0];
  const std::span<const std::byte> stream(
      reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  scanengine::FrameDecoder whole;
  const std::vector<Frame> frames = whole.Feed(stream);
  scanengine::FrameDecoder pieces;
  std::vector<Frame> again;
  for (auto rest = stream; !rest.empty();) {
    const auto now = rest.first(std::min(piece, rest.size()));
    for (Frame& frame : pieces.Feed(now)) again.push_back(std::move(frame));
    rest = rest.subspan(now.size());
  }
  SCANENGINE_CHECK(whole.status().ok() == pieces.status().ok());
  SCANENGINE_CHECK(frames.size() == again.size());
  std::vector<std::byte> encoded;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    SCANENGINE_CHECK(frames[i].type == again[i].type &&
                     frames[i].payload == again[i].payload);
    AppendFrame(frames[i].type, frames[i].payload, &encoded);
  }
  SCANENGINE_CHECK(std::equal(encoded.begin(), encoded.end(), stream.begin()));
  return 0;
}
