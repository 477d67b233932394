#include <catch2/catch.hpp>
#include <random>

#include "tests/support/byte_strings.h"
#include "tests/support/pack.h"
#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/containers/unpacked_source.h"

namespace scanengine {
namespace {

using testing::Pack;
using testing::ReadAll;
using testing::StringSource;

constexpr Compression kFileFormats[] = {Compression::kZlib,  Compression::kGzip,
                                        Compression::kBzip2, Compression::kXz,
                                        Compression::kLzma,  Compression::kLz4};

Compression AnyFormat() {
  return kFileFormats[GENERATE(
      range(0, static_cast<int>(std::size(kFileFormats))))];
}

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

std::string System() {
  return PickleBuilder()
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .Stop();
}

std::string NameOf(Compression compression) {
  return "m.pkl." + std::string(CompressionName(compression));
}

std::size_t Count(const ScanReply& reply, std::string_view rule) {
  return static_cast<std::size_t>(
      std::count_if(reply.findings.begin(), reply.findings.end(),
                    [&](const Finding& f) { return f.rule_id == rule; }));
}

}  // namespace

TEST_CASE("Decoders: every format is unpacked whole") {
  const Compression compression = AnyFormat();
  const std::string text = Text(GENERATE(as<std::size_t>{}, 0, 1, 3000000));
  StringSource packed(Pack(text, compression));
  UnpackedSource source(NoLimit, packed, compression);
  ErrorCode error{};
  INFO(CompressionName(compression));
  CHECK(ReadAll(source, 0, 50'000, &error) == text);
  CHECK(error == ErrorCode{});
  CHECK(source.packed_end() == packed.size());
  CHECK(source.streams() == 1);
  CHECK(packed.bytes_read() <= packed.size() + kCompressionHeadBytes);
}

TEST_CASE("Decoders: the magic number tells the format") {
  const Compression compression = AnyFormat();
  const std::string packed = Pack(Text(100), compression);
  CHECK(CompressionOf(testing::BytesOf(packed)) == compression);
  CHECK(CompressionOf(testing::BytesOf(packed.substr(0, 1))) == std::nullopt);
  CHECK(IsUnpacked(CompressionName(compression)));
  CHECK_FALSE(IsLeftOut(CompressionName(compression)));
}

TEST_CASE("Decoders: random reads equal the text") {
  const Compression compression = AnyFormat();
  const std::string text = Text(1'200'000);
  StringSource packed(Pack(text, compression));
  UnpackedSource source(NoLimit, packed, compression);
  std::mt19937 random(11);
  for (int i = 0; i < 20; ++i) {
    const std::size_t at = random() % (text.size() + 1000);
    std::string piece(random() % 100'000 + 1, '\0');
    const auto got =
        source.ReadAt(at, std::as_writable_bytes(std::span(piece)));
    REQUIRE(got.ok());
    piece.resize(got.value());
    REQUIRE(piece == (at < text.size() ? text.substr(at, piece.size()) : ""));
  }
}

TEST_CASE("Decoders: what decoders cannot save stays at hand longer") {
  const std::string text = Text(3'000'000);
  StringSource packed(Pack(text, Compression::kXz));
  std::uint64_t out = 0;
  UnpackedSource source(
      [&out](std::uint64_t o, std::uint64_t) {
        out += o;
        return true;
      },
      packed, Compression::kXz);
  REQUIRE(ReadAll(source) == text);
  std::byte piece[100];
  REQUIRE(source.ReadAt(text.size() - 600'000, piece).value() == sizeof piece);
  CHECK(out == text.size());
}

TEST_CASE("Decoders: a cut stream fails after the bytes it has") {
  const Compression compression = AnyFormat();
  const std::string text = Text(3'000'000);
  const std::string whole = Pack(text, compression);
  const std::size_t part = GENERATE_COPY(whole.size() / 2, whole.size() - 1);
  StringSource packed(whole.substr(0, part));
  UnpackedSource source(NoLimit, packed, compression);
  ErrorCode error{};
  const std::string got = ReadAll(source, 0, 1 << 16, &error);
  INFO(CompressionName(compression));
  CHECK(error == ErrorCode::kMalformed);
  CHECK(got.size() > text.size() / 8);
  CHECK(got == text.substr(0, got.size()));
}

TEST_CASE("Decoders: a broken byte keeps what comes before it") {
  const Compression compression = AnyFormat();
  const std::string text = Text(3'000'000);
  std::string bytes = Pack(text, compression);
  const std::size_t at = bytes.size() / 10 * 9;
  for (std::size_t i = 0; i < 64; ++i) bytes[at + i] = '\xff';
  StringSource packed(bytes);
  UnpackedSource source(NoLimit, packed, compression);
  ErrorCode error{};
  const std::string got = ReadAll(source, 0, 1 << 16, &error);
  INFO(CompressionName(compression));
  CHECK(error == ErrorCode::kMalformed);
  CHECK(got.substr(0, text.size() / 2) == text.substr(0, text.size() / 2));
}

TEST_CASE("Decoders: an lz4 frame gives the blocks before a broken one") {
  const std::string text = Text(100'000);  // Two blocks.
  std::string bytes = Pack(text, Compression::kLz4);
  // The size of the second block; the first begins after a header of 7 bytes.
  const auto first =
      static_cast<std::size_t>(static_cast<unsigned char>(bytes[7]) |
                               static_cast<unsigned char>(bytes[8]) << 8);
  bytes[7 + 4 + first + 2] = '\x7f';
  StringSource packed(bytes);
  UnpackedSource source(NoLimit, packed, Compression::kLz4);
  ErrorCode error{};
  CHECK(ReadAll(source, 0, 1 << 16, &error) == text.substr(0, 64 << 10));
  CHECK(error == ErrorCode::kMalformed);
}

TEST_CASE("Decoders: streams after one another are one") {
  const Compression compression = AnyFormat();
  const std::string gap(GENERATE(std::size_t{0}, std::size_t{4000}), '\0');
  const std::string streams = Pack("one", compression) + gap +
                              Pack("", compression) + Pack("two", compression);
  StringSource packed(streams + "junk");
  UnpackedSource source(NoLimit, packed, compression);
  INFO(CompressionName(compression));
  CHECK(ReadAll(source) == "onetwo");
  CHECK(source.packed_end() == streams.size());
  CHECK(source.streams() == 3);
  CHECK(source.padding() == gap.size());
}

TEST_CASE("Decoders: xz and lzma streams follow each other") {
  StringSource packed(Pack("one", Compression::kXz) +
                      Pack("two", Compression::kLzma) +
                      Pack("three", Compression::kXz));
  UnpackedSource source(NoLimit, packed, Compression::kXz);
  CHECK(ReadAll(source) == "onetwothree");
}

TEST_CASE("Decoders: skippable lz4 frames are skipped") {
  const std::string skipped("\x53\x2a\x4d\x18\x04\x00\x00\x00junk", 12);
  StringSource packed(Pack("one", Compression::kLz4) + skipped +
                      Pack("two", Compression::kLz4));
  UnpackedSource source(NoLimit, packed, Compression::kLz4);
  CHECK(ReadAll(source) == "onetwo");
}

TEST_CASE("Decoders: dictionaries of the usual presets fit, no larger ones") {
  const bool xz = GENERATE(true, false);
  const auto [megabytes, fits] =
      GENERATE(std::pair{64U, true}, std::pair{256U, false});
  // A large dictionary takes memory when packing: patch the header instead.
  std::string bytes = testing::PackLzma("text", xz);
  if (xz) {
    if (!fits) return;  // Its header has a checksum.
  } else {
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[1 + i] = static_cast<char>(megabytes << 20 >> (8 * i));
    }
  }
  StringSource packed(bytes);
  UnpackedSource source(NoLimit, packed,
                        xz ? Compression::kXz : Compression::kLzma);
  ErrorCode error{};
  CHECK((ReadAll(source, 0, 100, &error) == "text") == fits);
  CHECK(source.memory_short() == !fits);
  if (!fits) CHECK(error == ErrorCode::kLimitExceeded);
}

TEST_CASE("Compressed pickles: a payload in any format is found") {
  const Compression compression = AnyFormat();
  const ScanReply reply =
      ScanBytes(Pack(System(), compression), NameOf(compression));
  CHECK(reply.format == "joblib");
  CHECK(reply.status == OutcomeStatus::kScanned);
  REQUIRE_FALSE(reply.findings.empty());
  CHECK(reply.findings[0].evidence == "os.system('id')");
  CHECK(IsClean(ScanBytes(Pack(PickleBuilder().Int(1).Stop(), compression),
                          NameOf(compression))));
}

TEST_CASE("Compressed pickles: a cut stream is a finding and incomplete") {
  const Compression compression = AnyFormat();
  // Random bytes after the payload, so that it comes out before the cut.
  std::mt19937 random(3);
  std::string noise(2'000'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  std::string packed = Pack(System() + noise, compression);
  packed.resize(packed.size() - 100);
  const ScanReply reply = ScanBytes(packed, NameOf(compression));
  INFO(CompressionName(compression));
  CHECK(WorstSeverity(reply) == Severity::kCritical);
  CHECK(Count(reply, "compressed-broken-stream") == 1);
  CHECK(reply.status == OutcomeStatus::kUnreadable);
}

TEST_CASE("Compressed pickles: a payload in a later stream is found") {
  const Compression compression = AnyFormat();
  const std::string good = PickleBuilder().Int(1).Stop();
  const ScanReply reply = ScanBytes(
      Pack(good, compression) + Pack(System(), compression), "m.joblib");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
  CHECK(Count(reply, "compressed-several-streams") == 1);
}

TEST_CASE("Compressed pickles: what lies behind the stream is searched") {
  const Compression compression = AnyFormat();
  const std::string good = PickleBuilder().Int(1).Stop();
  const ScanReply reply =
      ScanBytes(Pack(good, compression) + "junk" + System(), "m.joblib");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
  CHECK(Count(reply, "compressed-trailing-data") == 1);
}

TEST_CASE("Compressed pickles: a bomb is a limit with a finding") {
  const Compression compression = AnyFormat();
  ScanLimits limits;
  limits.max_unpacked = 1 << 20;
  const ScanReply reply =
      ScanBytes(Pack("\x80\x04" + std::string(8 << 20, 'N'), compression),
                "m.joblib", limits);
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Count(reply, "limit-reached") == 1);
}

TEST_CASE("Compressed pickles: a giant dictionary is a limit") {
  std::string bytes = testing::PackLzma(System(), false);
  bytes[4] = '\x40';  // 1 GiB.
  bytes[3] = '\0';
  const ScanReply reply = ScanBytes(bytes, "m.lzma");
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Count(reply, "compressed-memory") == 1);
}

}  // namespace scanengine
