// From a tree of files to tasks, with the walk on a thread of its own.

#include "engine/task_feed.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using std::chrono::milliseconds;
using testing::TempDir;

/// Counts news and lets a test wait for them.
class News {
 public:
  std::function<void()> Callback() {
    return [this] {
      {
        const std::lock_guard lock(mutex_);
        ++count_;
      }
      changed_.notify_all();
    };
  }
  /// Waits until there were more than |seen|; returns how many.
  int WaitForMore(int seen) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ > seen; });
    return count_;
  }
  int count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

/// Takes everything, waiting on news alone. Hangs if one of them is missing.
std::vector<Task> TakeAll(TaskFeed& feed, News& news) {
  std::vector<Task> tasks;
  while (true) {
    const int seen = news.count();
    while (std::optional<Task> task = feed.Next()) {
      tasks.push_back(*std::move(task));
    }
    if (feed.Exhausted()) return tasks;
    news.WaitForMore(seen);
  }
}

DiscoveryOptions Below(const TempDir& folder) {
  DiscoveryOptions options;
  options.paths = {folder.path()};
  return options;
}

void Fill(TempDir& folder, int files) {
  for (int i = 0; i < files; ++i) {
    folder.File("d" + std::to_string(i % 50) + "/f" + std::to_string(i),
                std::string(static_cast<std::size_t>(i % 5), 'x'));
  }
}

