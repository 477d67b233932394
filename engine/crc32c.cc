#include "engine/crc32c.h"

#include <array>

namespace scanengine {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // Reflected.
constexpr std::size_t kLanes = 8;

using Table = std::array<std::array<std::uint32_t, 256>, kLanes>;

// Lane k: what a byte does to the checksum with k more bytes behind it.
constexpr Table MakeTable() {
  Table table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    }
    table[0][byte] = crc;
  }
  for (std::size_t lane = 1; lane < kLanes; ++lane) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t last = table[lane - 1][byte];
      table[lane][byte] = (last >> 8) ^ table[0][last & 0xFF];
    }
  }
  return table;
}

constexpr Table kTable = MakeTable();

std::uint32_t Number(std::byte byte) {
  return std::to_integer<std::uint32_t>(byte);
}

}  // namespace

std::uint32_t Crc32c(std::uint32_t before, std::span<const std::byte> bytes) {
  std::uint32_t crc = ~before;
  while (bytes.size() >= kLanes) {
    crc ^= Number(bytes[0]) | Number(bytes[1]) << 8 | Number(bytes[2]) << 16 |
           Number(bytes[3]) << 24;
    crc = kTable[7][crc & 0xFF] ^ kTable[6][crc >> 8 & 0xFF] ^
          kTable[5][crc >> 16 & 0xFF] ^ kTable[4][crc >> 24] ^
          kTable[3][Number(bytes[4])] ^ kTable[2][Number(bytes[5])] ^
          kTable[1][Number(bytes[6])] ^ kTable[0][Number(bytes[7])];
    bytes = bytes.subspan(kLanes);
  }
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ kTable[0][(crc ^ Number(byte)) & 0xFF];
  }
  return ~crc;
}

}  // namespace scanengine
