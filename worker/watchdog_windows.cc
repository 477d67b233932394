#include <windows.h>

#include <algorithm>

#include "ipc/check.h"
#include "ipc/windows_system.h"
#include "worker/watchdog.h"

// There is no timer signal here: a timer of the system's thread pool ends the
// process from a thread of its own. A parser that holds the heap's lock cannot
// hold that up, since nothing is cleaned up.

namespace scanengine {
namespace {

PTP_TIMER timer = nullptr;

void CALLBACK Bite(PTP_CALLBACK_INSTANCE, void*, PTP_TIMER) {
  ::TerminateProcess(::GetCurrentProcess(), kWatchdogExitCode);
}

}  // namespace

Status Watchdog::Install() {
  if (timer != nullptr) return OkStatus();
  timer = ::CreateThreadpoolTimer(Bite, nullptr, nullptr);
  if (timer == nullptr) {
    return SystemError("cannot make the watchdog's timer", LastSystemError());
  }
  return OkStatus();
}

void Watchdog::Arm(std::chrono::microseconds limit) {
  SCANENGINE_CHECK(timer != nullptr);
  // Units of 100 ns; below zero: from now on.
  LARGE_INTEGER due;
  due.QuadPart = -std::max<LONGLONG>(limit.count(), 1) * 10;
  FILETIME time;
  time.dwLowDateTime = due.LowPart;
  time.dwHighDateTime = static_cast<DWORD>(due.HighPart);
  ::SetThreadpoolTimer(timer, &time, 0, 0);
}

void Watchdog::Disarm() {
  SCANENGINE_CHECK(timer != nullptr);
  ::SetThreadpoolTimer(timer, nullptr, 0, 0);
}

}  // namespace scanengine
