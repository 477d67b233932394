#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>

#include "cli/signals.h"

namespace scanengine::cli {
namespace {

constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP};

bool IsIgnored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 &&
         action.sa_handler == SIG_IGN;
}

class PosixStopSignals : public StopSignals {
 public:
  explicit PosixStopSignals(OnSignal on_signal)
      : on_signal_(std::move(on_signal)) {
    ::sigemptyset(&watched_);
    for (const int signal : kStopSignals) {
      if (!IsIgnored(signal)) ::sigaddset(&watched_, signal);
    }
    // What wakes the thread at the end; nobody else may use it.
    ::sigaddset(&watched_, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &watched_, &before_);
    thread_ = std::thread([this] { Wait(); });
  }

  ~PosixStopSignals() override {
    ending_ = true;
    ::pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  StopCause cause() const override { return cause_; }

 private:
  void Wait() {
    int count = 0;
    while (!ending_) {
      int signal = 0;
      if (::sigwait(&watched_, &signal) != 0 || signal == SIGUSR2) continue;
      StopCause none = StopCause::kNone;
      cause_.compare_exchange_strong(none, signal == SIGINT
                                               ? StopCause::kInterrupt
                                               : StopCause::kTerminate);
      on_signal_(++count, cause_);
    }
  }

  const OnSignal on_signal_;
  sigset_t watched_{};
  sigset_t before_{};
  std::atomic<bool> ending_ = false;
  std::atomic<StopCause> cause_ = StopCause::kNone;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<StopSignals> StopSignals::Watch(OnSignal on_signal) {
  return std::make_unique<PosixStopSignals>(std::move(on_signal));
}

void ExitNow(StopCause cause) {
  ::_exit(static_cast<int>(cause == StopCause::kInterrupt
                               ? ExitCode::kInterrupted
                               : ExitCode::kTerminated));
}

}  // namespace scanengine::cli
