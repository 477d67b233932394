#ifndef SCANENGINE_ENGINE_REAPED_TIME_WINDOWS_H_
#define SCANENGINE_ENGINE_REAPED_TIME_WINDOWS_H_

#include <windows.h>

#include <chrono>

namespace scanengine {

/// Processor time of children that have ended: Windows keeps no sum of it.
/// Thread-safe.
void AddReapedTime(std::chrono::microseconds time);
std::chrono::microseconds ReapedTime();

/// A span of time as the system says it.
inline std::chrono::microseconds Duration(const FILETIME& time) {
  ULARGE_INTEGER ticks;
  ticks.LowPart = time.dwLowDateTime;
  ticks.HighPart = time.dwHighDateTime;
  return std::chrono::microseconds(ticks.QuadPart / 10);
}

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_REAPED_TIME_WINDOWS_H_
