#include "cli/parse_values.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "ipc/text.h"

namespace scanengine::cli {
namespace {

constexpr double kMostSeconds = 7 * 24 * 3600;
constexpr double kMostBytes = 9.0e18;  // Below 2^63; exact sizes do not matter.

Error Invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, std::move(detail)};
}

// A decimal number without sign, exponent, "inf" or "nan" at the start of
// |*text|, which is moved behind it.
std::optional<double> TakeDecimal(std::string_view* text) {
  if (text->empty() || text->front() < '0' || text->front() > '9') {
    return std::nullopt;
  }
  double number = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] =
      std::from_chars(text->data(), end, number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<std::size_t>(stop - text->data()));
  return number;
}

// Power of 1024 that a unit stands for; nothing if it is none.
std::optional<int> UnitPower(std::string_view unit) {
  if (unit.empty() || unit == "B" || unit == "b") return 0;
  static constexpr std::string_view kLetters = "kmgtp";
  const char letter = static_cast<char>(unit.front() | 0x20);
  const std::size_t at = kLetters.find(letter);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = unit.substr(1);
  const bool known = rest.empty() || rest == "B" || rest == "b" ||
                     rest == "iB" || rest == "ib" || rest == "i";
  if (!known) return std::nullopt;
  return static_cast<int>(at) + 1;
}

}  // namespace

std::string Quoted(std::string_view value) {
  return '"' + Printable(value, 200) + '"';
}

Result<int> ParseCount(std::string_view value, int least, int most) {
  int number = 0;
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stop != end || number < least || number > most) {
    return Invalid(fmt::format("{} is not a whole number from {} to {}",
                               Quoted(value), least, most));
  }
  return number;
}

Result<std::uint64_t> ParseSize(std::string_view value) {
  const Error error = Invalid(fmt::format(
      "{} is not a size; write 4096, 512M, 1.5G or 2GiB", Quoted(value)));
  std::uint64_t bytes = 0;
  const char* const end = value.data() + value.size();
  const auto [stop, code] = std::from_chars(value.data(), end, bytes);
  if (code == std::errc() && stop == end) return bytes;
  std::string_view rest = value;
  const std::optional<double> number = TakeDecimal(&rest);
  if (!number) return error;
  const std::optional<int> power = UnitPower(rest);
  if (!power) return error;
  const double scaled = *number * std::pow(1024.0, *power);
  if (scaled > kMostBytes) {
    return Invalid(fmt::format("{} is too large a size", Quoted(value)));
  }
  return static_cast<std::uint64_t>(scaled);
}

Result<std::chrono::milliseconds> ParseSeconds(std::string_view value) {
  std::string_view rest = value;
  const std::optional<double> seconds = TakeDecimal(&rest);
  if (!seconds || !rest.empty() || *seconds <= 0 || *seconds > kMostSeconds) {
    return Invalid(fmt::format(
        "{} is not a number of seconds above 0 and up to {:.0f}; write 60 or "
        "0.5",
        Quoted(value), kMostSeconds));
  }
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(std::ceil(*seconds * 1000)));
}

}  // namespace scanengine::cli
