#include "engine/task_queue.h"

#include "ipc/check.h"

namespace scanengine {

void TaskQueue::AddFresh(QueuedTask task) {
  cost_ += task.task.cost;
  const std::chrono::microseconds key = task.task.cost;
  fresh_.emplace(key, std::move(task));
}

void TaskQueue::AddFront(QueuedTask task) {
  cost_ += task.task.cost;
  front_.push_front(std::move(task));
}

void TaskQueue::AddRetry(QueuedTask task) {
  cost_ += task.task.cost;
  const std::uint64_t due = popped_ + fresh_.size() + retries_.size();
  retries_.push_back({std::move(task), due});
}

TaskQueue::Lane TaskQueue::NextLane() const {
  if (!front_.empty()) return Lane::kFront;
  const bool retry_due = !retries_.empty() && retries_.front().due <= popped_;
  if (retry_due) return Lane::kRetry;
  if (!fresh_.empty()) return Lane::kFresh;
  return retries_.empty() ? Lane::kNone : Lane::kRetry;
}

const QueuedTask* TaskQueue::Peek() const {
  switch (NextLane()) {
    case Lane::kFront:
      return &front_.front();
    case Lane::kFresh:
      return &fresh_.begin()->second;
    case Lane::kRetry:
      return &retries_.front().task;
    case Lane::kNone:
      break;
  }
  return nullptr;
}

QueuedTask TaskQueue::Pop() {
  QueuedTask task;
  const Lane lane = NextLane();
  switch (lane) {
    case Lane::kFront:
      task = std::move(front_.front());
      front_.pop_front();
      break;
    case Lane::kFresh:
      task = std::move(fresh_.begin()->second);
      fresh_.erase(fresh_.begin());
      break;
    case Lane::kRetry:
      task = std::move(retries_.front().task);
      retries_.pop_front();
      break;
    case Lane::kNone:
      SCANENGINE_CHECK(false);
  }
  if (lane != Lane::kFront) ++popped_;
  cost_ -= task.task.cost;
  return task;
}

}  // namespace scanengine
