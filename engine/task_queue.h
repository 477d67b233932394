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
/// overtake, but never without end. Not thread-safe.
class TaskQueue {
 public:
  void AddFresh(QueuedTask task);
  /// For a task that lost its worker through no fault of its own.
  void AddFront(QueuedTask task);
  /// For a task that gets another attempt: to the back.
  void AddRetry(QueuedTask task);

  /// The next task, or null if there is none. Valid until the next change.
  const QueuedTask* Peek() const;
  /// REQUIRES: Peek() != nullptr.
  QueuedTask Pop();

  bool empty() const { return size() == 0; }
  std::size_t size() const {
    return front_.size() + fresh_.size() + retries_.size();
  }
  /// Expected work of all that waits.
  std::chrono::microseconds cost() const { return cost_; }

 private:
  struct Retry {
    QueuedTask task;
    std::uint64_t due;  // When popped_ is that.
  };
  enum class Lane { kNone, kFront, kFresh, kRetry };

  Lane NextLane() const;

  std::deque<QueuedTask> front_;
  std::multimap<std::chrono::microseconds, QueuedTask, std::greater<>> fresh_;
  std::deque<Retry> retries_;
  std::uint64_t popped_ = 0;  // But for those in front, who never wait.
  std::chrono::microseconds cost_{0};
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_TASK_QUEUE_H_
