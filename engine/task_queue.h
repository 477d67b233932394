#ifndef SCANENGINE_ENGINE_TASK_QUEUE_H_
#define SCANENGINE_ENGINE_TASK_QUEUE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "engine/task.h"

namespace scanengine {

/// The order in which tasks are handed out.
///
/// First what came back uncounted, then fresh tasks, the dearest of the window
/// first (so that a big file does not start last), and tasks to be retried
/// behind as many as waited when they came back: fresh ones that cost more may
/// overtake, but never without end. A task that needs a fresh worker waits
/// until there is one or nothing else is left, and holds nobody up meanwhile.
/// Not thread-safe.
class TaskQueue {
 public:
  /// What the caller could hand out now.
  enum class Workers { kUsed, kFresh };

  void AddFresh(QueuedTask task);
  /// For a task that lost its worker through no fault of its own.
  void AddFront(QueuedTask task);
  /// For a task that gets another attempt: to the back.
  void AddRetry(QueuedTask task);

  /// The next task, or null if there is none. Valid until the next change.
  /// |workers|: kFresh if one is there that has done nothing yet.
  const QueuedTask* Peek(Workers workers) const;
  /// What Peek(workers) shows. REQUIRES: that is not null.
  QueuedTask Pop(Workers workers);

  bool empty() const { return size() == 0; }
  std::size_t size() const {
    return front_.size() + fresh_.size() + retries_.size() +
           for_fresh_worker_.size();
  }
  /// Expected work of all that waits.
  std::chrono::microseconds cost() const { return cost_; }

 private:
  struct Retry {
    QueuedTask task;
    std::uint64_t due;  // When popped_ is that.
  };
  enum class Lane { kNone, kFront, kFresh, kRetry, kForFreshWorker };

  Lane NextLane(Workers workers) const;
  bool IsDue(const std::deque<Retry>& retries) const;

  std::deque<QueuedTask> front_;
  std::multimap<std::chrono::microseconds, QueuedTask, std::greater<>> fresh_;
  std::deque<Retry> retries_;
  std::deque<Retry> for_fresh_worker_;
  std::uint64_t popped_ = 0;  // But for those in front, who never wait.
  std::chrono::microseconds cost_{0};
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_TASK_QUEUE_H_
