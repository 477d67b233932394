#ifndef SCANENGINE_CLI_PARSE_VALUES_H_
#define SCANENGINE_CLI_PARSE_VALUES_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "ipc/result.h"

/// Values of flags, as typed. All fail with kInvalidArgument and a fragment
/// that quotes the value and says what is allowed.
namespace scanengine::cli {

/// |value| in quotes, made fit for a terminal and cut to a line's length.
std::string Quoted(std::string_view value);

/// A whole number in [least, most], decimal digits only.
Result<int> ParseCount(std::string_view value, int least, int most);

/// Bytes: "4096", "512M", "1.5G", "2GiB". Units are powers of 1024, in either
/// case, with or without "B" or "iB". Zero is allowed.
Result<std::uint64_t> ParseSize(std::string_view value);

/// Seconds, fractions allowed, more than 0 and at most a week; rounded up to a
/// millisecond.
Result<std::chrono::milliseconds> ParseSeconds(std::string_view value);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_PARSE_VALUES_H_
