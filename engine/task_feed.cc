#include "engine/task_feed.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace scanengine {
namespace {

// How far the walk may be ahead.
constexpr std::size_t kMaxShared = 8192;
constexpr std::size_t kMaxSharedBytes = 16U << 20;  // Of paths.
// Files handed over with one lock while the supervisor has enough to do.
constexpr std::size_t kPublishEvery = 64;
// A sparse file may claim any size at no cost. Past this one more bytes buy
// neither time nor rank: sums of either must not overflow.
constexpr std::uint64_t kMaxCountedSize = 1ULL << 48;
// A task with a longer path would not fit the messages to a worker.
constexpr std::size_t kMaxTargetBytes = 4U << 20;

}  // namespace

std::chrono::microseconds EstimateCost(std::uint64_t size) {
  constexpr std::uint64_t kFixed = 30;
  constexpr std::uint64_t kBytesPerMicrosecond = 400;
  return std::chrono::microseconds(static_cast<std::int64_t>(
      kFixed + std::min(size, kMaxCountedSize) / kBytesPerMicrosecond));
}

std::chrono::microseconds DeadlineFor(std::chrono::milliseconds timeout,
                                      std::uint64_t size) {
  if (timeout.count() == 0) return std::chrono::microseconds(0);
  constexpr std::uint64_t kBytesPerSecond = 50'000'000;
  return timeout + std::chrono::seconds(static_cast<std::int64_t>(
                       std::min(size, kMaxCountedSize) / kBytesPerSecond));
}

std::string ResourceClassOf(const std::string& path, std::uint64_t size) {
  constexpr std::size_t kMaxExtension = 12;
  const std::size_t name = path.rfind('/') + 1;  // npos + 1 is 0.
  const std::size_t dot = path.rfind('.');
  std::string key;
  if (dot != std::string::npos && dot > name &&
      path.size() - dot <= kMaxExtension) {
    key = path.substr(dot);
  }
  key += '/';
  key += std::to_string(std::bit_width(size));
  return key;
}

TaskFeed::TaskFeed(DiscoveryOptions options, std::chrono::milliseconds timeout,
                   std::function<void()> on_news, Task pattern)
    : options_(std::move(options)),
      timeout_(timeout),
      on_news_(std::move(on_news)),
      pattern_(std::move(pattern)) {}

TaskFeed::~TaskFeed() {
  Stop();
  if (thread_.joinable()) thread_.join();
}

void TaskFeed::AddFirst(Task task) {
  task.id = next_id_++;
  ++found_;
  bytes_found_ += task.size;
  if (journal_ != nullptr) {
    journal_->OnFound(task);
    journal_->OnHandOn();
  }
  taken_.push_back(std::move(task));
}

void TaskFeed::Start() {
  thread_ = std::thread([this] {
    try {
      Discover(options_, *this);
      if (Publish()) AddMissing();
    } catch (const std::bad_alloc&) {
      out_of_memory_ = true;
    }
    {
      const std::lock_guard lock(mutex_);
      walked_ = true;
    }
    on_news_();
  });
}

Task TaskFeed::MakeTask(DiscoveredFile file) {
  Task task = pattern_;
  task.id = next_id_++;
  task.size = file.size;
  task.cost = EstimateCost(file.size);
  task.deadline = DeadlineFor(timeout_, file.size);
  task.resource_class = ResourceClassOf(file.path, file.size);
  if (file.status == OutcomeStatus::kScanned &&
      file.path.size() > kMaxTargetBytes) {
    file.status = OutcomeStatus::kUnreadable;
    file.detail = "its path is too long for a worker";
  }
  if (file.status != OutcomeStatus::kScanned) {
    ScanReply reply;
    reply.status = file.status;
    reply.detail = std::move(file.detail);
    reply.bytes = file.size;
    task.settled = std::move(reply);
  }
  task.stamp = file.stamp;
  task.target = std::move(file.path);
  return task;
}

bool TaskFeed::OnFile(DiscoveredFile file) {
  ++found_;
  bytes_found_ += file.size;
  unpublished_.push_back(MakeTask(std::move(file)));
  if (journal_ != nullptr) journal_->OnFound(unpublished_.back());
  if (unpublished_.size() < kPublishEvery) {
    // As long as there is enough to take, news can wait.
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    if (!shared_.empty()) return true;
  }
  return Publish();
}

// What the walk did not come by although an earlier session of the run did.
void TaskFeed::AddMissing() {
  if (journal_ == nullptr) return;
  while (auto missing = journal_->NextMissing()) {
    ++found_;
    bytes_found_ += missing->file.size;
    unpublished_.push_back(MakeTask(std::move(missing->file)));
    if (missing->outcome) {
      SettleFromJournal(unpublished_.back(), *std::move(missing->outcome));
    }
    if (unpublished_.size() >= kPublishEvery && !Publish()) return;
  }
  Publish();
}

bool TaskFeed::Publish() {
  if (journal_ != nullptr) journal_->OnHandOn();
  std::size_t bytes = 0;
  for (const Task& task : unpublished_) bytes += task.target.size();
  bool news = false;
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] {
      return stopped_ ||
             (shared_.size() < kMaxShared && shared_bytes_ < kMaxSharedBytes);
    });
    // What was found is not dropped: it gets its outcome as cancelled.
    news = shared_.empty() && !unpublished_.empty();
    std::move(unpublished_.begin(), unpublished_.end(),
              std::back_inserter(shared_));
    shared_bytes_ += bytes;
    unpublished_.clear();
    if (stopped_) return false;
  }
  if (news) on_news_();
  return true;
}

std::optional<Task> TaskFeed::Next() {
  if (taken_.empty()) {
    const std::lock_guard lock(mutex_);
    taken_.swap(shared_);
    shared_bytes_ = 0;
  }
  if (taken_.empty()) return std::nullopt;
  room_.notify_one();
  Task task = std::move(taken_.front());
  taken_.pop_front();
  return task;
}

bool TaskFeed::Exhausted() const {
  if (!taken_.empty()) return false;
  const std::lock_guard lock(mutex_);
  return walked_ && shared_.empty();
}

void TaskFeed::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  room_.notify_all();
}

}  // namespace scanengine
