#ifndef SCANENGINE_ENGINE_TASK_FEED_H_
#define SCANENGINE_ENGINE_TASK_FEED_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/discovery.h"
#include "engine/supervisor.h"
#include "engine/task.h"
#include "engine/task_journal.h"

namespace scanengine {

/// Walks the roots on a thread of its own and turns files into tasks, never
/// more than a few thousand ahead of the supervisor.
///
/// Next(), Exhausted() and Stop() belong to the supervisor's thread; found()
/// and bytes_found() to any.
class TaskFeed final : public TaskSource, private DiscoverySink {
 public:
  /// |on_news| is called from the walking thread when there is something to
  /// take after there was nothing.
  /// Every task is a copy of |pattern| with what its file adds.
  TaskFeed(DiscoveryOptions options, std::chrono::milliseconds timeout,
           std::function<void()> on_news, Task pattern = {});
  ~TaskFeed() override;

  /// Has |journal|, which outlives this, know of every task. Before the first.
  void SetJournal(TaskJournal* journal) { journal_ = journal; }
  /// Adds a task that comes before all files; only before Start().
  void AddFirst(Task task);
  void Start();

  std::optional<Task> Next() override;
  bool Exhausted() const override;
  void Stop() override;

  std::uint64_t found() const { return found_; }
  std::uint64_t bytes_found() const { return bytes_found_; }
  /// True if the walk ended early for want of memory.
  bool out_of_memory() const { return out_of_memory_; }

 private:
  bool OnFile(DiscoveredFile file) override;
  bool Publish();
  void AddMissing();
  Task MakeTask(DiscoveredFile file);

  DiscoveryOptions options_;
  std::chrono::milliseconds timeout_;
  std::function<void()> on_news_;
  const Task pattern_;
  TaskJournal* journal_ = nullptr;
  std::thread thread_;
  std::atomic<std::uint64_t> found_{0};
  std::atomic<std::uint64_t> bytes_found_{0};
  std::atomic<bool> out_of_memory_{false};
  TaskId next_id_ = 1;
  std::vector<Task> unpublished_;  // The walking thread's.
  std::deque<Task> taken_;         // The supervisor's.

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::deque<Task> shared_;
  std::size_t shared_bytes_ = 0;
  bool walked_ = false;
  bool stopped_ = false;
};

/// Expected work for a file of |size| bytes; used to group and to order.
std::chrono::microseconds EstimateCost(std::uint64_t size);
/// |timeout| and a second for each 50 MB; 0 stays 0 (no deadline).
std::chrono::microseconds DeadlineFor(std::chrono::milliseconds timeout,
                                      std::uint64_t size);
/// Files that may need about the same memory: extension and magnitude.
std::string ResourceClassOf(const std::string& path, std::uint64_t size);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_TASK_FEED_H_
