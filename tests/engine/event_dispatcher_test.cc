// Events on their way to an observer that may be slow.

#include "engine/event_dispatcher.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace scanengine {
namespace {

/// Writes down what it gets; stands still while it is blocked.
class GatedObserver final : public ScanObserver {
 public:
  void OnFileFinished(const FileOutcome& outcome) override {
    Take("file " + outcome.path);
  }
  void OnNotice(const Notice& notice) override {
    Take("notice " + notice.text);
  }
  void OnProgress(const Progress& progress) override {
    Take("progress " + std::to_string(progress.done));
  }

  void Block() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  /// Waits until it stands at its gate.
  void WaitUntilHeld() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return held_; });
  }
  std::vector<std::string> log() const {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::thread::id thread() const {
    const std::lock_guard lock(mutex_);
    return thread_;
  }

 private:
  void Take(std::string what) {
    std::unique_lock lock(mutex_);
    held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    held_ = false;
    thread_ = std::this_thread::get_id();
    log_.push_back(std::move(what));
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  bool held_ = false;
  std::thread::id thread_;
  std::vector<std::string> log_;
};

FileOutcome Outcome(const std::string& path, std::size_t findings = 0) {
  FileOutcome outcome;
  outcome.path = path;
  outcome.result.findings.resize(findings);
  return outcome;
}
Progress Done(std::uint64_t done) {
  Progress progress;
  progress.done = done;
  return progress;
}

TEST_CASE("Event dispatcher: one that gets no events ends at once") {
  GatedObserver observer;
  {
    EventDispatcher dispatcher(observer);
    dispatcher.Flush();
    CHECK_FALSE(dispatcher.Congested());
  }
  CHECK(observer.log().empty());
}

TEST_CASE("Event dispatcher: keeps the order, on a thread of its own") {
  GatedObserver observer;
  std::vector<std::string> expected;
  {
    EventDispatcher dispatcher(observer);
    for (int i = 0; i < 5'000; ++i) {
      const std::string name = std::to_string(i);
      if (i % 7 == 0) {
        dispatcher.OnNotice({Notice::Kind::kWorkerLost, name});
        expected.push_back("notice " + name);
      } else {
        dispatcher.OnOutcome(Outcome(name));
        expected.push_back("file " + name);
      }
    }
    dispatcher.Flush();
    CHECK(observer.log() == expected);
  }
  CHECK(observer.thread() != std::this_thread::get_id());
}

TEST_CASE("Event dispatcher: its end delivers all that was queued") {
  GatedObserver observer;
  observer.Block();
  auto dispatcher = std::make_unique<EventDispatcher>(observer);
  for (int i = 0; i < 100; ++i) {
    dispatcher->OnOutcome(Outcome(std::to_string(i)));
  }
  dispatcher->OnProgress(Done(100));
  std::thread opener([&] {
    observer.WaitUntilHeld();
    observer.Open();
  });
  dispatcher.reset();
  opener.join();
  const std::vector<std::string> log = observer.log();
  REQUIRE(log.size() >= 101);
  CHECK(log.back() == "progress 100");
  CHECK(std::count_if(log.begin(), log.end(), [](const std::string& line) {
          return line.starts_with("file ");
        }) == 100);
}

TEST_CASE("Event dispatcher: Flush waits for the event under delivery, too") {
  GatedObserver observer;
  observer.Block();
  EventDispatcher dispatcher(observer);
  dispatcher.OnOutcome(Outcome("a"));
  observer.WaitUntilHeld();  // Out of the queue and not yet delivered.
  std::thread opener([&] { observer.Open(); });
  dispatcher.Flush();
  CHECK(observer.log() == std::vector<std::string>{"file a"});
  opener.join();
}

TEST_CASE("Event dispatcher: of progress only the latest is kept") {
  GatedObserver observer;
  observer.Block();
  EventDispatcher dispatcher(observer);
  dispatcher.OnOutcome(Outcome("a"));
  observer.WaitUntilHeld();
  for (std::uint64_t i = 1; i <= 1'000; ++i) dispatcher.OnProgress(Done(i));
  dispatcher.OnOutcome(Outcome("b"));
  observer.Open();
  dispatcher.Flush();
  CHECK(observer.log() ==
        std::vector<std::string>{"file a", "file b", "progress 1000"});
}

TEST_CASE("Event dispatcher: is congested while the observer is far behind") {
  GatedObserver observer;
  observer.Block();
  EventDispatcher dispatcher(observer);
  // Outcomes weigh one each, and one more for each finding.
  const std::size_t findings = GENERATE(0U, 3U, 8'191U, 100'000U);
  const std::size_t fit = 8'192 / (1 + findings);
  for (std::size_t i = 0; i < fit; ++i) {
    dispatcher.OnOutcome(Outcome("x", findings));
  }
  CHECK_FALSE(dispatcher.Congested());
  dispatcher.OnOutcome(Outcome("one too many", findings));
  CHECK(dispatcher.Congested());
  // Still so while it stands at the first: nothing was delivered.
  observer.WaitUntilHeld();
  CHECK(dispatcher.Congested());
  observer.Open();
  dispatcher.Flush();
  CHECK_FALSE(dispatcher.Congested());
  CHECK(observer.log().size() == fit + 1);
}

TEST_CASE("Event dispatcher: a slow observer never makes the sender wait") {
  GatedObserver observer;
  observer.Block();
  auto dispatcher = std::make_unique<EventDispatcher>(observer);
  // Would hang here for ever if one of these waited for the observer.
  for (int i = 0; i < 30'000; ++i) {
    dispatcher->OnOutcome(Outcome("x"));
    dispatcher->OnProgress(Done(1));
  }
  dispatcher->OnNotice({Notice::Kind::kStopping, "n"});
  CHECK(dispatcher->Congested());
  observer.Open();
  dispatcher.reset();
  const std::vector<std::string> log = observer.log();
  CHECK(std::count(log.begin(), log.end(), "file x") == 30'000);
  CHECK(std::count(log.begin(), log.end(), "notice n") == 1);
}

}  // namespace
}  // namespace scanengine
