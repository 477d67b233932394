#include "engine/supervisor.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "ipc/check.h"

namespace scanengine {
namespace {

// Tasks kept ready to be handed out; the order is by cost inside it.
constexpr std::size_t kWindow = 1024;
constexpr std::chrono::milliseconds kPollInterval{100};
constexpr std::chrono::milliseconds kCongestedPoll{5};
// A wait that ends this much late means that the whole program stood still.
constexpr std::chrono::milliseconds kClockJump{1'000};

}  // namespace

Supervisor::Supervisor(SupervisorOptions options, WorkerLauncher* launcher,
                       const Clock* clock, TaskSource* source, EventSink* sink)
    : options_(options),
      launcher_(launcher),
      clock_(clock),
      source_(source),
      sink_(sink),
      in_process_(options.in_process),
      respawn_(options.max_spawn_failures),
      governor_(options.memory_limit),
      start_(clock->Now()),
      last_step_(start_),
      next_memory_poll_(start_),
      next_progress_(start_) {
  SCANENGINE_CHECK(options_.workers >= 1 && options_.max_attempts >= 1);
}

bool Supervisor::Step() {
  const Clock::Time begin = clock_->Now();
  if (!in_process_ && begin - last_step_ > kClockJump) {
    ExtendDeadlines(begin - last_step_);
  }
  ApplyStop();
  Refill();
  SpawnWorkers();
  HandOut();
  CloseIdleWorkers();
  if (Done()) return false;

  const Clock::Time until = NextWakeUp(begin);
  const std::vector<WorkerEvent> events = launcher_->Wait(until);
  const Clock::Time now = clock_->Now();
  if (!in_process_ && now > until + kClockJump) ExtendDeadlines(now - until);
  for (const WorkerEvent& event : events) {
    std::visit([this](const auto& e) { Apply(e); }, event);
  }
  ReadBoards(now);
  EnforceDeadlines(now);
  GovernMemory(now);
  SendProgress(now);
  last_step_ = clock_->Now();
  return true;
}

void Supervisor::RequestStop() { ++stop_requests_; }

void Supervisor::ApplyStop() {
  if (stop_applied_ == stop_requests_) return;
  if (stop_applied_ == 0) {
    source_->Stop();
    FailAllWaiting(OutcomeStatus::kCancelled, "the run was stopped");
  }
  if (stop_requests_ >= 2) {
    const Clock::Time now = clock_->Now();
    for (auto& [id, worker] : workers_) {
      StartKill(worker, KillReason::kCancelled, now);
    }
  }
  stop_applied_ = stop_requests_;
}

void Supervisor::FailAllWaiting(OutcomeStatus status,
                                const std::string& detail) {
  while (!queue_.empty()) {
    const QueuedTask task = queue_.Pop(TaskQueue::Workers::kFresh);
    ScanReply reply;
    reply.status = status;
    reply.detail = detail;
    std::string ended;
    if (task.last_end) {
      // It had its chance: what became of that says more.
      reply.status = task.last_end->status;
      reply.detail = task.last_end->detail;
      ended = task.last_end->ended;
    }
    Finish(task, std::move(reply), 0, std::move(ended));
  }
}

void Supervisor::Refill() {
  while (queue_.size() < kWindow && !sink_->Congested()) {
    std::optional<Task> task = source_->Next();
    if (!task) return;
    SCANENGINE_CHECK(task->id != 0);
    QueuedTask queued;
    queued.task = *std::move(task);
    if (queued.task.settled) {
      ScanReply reply = *std::move(queued.task.settled);
      Finish(queued, std::move(reply), 0, "");
      continue;
    }
    if (queued.task.ended_worker) {
      // As far as anybody knows it will again: no other file is to suffer.
      queued.last_end = queued.task.ended_worker;
      queued.attempts = 1;
      queued.solo = true;
      queued.fresh_worker = true;
      queue_.AddRetry(std::move(queued));
    } else {
      queue_.AddFresh(std::move(queued));
    }
    if (stop_applied_ != 0) {
      FailAllWaiting(OutcomeStatus::kCancelled, "the run was stopped");
    } else if (out_of_workers_) {
      FailAllWaiting(OutcomeStatus::kNotRun, stats_.degraded_reason);
    }
  }
}

int Supervisor::WantedWorkers() const {
  if (fatal_ || out_of_workers_) return 0;
  const std::size_t waiting = queue_.size();
  if (waiting == 0) return 0;
  int busy = 0;
  std::chrono::microseconds held_cost{0};
  for (const auto& [id, worker] : workers_) {
    busy += worker.held.empty() ? 0 : 1;
    for (const QueuedTask& task : worker.held) held_cost += task.task.cost;
  }
  const std::size_t tasks = waiting + HeldTasks();
  const bool small =
      tasks < static_cast<std::size_t>(options_.one_worker_tasks) &&
      queue_.cost() + held_cost < options_.one_worker_cost;
  if (small) return 1;
  const std::size_t useful = waiting + static_cast<std::size_t>(busy);
  return static_cast<int>(
      std::min(static_cast<std::size_t>(options_.workers), useful));
}

void Supervisor::SpawnWorkers() {
  int wanted = WantedWorkers();
  if (wanted > 0 && spare_wanted_ && respawn_.failures() == 0) ++wanted;
  while (Alive() < wanted && respawn_.MayTry(clock_->Now())) {
    // After a failure one at a time: together they may be what fails.
    if (respawn_.failures() > 0 && AnyIn(WorkerState::kStarting)) return;
    Result<WorkerId> id = launcher_->Spawn();
    if (!id.ok()) {
      OnSpawnFailure(id.error().detail);
      return;
    }
    Worker worker;
    worker.id = id.value();
    worker.number = next_number_++;
    worker.since = clock_->Now();
    workers_.emplace(worker.id, std::move(worker));
    ++stats_.started;
    if (lost_workers_ > 0) {
      --lost_workers_;
      ++stats_.respawns;
    }
    stats_.most_workers =
        std::max(stats_.most_workers, std::min(Alive(), options_.workers));
  }
}

int Supervisor::Alive() const {
  return static_cast<int>(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& entry) {
        return !entry.second.closing &&
               entry.second.state != WorkerState::kStopping;
      }));
}

