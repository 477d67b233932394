#ifndef SCANENGINE_ENGINE_EVENT_DISPATCHER_H_
#define SCANENGINE_ENGINE_EVENT_DISPATCHER_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>

#include "engine/supervisor.h"
#include "engine/task_journal.h"

namespace scanengine {

/// Carries events from the supervisor to the observer on a thread of its own,
/// so that a slow observer slows the hand-out and never the reading of workers.
/// Outcomes and notices are delivered in order and all of them; of progress
/// reports only the latest counts.
class EventDispatcher final : public EventSink {
 public:
  /// |observer| outlives this object.
  explicit EventDispatcher(ScanObserver& observer);
  /// Delivers what is queued, then ends.
  ~EventDispatcher() override;

  void OnOutcome(FileOutcome outcome) override;
  void OnNotice(Notice notice) override;
  void OnProgress(Progress progress) override;
  bool Congested() const override;

  /// Has |recorder|, which outlives this, keep outcomes before they are
  /// delivered, many at a time. Before the first of them.
  void SetRecorder(OutcomeRecorder* recorder);

  /// Waits until everything queued so far was delivered.
  void Flush();

  /// True if the observer had no memory left for something. Nothing is
  /// delivered after that.
  bool out_of_memory() const { return out_of_memory_; }

 private:
  using Event = std::variant<FileOutcome, Notice>;

  void Run();
  void RecordAll(std::deque<Event>& events);
  void Deliver(std::deque<Event>& events, std::optional<Progress>& progress);

  ScanObserver& observer_;
  OutcomeRecorder* recorder_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> queue_;
  std::size_t weight_ = 0;  // Of queue_ and what is being delivered.
  std::optional<Progress> progress_;
  bool delivering_ = false;
  bool ending_ = false;
  std::atomic<bool> out_of_memory_{false};
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_EVENT_DISPATCHER_H_
