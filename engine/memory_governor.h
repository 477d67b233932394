#ifndef SCANENGINE_ENGINE_MEMORY_GOVERNOR_H_
#define SCANENGINE_ENGINE_MEMORY_GOVERNOR_H_

#include <cstdint>
#include <string>
#include <unordered_map>

namespace scanengine {

/// Learns what tasks of a resource class need, so that the sum over all
/// workers can be kept under a limit before they run. Bytes throughout.
class MemoryGovernor {
 public:
  /// |limit| 0: everything is admitted.
  explicit MemoryGovernor(std::uint64_t limit) : limit_(limit) {}

  std::uint64_t limit() const { return limit_; }

  /// Expected peak of a worker that runs such a task.
  std::uint64_t Estimate(const std::string& resource_class) const {
    const auto at = peaks_.find(resource_class);
    return at == peaks_.end() ? kFirstEstimate : at->second;
  }

  /// A worker whose peak was |before| ended such a task with a peak of |after|.
  /// If the peak did not move, it bounds what the task needed.
  void Learn(const std::string& resource_class, std::uint64_t before,
             std::uint64_t after) {
    if (after == 0) return;
    const std::uint64_t known = Estimate(resource_class);
    const std::uint64_t learned = after > before  ? after
                                  : known < after ? known
                                                  : after;
    if (peaks_.size() < kMaxClasses || peaks_.contains(resource_class)) {
      peaks_[resource_class] = learned;
    }
  }

  /// True if |needed| more fit beside |in_use|.
  bool Admits(std::uint64_t in_use, std::uint64_t needed) const {
    return limit_ == 0 || (needed <= limit_ && in_use <= limit_ - needed);
  }

  static constexpr std::uint64_t kFirstEstimate = 64ULL << 20;

 private:
  static constexpr std::size_t kMaxClasses = 4096;

  std::uint64_t limit_;
  std::unordered_map<std::string, std::uint64_t> peaks_;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_MEMORY_GOVERNOR_H_
