#include "worker/parsing/pickle_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "worker/parsing/digits.h"

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
// the text goes on; nothing if the escape is broken.
std::optional<std::size_t> DecodeEscape(std::string_view text, std::size_t at,
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
    const auto value = HexNumber(text, at + 1, 2);
    if (!value) return std::nullopt;
    *out += static_cast<char>(*value);
    return at + 3;
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
  return at;
}

bool TakeSign(std::string_view* text) {
  const bool negative = text->starts_with('-');
  if (negative || text->starts_with('+')) text->remove_prefix(1);
  return negative;
}

std::string_view UpToNul(std::string_view line) {
  return line.substr(0, line.find('\0'));
}

// A whole number; nothing if |digits| is none. An underscore may stand between
// two digits.
std::optional<PickleValue> Digits(std::string_view digits, int base,
                                  bool negative) {
  if (digits.empty() || digits.front() == '_' || digits.back() == '_') {
    return std::nullopt;
  }
  std::int64_t value = 0;
  bool large = false;
  char before = '0';
  for (const char c : digits) {
    const int digit = HexDigit(c);
    const bool bad = c == '_' ? before == '_' : digit < 0 || digit >= base;
    if (bad) return std::nullopt;
    before = c;
    if (c == '_' || large) continue;
    large = value > (std::numeric_limits<std::int64_t>::max() - digit) / base;
    if (!large) value = value * base + digit;
  }
  if (large) return PickleValue::Of(PickleKind::kBigInt);
  return PickleValue::Int(negative ? -value : value);
}

// Base that a prefix of |text| names, which is taken off; 0 if there is none.
int TakeBase(std::string_view* text) {
  if (text->size() < 2 || (*text)[0] != '0') return 0;
  int base = 0;
  switch (static_cast<char>((*text)[1] | 0x20)) {
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
      return 0;
  }
  text->remove_prefix(2);
  return base;
}

// Python's int(text, base) for base 0 and 10.
std::optional<PickleValue> PythonInt(std::string_view text, int base) {
  text = Trim(text);
  const bool negative = TakeSign(&text);
  if (base == 10) return Digits(text, 10, negative);
  if (const int prefix = TakeBase(&text); prefix != 0) {
    if (text.starts_with('_')) text.remove_prefix(1);
    return Digits(text, prefix, negative);
  }
  // 012 was octal once.
  if (text.starts_with('0') &&
      text.find_first_not_of("0_") != std::string_view::npos) {
    return std::nullopt;
  }
  return Digits(text, 10, negative);
}

// C's strtol(line, &end, 0) if that takes the line, or all of it before a NUL.
std::optional<PickleValue> CInt(std::string_view line) {
  if (line.starts_with('\0')) return PickleValue::Int(0);
  line = UpToNul(line);
  while (!line.empty() && IsBlank(line.front())) line.remove_prefix(1);
  const bool negative = TakeSign(&line);
  int base = line.starts_with('0') ? 8 : 10;
  if (line.size() > 2 && line[0] == '0' && (line[1] | 0x20) == 'x') {
    base = 16;
    line.remove_prefix(2);
  }
  if (line.find('_') != std::string_view::npos) return std::nullopt;
  const auto value = Digits(line, base, negative);
  // Out of range: Python's int decides.
  return value && value->Is(PickleKind::kBigInt) ? std::nullopt : value;
}

// Python's float() for a number without blanks and underscores.
bool IsFloat(std::string_view text) {
  TakeSign(&text);
  std::string lower;
  for (const char c : text.substr(0, 9)) lower += static_cast<char>(c | 0x20);
  if (lower == "nan" || lower == "inf" || lower == "infinity") return true;
  const auto digits = [&text] {
    std::size_t n = 0;
    while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
    text.remove_prefix(n);
    return n;
  };
  std::size_t have = digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    have += digits();
  }
  if (have == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    TakeSign(&text);
    if (digits() == 0) return false;
  }
  return text.empty();
}

// Nothing if an underscore does not stand between two digits.
std::optional<std::string> WithoutUnderscores(std::string_view text) {
  const auto digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || !digit(i - 1) || !digit(i + 1)) {
      return std::nullopt;
    }
  }
  return out;
}

bool Overflows(std::string_view text) {
  // Without an exponent it takes 309 digits.
  if (text.size() < 300 && text.find_first_of("eE") == std::string_view::npos) {
    return false;
  }
  if (text.find_first_of("nN") != std::string_view::npos) return false;
  return std::isinf(std::strtod(std::string(text).c_str(), nullptr));
}

std::optional<PickleNumber> Either(std::optional<PickleValue> c,
                                   std::optional<PickleValue> python) {
  if (!c && !python) return std::nullopt;
  return PickleNumber{c ? *c : *python, c.has_value() != python.has_value()};
}

}  // namespace

