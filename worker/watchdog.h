#ifndef SCANENGINE_WORKER_WATCHDOG_H_
#define SCANENGINE_WORKER_WATCHDOG_H_

#include <chrono>

#include "ipc/exit_codes.h"
#include "ipc/result.h"

namespace scanengine {

/// Inner deadline: ends this process with kWatchdogExitCode (its status board
/// still names task, phase and offset) if a task does not return although the
/// cooperative deadline (ScanContext::Checkpoint) has passed. Uses a timer
/// signal, no thread. One per process; set up before the sandbox, armed and
/// disarmed for each task.
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
