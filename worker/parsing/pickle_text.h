#ifndef SCANENGINE_WORKER_PARSING_PICKLE_TEXT_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "worker/parsing/pickle_value.h"

namespace scanengine {

// The operands of the text opcodes of protocol 0, and small codecs. All are
// linear in their argument.

/// A number as CPython reads it. It has two unpicklers, in C and in Python;
/// what either of them takes is taken here.
struct PickleNumber {
  PickleValue value;
  bool readers_differ = false;  ///< One of the two raises.
};

/// The operand of INT; nothing if it is no number.
std::optional<PickleNumber> ParsePickleInt(std::string_view line);

/// The operand of LONG; nothing if it is no number.
std::optional<PickleNumber> ParsePickleLong(std::string_view line);

/// The operand of FLOAT; nothing if it is no number.
std::optional<PickleNumber> ParsePickleFloat(std::string_view line);

/// An index of the memo.
struct PickleIndex {
  std::uint32_t index = 0;
  std::string digits = {};  ///< If it has more than 32 bits; else empty.
  bool readers_differ = false;
};

/// The operand of GET and PUT; nothing if it is no number or negative.
std::optional<PickleIndex> ParsePickleIndex(std::string_view line);

/// The operand of STRING: a Python 2 repr.
struct PickleString {
  std::string text;
  bool padded = false;  ///< Blanks around the quotes: Python 3 raises.
};

/// Nothing if it is not quoted or an escape is broken.
std::optional<PickleString> DecodePickleString(std::string_view line);

/// Content of a UNICODE operand (raw-unicode-escape) as UTF-8; nothing if an
/// escape is broken.
std::optional<std::string> DecodePickleUnicode(std::string_view line);

/// Bytes of base64 text (blanks and line ends are passed over, padding may be
/// missing, URL alphabet too); nothing if anything else is in it.
std::optional<std::string> DecodeBase64(std::string_view text);

/// Bytes of hexadecimal text, blanks passed over; nothing if it is none.
std::optional<std::string> DecodeHex(std::string_view text);

/// Bytes of UTF-8 text whose characters are all below U+0100; nothing if
/// others are in it.
std::optional<std::string> DecodeLatin1(std::string_view utf8);

bool IsAscii(std::string_view text);

void AppendUtf8(char32_t character, std::string* out);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_TEXT_H_
