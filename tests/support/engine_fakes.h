#ifndef SCANENGINE_TESTS_SUPPORT_ENGINE_FAKES_H_
#define SCANENGINE_TESTS_SUPPORT_ENGINE_FAKES_H_

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/clock.h"
#include "engine/supervisor.h"
#include "engine/worker_launcher.h"
#include "tests/support/native_ends.h"

namespace scanengine::testing {

/// Time that moves only when a test, or a fake that waits, says so.
class FakeClock final : public Clock {
 public:
  Time Now() const override { return now_; }
  void AdvanceTo(Time t) { now_ = std::max(now_, t); }
  void Advance(Duration d) { now_ += d; }

 private:
  Time now_{std::chrono::hours(1)};
};

/// Tasks from a list.
class FakeSource final : public TaskSource {
 public:
  /// What a test sees of a task by default: small, with a minute's time.
  static Task Make(TaskId id, std::string path) {
    Task task;
    task.id = id;
    task.target = std::move(path);
    task.cost = std::chrono::microseconds(100);
    task.deadline = std::chrono::seconds(60);
    task.resource_class = "x";
    return task;
  }
  Task& Add(const std::string& path) {
    tasks_.push_back(Make(next_id_++, path));
    return tasks_.back();
  }

  std::optional<Task> Next() override {
    if (tasks_.empty() || held_back) return std::nullopt;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }
  bool Exhausted() const override { return tasks_.empty() && !held_back; }
  void Stop() override {
    stopped = true;
    held_back = false;
  }

  bool held_back = false;  ///< As while a walk has not come up with any yet.
  bool stopped = false;

 private:
  std::deque<Task> tasks_;
  TaskId next_id_ = 1;
};

/// Keeps everything.
class RecordingSink final : public EventSink {
 public:
  void OnOutcome(FileOutcome outcome) override {
    ++count[outcome.path];
    outcomes[outcome.path] = std::move(outcome);
  }
  void OnNotice(Notice notice) override { notices.push_back(notice); }
  void OnProgress(Progress progress) override {
    most_workers_shown = std::max(most_workers_shown, progress.workers.size());
    last_progress = std::move(progress);
  }
  bool Congested() const override { return congested; }

  int NoticesOf(Notice::Kind kind) const {
    int n = 0;
    for (const Notice& notice : notices) n += notice.kind == kind ? 1 : 0;
    return n;
  }

  std::map<std::string, FileOutcome> outcomes;
  std::map<std::string, int> count;
  std::vector<Notice> notices;
  std::optional<Progress> last_progress;
  std::size_t most_workers_shown = 0;
  bool congested = false;
};

/// Plays a script instead of starting processes.
///
/// script[path] lists what happens to a file, attempt by attempt; the last
/// entry repeats, none means "ok":
///   ok         answered
///   segv, kill, exit7, sigsys   its worker ends so
///   grow       its worker is killed from outside after a while
///   hang       never answered; ends when terminated
///   stubborn   never answered; ends only when killed
///   garbage    its worker sends what is no message
///   twice      answered twice
///   foreign    a task that the worker does not hold is answered
///   oom        answered as out of memory
/// A worker handles one task for each Wait(); what waits behind it, waits.
class FakeLauncher final : public WorkerLauncher {
 public:
  explicit FakeLauncher(FakeClock* clock) : clock_(clock) {}

  std::map<std::string, std::vector<std::string>> script;
  int spawn_failures_left = 0;
  std::size_t most_allowed = 1'000;  ///< Further ones cannot be started.
  int dies_at_start_left = 0;        ///< Workers that end before their Hello.
  bool wrong_version = false;
  bool never_ends = false;  ///< Unless it is killed.
  std::vector<std::string> sandbox_missing;
  bool board_is_silent = false;
  std::optional<TaskId> board_lie;
  std::uint64_t memory = 0;                        ///< Of each worker.
  std::map<std::string, std::uint64_t> memory_of;  ///< While in this file.
  std::vector<std::string> log;
  int spawned = 0;
  int most_alive = 0;
  int most_busy = 0;
  std::size_t most_held = 0;

  std::size_t alive() const { return workers_.size(); }

  Result<WorkerId> Spawn() override {
    if (spawn_failures_left > 0 || workers_.size() >= most_allowed) {
      spawn_failures_left = std::max(0, spawn_failures_left - 1);
      log.push_back("spawn fails");
      return Error{ErrorCode::kSpawnFailed, "scripted"};
    }
    const WorkerId id = next_++;
    ++spawned;
    log.push_back("spawn");
    workers_[id];
    most_alive = std::max(most_alive, static_cast<int>(workers_.size()));
    if (dies_at_start_left > 0) {
      --dies_at_start_left;
      End(id, {NativeEnd::Kind::kExited, 78});
      return id;
    }
    WorkerHello hello;
    hello.build_id = wrong_version ? "other" : BuildId();
    hello.sandbox_missing = sandbox_missing;
    events_.emplace_back(WorkerReady{id, hello});
    return id;
  }

