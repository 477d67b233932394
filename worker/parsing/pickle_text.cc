#include "worker/parsing/pickle_text.h"

#include <charconv>
#include <cstdint>

namespace scanengine {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' ||
         c == '\v';
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

// |digits| hexadecimal digits at |at|; nothing if they are not all there.
std::optional<std::uint32_t> HexNumber(std::string_view text, std::size_t at,
                                       std::size_t digits) {
  if (text.size() - at < digits) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    const int digit = HexDigit(text[i]);
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  return value;
}

// One escape of a bytes literal; |at| is behind the backslash. Returns where
// the text goes on.
std::size_t DecodeEscape(std::string_view text, std::size_t at,
                         std::string* out) {
  const char c = text[at];
  constexpr std::string_view kFrom = "abfnrtv\\'\"";
  constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
  const std::size_t simple = kFrom.find(c);
  if (simple != std::string_view::npos) {
    *out += kTo[simple];
    return at + 1;
  }
  if (c == '\n') return at + 1;
  if (c == 'x') {
    if (const auto value = HexNumber(text, at + 1, 2)) {
      *out += static_cast<char>(*value);
      return at + 3;
    }
  }
  if (c >= '0' && c <= '7') {
    unsigned value = 0;
    std::size_t i = at;
    for (; i < text.size() && i < at + 3 && text[i] >= '0' && text[i] <= '7';
         ++i) {
      value = value * 8 + static_cast<unsigned>(text[i] - '0');
    }
    *out += static_cast<char>(value & 0xffU);
    return i;
  }
  *out += '\\';
  *out += c;
  return at + 1;
}

// Base that a prefix of |line| names, as in Python's int(text, 0); the prefix
// is taken off.
int TakeBase(std::string_view* line) {
  if (line->size() <= 2 || (*line)[0] != '0') return 10;
  int base = 10;
  switch (static_cast<char>((*line)[1] | 0x20)) {
    case 'x':
      base = 16;
      break;
    case 'o':
      base = 8;
      break;
    case 'b':
      base = 2;
      break;
    default:
      return 10;
  }
  line->remove_prefix(2);
  return base;
}

}  // namespace

std::optional<PickleValue> ParsePickleInt(std::string_view line) {
  line = Trim(line);
  bool negative = false;
  if (!line.empty() && (line[0] == '-' || line[0] == '+')) {
    negative = line[0] == '-';
    line.remove_prefix(1);
  }
  const int base = TakeBase(&line);
  if (line.empty()) return std::nullopt;
  std::int64_t value = 0;
  const auto parsed =
      std::from_chars(line.data(), line.data() + line.size(), value, base);
  if (parsed.ec == std::errc() && parsed.ptr == line.data() + line.size() &&
      line[0] != '-') {
    return PickleValue::Int(negative ? -value : value);
  }
  for (const char c : line) {
    if (c != '_' && (HexDigit(c) < 0 || HexDigit(c) >= base)) {
      return std::nullopt;
    }
  }
  return PickleValue::Of(PickleKind::kBigInt);
}

bool IsPickleFloat(std::string_view line) {
  line = Trim(line);
  if (line.empty()) return false;
  std::size_t digits = 0;
  bool word = true;
  for (const char c : line) {
    const bool digit = c >= '0' && c <= '9';
    digits += digit ? 1 : 0;
    const bool other =
        c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E' || c == '_';
    if (!digit && !other &&
        std::string_view("infatyINFATY").find(c) == std::string_view::npos) {
      return false;
    }
    if (digit) word = false;
  }
  if (!word) return digits != 0;
  if (line[0] == '+' || line[0] == '-') line.remove_prefix(1);
  std::string lower;
  for (const char c : line) lower += static_cast<char>(c | 0x20);
  return lower == "nan" || lower == "inf" || lower == "infinity";
}

std::optional<std::string> DecodePickleString(std::string_view line) {
  line = Trim(line);
  if (line.size() < 2 || line.front() != line.back() ||
      (line.front() != '\'' && line.front() != '"')) {
    return std::nullopt;
  }
  line = line.substr(1, line.size() - 2);
  std::string out;
  out.reserve(line.size());
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] != '\\' || at + 1 == line.size()) {
      out += line[at++];
    } else {
      at = DecodeEscape(line, at + 1, &out);
    }
  }
  return out;
}

void AppendUtf8(char32_t character, std::string* out) {
  const auto put = [out](char32_t byte) {
    *out += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xc0 | character >> 6);
    put(0x80 | (character & 0x3f));
  } else if (character < 0x10000) {
    put(0xe0 | character >> 12);
    put(0x80 | (character >> 6 & 0x3f));
    put(0x80 | (character & 0x3f));
  } else {
    put(0xf0 | (character >> 18 & 7));
    put(0x80 | (character >> 12 & 0x3f));
    put(0x80 | (character >> 6 & 0x3f));
    put(0x80 | (character & 0x3f));
  }
}

std::string DecodePickleUnicode(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t at = 0; at < line.size(); ++at) {
    const auto c = static_cast<unsigned char>(line[at]);
    if (c == '\\' && at + 1 < line.size() &&
        (line[at + 1] == 'u' || line[at + 1] == 'U')) {
      const std::size_t digits = line[at + 1] == 'u' ? 4 : 8;
      if (const auto value = HexNumber(line, at + 2, digits)) {
        AppendUtf8(*value, &out);
        at += 1 + digits;
        continue;
      }
    }
    AppendUtf8(c, &out);  // Other bytes are Latin-1.
  }
  return out;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int have = 0;
  bool padded = false;
  for (const char c : text) {
    if (IsBlank(c)) continue;
    if (c == '=') {
      padded = true;
      continue;
    }
    const int digit = Base64Digit(c);
    if (digit < 0 || padded) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(bits >> have & 0xff);
    }
  }
  return out;
}

std::optional<std::string> DecodeHex(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 2);
  int high = -1;
  for (const char c : text) {
    if (IsBlank(c)) continue;
    const int digit = HexDigit(c);
    if (digit < 0) return std::nullopt;
    if (high < 0) {
      high = digit;
    } else {
      out += static_cast<char>(high << 4 | digit);
      high = -1;
    }
  }
  if (high >= 0) return std::nullopt;
  return out;
}

std::optional<std::string> DecodeLatin1(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size(); ++at) {
    const auto c = static_cast<unsigned char>(utf8[at]);
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if ((c == 0xc2 || c == 0xc3) && at + 1 < utf8.size()) {
      const auto low = static_cast<unsigned char>(utf8[++at]);
      out += static_cast<char>((c & 3U) << 6 | (low & 0x3fU));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace scanengine
