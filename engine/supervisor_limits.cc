// Deadlines, memory and progress: what the supervisor watches by the clock.

#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine/supervisor.h"

namespace scanengine {
namespace {

constexpr std::chrono::milliseconds kMemoryPoll{100};
constexpr std::chrono::milliseconds kProgressInterval{100};
// A sanitizer looks for leaks before its program ends.
constexpr std::chrono::seconds kCloseDeadline{5};

// The soft deadline is the worker's own, and gives a better reason; the hard
// one leaves it time to speak.
std::chrono::microseconds HardDeadline(const Task& task) {
  constexpr std::chrono::microseconds kLeastSlack{1'000'000};
  return task.deadline + std::max(task.deadline / 4, kLeastSlack);
}

}  // namespace

// False if the board does not name a task that the worker holds.
bool Supervisor::TakeBoard(Worker& worker, const BoardSnapshot& board) {
  const bool holds = std::any_of(
      worker.held.begin(), worker.held.end(),
      [&](const QueuedTask& task) { return task.task.id == board.task; });
  if (!holds) return false;
  worker.phase = board.phase;
  worker.offset = board.offset;
  return true;
}

void Supervisor::ReadBoards(Clock::Time now) {
  for (auto& [id, worker] : workers_) {
    if (worker.held.empty() || worker.state == WorkerState::kStarting) continue;
    const BoardSnapshot board = launcher_->Board(id);
    if (!TakeBoard(worker, board) || worker.current == board.task) continue;
    worker.current = board.task;
    worker.current_since = now;
    worker.memory_at_start = worker.memory;
  }
}

std::optional<Clock::Time> Supervisor::DeadlineOf(const Worker& worker) const {
  if (worker.state == WorkerState::kStarting) {
    return worker.since + options_.start_deadline;
  }
  if (worker.held.empty()) {
    // Nothing is lost with one that was told to end and does not.
    if (worker.closing) return worker.since + kCloseDeadline;
    return std::nullopt;
  }
  std::chrono::microseconds sum{0};
  std::optional<Clock::Time> by_board;
  for (const QueuedTask& task : worker.held) {
    if (task.task.deadline.count() == 0) return std::nullopt;
    const std::chrono::microseconds hard = HardDeadline(task.task);
    sum += hard;
    if (worker.current == task.task.id) by_board = worker.current_since + hard;
  }
  // Between two tasks there is nothing that takes time: the first is due.
  if (!by_board) return worker.since + HardDeadline(worker.held.front().task);
  // Whatever its board says, it cannot buy more time than all it holds.
  return std::min(*by_board, worker.since + sum);
}

void Supervisor::ExtendDeadlines(Clock::Duration by) {
  for (auto& [id, worker] : workers_) {
    worker.since += by;
    worker.current_since += by;
    worker.kill_at += by;
  }
}

void Supervisor::EnforceDeadlines(Clock::Time now) {
  if (in_process_) return;
  for (auto& [id, worker] : workers_) {
    if (worker.kill_stage != KillStage::kNone) {
      AdvanceKill(worker, now);
      continue;
    }
    const std::optional<Clock::Time> deadline = DeadlineOf(worker);
    if (!deadline || now < *deadline) continue;
    if (worker.state == WorkerState::kStarting) {
      worker.fault = "the worker did not get ready in time";
    }
    StartKill(worker, KillReason::kDeadline, now);
  }
}

void Supervisor::StartKill(Worker& worker, KillReason reason, Clock::Time now) {
  if (worker.kill_stage == KillStage::kKilled) return;
  if (worker.kill_reason == KillReason::kNone) worker.kill_reason = reason;
  if (worker.state == WorkerState::kReady) {
    worker.state = WorkerState::kStopping;
  }
  // Only a worker that is late gets time to end by itself.
  if (reason == KillReason::kDeadline &&
      worker.kill_stage == KillStage::kNone) {
    worker.kill_stage = KillStage::kTerminated;
    worker.kill_at = now + options_.grace;
    launcher_->Terminate(worker.id);
    return;
  }
  worker.kill_stage = KillStage::kKilled;
  launcher_->Kill(worker.id);
}

void Supervisor::AdvanceKill(Worker& worker, Clock::Time now) {
  if (worker.kill_stage != KillStage::kTerminated || now < worker.kill_at) {
    return;
  }
  worker.kill_stage = KillStage::kKilled;
  launcher_->Kill(worker.id);
}

std::uint64_t Supervisor::MemoryInUse(const Worker* except) const {
  std::uint64_t sum = 0;
  for (const auto& [id, worker] : workers_) {
    if (&worker == except) continue;
    std::uint64_t needs = worker.memory;
    for (const QueuedTask& task : worker.held) {
      needs = std::max(needs, governor_.Estimate(task.task.resource_class));
    }
    sum += needs;
  }
  return sum;
}

void Supervisor::GovernMemory(Clock::Time now) {
  if (in_process_ || now < next_memory_poll_) return;
  next_memory_poll_ = now + kMemoryPoll;
  std::uint64_t sum = 0;
  Worker* grown = nullptr;
  std::uint64_t most = 0;
  for (auto& [id, worker] : workers_) {
    worker.memory = launcher_->Memory(id);
    sum += worker.memory;
    if (worker.held.empty() || worker.kill_stage != KillStage::kNone) continue;
    const std::uint64_t growth =
        worker.memory - std::min(worker.memory, worker.memory_at_start);
    if (grown == nullptr || growth > most) {
      grown = &worker;
      most = growth;
    }
  }
  stats_.peak_memory = std::max(stats_.peak_memory, sum);
  if (options_.memory_limit == 0 || sum <= options_.memory_limit) return;
  if (grown != nullptr) StartKill(*grown, KillReason::kMemory, now);
}

void Supervisor::SendProgress(Clock::Time now) {
  if (now < next_progress_ || sink_->Congested()) return;
  next_progress_ = now + kProgressInterval;
  progress_.elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - start_);
  progress_.discovering = !source_->Exhausted();
  progress_.workers.clear();
  auto surplus = static_cast<std::ptrdiff_t>(workers_.size()) -
                 static_cast<std::ptrdiff_t>(options_.workers);
  for (const auto& [id, worker] : workers_) {
    // A spare is nobody's business.
    if (worker.held.empty() && surplus-- > 0) continue;
    WorkerView view;
    view.number = worker.number;
    if (!worker.held.empty()) {
      const std::size_t index = CulpritIndex(worker);
      view.path = worker.held[index].task.target;
      view.phase = worker.phase;
      view.busy = std::chrono::duration_cast<std::chrono::milliseconds>(
          now - (worker.current != 0 ? worker.current_since : worker.since));
    }
    progress_.workers.push_back(std::move(view));
  }
  sink_->OnProgress(progress_);
}

}  // namespace scanengine
