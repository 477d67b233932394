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
  if (task.fresh_worker) {
    for_fresh_worker_.push_front({std::move(task), popped_});
  } else {
    front_.push_front(std::move(task));
  }
}

void TaskQueue::AddRetry(QueuedTask task) {
  cost_ += task.task.cost;
  const std::uint64_t due =
      popped_ + fresh_.size() + retries_.size() + for_fresh_worker_.size();
  (task.fresh_worker ? for_fresh_worker_ : retries_)
      .push_back({std::move(task), due});
}

bool TaskQueue::IsDue(const std::deque<Retry>& retries) const {
  return !retries.empty() && retries.front().due <= popped_;
}

TaskQueue::Lane TaskQueue::NextLane(Workers workers) const {
  if (!front_.empty()) return Lane::kFront;
  if (workers == Workers::kFresh && IsDue(for_fresh_worker_)) {
    return Lane::kForFreshWorker;
  }
  if (IsDue(retries_)) return Lane::kRetry;
  if (!fresh_.empty()) return Lane::kFresh;
  if (!retries_.empty()) return Lane::kRetry;
  return for_fresh_worker_.empty() ? Lane::kNone : Lane::kForFreshWorker;
}

const QueuedTask* TaskQueue::Peek(Workers workers) const {
  switch (NextLane(workers)) {
    case Lane::kFront:
      return &front_.front();
    case Lane::kFresh:
      return &fresh_.begin()->second;
    case Lane::kRetry:
      return &retries_.front().task;
    case Lane::kForFreshWorker:
      return &for_fresh_worker_.front().task;
    case Lane::kNone:
      break;
  }
  return nullptr;
}

QueuedTask TaskQueue::Pop(Workers workers) {
  QueuedTask task;
  const Lane lane = NextLane(workers);
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
    case Lane::kForFreshWorker:
      task = std::move(for_fresh_worker_.front().task);
      for_fresh_worker_.pop_front();
      break;
    case Lane::kNone:
      SCANENGINE_CHECK(false);
  }
  if (lane != Lane::kFront) ++popped_;
  cost_ -= task.task.cost;
  return task;
}

}  // namespace scanengine
