#ifndef SCANENGINE_WORKER_WATCHDOG_H_
#define SCANENGINE_WORKER_WATCHDOG_H_

#include <chrono>

#include "ipc/result.h"

namespace scanengine {

/// Exit code of a worker that its own watchdog ended; the status board then
/// still names task, phase and offset.
inline constexpr int kWatchdogExitCode = 75;

/// Inner deadline: ends this process with kWatchdogExitCode if a task does not
/// return although the cooperative deadline (ScanContext::Checkpoint) has
/// passed. Uses a timer signal, no thread. One per process; set up before the
/// sandbox, armed and disarmed for each task.
class Watchdog {
 public:
  /// Fails with kIo if the system has no timer for us.
  static Status Install();
  /// Ends the process after |limit| of wall time unless disarmed first.
  static void Arm(std::chrono::microseconds limit);
  static void Disarm();
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_WATCHDOG_H_
