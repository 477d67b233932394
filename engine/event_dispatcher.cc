#include "engine/event_dispatcher.h"

#include <new>
#include <utility>
#include <vector>

namespace scanengine {
namespace {

// Outcomes and findings that may wait before the hand-out is slowed.
constexpr std::size_t kCongestedWeight = 8192;

}  // namespace

EventDispatcher::EventDispatcher(ScanObserver& observer)
    : observer_(observer), thread_([this] { Run(); }) {}

EventDispatcher::~EventDispatcher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void EventDispatcher::OnOutcome(FileOutcome outcome) {
  const std::size_t weight = 1 + outcome.result.findings.size();
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    weight_ += weight;
    first = queue_.empty();
    queue_.emplace_back(std::move(outcome));
  }
  if (first) changed_.notify_all();
}

void EventDispatcher::OnNotice(Notice notice) {
  {
    const std::lock_guard lock(mutex_);
    ++weight_;
    queue_.emplace_back(std::move(notice));
  }
  changed_.notify_all();
}

void EventDispatcher::OnProgress(Progress progress) {
  {
    const std::lock_guard lock(mutex_);
    progress_ = std::move(progress);
  }
  changed_.notify_all();
}

bool EventDispatcher::Congested() const {
  const std::lock_guard lock(mutex_);
  return weight_ > kCongestedWeight;
}

void EventDispatcher::SetRecorder(OutcomeRecorder* recorder) {
  const std::lock_guard lock(mutex_);
  recorder_ = recorder;
}

void EventDispatcher::Flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(
      lock, [this] { return queue_.empty() && !progress_ && !delivering_; });
}

void EventDispatcher::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock,
                  [this] { return ending_ || !queue_.empty() || progress_; });
    if (queue_.empty() && !progress_) return;  // Ending, and all is said.
    std::deque<Event> events = std::exchange(queue_, {});
    std::optional<Progress> progress = std::exchange(progress_, {});
    delivering_ = true;
    const bool record = recorder_ != nullptr;
    lock.unlock();
    try {
      if (record) RecordAll(events);
      if (!out_of_memory_) Deliver(events, progress);
    } catch (const std::bad_alloc&) {
      out_of_memory_ = true;
    }
    lock.lock();
    if (out_of_memory_) weight_ = 0;
    delivering_ = false;
    changed_.notify_all();
  }
}

void EventDispatcher::RecordAll(std::deque<Event>& events) {
  std::vector<FileOutcome*> outcomes;
  for (Event& event : events) {
    if (auto* outcome = std::get_if<FileOutcome>(&event)) {
      outcomes.push_back(outcome);
    }
  }
  if (!outcomes.empty()) recorder_->Record(outcomes);
}

void EventDispatcher::Deliver(std::deque<Event>& events,
                              std::optional<Progress>& progress) {
  while (!events.empty()) {
    std::size_t weight = 1;
    if (const auto* outcome = std::get_if<FileOutcome>(&events.front())) {
      weight += outcome->result.findings.size();
      observer_.OnFileFinished(*outcome);
    } else {
      observer_.OnNotice(std::get<Notice>(events.front()));
    }
    events.pop_front();
    const std::lock_guard lock(mutex_);
    weight_ -= weight;
  }
  if (progress) observer_.OnProgress(*progress);
}

}  // namespace scanengine
