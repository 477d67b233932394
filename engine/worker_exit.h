#ifndef SCANENGINE_ENGINE_WORKER_EXIT_H_
#define SCANENGINE_ENGINE_WORKER_EXIT_H_

#include <cstdint>
#include <string>

#include "ipc/outcome.h"

namespace scanengine {

/// How the operating system says that a process ended.
struct NativeEnd {
  enum class Kind : std::uint8_t {
    kExited,    ///< By itself; code is its exit code (or NTSTATUS).
    kSignaled,  ///< By a signal; code is its number.
    kUnknown,   ///< The system would not say.
  };
  Kind kind = Kind::kUnknown;
  int code = 0;

  bool operator==(const NativeEnd&) const = default;
};

/// Why the supervisor ended a worker; kNone if it did not.
enum class KillReason : std::uint8_t {
  kNone,
  kDeadline,
  kProtocol,   ///< Malformed frame, or a reply for a task it does not hold.
  kMemory,     ///< The memory governor.
  kCancelled,  ///< The user stopped the run.
};

/// What a worker's end means for the task that it was running.
struct ExitVerdict {
  OutcomeStatus status = OutcomeStatus::kCrashed;
  /// Nobody knows who: a kill from outside costs no attempt (ten times a file).
  bool external = false;
  std::string ended;   ///< For the report: "SIGSEGV", "exit code 7".
  std::string detail;  ///< Fragment that reads after "crashed: ".

  bool operator==(const ExitVerdict&) const = default;
};

/// The one table from how a worker ended to what it means. |over_limit|: its
/// memory was at its limit when it was last looked at. |reply_fault| says what
/// was wrong if |reason| is kProtocol.
ExitVerdict JudgeExit(const NativeEnd& end, KillReason reason, bool over_limit,
                      const std::string& reply_fault);

/// Platform: the name of a signal or NTSTATUS, "SIGSEGV", "0xc0000005".
std::string NameOfEnd(const NativeEnd& end);
/// Platform: what class of end this is.
enum class EndClass : std::uint8_t {
  kClean,
  kExitCode,
  kCrash,
  kExternalKill,
  kSandbox,
  kCpuLimit,
  kWatchdog,
};
EndClass ClassifyEnd(const NativeEnd& end);
/// Platform: from what the process API returns (a wait status, an exit code).
NativeEnd DecodeNativeExit(int native_code);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_WORKER_EXIT_H_
