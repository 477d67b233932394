#include "ipc/byte_reader.h"

#include <array>
#include <catch2/catch.hpp>

namespace scanengine {
namespace {

constexpr std::array kFive{std::byte{1}, std::byte{2}, std::byte{3},
                           std::byte{4}, std::byte{0xff}};

TEST_CASE("ByteReader: integers are little-endian") {
  ByteReader reader(kFive);
  CHECK(reader.U8() == 1);
  CHECK(reader.U16() == 0x0302);
  CHECK(reader.remaining() == 2);
  CHECK(reader.U16() == 0xff04);
  CHECK(reader.ok());
  CHECK(reader.remaining() == 0);
}

TEST_CASE("ByteReader: a read past the end stays failed") {
  ByteReader reader(kFive);
  CHECK(reader.U32() == 0x04030201U);
  CHECK(reader.U64() == 0);
  CHECK_FALSE(reader.ok());
  // Although there was one byte left.
  CHECK(reader.U8() == 0);
  CHECK(reader.remaining() == 0);
}

TEST_CASE("ByteReader: a length near the maximum does not wrap round") {
  ByteReader reader(kFive);
  CHECK(reader.Bytes(~std::uint64_t{0}).empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("ByteReader: no bytes may be taken from none") {
  ByteReader reader({});
  CHECK(reader.Text(0).empty());
  CHECK(reader.ok());
  reader.Skip(1);
  CHECK_FALSE(reader.ok());
}

}  // namespace
}  // namespace scanengine
