#ifndef SCANENGINE_ENGINE_CACHED_TASK_SOURCE_H_
#define SCANENGINE_ENGINE_CACHED_TASK_SOURCE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/outcome_cache.h"
#include "engine/supervisor.h"
#include "engine/task.h"

namespace scanengine {

/// Wakes the one thread that waits for it. Stays rung until that comes.
class NewsBell {
 public:
  void Ring();
  void Wait();

 private:
  std::mutex mutex_;
  std::condition_variable rung_;
  bool ringing_ = false;
};

/// Settles tasks by the cache on their way to the supervisor, on a thread of
/// its own: neither the walk nor the supervisor ever waits for a disk.
///
/// Order may change: a file that has to be read first lets others pass.
class CachedTaskSource final : public TaskSource {
 public:
  /// All outlive this. |bell| is rung when |source| has news; |on_news| is
  /// called from the thread, as of TaskFeed. From Start() on, |source| belongs
  /// to this.
  CachedTaskSource(TaskSource& source, OutcomeCache& cache, NewsBell& bell,
                   std::function<void()> on_news);
  ~CachedTaskSource() override;

  void Start();

  // Of the supervisor's thread.
  std::optional<Task> Next() override;
  bool Exhausted() const override;
  void Stop() override;

  /// True if the thread ended early for want of memory.
  bool out_of_memory() const;

 private:
  void Run();
  std::vector<Task> Take();
  void LookUp(std::vector<Task> tasks);
  void Publish(std::vector<Task>& tasks);
  bool stopped() const;

  TaskSource& source_;
  OutcomeCache& cache_;
  NewsBell& bell_;
  const std::function<void()> on_news_;

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::deque<Task> ready_;
  bool done_ = false;
  bool stopped_ = false;
  bool out_of_memory_ = false;
  std::thread thread_;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_CACHED_TASK_SOURCE_H_
