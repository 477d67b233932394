#include "worker/containers/tar_format.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace scanengine {
namespace {

constexpr std::size_t kChecksumAt = 148;
constexpr std::size_t kChecksumSize = 8;
constexpr std::size_t kMostExtents = 100'000;

std::string_view Field(std::span<const std::byte> block, std::size_t at,
                       std::size_t size) {
  return {reinterpret_cast<const char*>(block.data()) + at, size};
}

// Up to the first NUL.
std::string Text(std::span<const std::byte> block, std::size_t at,
                 std::size_t size) {
  const std::string_view field = Field(block, at, size);
  return std::string(field.substr(0, field.find('\0')));
}

// Octal digits, or (first bit set) big-endian binary. Nothing if it is neither,
// negative, or does not fit.
std::optional<std::uint64_t> Number(std::string_view field) {
  const auto first = static_cast<unsigned char>(field[0]);
  if (first == 0x80) {
    std::uint64_t number = 0;
    for (const char c : field.substr(1)) {
      if (number >> 55 != 0) return std::nullopt;
      number = number << 8 | static_cast<unsigned char>(c);
    }
    return number;
  }
  field = field.substr(0, field.find('\0'));
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
  if (field.empty()) return 0;
  std::uint64_t number = 0;
  const auto end = field.data() + field.size();
  const auto parsed = std::from_chars(field.data(), end, number, 8);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

struct Sums {
  std::uint64_t plain = 0;
  std::int64_t as_signed = 0;  // As some old writers summed.
};

Sums SumOf(std::span<const std::byte> block) {
  Sums sums;
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    const bool own = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
    const auto byte =
        own ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(block[i]);
    sums.plain += byte;
    sums.as_signed += static_cast<std::int8_t>(byte);
  }
  return sums;
}

}  // namespace

std::uint64_t TarBlocks(std::uint64_t size) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  if (size > kMost - (kTarBlock - 1)) return kMost;
  return (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

std::optional<TarHeader> ParseTarHeader(std::span<const std::byte> block) {
  if (block.size() < kTarBlock || IsTarEnd(block)) return std::nullopt;
  const auto sum = Number(Field(block, kChecksumAt, kChecksumSize));
  if (!sum) return std::nullopt;
  const Sums sums = SumOf(block);
  TarHeader header;
  if (*sum != sums.plain) {
    if (sums.as_signed < 0 ||
        *sum != static_cast<std::uint64_t>(sums.as_signed)) {
      return std::nullopt;
    }
    header.signed_checksum = true;
  }
  const auto size = Number(Field(block, 124, 12));
  if (!size) return std::nullopt;
  header.size = *size;
  header.type = Field(block, 156, 1)[0];
  header.name = Text(block, 0, 100);
  header.link = Text(block, 157, 100);
  header.ustar = Field(block, 257, 5) == "ustar";
  // In a GNU header other fields are where the prefix would be.
  const bool gnu = Field(block, 257, 8) == std::string_view("ustar  \0", 8);
  const std::string prefix =
      header.ustar && !gnu ? Text(block, 345, 155) : std::string();
  if (!prefix.empty() && header.type != 'S') {
    header.name = prefix + "/" + header.name;
  }
  // In v7 a folder is a file whose name ends in a slash.
  if ((header.type == '\0' || (header.type == '0' && !header.ustar)) &&
      header.name.ends_with('/')) {
    header.type = '5';
  }
  return header;
}

bool IsTarEnd(std::span<const std::byte> block) {
  return std::all_of(block.begin(), block.end(),
                     [](std::byte b) { return b == std::byte{0}; });
}

std::map<std::string, std::string, std::less<>> ParsePax(std::string_view text,
                                                         bool* broken) {
  std::map<std::string, std::string, std::less<>> records;
  while (!text.empty() && text.front() != '\0') {
    const std::size_t blank = text.find(' ');
    const auto length = TarDecimal(text.substr(0, blank));
    if (blank == std::string_view::npos || !length || *length < blank + 3 ||
        *length > text.size()) {
      *broken = true;
      break;
    }
    std::string_view record =
        text.substr(blank + 1, static_cast<std::size_t>(*length) - blank - 1);
    text.remove_prefix(static_cast<std::size_t>(*length));
    const std::size_t equals = record.find('=');
    if (!record.ends_with('\n') || equals == std::string_view::npos ||
        equals == 0) {
      *broken = true;
      continue;
    }
    record.remove_suffix(1);
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
      std::string& map = records["GNU.sparse.map"];
      map += (map.empty() ? "" : ",") + std::string(value);
      continue;
    }
    records[std::string(key)] = value;
  }
  return records;
}

std::optional<std::uint64_t> TarDecimal(std::string_view text) {
  std::uint64_t number = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

std::optional<std::vector<TarExtent>> ParseSparseBlock(
    std::span<const std::byte> block, bool first, bool* more) {
  const std::size_t start = first ? 386 : 0;
  const std::size_t count = first ? 4 : 21;
  std::vector<TarExtent> extents;
  for (std::size_t i = 0; i < count; ++i) {
    const auto offset = Number(Field(block, start + i * 24, 12));
    const auto size = Number(Field(block, start + i * 24 + 12, 12));
    if (!offset || !size) return std::nullopt;
    if (*size != 0) extents.push_back({*offset, *size});
  }
  *more = Field(block, first ? 482 : 504, 1)[0] != '\0';
  return extents;
}

std::optional<std::uint64_t> SparseRealSize(std::span<const std::byte> block) {
  return Number(Field(block, 483, 12));
}

std::optional<std::vector<TarExtent>> ParseSparseMap(std::string_view text) {
  std::vector<TarExtent> extents;
  bool second = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const auto number = TarDecimal(text.substr(0, end));
    if (!number || extents.size() > kMostExtents) return std::nullopt;
    if (second) {
      extents.back().size = *number;
    } else {
      extents.push_back({*number, 0});
    }
    second = !second;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (second) return std::nullopt;
  std::erase_if(extents, [](const TarExtent& e) { return e.size == 0; });
  return extents;
}

}  // namespace scanengine