std::optional<PickleNumber> ParsePickleInt(std::string_view line) {
  if (line.empty()) return std::nullopt;
  if (line == "00" || line == "01") {
    return PickleNumber{PickleValue::Bool(line == "01")};
  }
  auto c = CInt(line);
  if (!c) c = PythonInt(UpToNul(line), 0);
  return Either(c, PythonInt(line, 0));
}

std::optional<PickleNumber> ParsePickleLong(std::string_view line) {
  if (line.ends_with('L')) line.remove_suffix(1);
  return Either(PythonInt(UpToNul(line), 0), PythonInt(line, 0));
}

std::optional<PickleNumber> ParsePickleFloat(std::string_view line) {
  const PickleValue value = PickleValue::Of(PickleKind::kFloat);
  const std::string_view text = UpToNul(line);
  std::optional<PickleValue> c;
  if (IsFloat(text) && !Overflows(text)) c = value;
  std::optional<PickleValue> python;
  const auto plain = WithoutUnderscores(Trim(line));
  if (plain && IsFloat(*plain)) python = value;
  return Either(c, python);
}

std::optional<PickleIndex> ParsePickleIndex(std::string_view line) {
  const auto number = Either(PythonInt(UpToNul(line), 10), PythonInt(line, 10));
  if (!number) return std::nullopt;
  PickleIndex made;
  made.readers_differ = number->readers_differ;
  const PickleValue value = number->value;
  if (value.Is(PickleKind::kInt) && value.integer() < 0) return std::nullopt;
  if (value.Is(PickleKind::kInt) && value.integer() <= 0xffffffff) {
    made.index = static_cast<std::uint32_t>(value.integer());
    return made;
  }
  for (const char digit : UpToNul(line)) {
    if (digit == '-') return std::nullopt;
    const bool leading = digit == '0' && made.digits.empty();
    if (digit >= '0' && digit <= '9' && !leading) made.digits += digit;
  }
  made.readers_differ = true;  // The C one has no memory for it.
  return made;
}

std::optional<PickleString> DecodePickleString(std::string_view line) {
  PickleString made;
  const std::size_t size = line.size();
  line = Trim(line);
  made.padded = line.size() != size;
  if (line.size() < 2 || line.front() != line.back() ||
      (line.front() != '\'' && line.front() != '"')) {
    return std::nullopt;
  }
  line = line.substr(1, line.size() - 2);
  made.text.reserve(line.size());
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] != '\\') {
      made.text += line[at++];
      continue;
    }
    if (at + 1 == line.size()) return std::nullopt;
    const auto next = DecodeEscape(line, at + 1, &made.text);
    if (!next) return std::nullopt;
    at = *next;
  }
  return made;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80;
  });
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

std::optional<std::string> DecodePickleUnicode(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t at = 0; at < line.size(); ++at) {
    const auto c = static_cast<unsigned char>(line[at]);
    if (c != '\\' || at + 1 == line.size()) {
      AppendUtf8(c, &out);  // Other bytes are Latin-1.
      continue;
    }
    const auto kind = static_cast<unsigned char>(line[at + 1]);
    if (kind != 'u' && kind != 'U') {
      // The second of two backslashes begins no escape.
      AppendUtf8(c, &out);
      AppendUtf8(kind, &out);
      ++at;
      continue;
    }
    const std::size_t digits = kind == 'u' ? 4 : 8;
    const auto value = HexNumber(line, at + 2, digits);
    if (!value || *value > 0x10ffff) return std::nullopt;
    AppendUtf8(*value, &out);
    at += 1 + digits;
  }
  return out;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string out(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  std::uint32_t bits = 0;
  int have = 0;
  bool padded = false;
  for (const char c : text) {
    const int digit = Base64Digit(c);
    if (digit < 0) {
      if (!IsBlank(c) && c != '=') return std::nullopt;
      padded = padded || c == '=';
      continue;
    }
    if (padded) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[size++] = static_cast<char>(bits >> have & 0xff);
    }
  }
  out.resize(size);
  return out;
}

std::optional<std::string> DecodeHex(std::string_view text) {
  std::string out(text.size() / 2, '\0');
  std::size_t digits = 0;
  int byte = 0;
  for (const char c : text) {
    const int digit = HexDigit(c);
    if (digit < 0) {
      if (!IsBlank(c)) return std::nullopt;
      continue;
    }
    byte = (byte << 4 | digit) & 0xff;
    if (digits % 2 != 0) out[digits / 2] = static_cast<char>(byte);
    ++digits;
  }
  if (digits % 2 != 0) return std::nullopt;
  out.resize(digits / 2);
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
