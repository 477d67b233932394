#include "worker/containers/unpacked_source.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/byte_strings.h"
#include "tests/support/deflate.h"

namespace scanengine {
namespace {

using testing::Deflate;
using testing::kGzipBits;
using testing::kRawBits;
using testing::kZlibBits;
using testing::ReadAll;
using testing::StringSource;

// Neither constant nor incompressible, and different everywhere.
std::string Text(std::size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) {
    text += "line " + std::to_string(random() % 100000) + '\n';
  }
  text.resize(size);
  return text;
}

bool NoLimit(std::uint64_t, std::uint64_t) { return true; }

struct Charged {
  std::uint64_t out = 0;
  std::uint64_t in = 0;
  UnpackBudget Budget() {
    return [this](std::uint64_t o, std::uint64_t i) {
      out += o;
      in += i;
      return true;
    };
  }
};

}  // namespace

TEST_CASE("UnpackedSource: every wrapping is unpacked whole") {
  const std::string text = Text(300'000);
  const auto [bits, format] =
      GENERATE(std::pair{kRawBits, Compression::kDeflate},
               std::pair{kZlibBits, Compression::kZlib},
               std::pair{kGzipBits, Compression::kGzip});
  const std::size_t piece = GENERATE(std::size_t{1 << 16}, std::size_t{997});
  StringSource packed(Deflate(text, bits));
  UnpackedSource source(NoLimit, packed, format, text.size());
  ErrorCode error{};
  CHECK(ReadAll(source, 0, piece, &error) == text);
  CHECK(error == ErrorCode{});
  CHECK(source.packed_end() == packed.size());
  CHECK(source.size() == text.size());
  CHECK_FALSE(source.random_access());
}

TEST_CASE("UnpackedSource: reading in order is one pass") {
  const std::string text = Text(5'000'000);
  StringSource packed(Deflate(text, kRawBits));
  Charged charged;
  UnpackedSource source(charged.Budget(), packed, Compression::kDeflate);
  std::byte head[4096];
  REQUIRE(source.ReadAt(0, head).value() == sizeof head);
  CHECK(ReadAll(source) == text);
  CHECK(charged.out == text.size());
  CHECK(charged.in == packed.size());
  CHECK(packed.bytes_read() == packed.size());
  SECTION("and the head stays at hand") {
    REQUIRE(source.ReadAt(0, head).value() == sizeof head);
    CHECK(charged.out == text.size());
  }
  SECTION("and so does the tail") {
    REQUIRE(source.ReadAt(text.size() - sizeof head, head).value() ==
            sizeof head);
    CHECK(charged.out == text.size());
  }
}

TEST_CASE("UnpackedSource: a read further back costs a part and is charged") {
  const std::string text = Text(20'000'000);
  StringSource packed(Deflate(text, kRawBits, 1));
  Charged charged;
  UnpackedSource source(charged.Budget(), packed, Compression::kDeflate);
  REQUIRE(ReadAll(source) == text);
  std::string piece(1000, '\0');
  const auto at = GENERATE(std::size_t{70'000}, std::size_t{1'500'000},
                           std::size_t{10'000'000}, std::size_t{19'000'000});
  const std::uint64_t before = charged.out;
  const auto bytes = std::as_writable_bytes(std::span(piece));
  REQUIRE(source.ReadAt(at, bytes).value() == piece.size());
  CHECK(piece == text.substr(at, piece.size()));
  CHECK(charged.out > before);
  CHECK(charged.out - before < text.size() / 4);
}

TEST_CASE("UnpackedSource: random reads equal the text") {
  const std::string text = Text(6'000'000);
  StringSource packed(Deflate(text, kGzipBits, 1));
  UnpackedSource source(NoLimit, packed, Compression::kGzip, text.size());
  std::mt19937 random(11);
  for (int i = 0; i < 200; ++i) {
    const std::size_t at = random() % (text.size() + 1000);
    std::string piece(random() % 100'000 + 1, '\0');
    const auto got =
        source.ReadAt(at, std::as_writable_bytes(std::span(piece)));
    REQUIRE(got.ok());
    piece.resize(got.value());
    REQUIRE(piece == (at < text.size() ? text.substr(at, piece.size()) : ""));
    if (at < text.size()) REQUIRE(got.value() != 0);
  }
}

TEST_CASE("UnpackedSource: a cut stream fails after the bytes it has") {
  const std::string text = Text(200'000);
  const std::string whole = Deflate(text, kRawBits);
  const auto part = GENERATE_COPY(std::size_t{0}, std::size_t{1},
                                  whole.size() / 2, whole.size() - 1);
  StringSource packed(whole.substr(0, part));
  UnpackedSource source(NoLimit, packed, Compression::kDeflate, text.size());
  ErrorCode error{};
  const std::string got = ReadAll(source, 0, 1 << 16, &error);
  CHECK(error == ErrorCode::kMalformed);
  CHECK(got == text.substr(0, got.size()));
  CHECK(got.size() + 100 >= text.size() * part / whole.size() / 2);
  // The good part can be read again, in another way.
  CHECK(ReadAll(source, 0, 333) == got);
  CHECK(source.packed_end() == kUnknownSize);
}

TEST_CASE("UnpackedSource: a broken checksum fails after all bytes") {
  const std::string text = Text(100'000);
  std::string bytes = Deflate(text, kZlibBits);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  StringSource packed(bytes);
  UnpackedSource source(NoLimit, packed, Compression::kZlib);
  ErrorCode error{};
  CHECK(ReadAll(source, 0, 4096, &error) == text);
  CHECK(error == ErrorCode::kMalformed);
}

TEST_CASE("UnpackedSource: what is no deflate stream fails at once") {
  StringSource packed("this is not compressed at all");
  const auto format =
      GENERATE(Compression::kDeflate, Compression::kZlib, Compression::kGzip);
  UnpackedSource source(NoLimit, packed, format);
  ErrorCode error{};
  CHECK(ReadAll(source, 0, 100, &error).size() < 30);
  CHECK(error == ErrorCode::kMalformed);
}

TEST_CASE("UnpackedSource: streams after one another are one") {
  const auto [bits, format] =
      GENERATE(std::pair{kGzipBits, Compression::kGzip},
               std::pair{kZlibBits, Compression::kZlib});
  const std::string gap(GENERATE(std::size_t{0}, std::size_t{100'000}), '\0');
  const std::string one = Text(70'000);
  const std::string packed_bytes =
      Deflate(one, bits) + gap + Deflate("", bits) + Deflate("two", bits);
  StringSource packed(packed_bytes + "junk");
  UnpackedSource source(NoLimit, packed, format);
  CHECK(ReadAll(source) == one + "two");
  CHECK(source.packed_end() == packed_bytes.size());
}

TEST_CASE("UnpackedSource: a raw stream ends where it ends") {
  const std::string bytes = Deflate("text", kRawBits);
  StringSource packed(bytes + Deflate("more", kRawBits));
  UnpackedSource source(NoLimit, packed, Compression::kDeflate, 4);
  CHECK(ReadAll(source) == "text");
  CHECK(source.packed_end() == bytes.size());
}

TEST_CASE("UnpackedSource: bytes beyond the claimed size are there") {
  const std::string text = Text(10'000);
  StringSource packed(Deflate(text, kRawBits));
  UnpackedSource source(NoLimit, packed, Compression::kDeflate, 10);
  CHECK(ReadAll(source) == text);
}

TEST_CASE("UnpackedSource: a spent budget ends the reading") {
  std::string text;
  text.resize(50'000'000, 'x');
  StringSource packed(Deflate(text, kRawBits));
  std::uint64_t out = 0;
  UnpackedSource source(
      [&](std::uint64_t o, std::uint64_t) { return (out += o) < 1'000'000; },
      packed, Compression::kDeflate);
  ErrorCode error{};
  CHECK(ReadAll(source, 0, 1 << 16, &error).size() <= 1'100'000);
  CHECK(error == ErrorCode::kLimitExceeded);
}

}  // namespace scanengine