bool Supervisor::AnyIn(WorkerState state) const {
  return std::any_of(
      workers_.begin(), workers_.end(), [state](const auto& entry) {
        return entry.second.state == state && !entry.second.closing;
      });
}

void Supervisor::OnSpawnFailure(const std::string& why, bool killed) {
  if (spare_wanted_ && !killed && Alive() >= options_.workers) {
    spare_wanted_ = false;  // As many as were asked for are there.
    return;
  }
  const bool alone =
      !AnyIn(WorkerState::kReady) && !AnyIn(WorkerState::kStarting);
  if (killed) {
    respawn_.OnKilled(clock_->Now());
  } else {
    respawn_.OnFailure(clock_->Now(), alone);
  }
  if (alone) {
    if (respawn_.exhausted()) Degrade(why);
    return;
  }
  if (killed) return;
  start_trouble_ = why;
  if (AnyIn(WorkerState::kReady)) TellFewerWorkers();
}

// Once a worker is ready: before that it may be that there is none at all.
void Supervisor::TellFewerWorkers() {
  if (start_trouble_.empty() || !stats_.fewer_workers_reason.empty()) return;
  stats_.fewer_workers_reason = start_trouble_;
  sink_->OnNotice({Notice::Kind::kFewerWorkers,
                   "going on with fewer workers: " + start_trouble_});
}

void Supervisor::Degrade(const std::string& why) {
  // The old launcher's workers must be gone before it is left.
  if (stats_.degraded || !workers_.empty()) return;
  stats_.degraded = true;
  stats_.degraded_reason = "no worker could be started: " + why;
  if (fallback_ == nullptr || options_.require_isolation) {
    out_of_workers_ = true;
    sink_->OnNotice(
        {Notice::Kind::kDegraded,
         stats_.degraded_reason + "; the remaining files are not scanned"});
    FailAllWaiting(OutcomeStatus::kNotRun, stats_.degraded_reason);
    return;
  }
  sink_->OnNotice({Notice::Kind::kDegraded,
                   stats_.degraded_reason +
                       "; going on in this process, without protection"});
  launcher_ = fallback_;
  in_process_ = true;
  options_.workers = 1;
  options_.tasks_per_worker = 0;
  options_.recycle_memory = 0;
  spare_wanted_ = false;
  respawn_ = RespawnPolicy(options_.max_spawn_failures);
}

