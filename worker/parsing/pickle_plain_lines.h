#ifndef SCANENGINE_WORKER_PARSING_PICKLE_PLAIN_LINES_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_PLAIN_LINES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// Operands of protocol 0 as every pickler writes them, told apart in one pass.
/// What is written in any other way is left to pickle_text.h, which knows how
/// the unpicklers differ; whatever these accept means the same to all of them.
namespace scanengine {

using PickleInput = std::span<const std::uint8_t>;

/// A line that is plain.
struct PlainPickleNumber {
  std::size_t size = 0;  ///< With its newline; 0: it is not plain.
  std::int64_t value = 0;
};
struct PlainPickleText {
  std::size_t size = 0;   ///< With its newline; 0: it is not plain.
  std::string_view text;  ///< ASCII, in the input.
};

inline constexpr std::size_t kMaxPlainDigits = 15;
inline constexpr std::size_t kMaxPlainText = 1024;

inline bool IsPlainDigit(std::uint8_t c) { return c >= '0' && c <= '9'; }

/// How many digits there are from |at| on.
inline std::size_t CountPlainDigits(PickleInput input, std::size_t at) {
  std::size_t end = at;
  while (end < input.size() && IsPlainDigit(input[end])) ++end;
  return end - at;
}

/// "-12\n", or "12L\n" if |is_long|. No zero before other digits, no sign
/// before a zero, none at all unless |negative| is allowed.
inline PlainPickleNumber PlainInteger(PickleInput input, bool negative,
                                      bool is_long) {
  std::size_t at = 0;
  const bool minus = negative && !input.empty() && input[0] == '-';
  if (minus) ++at;
  const std::size_t first = at;
  std::int64_t value = 0;
  while (at < input.size() && IsPlainDigit(input[at]) &&
         at - first < kMaxPlainDigits) {
    value = value * 10 + (input[at++] - '0');
  }
  const std::size_t digits = at - first;
  if (digits == 0 || (input[first] == '0' && (digits > 1 || minus))) return {};
  if (is_long && (at >= input.size() || input[at++] != 'L')) return {};
  if (at >= input.size() || input[at] != '\n') return {};
  return {at + 1, minus ? -value : value};
}

/// The size of "-1.5e-07\n" with its newline, 0 if it is not plain. Never one
/// that is too large for a double.
inline std::size_t PlainFloatSize(PickleInput input) {
  constexpr std::size_t kMaxDigits = 32;
  constexpr std::size_t kMaxExponentDigits = 2;
  std::size_t at = !input.empty() && input[0] == '-' ? 1 : 0;
  const std::size_t whole = CountPlainDigits(input, at);
  if (whole == 0 || whole > kMaxDigits) return 0;
  at += whole;
  if (at < input.size() && input[at] == '.') {
    const std::size_t part = CountPlainDigits(input, at + 1);
    if (part == 0 || part > kMaxDigits) return 0;
    at += part + 1;
  }
  if (at < input.size() && input[at] == 'e') {
    ++at;
    if (at < input.size() && (input[at] == '-' || input[at] == '+')) ++at;
    const std::size_t exponent = CountPlainDigits(input, at);
    if (exponent == 0 || exponent > kMaxExponentDigits) return 0;
    at += exponent;
  }
  return at < input.size() && input[at] == '\n' ? at + 1 : 0;
}

/// A short line of printable ASCII without quotes or backslashes; between
/// single quotes, which are not part of it, if |quoted|.
inline PlainPickleText PlainText(PickleInput input, bool quoted) {
  const std::size_t first = quoted ? 1 : 0;
  if (quoted && (input.empty() || input[0] != '\'')) return {};
  const std::size_t most = std::min(input.size(), kMaxPlainText);
  std::size_t at = first;
  while (at < most && input[at] >= 0x20 && input[at] < 0x7f &&
         input[at] != '\\' && input[at] != '\'' && input[at] != '"') {
    ++at;
  }
  const std::string_view text(
      reinterpret_cast<const char*>(input.data()) + first, at - first);
  if (quoted && (at >= most || input[at++] != '\'')) return {};
  if (at >= most || input[at] != '\n') return {};
  return {at + 1, text};
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_PLAIN_LINES_H_
