#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "ipc/check.h"
#include "worker/watchdog.h"

namespace scanengine {
namespace {

timer_t timer;
bool installed = false;

// Large enough for the frame of a signal with all vector registers. Never
// touched, and so never paid for, unless the watchdog bites.
alignas(64) std::array<std::byte, 64 << 10> signal_stack;

// A sanitizer would look for the bounds of the stack before a call that does
// not return, and the sandbox forbids how it does that.
[[gnu::no_sanitize_address]] void Bite(int) { ::_exit(kWatchdogExitCode); }

Error SystemError(const char* what) {
  return {ErrorCode::kIo, std::string(what) + ": " + std::strerror(errno)};
}

// A deep recursion leaves no room for a handler on the stack itself.
Status UseSignalStack() {
  stack_t current{};
  if (::sigaltstack(nullptr, &current) == 0 &&
      (current.ss_flags & SS_DISABLE) == 0) {
    return OkStatus();  // A sanitizer's own; it wants to free it later.
  }
  stack_t ours{};
  ours.ss_sp = signal_stack.data();
  ours.ss_size = signal_stack.size();
  if (::sigaltstack(&ours, nullptr) != 0) {
    return SystemError("cannot set a signal stack");
  }
  return OkStatus();
}

void SetTimer(std::chrono::microseconds after) {
  SCANENGINE_CHECK(installed);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(after);
  const std::chrono::nanoseconds rest = after - seconds;
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(seconds.count());
  spec.it_value.tv_nsec = static_cast<long>(rest.count());
  SCANENGINE_CHECK(::timer_settime(timer, 0, &spec, nullptr) == 0);
}

}  // namespace

Status Watchdog::Install() {
  if (installed) return OkStatus();
  if (Status status = UseSignalStack(); !status.ok()) return status;
  struct sigaction action {};
  action.sa_handler = Bite;
  action.sa_flags = SA_ONSTACK;
  if (::sigaction(SIGALRM, &action, nullptr) != 0) {
    return SystemError("cannot handle the watchdog's signal");
  }
  struct sigevent event {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGALRM;
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
    return SystemError("cannot make the watchdog's timer");
  }
  installed = true;
  return OkStatus();
}

void Watchdog::Arm(std::chrono::microseconds limit) {
  // A value of zero would disarm it.
  SetTimer(std::max(limit, std::chrono::microseconds(1)));
}

void Watchdog::Disarm() { SetTimer(std::chrono::microseconds(0)); }

}  // namespace scanengine
