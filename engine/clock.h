#ifndef SCANENGINE_ENGINE_CLOCK_H_
#define SCANENGINE_ENGINE_CLOCK_H_

#include <chrono>

namespace scanengine {

/// Monotonic time. Injected, so that tests decide when a deadline passes.
class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  virtual ~Clock() = default;
  virtual Time Now() const = 0;
};

/// The real one.
class SteadyClock final : public Clock {
 public:
  Time Now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_CLOCK_H_
