#include "engine/cached_task_source.h"

#include <iterator>
#include <new>
#include <utility>

namespace scanengine {
namespace {

constexpr std::size_t kBatch = 64;
// Looked up and not yet taken by the supervisor.
constexpr std::size_t kMaxReady = 2'048;

}  // namespace

void NewsBell::Ring() {
  {
    const std::lock_guard lock(mutex_);
    ringing_ = true;
  }
  rung_.notify_one();
}

void NewsBell::Wait() {
  std::unique_lock lock(mutex_);
  rung_.wait(lock, [this] { return ringing_; });
  ringing_ = false;
}

CachedTaskSource::CachedTaskSource(TaskSource& source, OutcomeCache& cache,
                                   NewsBell& bell,
                                   std::function<void()> on_news)
    : source_(source),
      cache_(cache),
      bell_(bell),
      on_news_(std::move(on_news)) {}

CachedTaskSource::~CachedTaskSource() {
  Stop();
  {
    const std::lock_guard lock(mutex_);
    done_ = true;  // Nobody takes anything any more.
  }
  bell_.Ring();
  if (thread_.joinable()) thread_.join();
}

void CachedTaskSource::Start() {
  thread_ = std::thread([this] {
    try {
      Run();
    } catch (const std::bad_alloc&) {
      const std::lock_guard lock(mutex_);
      out_of_memory_ = true;
    }
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    on_news_();
  });
}

std::vector<Task> CachedTaskSource::Take() {
  std::vector<Task> tasks;
  while (tasks.size() < kBatch) {
    std::optional<Task> task = source_.Next();
    if (!task) break;
    tasks.push_back(*std::move(task));
  }
  return tasks;
}

void CachedTaskSource::Run() {
  cache_.Open();
  while (true) {
    // Asked first: what comes between the two is then still seen.
    const bool last = source_.Exhausted();
    std::vector<Task> tasks = Take();
    if (!tasks.empty()) {
      if (stopped()) {
        Publish(tasks);
      } else {
        LookUp(std::move(tasks));
      }
      continue;
    }
    if (last) return;
    {
      const std::lock_guard lock(mutex_);
      if (done_) return;
    }
    bell_.Wait();
  }
}

void CachedTaskSource::LookUp(std::vector<Task> tasks) {
  std::vector<Task> known;
  std::vector<Task> to_read;
  cache_.BeginFinding();
  for (Task& task : tasks) {
    const bool maybe = cache_.Find(task) == OutcomeCache::Answer::kMaybe;
    (maybe ? to_read : known).push_back(std::move(task));
  }
  cache_.EndFinding();
  Publish(known);
  for (Task& task : to_read) {
    if (!stopped()) cache_.FindByContent(task);
    known.push_back(std::move(task));
    Publish(known);
  }
}

void CachedTaskSource::Publish(std::vector<Task>& tasks) {
  if (tasks.empty()) return;
  bool news = false;
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] {
      return stopped_ || done_ || ready_.size() < kMaxReady;
    });
    news = ready_.empty();
    std::move(tasks.begin(), tasks.end(), std::back_inserter(ready_));
  }
  tasks.clear();
  if (news) on_news_();
}

std::optional<Task> CachedTaskSource::Next() {
  std::optional<Task> task;
  {
    const std::lock_guard lock(mutex_);
    if (ready_.empty()) return std::nullopt;
    task = std::move(ready_.front());
    ready_.pop_front();
  }
  room_.notify_one();
  return task;
}

bool CachedTaskSource::Exhausted() const {
  const std::lock_guard lock(mutex_);
  return done_ && ready_.empty();
}

void CachedTaskSource::Stop() {
  source_.Stop();
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  room_.notify_all();
  bell_.Ring();
}

bool CachedTaskSource::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

bool CachedTaskSource::out_of_memory() const {
  const std::lock_guard lock(mutex_);
  return out_of_memory_;
}

}  // namespace scanengine
