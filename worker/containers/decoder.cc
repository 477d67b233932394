#include "worker/containers/decoder.h"

#include "worker/byte_text.h"

namespace scanengine {
namespace {

using std::string_view_literals::operator""sv;

std::uint64_t Number(std::span<const std::byte> bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    number |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return number;
}

bool IsZlib(std::span<const std::byte> head) {
  if (head.size() < 6) return false;
  const auto first = std::to_integer<unsigned>(head[0]);
  const auto second = std::to_integer<unsigned>(head[1]);
  // Deflate, a window that exists, no preset dictionary, header checksum.
  return (first & 0x0fU) == 8 && first >> 4 <= 7 && (second & 0x20U) == 0 &&
         (first * 256 + second) % 31 == 0;
}

bool IsGzip(std::string_view head) {
  return head.size() >= 4 && head.starts_with("\x1f\x8b\x08"sv) &&
         (head[3] & 0xe0) == 0;
}

bool IsBzip2(std::string_view head) {
  return head.size() >= 10 && head.starts_with("BZh") && head[3] >= '1' &&
         head[3] <= '9' &&
         (head.substr(4).starts_with("1AY&SY") ||
          head.substr(4).starts_with("\x17\x72\x45\x38\x50\x90"));
}

// The test that xz itself applies to files it has to guess.
bool IsLzma(std::span<const std::byte> head) {
  constexpr std::byte kUsualProperties{0x5d};
  constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  constexpr std::uint64_t kMost = std::uint64_t{1} << 38;
  if (head.size() < kCompressionHeadBytes || head[0] != kUsualProperties) {
    return false;
  }
  // 2^n or 2^n + 2^(n-1), or the largest number.
  const std::uint64_t dictionary = Number(head.subspan(1, 4));
  std::uint64_t power = 1;
  while (power < dictionary) power *= 2;
  const bool usual = dictionary == power || dictionary == power / 4 * 3;
  if (!usual && dictionary != 0xffffffff) return false;
  const std::uint64_t size = Number(head.subspan(5, 8));
  return size == kUnknown || size < kMost;
}

bool IsLz4(std::string_view head) {
  return head.starts_with("\x04\x22\x4d\x18"sv);
}

bool IsSkippableLz4(std::string_view head) {
  return head.size() >= 4 && (head[0] & 0xf0) == 0x50 &&
         head.substr(1).starts_with("\x2a\x4d\x18"sv);
}

}  // namespace

std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kDeflate:
      return "deflate";
    case Compression::kZlib:
      return "zlib";
    case Compression::kGzip:
      return "gzip";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kXz:
      return "xz";
    case Compression::kLzma:
      return "lzma";
    case Compression::kLz4:
      return "lz4";
  }
  return "";
}

namespace {

std::optional<Compression> CompressionNamed(std::string_view name) {
  for (const Compression compression :
       {Compression::kZlib, Compression::kGzip, Compression::kBzip2,
        Compression::kXz, Compression::kLzma, Compression::kLz4}) {
    if (CompressionName(compression) == name) return compression;
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Decoder> MakeDecoder(Compression compression) {
  switch (compression) {
    case Compression::kDeflate:
    case Compression::kZlib:
    case Compression::kGzip:
      return MakeDeflateDecoder(compression);
    case Compression::kBzip2:
      return MakeBzip2Decoder();
    case Compression::kXz:
    case Compression::kLzma:
      return MakeLzmaDecoder(compression);
    case Compression::kLz4:
      return MakeLz4Decoder();
  }
  return nullptr;
}

bool CanUnpack(Compression compression) {
  switch (compression) {
    case Compression::kBzip2:
      return kHasBzip2;
    case Compression::kXz:
    case Compression::kLzma:
      return kHasLzma;
    case Compression::kLz4:
      return kHasLz4;
    default:
      return true;
  }
}

bool IsLeftOut(std::string_view format) {
  const auto compression = CompressionNamed(format);
  return compression && !CanUnpack(*compression);
}

bool IsUnpacked(std::string_view format) {
  const auto compression = CompressionNamed(format);
  return compression && CanUnpack(*compression);
}

std::optional<Compression> CompressionOf(std::span<const std::byte> head) {
  const std::string_view text = TextOf(head);
  if (IsGzip(text)) return Compression::kGzip;
  if (IsBzip2(text)) return Compression::kBzip2;
  if (text.starts_with("\xfd\x37zXZ\0"sv)) return Compression::kXz;
  if (IsLz4(text)) return Compression::kLz4;
  if (IsLzma(head)) return Compression::kLzma;
  if (IsZlib(head)) return Compression::kZlib;
  return std::nullopt;
}

bool ContinuesStream(Compression first, std::span<const std::byte> head) {
  const auto next = CompressionOf(head);
  switch (first) {
    case Compression::kDeflate:
      return false;
    case Compression::kGzip:
      return TextOf(head).starts_with("\x1f\x8b"sv);
    case Compression::kLz4:
      return next == first || IsSkippableLz4(TextOf(head));
    case Compression::kXz:
    case Compression::kLzma:
      // Python's reader takes either after the other.
      return next == Compression::kXz || next == Compression::kLzma;
    default:
      return next == first;
  }
}

}  // namespace scanengine
