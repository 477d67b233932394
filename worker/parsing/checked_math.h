#ifndef SCANENGINE_WORKER_PARSING_CHECKED_MATH_H_
#define SCANENGINE_WORKER_PARSING_CHECKED_MATH_H_

#include <cstdint>
#include <limits>
#include <optional>

namespace scanengine {

/// a * b and a + b, or nothing if that does not fit. For sizes that come from a
/// file.
constexpr std::optional<std::uint64_t> CheckedMultiply(std::uint64_t a,
                                                       std::uint64_t b) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) {
    return std::nullopt;
  }
  return a * b;
}
constexpr std::optional<std::uint64_t> CheckedAdd(std::uint64_t a,
                                                  std::uint64_t b) {
  if (a > std::numeric_limits<std::uint64_t>::max() - b) return std::nullopt;
  return a + b;
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_CHECKED_MATH_H_