TEST_CASE("Task feed: every file is one task, ids are unique and never 0") {
  TempDir folder;
  Fill(folder, 700);
  News news;
  TaskFeed feed(Below(folder), milliseconds(2'000), news.Callback());
  CHECK_FALSE(feed.Next());
  CHECK_FALSE(feed.Exhausted());
  feed.Start();
  const std::vector<Task> tasks = TakeAll(feed, news);
  std::set<TaskId> ids;
  std::set<std::string> paths;
  std::uint64_t bytes = 0;
  for (const Task& task : tasks) {
    CHECK(task.id != 0);
    CHECK(ids.insert(task.id).second);
    CHECK(paths.insert(task.target).second);
    CHECK_FALSE(task.settled);
    CHECK(task.kind == "scan");
    CHECK(task.inherited_fd == -1);
    CHECK(task.deadline == std::chrono::seconds(2));
    CHECK(task.cost == EstimateCost(task.size));
    CHECK(task.resource_class == ResourceClassOf(task.target, task.size));
    bytes += task.size;
  }
  CHECK(tasks.size() == 700);
  CHECK(paths.contains(folder / "d7/f7"));
  CHECK(feed.found() == 700);
  CHECK(feed.bytes_found() == bytes);
  CHECK_FALSE(feed.Next());
  CHECK(feed.Exhausted());
}

TEST_CASE("Task feed: what was added first comes first") {
  TempDir folder;
  Fill(folder, 3);
  News news;
  TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
  Task task;
  task.target = "-";
  task.size = 11;
  task.inherited_fd = 5;
  feed.AddFirst(task);
  task.target = "second";
  feed.AddFirst(task);
  CHECK(feed.found() == 2);
  CHECK(feed.bytes_found() == 22);
  feed.Start();
  const std::vector<Task> tasks = TakeAll(feed, news);
  REQUIRE(tasks.size() == 5);
  CHECK(tasks[0].target == "-");
  CHECK(tasks[0].inherited_fd == 5);
  CHECK(tasks[1].target == "second");
  std::set<TaskId> ids;
  for (const Task& each : tasks) ids.insert(each.id);
  CHECK(ids.size() == 5);
  CHECK_FALSE(ids.contains(0));
  CHECK(feed.found() == 5);
}

TEST_CASE("Task feed: what the walk settles carries its outcome") {
  TempDir folder;
  folder.File("large", "0123456789");
  folder.File("small", "0");
  News news;
  DiscoveryOptions options = Below(folder);
  options.paths.push_back(folder / "missing");
  options.max_file_size = 5;
  TaskFeed feed(options, milliseconds(0), news.Callback());
  feed.Start();
  std::map<std::string, Task> tasks;
  for (const Task& task : TakeAll(feed, news)) {
    CHECK(tasks.emplace(task.target, task).second);
  }
  REQUIRE(tasks.size() == 3);
  CHECK_FALSE(tasks.at(folder / "small").settled);
  const Task& large = tasks.at(folder / "large");
  REQUIRE(large.settled);
  CHECK(large.settled->status == OutcomeStatus::kLimit);
  CHECK_FALSE(large.settled->detail.empty());
  CHECK(large.settled->bytes == 10);
  const Task& missing = tasks.at(folder / "missing");
  REQUIRE(missing.settled);
  CHECK(IsIncomplete(missing.settled->status));
  CHECK_FALSE(missing.settled->detail.empty());
}

TEST_CASE("Task feed: a path that no message can carry is settled here") {
  TempDir folder;
  DiscoveryOptions options;
  // Slashes take the place of folders: such a tree takes long to build.
  folder.File("x");
  options.files = {folder.path() + std::string(5U << 20, '/') + "x"};
  News news;
  TaskFeed feed(options, milliseconds(0), news.Callback());
  feed.Start();
  const std::vector<Task> tasks = TakeAll(feed, news);
  REQUIRE(tasks.size() == 1);
  REQUIRE(tasks[0].settled);
  CHECK(IsIncomplete(tasks[0].settled->status));
}

TEST_CASE("Task feed: an empty tree is exhausted, and says so") {
  TempDir folder;
  News news;
  TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
  feed.Start();
  CHECK(TakeAll(feed, news).empty());
  CHECK(news.count() == 1);
}

TEST_CASE("Task feed: the walk waits when it is thousands of files ahead") {
  TempDir folder(TempDir::Place::kMemory);
  Fill(folder, 12'000);
  News news;
  TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
  feed.Start();
  news.WaitForMore(0);
  // It stands still at the limit; nothing but Next() makes room.
  std::uint64_t found = 0;
  while (feed.found() < 8'192) std::this_thread::yield();
  for (int i = 0; i < 2'000; ++i) {
    std::this_thread::yield();
    found = feed.found();
  }
  CHECK(found <= 8'192 + 2 * 64);
  CHECK_FALSE(feed.Exhausted());
  CHECK(TakeAll(feed, news).size() == 12'000);
  CHECK(feed.found() == 12'000);
}

TEST_CASE("Task feed: Stop ends the walk and drops nothing that was found") {
  TempDir folder(TempDir::Place::kMemory);
  Fill(folder, 12'000);
  News news;
  TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
  feed.Start();
  std::vector<Task> tasks;
  SECTION("while it waits for room") {
    while (feed.found() < 8'192) std::this_thread::yield();
  }
  SECTION("while it walks") { news.WaitForMore(0); }
  SECTION("at once") {}
  feed.Stop();
  feed.Stop();
  tasks = TakeAll(feed, news);
  CHECK(tasks.size() == feed.found());
  CHECK(tasks.size() < 12'000);
  std::set<TaskId> ids;
  for (const Task& task : tasks) CHECK(ids.insert(task.id).second);
}

TEST_CASE("Task feed: it can go at any time, started or not") {
  TempDir folder(TempDir::Place::kMemory);
  Fill(folder, 9'000);
  News news;
  SECTION("never started") {
    const TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
  }
  SECTION("just started") {
    TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
    feed.Start();
  }
  SECTION("while the walk waits for room") {
    TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
    feed.Start();
    while (feed.found() < 8'192) std::this_thread::yield();
  }
  SUCCEED("did not hang");
}

TEST_CASE("Task feed: figures may be read from any thread while it walks") {
  TempDir folder(TempDir::Place::kMemory);
  Fill(folder, 3'000);
  News news;
  TaskFeed feed(Below(folder), milliseconds(0), news.Callback());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::uint64_t before = 0;
    bool sane = true;
    while (!done) {
      const std::uint64_t now = feed.found();
      sane = sane && now >= before && feed.bytes_found() <= 4 * 3'000;
      before = now;
    }
    CHECK(sane);
  });
  feed.Start();
  CHECK(TakeAll(feed, news).size() == 3'000);
  done = true;
  reader.join();
}

}  // namespace
}  // namespace scanengine
