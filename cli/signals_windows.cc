#include <windows.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "cli/signals.h"

namespace scanengine::cli {
namespace {

class WindowsStopSignals;

// The system calls a function and knows no object.
std::mutex mutex;
WindowsStopSignals* current = nullptr;

class WindowsStopSignals final : public StopSignals {
 public:
  explicit WindowsStopSignals(OnSignal on_signal)
      : on_signal_(std::move(on_signal)) {
    static const BOOL handled = ::SetConsoleCtrlHandler(Handle, TRUE);
    static_cast<void>(handled);
    const std::lock_guard lock(mutex);
    current = this;
  }

  // The handler stays, and without an object leaves all to the system. To take
  // it away would wait for one that runs, and that one waits for our end.
  ~WindowsStopSignals() override {
    const std::lock_guard lock(mutex);
    current = nullptr;
  }

  StopCause cause() const override { return cause_; }

 private:
  // In a thread that the system makes for each signal.
  static BOOL WINAPI Handle(DWORD event) {
    const bool last = event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT;
    {
      const std::lock_guard lock(mutex);
      if (current == nullptr) return FALSE;
      // When the window closes there are seconds left: no time to drain.
      current->Tell(event);
      if (last) current->Tell(event);
    }
    // After its return the system would end the process: the report is to be
    // written first.
    if (last) ::Sleep(INFINITE);
    return TRUE;
  }

  void Tell(DWORD event) {
    StopCause none = StopCause::kNone;
    cause_.compare_exchange_strong(
        none, event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT
                  ? StopCause::kInterrupt
                  : StopCause::kTerminate);
    on_signal_(++count_, cause_);
  }

  const OnSignal on_signal_;
  int count_ = 0;  // Guarded by the mutex.
  std::atomic<StopCause> cause_ = StopCause::kNone;
};

}  // namespace

std::unique_ptr<StopSignals> StopSignals::Watch(OnSignal on_signal) {
  return std::make_unique<WindowsStopSignals>(std::move(on_signal));
}

void ExitNow(StopCause cause) {
  ::TerminateProcess(::GetCurrentProcess(),
                     static_cast<UINT>(cause == StopCause::kInterrupt
                                           ? ExitCode::kInterrupted
                                           : ExitCode::kTerminated));
  std::abort();  // Never reached.
}

}  // namespace scanengine::cli
