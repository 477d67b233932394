#ifndef SCANENGINE_WORKER_PARSING_PICKLE_TEXT_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

#include "worker/parsing/pickle_value.h"

namespace scanengine {

// The operands of the text opcodes of protocol 0, and small codecs. All are
// linear in their argument.

/// An integer as INT, LONG, GET and PUT write it; nothing if it is none.
std::optional<PickleValue> ParsePickleInt(std::string_view line);

/// True for what Python's float() takes.
bool IsPickleFloat(std::string_view line);

/// Content of a STRING operand: a Python 2 repr with its escapes; nothing if
/// it is not quoted.
std::optional<std::string> DecodePickleString(std::string_view line);

/// Content of a UNICODE operand (raw-unicode-escape) as UTF-8.
std::string DecodePickleUnicode(std::string_view line);

/// Bytes of base64 text (blanks and line ends are passed over, padding may be
/// missing, URL alphabet too); nothing if anything else is in it.
std::optional<std::string> DecodeBase64(std::string_view text);

/// Bytes of hexadecimal text, blanks passed over; nothing if it is none.
std::optional<std::string> DecodeHex(std::string_view text);

/// Bytes of UTF-8 text whose characters are all below U+0100; nothing if
/// others are in it.
std::optional<std::string> DecodeLatin1(std::string_view utf8);

void AppendUtf8(char32_t character, std::string* out);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_TEXT_H_
