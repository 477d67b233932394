#include <catch2/catch.hpp>
#include <cstddef>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "tests/support/scan_bytes.h"
#include "worker/byte_text.h"
#include "worker/parsing/pickle_nested.h"
#include "worker/parsing/pickle_opcodes.h"
#include "worker/parsing/pickle_scan.h"

namespace scanengine {
namespace {

// Opcodes, most of them those that need nothing below them, and chance bytes.
std::string AnyStream(std::mt19937* random) {
  constexpr std::string_view kPieces[] = {
      "N",       "K\1",  "(",      "]",     "}",
      "\x88",    ")",    "I1\n",   "Vab\n", "cos\nsystem\n",
      "U\2ab",   "\x94", "a",      "t",     "\x85",
      "R",       "0",    "2",      "h\1",   "X\1\n\n",
      "\x8c\1a", "\x93", "F1.0\n", "."};
  std::string stream;
  if ((*random)() % 8 == 0) stream = "\x80\x04";
  const std::size_t size = 2 + (*random)() % 30;
  while (stream.size() < size) {
    if ((*random)() % 12 == 0) {
      stream += static_cast<char>((*random)());
    } else {
      stream += kPieces[(*random)() % std::size(kPieces)];
    }
  }
  return stream;
}

TEST_CASE("MayBecomePickle: never denies what goes on to look like a pickle") {
  std::mt19937 random(7);
  int pickles = 0;
  int denied = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::string stream = AnyStream(&random);
    const bool looks_so = LooksLikePickle(BytesOf(stream));
    pickles += looks_so ? 1 : 0;
    for (std::size_t size = 0; size <= stream.size(); ++size) {
      const bool may = MayBecomePickle(BytesOf(stream).first(size));
      if (!may) ++denied;
      if (looks_so && !may) FAIL("at " << size << " of " << stream);
    }
  }
  // Otherwise nothing was tried.
  CHECK(pickles > 5'000);
  CHECK(denied > 100'000);
}

TEST_CASE("Nested pickles: an encoded one is found, whatever it begins with") {
  // Each begins otherwise: header, protocol 0, a mark, a text, a long line.
  const std::string pickles[] = {
      std::string("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."),
      "cos\nsystem\n(S'id'\ntR.", "(cos\nsystem\nS'id'\no.",
      "V" + std::string(200, 'a') + "\n0cos\nsystem\n(S'id'\ntR.",
      "I" + std::string(60, '0') + "\n0cos\nsystem\n(S'id'\ntR."};
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::string& pickle : pickles) {
    std::string hex;
    for (const char c : pickle) {
      hex += kDigits[static_cast<unsigned char>(c) >> 4];
      hex += kDigits[static_cast<unsigned char>(c) & 15];
    }
    std::string outer = "\x80\x04X";
    for (int i = 0; i < 4; ++i) {
      outer += static_cast<char>(hex.size() >> (8 * i) & 0xff);
    }
    outer += hex + ".";
    INFO(pickle);
    CHECK(WorstSeverity(ScanBytes(outer, "a.pkl")) >= Severity::kHigh);
  }
}

}  // namespace
}  // namespace scanengine
