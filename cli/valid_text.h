#ifndef SCANENGINE_CLI_VALID_TEXT_H_
#define SCANENGINE_CLI_VALID_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace scanengine::cli {

/// Longest text of a field other than a path, in bytes.
inline constexpr std::size_t kMaxFieldBytes = 4096;

/// |bytes| as valid UTF-8 of at most about |max_bytes|: unchanged if it is,
/// cut with "..." if it is longer, escaped as by Printable() if it is not
/// UTF-8.
std::string ValidText(std::string_view bytes,
                      std::size_t max_bytes = kMaxFieldBytes);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_VALID_TEXT_H_
