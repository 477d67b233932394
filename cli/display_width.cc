#include "cli/display_width.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace scanengine::cli {
namespace {

constexpr std::string_view kEllipsis = "...";

// First and last of ranges that are wide (Unicode 15, EastAsianWidth W and F,
// rounded outwards).
constexpr std::pair<std::uint32_t, std::uint32_t> kWide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2600, 0x27bf},
    {0x2b1b, 0x2b55},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
    {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe10, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
    {0x16fe0, 0x18d08}, {0x1aff0, 0x1b2fb}, {0x1f000, 0x1faff},
    {0x20000, 0x3fffd},
};

std::size_t SequenceLength(char lead) {
  const auto byte = static_cast<std::uint8_t>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xe0) return 2;
  return byte < 0xf0 ? 3 : 4;
}

// The first character of |text|, and its columns.
struct Character {
  std::string_view bytes;
  int width;
};

Character FirstCharacter(std::string_view text) {
  const std::size_t length = std::min(SequenceLength(text[0]), text.size());
  auto code = static_cast<std::uint32_t>(static_cast<std::uint8_t>(text[0]));
  if (length > 1) code &= 0x7fU >> length;
  for (std::size_t i = 1; i < length; ++i) {
    code = code << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3fU);
  }
  const bool wide = std::any_of(
      std::begin(kWide), std::end(kWide),
      [code](const auto& r) { return code >= r.first && code <= r.second; });
  return {text.substr(0, length), wide ? 2 : 1};
}

// Longest start of |text| in at most |width| columns.
std::string_view Head(std::string_view text, int width) {
  std::size_t end = 0;
  while (end < text.size()) {
    const Character next = FirstCharacter(text.substr(end));
    if (next.width > width) break;
    width -= next.width;
    end += next.bytes.size();
  }
  return text.substr(0, end);
}

// Longest end of |text| in at most |width| columns.
std::string_view Tail(std::string_view text, int width) {
  int excess = DisplayWidth(text) - width;
  while (!text.empty() && excess > 0) {
    const Character first = FirstCharacter(text);
    excess -= first.width;
    text.remove_prefix(first.bytes.size());
  }
  return text;
}

}  // namespace

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Character next = FirstCharacter(text);
    width += next.width;
    text.remove_prefix(next.bytes.size());
  }
  return width;
}

std::string ElideMiddle(std::string_view text, int width) {
  if (width <= 0) return "";
  if (DisplayWidth(text) <= width) return std::string(text);
  const int dots = static_cast<int>(kEllipsis.size());
  if (width <= dots) return std::string(Head(text, width));
  const int left = (width - dots) / 2;
  std::string out(Head(text, left));
  out += kEllipsis;
  return out += Tail(text, width - dots - left);
}

}  // namespace scanengine::cli