TaskQueue::Workers Supervisor::AtHand() const {
  // As IsFreshEnough() has it.
  const bool fresh =
      respawn_.failures() != 0 ||
      std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) {
        const Worker& worker = entry.second;
        return worker.state == WorkerState::kReady && !worker.closing &&
               worker.tasks_done == 0 && worker.held.empty();
      });
  return fresh ? TaskQueue::Workers::kFresh : TaskQueue::Workers::kUsed;
}

void Supervisor::HandOut() {
  while (!fatal_ && !sink_->Congested()) {
    const TaskQueue::Workers at_hand = AtHand();
    const QueuedTask* next = queue_.Peek(at_hand);
    if (next == nullptr) return;
    if (in_process_ && next->HasEndedWorker()) {
      FinishUnrisked(queue_.Pop(at_hand));
      continue;
    }
    Worker* best = nullptr;
    std::chrono::microseconds best_cost{0};
    for (auto& [id, worker] : workers_) {
      if (RecycleIfDue(worker) || !MayTake(worker, *next)) continue;
      std::chrono::microseconds cost{0};
      for (const QueuedTask& task : worker.held) cost += task.task.cost;
      if (best == nullptr || worker.held.size() < best->held.size() ||
          (worker.held.size() == best->held.size() && cost < best_cost)) {
        best = &worker;
        best_cost = cost;
      }
    }
    if (best == nullptr || !HandOutTo(*best, at_hand)) return;
  }
}

// Never risked in this process.
void Supervisor::FinishUnrisked(const QueuedTask& task) {
  ScanReply reply;
  std::string ended;
  if (task.last_end) {
    reply.status = task.last_end->status;
    reply.detail = task.last_end->detail;
    ended = task.last_end->ended;
  } else {
    reply.status = OutcomeStatus::kNotRun;
    reply.detail =
        "its worker was killed, and there is no other to try it again in";
  }
  Finish(task, std::move(reply), 0, std::move(ended));
}

// Where no other can be had, one that was used is better than none.
bool Supervisor::IsFreshEnough(const Worker& worker,
                               const QueuedTask& next) const {
  return !next.fresh_worker || worker.tasks_done == 0 ||
         respawn_.failures() != 0;
}

bool Supervisor::MayTake(const Worker& worker, const QueuedTask& next) const {
  if (worker.state != WorkerState::kReady || worker.closing) return false;
  const std::size_t held = worker.held.size();
  const int limit = options_.tasks_per_worker;
  if (limit > 0 && worker.tasks_done + static_cast<int>(held) >= limit) {
    return false;
  }
  if (!IsFreshEnough(worker, next)) return false;
  int busy = 0;
  for (const auto& [id, other] : workers_) {
    if (other.held.empty()) continue;
    ++busy;
    if (next.exclusive || other.held.front().exclusive) return false;
  }
  if (held == 0) return busy < options_.workers;  // Else it is the spare.
  // Behind other tasks: only small ones, so that nothing waits for long, and
  // only as many as hide the way to the worker and back.
  if (next.solo || next.fresh_worker || worker.held.front().solo) return false;
  std::chrono::microseconds cost = next.task.cost;
  for (const QueuedTask& task : worker.held) cost += task.task.cost;
  return cost <= 2 * options_.batch_cost &&
         held < 2 * static_cast<std::size_t>(options_.batch_tasks);
}

bool Supervisor::HandOutTo(Worker& worker, TaskQueue::Workers at_hand) {
  const auto needs = [&](const QueuedTask& task) {
    return std::max(worker.memory,
                    governor_.Estimate(task.task.resource_class));
  };
  // Nobody else busy: it runs whatever it needs, or it would wait for ever.
  const bool others_busy =
      std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
        return &entry.second != &worker && !entry.second.held.empty();
      });
  if (others_busy &&
      !governor_.Admits(MemoryInUse(&worker), needs(*queue_.Peek(at_hand)))) {
    return false;
  }
  // Towards the end everybody gets a share.
  const auto ready = static_cast<std::size_t>(std::max(1, options_.workers));
  const std::size_t share = std::max<std::size_t>(
      1, std::min(static_cast<std::size_t>(options_.batch_tasks),
                  queue_.size() / (2 * ready)));
  std::vector<QueuedTask> batch;
  std::chrono::microseconds cost{0};
  while (const QueuedTask* next = queue_.Peek(at_hand)) {
    if (!batch.empty()) {
      const bool alone = next->solo || next->fresh_worker || next->exclusive ||
                         (in_process_ && next->HasEndedWorker());
      if (alone || batch.front().solo || batch.front().fresh_worker ||
          batch.front().exclusive || batch.size() >= share ||
          cost + next->task.cost > options_.batch_cost) {
        break;
      }
      if (options_.tasks_per_worker > 0 &&
          worker.tasks_done +
                  static_cast<int>(worker.held.size() + batch.size()) >=
              options_.tasks_per_worker) {
        break;
      }
      if (others_busy && !governor_.Admits(MemoryInUse(&worker), needs(*next)))
        break;
    }
    cost += next->task.cost;
    batch.push_back(queue_.Pop(at_hand));
  }
  SendBatch(worker, std::move(batch));
  return true;
}

