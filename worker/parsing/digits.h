#ifndef SCANENGINE_WORKER_PARSING_DIGITS_H_
#define SCANENGINE_WORKER_PARSING_DIGITS_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace scanengine {

constexpr int HexDigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr int Base64DigitOf(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

/// What |digit_of| gives for each character, since digits are what no
/// processor predicts.
template <typename DigitOf>
constexpr std::array<std::int8_t, 256> TableOf(DigitOf digit_of) {
  std::array<std::int8_t, 256> digits{};
  for (std::size_t i = 0; i < digits.size(); ++i) {
    digits[i] = static_cast<std::int8_t>(digit_of(static_cast<char>(i)));
  }
  return digits;
}

inline constexpr auto kHexDigits = TableOf(HexDigitOf);
inline constexpr auto kBase64Digits = TableOf(Base64DigitOf);

/// Value of a hexadecimal digit; -1 for all else.
inline int HexDigit(char c) { return kHexDigits[static_cast<std::uint8_t>(c)]; }
/// Value of a base64 digit, of either alphabet; -1 for all else.
inline int Base64Digit(char c) {
  return kBase64Digits[static_cast<std::uint8_t>(c)];
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_DIGITS_H_
