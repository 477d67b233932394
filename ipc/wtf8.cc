#include "ipc/wtf8.h"

#include <cstddef>

namespace scanengine {
namespace {

constexpr char32_t kReplacement = 0xfffd;

bool IsHigh(char32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool IsLow(char32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

void AppendBytes(char32_t point, std::string* out) {
  const auto put = [out](char32_t byte) {
    out->push_back(static_cast<char>(static_cast<unsigned char>(byte)));
  };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

// Takes one code point, half of a pair included, off the front of |bytes|.
char32_t TakePoint(std::string_view* bytes) {
  const auto at = [bytes](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>((*bytes)[i]));
  };
  const char32_t first = at(0);
  std::size_t length = 1;
  char32_t point = first;
  char32_t least = 0;
  if (first >= 0xf0 && first < 0xf8) {
    length = 4;
    point = first & 0x07;
    least = 0x10000;
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3;
    point = first & 0x0f;
    least = 0x800;
  } else if (first >= 0xc0 && first < 0xe0) {
    length = 2;
    point = first & 0x1f;
    least = 0x80;
  } else if (first >= 0x80) {
    length = 0;  // No first byte of anything.
  }
  bool good = length != 0 && length <= bytes->size();
  for (std::size_t i = 1; good && i < length; ++i) {
    good = (at(i) & 0xc0) == 0x80;
    point = point << 6 | (at(i) & 0x3f);
  }
  good = good && point >= least && point < 0x110000;
  bytes->remove_prefix(good ? length : 1);
  return good ? point : kReplacement;
}

}  // namespace

std::string Wtf8FromUtf16(std::u16string_view units) {
  std::string out;
  out.reserve(units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    char32_t point = units[i];
    if (IsHigh(point) && i + 1 < units.size() && IsLow(units[i + 1])) {
      point = 0x10000 + ((point - 0xd800) << 10) + (units[++i] - 0xdc00U);
    }
    AppendBytes(point, &out);
  }
  return out;
}

std::u16string Utf16FromWtf8(std::string_view bytes) {
  std::u16string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const char32_t point = TakePoint(&bytes);
    if (point < 0x10000) {
      out.push_back(static_cast<char16_t>(point));
    } else {
      out.push_back(static_cast<char16_t>(0xd800 + ((point - 0x10000) >> 10)));
      out.push_back(static_cast<char16_t>(0xdc00 + (point & 0x3ff)));
    }
  }
  return out;
}

}  // namespace scanengine
