#ifndef SCANENGINE_IPC_TEXT_H_
#define SCANENGINE_IPC_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace scanengine {

/// Makes bytes of unknown origin fit for a terminal, a log or a JSON string:
/// control characters, invalid UTF-8 and bidirectional controls become \n, \t,
/// \xNN, \u202e and the like; other UTF-8 stays. At most about |max_bytes|
/// bytes are returned; a cut is shown by "...". Printing twice changes nothing
/// more.
std::string Printable(std::string_view bytes, std::size_t max_bytes);

/// True if |bytes| is well-formed UTF-8 (no surrogates, no overlong forms).
bool IsUtf8(std::string_view bytes);

/// "12.3 MiB", "512 B".
std::string HumanSize(unsigned long long bytes);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_TEXT_H_
