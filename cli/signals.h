#ifndef SCANENGINE_CLI_SIGNALS_H_
#define SCANENGINE_CLI_SIGNALS_H_

#include <functional>
#include <memory>

#include "cli/exit_code.h"

namespace scanengine::cli {

/// Receives the signals that ask the program to stop (interrupt, terminate,
/// hang-up) on a thread of its own.
///
/// While it lives they are blocked in the thread that made it and in all that
/// thread starts, so make it before any other thread. A signal that was ignored
/// when the program started (nohup, background jobs) stays ignored. Processes
/// that are started meanwhile inherit the mask and must reset it.
class StopSignals {
 public:
  /// Called with 1, 2, 3, ... and what the first signal was.
  using OnSignal = std::function<void(int count, StopCause cause)>;

  /// |on_signal| is called from the thread of this object.
  static std::unique_ptr<StopSignals> Watch(OnSignal on_signal);

  /// Ends the thread; |on_signal| is not called any more.
  virtual ~StopSignals() = default;

  /// The first signal that came. Thread-safe.
  virtual StopCause cause() const = 0;
};

/// Ends the process at once, as after |cause|; nothing is cleaned up.
[[noreturn]] void ExitNow(StopCause cause);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_SIGNALS_H_
