// Sources and the stream over them, against the plain way.

#include "worker/byte_source.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "tests/support/byte_strings.h"

namespace scanengine {
namespace {

using testing::BytesOf;
using testing::ReadAll;
using testing::StringSource;

std::string TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string RandomText(std::mt19937& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Gives fewer bytes than asked, fails at a call, may hide its size.
class AwkwardSource final : public ByteSource {
 public:
  explicit AwkwardSource(std::string_view text) : text_(text) {}

  std::uint64_t size() const override { return claimed.value_or(text_.size()); }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    ++calls;
    if (fails_from != 0 && calls >= fails_from) {
      return Error{ErrorCode::kIo, "call " + std::to_string(calls)};
    }
    if (most != 0 && out.size() > most) out = out.first(most);
    MemorySource memory(BytesOf(text_));
    return memory.ReadAt(offset, out);
  }

  std::size_t most = 0;  ///< Bytes a call; 0: as many as asked.
  int fails_from = 0;    ///< This call and all later ones; 0: none.
  int calls = 0;
  std::optional<std::uint64_t> claimed;

 private:
  std::string_view text_;
};

TEST_CASE("Memory source: reads to its end and nothing behind it") {
  MemorySource source(BytesOf("0123456789"));
  CHECK(source.size() == 10);
  CHECK(ReadAll(source) == "0123456789");
  CHECK(ReadAll(source, 7) == "789");
  CHECK(ReadAll(source, 10).empty());
  CHECK(ReadAll(source, kUnknownSize).empty());
  CHECK(source.ReadAt(3, {}).value() == 0);
}

TEST_CASE("Sub-source: a window, cut at the end of its base") {
  StringSource base("0123456789");
  struct Row {
    std::uint64_t offset;
    std::uint64_t size;
    std::string_view text;
  };
  for (const Row& row :
       {Row{0, 10, "0123456789"}, Row{2, 3, "234"}, Row{8, 5, "89"},
        Row{10, 1, ""}, Row{11, 1, ""}, Row{0, 0, ""},
        Row{kUnknownSize, kUnknownSize, ""}, Row{1, kUnknownSize, "123456789"},
        Row{kUnknownSize - 1, 5, ""}}) {
    CAPTURE(row.offset, row.size);
    SubSource sub(base, row.offset, row.size);
    CHECK(sub.size() == row.text.size());
    CHECK(ReadAll(sub) == row.text);
    CHECK(ReadAll(sub, 0, 1) == row.text);
    CHECK(ReadAll(sub, row.text.size()).empty());
  }
}

TEST_CASE("Sub-source: an offset that is only a claim never wraps around") {
  AwkwardSource base("0123456789");
  base.claimed = kUnknownSize;
  SubSource sub(base, kUnknownSize - 4, 100);
  CHECK(sub.size() == 100);
  for (std::uint64_t at = 0; at < 20; ++at) {
    CHECK(ReadAll(sub, at).empty());
  }
}

TEST_CASE("Byte stream: peeks, takes and consumes at the ends of its window") {
  StringSource source("0123456789");
  ByteStream stream(source, 0, 4);
  CHECK(TextOf(stream.Peek(4)) == "0123");
  CHECK(stream.offset() == 0);
  stream.Consume(3);
  CHECK(TextOf(stream.Take(4)) == "3456");
  CHECK(stream.offset() == 7);
  CHECK_FALSE(stream.AtEnd());
  CHECK(TextOf(stream.Take(4)) == "789");
  CHECK(stream.AtEnd());
  CHECK(stream.Take(1).empty());
  CHECK(stream.Window().empty());
  CHECK(stream.offset() == 10);
  CHECK(stream.status().ok());
}

TEST_CASE("Byte stream: begins where it is told, past the end it is empty") {
  StringSource source("0123456789");
  CHECK(TextOf(ByteStream(source, 8).Peek(5)) == "89");
  for (const std::uint64_t offset : {std::uint64_t{10}, kUnknownSize / 2}) {
    ByteStream stream(source, offset);
    CHECK(stream.AtEnd());
    CHECK(stream.offset() == offset);
    CHECK(stream.Skip(5) == 0);
    CHECK(stream.offset() == offset);
  }
}

TEST_CASE("Byte stream: a jump in a source of known size reads nothing") {
  StringSource source(std::string(1 << 20, 'x') + "end");
  ByteStream stream(source, 0, 1024);
  CHECK(stream.Skip(1 << 20) == 1 << 20);
  CHECK(source.bytes_read() == 0);
  CHECK(TextOf(stream.Take(10)) == "end");
  CHECK(stream.Skip(kUnknownSize) == 0);
}

TEST_CASE("Byte stream: a skip of any length stops at the end") {
  std::string text(3'000, 'x');
  for (const bool known : {true, false}) {
    AwkwardSource source(text);
    if (!known) source.claimed = kUnknownSize;
    ByteStream stream(source, 0, 256);
    CHECK(stream.Take(100).size() == 100);
    CHECK(stream.Skip(kUnknownSize) == 2'900);
    CHECK(stream.offset() == 3'000);
    CHECK(stream.AtEnd());
  }
}

TEST_CASE("Byte stream: a source that holds more than it said is read on") {
  const std::string text(1'000, 'y');
  AwkwardSource source(text);
  source.claimed = 10;
  ByteStream stream(source);
  std::size_t total = 0;
  while (!stream.AtEnd()) total += stream.Take(100).size();
  CHECK(total == 1'000);
}

// One walk of random steps over a stream, beside the text itself.
void WalkBeside(std::mt19937& random, std::string_view text,
                AwkwardSource& source, std::size_t window) {
  std::size_t at = random() % (text.size() + 1);
  ByteStream stream(source, at, window);
  for (int step = 0; step < 200; ++step) {
    REQUIRE(stream.offset() == at);
    const std::size_t size = random() % (window + 1);
    const std::string_view rest = text.substr(at);
    switch (random() % 5) {
      case 0:
        REQUIRE(TextOf(stream.Peek(size)) == rest.substr(0, size));
        break;
      case 1:
        REQUIRE(TextOf(stream.Take(size)) == rest.substr(0, size));
        at += std::min(size, rest.size());
        break;
      case 2: {
        const std::size_t jump = random() % (4 * window);
        REQUIRE(stream.Skip(jump) == std::min(jump, rest.size()));
        at += std::min(jump, rest.size());
        break;
      }
      case 3: {
        const std::string seen = TextOf(stream.Window());
        REQUIRE(seen.empty() == rest.empty());
        REQUIRE(rest.substr(0, seen.size()) == seen);
        const std::size_t taken = seen.empty() ? 0 : random() % seen.size();
        stream.Consume(taken);
        at += taken;
        break;
      }
      default:
        REQUIRE(stream.AtEnd() == rest.empty());
    }
  }
  REQUIRE(stream.status().ok());
}

TEST_CASE("Byte stream: agrees with the text, whatever is read how") {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    const std::string text = RandomText(random, random() % 3'000);
    AwkwardSource source(text);
    if (random() % 2 == 0) source.claimed = kUnknownSize;
    source.most = random() % 3 == 0 ? 0 : 1 + random() % 50;
    WalkBeside(random, text, source, 1 + random() % 200);
  }
}

TEST_CASE("Byte stream: after a failure it reads nothing and says why") {
  std::mt19937 random(12);
  const std::string text = RandomText(random, 1'000);
  for (int fails_from = 1; fails_from < 40; ++fails_from) {
    for (const bool known : {true, false}) {
      CAPTURE(fails_from, known);
      AwkwardSource source(text);
      if (!known) source.claimed = kUnknownSize;
      source.most = 37;
      source.fails_from = fails_from;
      ByteStream stream(source, 0, 64);
      std::string seen;
      while (true) {
        const std::string piece = TextOf(stream.Take(1 + random() % 64));
        if (piece.empty()) break;
        seen += piece;
      }
      // Never more, never other bytes than were read before the failure.
      REQUIRE(text.starts_with(seen));
      if (stream.status().ok()) {
        CHECK(seen == text);
        continue;
      }
      CHECK(stream.status().error().detail ==
            "call " + std::to_string(fails_from));
      const int calls = source.calls;
      CHECK(stream.AtEnd());
      CHECK(stream.Skip(10) == 0);
      CHECK(stream.Window().empty());
      CHECK(source.calls == calls);  // It is not asked again.
    }
  }
}

TEST_CASE("Reading exactly: all, or an error that says truncated") {
  const std::string text = "0123456789";
  AwkwardSource source(text);
  source.most = 3;
  CHECK(TextOf(ReadExactly(source, 0, 10).value()) == text);
  CHECK(TextOf(ReadExactly(source, 4, 3).value()) == "456");
  CHECK(ReadExactly(source, 10, 0).value().empty());
  CHECK(ReadExactly(source, 4, 7).error().code == ErrorCode::kTruncated);
  CHECK(ReadExactly(source, 99, 1).error().code == ErrorCode::kTruncated);
  source.calls = 0;
  source.fails_from = 2;
  CHECK(ReadExactly(source, 0, 10).error().code == ErrorCode::kIo);
}

/// Zeros from 10 to 90, in 100 bytes.
class HoledSource final : public ByteSource {
 public:
  std::uint64_t size() const override { return 100; }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    const std::string text =
        std::string(10, 'a') + std::string(80, '\0') + std::string(10, 'b');
    MemorySource memory(BytesOf(text));
    return memory.ReadAt(offset, out);
  }
  std::uint64_t NextData(std::uint64_t offset) override {
    return offset >= 10 && offset < 90 ? 90 : offset;
  }
};

TEST_CASE("Holes: a window of a source has those of the source") {
  HoledSource source;
  SubSource window(source, 5, 90);
  CHECK(window.NextData(0) == 0);
  CHECK(window.NextData(5) == 85);
  CHECK(window.NextData(84) == 85);
  CHECK(window.NextData(85) == 85);
  CHECK(window.NextData(95) == 90);
  SubSource hole(source, 20, 30);
  CHECK(hole.NextData(0) == 30);
}

TEST_CASE("Holes: a stream passes over them, and over nothing else") {
  HoledSource source;
  ByteStream stream(source);
  stream.SkipHole();
  CHECK(stream.offset() == 0);
  CHECK(stream.Take(20).size() == 20);
  stream.SkipHole();
  CHECK(stream.offset() == 90);
  CHECK(TextOf(stream.Take(1)) == "b");
}

}  // namespace
}  // namespace scanengine