void Supervisor::SendBatch(Worker& worker, std::vector<QueuedTask> batch) {
  std::vector<TaskRequest> requests;
  requests.reserve(batch.size());
  if (worker.held.empty()) {
    worker.since = clock_->Now();
    worker.memory_at_start = worker.memory;
  }
  for (QueuedTask& task : batch) {
    TaskRequest request;
    request.id = task.task.id;
    request.kind = task.task.kind;
    request.path = task.task.target;
    request.inspect = task.task.inspect;
    request.inherited_fd = task.task.inherited_fd;
    request.soft_deadline_us =
        static_cast<std::uint64_t>(task.task.deadline.count());
    requests.push_back(std::move(request));
    ++task.starts;
    worker.held.push_back(std::move(task));
  }
  launcher_->Send(worker.id, requests);
}

bool Supervisor::RecycleIfDue(Worker& worker) {
  if (worker.state != WorkerState::kReady || worker.closing ||
      !worker.held.empty()) {
    return false;
  }
  // Shown only once nothing else is left for the workers that there are.
  const QueuedTask* next = queue_.Peek(TaskQueue::Workers::kUsed);
  const bool used_up = options_.tasks_per_worker > 0 &&
                       worker.tasks_done >= options_.tasks_per_worker;
  const bool grown = options_.recycle_memory > 0 && worker.tasks_done > 0 &&
                     worker.memory >= options_.recycle_memory;
  bool make_way = false;
  if (next != nullptr && !IsFreshEnough(worker, *next)) {
    make_way =
        std::none_of(workers_.begin(), workers_.end(), [](const auto& entry) {
          const Worker& other = entry.second;
          return other.closing || (other.tasks_done == 0 && other.held.empty());
        });
  }
  if (!used_up && !grown && !make_way) return false;
  worker.closing = true;
  worker.since = clock_->Now();
  ++stats_.recycled;
  launcher_->Close(worker.id);
  return true;
}

void Supervisor::CloseIdleWorkers() {
  const bool more = !queue_.empty() || !source_->Exhausted();
  if ((more && !fatal_) || HeldTasks() != 0) return;
  for (auto& [id, worker] : workers_) {
    if (worker.closing || worker.state == WorkerState::kStopping) continue;
    worker.closing = true;
    worker.since = clock_->Now();
    launcher_->Close(id);
  }
}

Clock::Time Supervisor::NextWakeUp(Clock::Time now) const {
  Clock::Time wake = now + kPollInterval;
  if (sink_->Congested()) wake = now + kCongestedPoll;
  if (!queue_.empty() && !respawn_.MayTry(now)) {
    wake = std::min(wake, respawn_.retry_at());
  }
  for (const auto& [id, worker] : workers_) {
    if (worker.kill_stage == KillStage::kTerminated) {
      wake = std::min(wake, worker.kill_at);
    } else if (const auto deadline = DeadlineOf(worker)) {
      wake = std::min(wake, *deadline);
    }
  }
  return std::max(wake, now);
}

bool Supervisor::AnyBusy() const { return HeldTasks() != 0; }

std::size_t Supervisor::HeldTasks() const {
  std::size_t held = 0;
  for (const auto& [id, worker] : workers_) held += worker.held.size();
  return held;
}

bool Supervisor::Done() const {
  if (!workers_.empty()) return false;
  if (fatal_) return true;
  return queue_.empty() && source_->Exhausted();
}

}  // namespace scanengine
