#ifndef SCANENGINE_ENGINE_RESPAWN_POLICY_H_
#define SCANENGINE_ENGINE_RESPAWN_POLICY_H_

#include <algorithm>
#include <chrono>

#include "engine/clock.h"

namespace scanengine {

/// When to try again after workers could not be started, and when to give up.
/// A pure function of what it was told; keeps no clock.
class RespawnPolicy {
 public:
  explicit RespawnPolicy(int max_failures) : max_failures_(max_failures) {}

  /// |alone|: no other worker was there. As long as one works, a failure means
  /// fewer workers and not that there can be none.
  void OnFailure(Clock::Time now, bool alone = true) {
    // What the others held is free again: a new series begins.
    if (alone && failures_alone_++ == 0) failures_ = 0;
    ++failures_;
    const int doublings = std::min(failures_ - 1, 7);
    retry_at_ = now + kFirstDelay * (1 << doublings);
  }
  /// Somebody else killed a worker before it was ready: no fault of the start,
  /// unless it goes on for ever.
  void OnKilled(Clock::Time now) {
    ++kills_;
    retry_at_ = now + kFirstDelay;
  }
  /// A worker finished its handshake.
  void OnSuccess() {
    kills_ = 0;
    failures_ = 0;
    failures_alone_ = 0;
    retry_at_ = Clock::Time::min();
  }

  bool MayTry(Clock::Time now) const { return now >= retry_at_; }
  Clock::Time retry_at() const { return retry_at_; }
  /// True once so many came in a row, without another worker, that more would
  /// be no use.
  bool exhausted() const {
    return failures_alone_ >= max_failures_ ||
           kills_ >= kKillsPerFailure * max_failures_;
  }
  int failures() const { return failures_; }

  /// Doubles with each failure in a row, up to 128 times.
  static constexpr std::chrono::milliseconds kFirstDelay{10};
  static constexpr int kKillsPerFailure = 10;

 private:
  int max_failures_;
  int failures_ = 0;
  int failures_alone_ = 0;
  int kills_ = 0;
  Clock::Time retry_at_ = Clock::Time::min();
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_RESPAWN_POLICY_H_