  void Send(WorkerId worker, std::span<const TaskRequest> tasks) override {
    const auto at = workers_.find(worker);
    for (const TaskRequest& task : tasks) {
      log.push_back("send " + task.path);
      if (at != workers_.end()) at->second.tasks.push_back(task);
    }
    if (at != workers_.end()) {
      most_held = std::max(most_held, at->second.tasks.size());
    }
    const auto busy = std::count_if(
        workers_.begin(), workers_.end(),
        [](const auto& entry) { return !entry.second.tasks.empty(); });
    most_busy = std::max(most_busy, static_cast<int>(busy));
  }
  void Close(WorkerId worker) override {
    log.push_back("close");
    if (workers_.contains(worker)) workers_[worker].closed = true;
  }
  void Terminate(WorkerId worker) override {
    log.push_back("term");
    const auto at = workers_.find(worker);
    if (at == workers_.end() || at->second.stubborn || never_ends) return;
    End(worker, TerminatedEnd());
  }
  void Kill(WorkerId worker) override {
    log.push_back("kill");
    if (workers_.contains(worker)) {
      End(worker, KilledEnd());
    }
  }

  std::vector<WorkerEvent> Wait(Clock::Time until) override {
    if (events_.empty()) {
      std::vector<WorkerId> ids;
      for (const auto& [id, worker] : workers_) ids.push_back(id);
      for (const WorkerId id : ids) Advance(id);
    }
    // Nothing but time passes.
    if (events_.empty()) clock_->AdvanceTo(until);
    return std::exchange(events_, {});
  }

  BoardSnapshot Board(WorkerId worker) override {
    const auto at = workers_.find(worker);
    BoardSnapshot board;
    if (board_lie) {
      board.task = *board_lie;
    } else if (!board_is_silent && at != workers_.end() &&
               !at->second.tasks.empty()) {
      board.task = at->second.tasks.front().id;
      board.phase = "phase";
      board.offset = 42;
    }
    return board;
  }
  std::uint64_t Memory(WorkerId worker) override {
    const auto at = workers_.find(worker);
    if (at == workers_.end()) return 0;
    if (!at->second.tasks.empty()) {
      const auto file = memory_of.find(at->second.tasks.front().path);
      if (file != memory_of.end()) return file->second;
    }
    return memory;
  }
  void Interrupt() override {}
  std::chrono::microseconds Serialising() const override {
    return std::chrono::microseconds(0);
  }

 private:
  struct FakeWorker {
    std::deque<TaskRequest> tasks;
    bool closed = false;
    bool stuck = false;
    bool stubborn = false;
  };

  void End(WorkerId id, NativeEnd end) {
    const BoardSnapshot board = Board(id);
    workers_.erase(id);
    events_.emplace_back(WorkerExited{id, end, board});
  }

  void Reply(WorkerId id, TaskId task,
             OutcomeStatus status = OutcomeStatus::kScanned) {
    ScanReply reply;
    reply.task = task;
    reply.status = status;
    events_.emplace_back(WorkerReplied{id, {reply}});
  }

  void Advance(WorkerId id) {
    FakeWorker& worker = workers_[id];
    if (worker.stuck) return;
    if (worker.tasks.empty()) {
      if (worker.closed && !never_ends) End(id, {NativeEnd::Kind::kExited, 0});
      return;
    }
    const TaskRequest task = worker.tasks.front();
    std::vector<std::string>& steps = script[task.path];
    const std::string step = steps.empty() ? "ok" : steps.front();
    if (steps.size() > 1) steps.erase(steps.begin());
    if (step == "hang" || step == "stubborn") {
      worker.stuck = true;
      worker.stubborn = step == "stubborn";
      return;
    }
    if (step == "ok" || step == "twice" || step == "foreign" || step == "oom" ||
        step == "talkative") {
      worker.tasks.pop_front();
      if (step == "talkative") {
        ScanReply reply;
        reply.task = task.id;
        reply.inspection.sections.emplace_back();
        events_.emplace_back(WorkerReplied{id, {reply}});
        return;
      }
      if (step == "foreign") {
        Reply(id, task.id + 100'000);
        return;
      }
      Reply(id, task.id,
            step == "oom" ? OutcomeStatus::kOutOfMemory
                          : OutcomeStatus::kScanned);
      if (step == "twice") Reply(id, task.id);
      return;
    }
    if (step == "grow") {
      // Long enough for its memory to be looked at.
      clock_->Advance(std::chrono::milliseconds(200));
      steps.insert(steps.begin(), "kill");
      return;
    }
    if (step == "garbage") {
      worker.stuck = true;
      events_.emplace_back(WorkerFaulted{id, "scripted garbage"});
      return;
    }
    if (step == "segv") End(id, CrashEnd());
    if (step == "kill") End(id, KilledEnd());
    if (step == "sigsys") End(id, SandboxEnd());
    if (step == "exit7") End(id, {NativeEnd::Kind::kExited, 7});
  }

  FakeClock* clock_;
  std::map<WorkerId, FakeWorker> workers_;
  std::vector<WorkerEvent> events_;
  WorkerId next_ = 1;
};

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_ENGINE_FAKES_H_
