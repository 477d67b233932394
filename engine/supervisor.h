#ifndef SCANENGINE_ENGINE_SUPERVISOR_H_
#define SCANENGINE_ENGINE_SUPERVISOR_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/memory_governor.h"
#include "engine/respawn_policy.h"
#include "engine/scan_engine.h"
#include "engine/task.h"
#include "engine/task_queue.h"
#include "engine/worker_launcher.h"

namespace scanengine {

/// Where tasks come from. Called by the supervisor only; never blocks.
class TaskSource {
 public:
  virtual ~TaskSource() = default;
  /// The next task, or nothing if there is none at the moment.
  virtual std::optional<Task> Next() = 0;
  /// True once Next() will never return a task again.
  virtual bool Exhausted() const = 0;
  /// No more tasks are wanted beyond those already found.
  virtual void Stop() = 0;
};

/// Where outcomes and events go. Called by the supervisor only; never blocks.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnOutcome(FileOutcome outcome) = 0;
  virtual void OnNotice(Notice notice) = 0;
  virtual void OnProgress(Progress progress) = 0;
  /// True if the receiver is behind: hand out less until it is not.
  virtual bool Congested() const = 0;
};

struct SupervisorOptions {
  int workers = 1;              ///< Most alive at once.
  int max_attempts = 2;         ///< Per task.
  int max_spawn_failures = 8;   ///< In a row, with no worker, to degrade.
  int max_external_kills = 10;  ///< Per task, that cost no attempt.
  int tasks_per_worker = 0;     ///< Then it is recycled; 0: no limit.
  std::uint64_t recycle_memory = 512ULL << 20;  ///< Idle, resident; 0: never.
  std::uint64_t memory_limit = 0;   ///< Sum over all workers; 0: none.
  std::uint64_t worker_memory = 0;  ///< What each was allowed; 0: none.
  bool in_process = false;          ///< The launcher's worker is this process.
  bool require_isolation = false;
  bool require_sandbox = false;
  std::chrono::milliseconds grace{500};              ///< From TERM to KILL.
  std::chrono::milliseconds start_deadline{20'000};  ///< Spawn to Hello.
  std::chrono::microseconds batch_cost{2'000};       ///< Of one message.
  int batch_tasks = 64;
  /// Below both, one worker is enough.
  int one_worker_tasks = 10;
  std::chrono::microseconds one_worker_cost{20'000};
};

/// Counters of a run; RunSummary takes them over.
struct SupervisorStats {
  int most_workers = 0;
  std::uint64_t started = 0;
  std::uint64_t crashes = 0;
  std::uint64_t respawns = 0;
  std::uint64_t retries = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t fallbacks = 0;
  std::uint64_t recycled = 0;
  std::uint64_t peak_memory = 0;
  std::uint64_t ignored_events = 0;  ///< That made no sense; a bug if not 0.
  bool degraded = false;
  std::string degraded_reason;
  std::string fewer_workers_reason;  ///< Empty: as many as were wanted.
  std::vector<std::string> sandbox_active;
  std::vector<std::string> sandbox_missing;
};

/// Keeps workers busy until every task has exactly one outcome.
///
/// Single-threaded: all state changes happen inside Step(), driven by the
/// launcher's events and the clock only. Nothing passed in is owned; all of it
/// outlives this object. ARCHITECTURE.md has the state diagrams and the rules
/// that the tests are named after.
class Supervisor {
 public:
  Supervisor(SupervisorOptions options, WorkerLauncher* launcher,
             const Clock* clock, TaskSource* source, EventSink* sink);

  /// What to use once workers cannot be had; without it, or with
  /// require_isolation, the remaining tasks end as kNotRun.
  void SetFallback(WorkerLauncher* fallback) { fallback_ = fallback; }

  /// One round: hand out work, wait for events, apply them, enforce limits.
  /// False once every task has its outcome and every worker is gone.
  bool Step();

  /// First call drains, second kills.
  void RequestStop();

  const SupervisorStats& stats() const { return stats_; }
  /// Set if the run cannot go on as asked (a required sandbox is incomplete).
  const std::optional<Error>& fatal() const { return fatal_; }

 private:
  enum class WorkerState { kStarting, kReady, kStopping };
  enum class KillStage { kNone, kTerminated, kKilled };

  struct Worker {
    WorkerId id = 0;
    int number = 0;
    WorkerState state = WorkerState::kStarting;
    Clock::Time since;  // Start, then last hand-over or accepted reply.
    std::deque<QueuedTask> held;  // Sent and not answered, oldest first.
    TaskId current = 0;           // As the board says, if it is one of held.
    Clock::Time current_since;
    int tasks_done = 0;
    bool closing = false;  // Told to end: its exit is expected.
    KillStage kill_stage = KillStage::kNone;
    KillReason kill_reason = KillReason::kNone;
    Clock::Time kill_at;  // Of the next stage.
    std::string fault;
    std::uint64_t memory = 0;
    std::uint64_t memory_at_start = 0;  // Of its current task.
    std::uint64_t reported_peak = 0;
    std::string phase;
    std::uint64_t offset = 0;
  };
  using Workers = std::map<WorkerId, Worker>;

  // Hand-out.
  void Refill();
  void SpawnWorkers();
  int WantedWorkers() const;
  int Alive() const;
  void OnSpawnFailure(const std::string& why, bool killed = false);
  void TellFewerWorkers();
  bool AnyIn(WorkerState state) const;
  void Degrade(const std::string& why);
  void FailAllWaiting(OutcomeStatus status, const std::string& detail);
  TaskQueue::Workers AtHand() const;
  void HandOut();
  bool HandOutTo(Worker& worker, TaskQueue::Workers at_hand);
  void FinishUnrisked(const QueuedTask& task);
  bool IsFreshEnough(const Worker& worker, const QueuedTask& next) const;
  bool MayTake(const Worker& worker, const QueuedTask& next) const;
  void SendBatch(Worker& worker, std::vector<QueuedTask> batch);
  std::uint64_t MemoryInUse(const Worker* except) const;
  bool RecycleIfDue(Worker& worker);
  void CloseIdleWorkers();

  // Events.
  void Apply(const WorkerReady& event);
  void Apply(const WorkerReplied& event);
  void Apply(const WorkerFaulted& event);
  void Apply(const WorkerExited& event);
  void AcceptReply(Worker& worker, const ScanReply& reply);
  void LoseTasks(Worker& worker, const ExitVerdict& verdict);
  void LoseCulprit(const Worker& worker, QueuedTask task, ExitVerdict verdict);
  void ReturnUncounted(QueuedTask task);
  std::size_t CulpritIndex(const Worker& worker) const;

  // Limits.
  void ReadBoards(Clock::Time now);
  static bool TakeBoard(Worker& worker, const BoardSnapshot& board);
  void ExtendDeadlines(Clock::Duration by);
  void EnforceDeadlines(Clock::Time now);
  std::optional<Clock::Time> DeadlineOf(const Worker& worker) const;
  void StartKill(Worker& worker, KillReason reason, Clock::Time now);
  void AdvanceKill(Worker& worker, Clock::Time now);
  void GovernMemory(Clock::Time now);
  Clock::Time NextWakeUp(Clock::Time now) const;

  // Outcomes.
  void Finish(const QueuedTask& task, ScanReply reply, int worker,
              std::string ended);
  void ApplyStop();
  void SendProgress(Clock::Time now);
  bool AnyBusy() const;
  std::size_t HeldTasks() const;
  bool Done() const;

  SupervisorOptions options_;
  WorkerLauncher* launcher_;
  const Clock* clock_;
  TaskSource* source_;
  EventSink* sink_;
  WorkerLauncher* fallback_ = nullptr;
  bool in_process_;
  bool out_of_workers_ = false;  // Degraded, and there is no fallback.

  TaskQueue queue_;
  Workers workers_;
  RespawnPolicy respawn_;
  MemoryGovernor governor_;
  SupervisorStats stats_;
  std::optional<Error> fatal_;
  int next_number_ = 1;
  int lost_workers_ = 0;  // Not yet replaced.
  // One more than may be busy is kept started, so that the next loss costs no
  // start. Only once one was lost: most runs never need it.
  bool spare_wanted_ = false;
  std::string start_trouble_;  // Why a worker could not be had beside others.
  bool told_sandbox_ = false;
  int stop_requests_ = 0;
  int stop_applied_ = 0;

  Clock::Time start_;
  Clock::Time last_step_;
  Clock::Time next_memory_poll_;
  Clock::Time next_progress_;
  Progress progress_;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_SUPERVISOR_H_
