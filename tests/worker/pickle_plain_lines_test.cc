#include "worker/parsing/pickle_plain_lines.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

PickleInput Input(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Short lines of what such lines are made of, many of them not quite right.
std::vector<std::string> Lines(std::string_view alphabet, std::size_t count) {
  std::mt19937 random(20260131);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < count; ++i) {
    std::string line;
    for (std::size_t size = random() % 9; size > 0; --size) {
      line += alphabet[random() % alphabet.size()];
    }
    lines.push_back(line + "\nrest");
  }
  return lines;
}

std::string_view LineOf(const std::string& line) {
  return std::string_view(line).substr(0, line.find('\n'));
}

TEST_CASE("Plain lines: a plain integer is what every unpickler reads") {
  int plain = 0;
  for (const bool is_long : {false, true}) {
    for (const std::string& line : Lines("0123456789-L+_x ", 200'000)) {
      const PlainPickleNumber number = PlainInteger(Input(line), true, is_long);
      if (number.size == 0) continue;
      ++plain;
      INFO(LineOf(line));
      const auto read = is_long ? ParsePickleLong(LineOf(line))
                                : ParsePickleInt(LineOf(line));
      REQUIRE(read);
      CHECK_FALSE(read->readers_differ);
      REQUIRE(read->value.Is(PickleKind::kInt));
      CHECK(read->value.integer() == number.value);
      CHECK(number.size == LineOf(line).size() + 1);
    }
  }
  CHECK(plain > 1000);
}

TEST_CASE("Plain lines: a plain index is what every unpickler reads") {
  int plain = 0;
  for (const std::string& line : Lines("0123456789-L ", 200'000)) {
    const PlainPickleNumber number = PlainInteger(Input(line), false, false);
    if (number.size == 0) continue;
    ++plain;
    const auto read = ParsePickleIndex(LineOf(line));
    REQUIRE(read);
    CHECK_FALSE(read->readers_differ);
    CHECK(read->digits.empty());
    CHECK(read->index == static_cast<std::uint64_t>(number.value));
  }
  CHECK(plain > 1000);
}

TEST_CASE("Plain lines: a plain float is one for every unpickler") {
  int plain = 0;
  for (const std::string& line : Lines("0123456789-+.eE_n", 200'000)) {
    const std::size_t size = PlainFloatSize(Input(line));
    if (size == 0) continue;
    ++plain;
    INFO(LineOf(line));
    const auto read = ParsePickleFloat(LineOf(line));
    REQUIRE(read);
    CHECK_FALSE(read->readers_differ);
    CHECK(read->value.Is(PickleKind::kFloat));
    CHECK(size == LineOf(line).size() + 1);
  }
  CHECK(plain > 1000);
}

TEST_CASE("Plain lines: plain text is what decoding gives") {
  int plain = 0;
  for (const bool quoted : {false, true}) {
    for (std::string line : Lines("ab'\"\\nu0\x80 \t", 200'000)) {
      if (quoted) line.insert(0, 1, '\'');
      const PlainPickleText text = PlainText(Input(line), quoted);
      if (text.size == 0) continue;
      ++plain;
      INFO(LineOf(line));
      CHECK(text.size == LineOf(line).size() + 1);
      if (quoted) {
        const auto read = DecodePickleString(LineOf(line));
        REQUIRE(read);
        CHECK_FALSE(read->padded);
        CHECK(read->text == text.text);
      } else {
        CHECK(DecodePickleUnicode(LineOf(line)) == text.text);
      }
    }
  }
  CHECK(plain > 1000);
}

TEST_CASE("Plain lines: what is out of the ordinary is not plain") {
  for (const char* line :
       {"", "5", "\n", "-\n", "00\n", "01\n", "-0\n", "+5\n", " 5\n", "5 \n",
        "0x5\n", "5_0\n", "5L\n", "1234567890123456\n"}) {
    INFO(line);
    CHECK(PlainInteger(Input(line), true, false).size == 0);
  }
  for (const char* line : {"", "5", "5L", "L\n", "5\n", "-0L\n", "05L\n"}) {
    INFO(line);
    CHECK(PlainInteger(Input(line), true, true).size == 0);
  }
  CHECK(PlainInteger(Input("-5\n"), false, false).size == 0);
  for (const char* line : {"", "1.5", "1.\n", ".5\n", "1e\n", "1e400\n",
                           "inf\n", "nan\n", "1.5 \n", "--1\n", "1_0\n"}) {
    INFO(line);
    CHECK(PlainFloatSize(Input(line)) == 0);
  }
  for (const char* line : {"", "a", "a\\u0041\n", "a\xc3\xa9\n", "a\rb\n"}) {
    INFO(line);
    CHECK(PlainText(Input(line), false).size == 0);
  }
  for (const char* line : {"", "'", "'a", "'a'", "a\n", "'a\n", "'a' \n",
                           "\"a\"\n", "'a\"b'\n", "'a\\n'\n"}) {
    INFO(line);
    CHECK(PlainText(Input(line), true).size == 0);
  }
}

}  // namespace
}  // namespace scanengine
