#include "ipc/frame_codec.h"

#include <catch2/catch.hpp>
#include <string_view>

namespace scanengine {
namespace {

using Bytes = std::vector<std::byte>;

Bytes ToBytes(std::string_view text) {
  const auto* p = reinterpret_cast<const std::byte*>(text.data());
  return {p, p + text.size()};
}

Bytes TwoFrames() {
  Bytes stream;
  AppendFrame(MessageType::kTasks, ToBytes("hello"), &stream);
  AppendFrame(MessageType::kReplies, {}, &stream);
  return stream;
}

TEST_CASE("Frame: its bytes are those of ARCHITECTURE.md") {
  Bytes stream;
  AppendFrame(MessageType::kTasks, ToBytes("ab"), &stream);
  using namespace std::literals;
  CHECK(stream == ToBytes("SE\x03\x00\x02\x00\x00\x00"
                          "ab"sv));
}

TEST_CASE("FrameDecoder: whole, byte by byte and cut anywhere are the same") {
  const Bytes stream = TwoFrames();
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameDecoder decoder;
    std::vector<Frame> got = decoder.Feed(std::span(stream).first(cut));
    for (std::size_t i = cut; i < stream.size(); ++i) {
      for (Frame& frame : decoder.Feed(std::span(stream).subspan(i, 1))) {
        got.push_back(std::move(frame));
      }
    }
    REQUIRE(decoder.status().ok());
    REQUIRE(got.size() == 2);
    CHECK(got[0].type == MessageType::kTasks);
    CHECK(got[0].payload == ToBytes("hello"));
    CHECK(got[1].type == MessageType::kReplies);
    CHECK(got[1].payload.empty());
    CHECK_FALSE(decoder.mid_frame());
  }
}

TEST_CASE("FrameDecoder: every prefix is in the middle or at a border") {
  const Bytes stream = TwoFrames();
  for (std::size_t size = 0; size <= stream.size(); ++size) {
    FrameDecoder decoder;
    (void)decoder.Feed(std::span(stream).first(size));
    const bool border = size == 0 || size == 13 || size == stream.size();
    CHECK(decoder.mid_frame() == !border);
    CHECK(decoder.status().ok());
  }
}

TEST_CASE("FrameDecoder: any change in a header's fixed bytes is refused") {
  const Bytes good = TwoFrames();
  for (const std::size_t at : {0U, 1U, 2U, 3U}) {
    for (int value = 0; value < 256; ++value) {
      Bytes bad = good;
      bad[at] = static_cast<std::byte>(value);
      FrameDecoder decoder;
      (void)decoder.Feed(bad);
      const bool another_type = at == 2 && value >= 1 && value <= 4;
      CHECK(decoder.status().ok() == (bad == good || another_type));
    }
  }
}

TEST_CASE("FrameDecoder: an oversized length fails before its bytes come") {
  using namespace std::literals;
  FrameDecoder decoder;
  CHECK(decoder.Feed(ToBytes("SE\x04\x00\x01\x00\x00\x01"sv)).empty());
  REQUIRE_FALSE(decoder.status().ok());
  CHECK(decoder.status().error().code == ErrorCode::kLimitExceeded);
}

TEST_CASE("FrameDecoder: frames before a bad one count, none after it") {
  Bytes stream = TwoFrames();
  stream.push_back(std::byte{'X'});
  stream.resize(stream.size() + 8);
  FrameDecoder decoder;
  CHECK(decoder.Feed(stream).size() == 2);
  CHECK_FALSE(decoder.status().ok());
  CHECK(decoder.Feed(TwoFrames()).empty());
  CHECK_FALSE(decoder.mid_frame());
}

}  // namespace
}  // namespace scanengine
