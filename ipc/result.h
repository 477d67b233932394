#ifndef SCANENGINE_IPC_RESULT_H_
#define SCANENGINE_IPC_RESULT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace scanengine {

/// What went wrong, in terms a caller can branch on. Append only.
enum class ErrorCode : std::uint8_t {
  kTruncated = 1,      ///< Input ended before a complete unit was read.
  kMalformed = 2,      ///< Input is complete but violates its format.
  kLimitExceeded = 3,  ///< A size, depth or count limit was hit.
  kStopped = 4,        ///< The soft deadline passed or the run was cancelled.
  kSpawnFailed = 5,    ///< A worker could not be started.
  kIo = 6,             ///< The operating system reported an I/O error.
  kNotFound = 7,       ///< A file, folder or program is not there.
  kPermission = 8,     ///< The operating system refused access.
  kChanged = 9,        ///< A file is no longer what it was.
  kUnsupported = 10,   ///< The platform or this build cannot do it.
  kInvalidArgument = 11,  ///< A request makes no sense; the caller can fix it.
  kJournal = 12,          ///< The journal cannot be written, read or locked.
};

/// An expected failure: a code to branch on and a sentence fragment for people,
/// lower case and without a final period, so that it reads after
/// "cannot scan X: ".
struct Error {
  ErrorCode code;
  std::string detail;
};

/// Either a T or an Error. Functions that fail for reasons outside the
/// program's control return Result; broken invariants abort (check.h).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// REQUIRES: ok().
  const T& value() const& { return std::get<0>(state_); }
  T& value() & { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }

  /// REQUIRES: !ok().
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Result with nothing to return.
using Status = Result<std::monostate>;
inline Status OkStatus() { return std::monostate{}; }

}  // namespace scanengine

#endif  // SCANENGINE_IPC_RESULT_H_
