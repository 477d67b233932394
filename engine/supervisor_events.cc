// What workers do, and what follows for their tasks.

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/supervisor.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

// After so many returns through no fault of its own a task runs alone: then
// its neighbours can no longer be the reason.
constexpr int kReturnsBeforeSolo = 3;

// ": why it could not start", of what it wrote to standard error; or nothing.
std::string LastLine(std::string_view words) {
  constexpr std::size_t kMaxBytes = 300;
  while (words.ends_with('\n')) words.remove_suffix(1);
  words = words.substr(words.rfind('\n') + 1);  // npos + 1 is 0.
  return words.empty() ? "" : ": " + Printable(words, kMaxBytes);
}

}  // namespace

void Supervisor::Apply(const WorkerReady& event) {
  const auto at = workers_.find(event.worker);
  if (at == workers_.end() || at->second.state != WorkerState::kStarting) {
    ++stats_.ignored_events;
    return;
  }
  Worker& worker = at->second;
  const WorkerHello& hello = event.hello;
  if (hello.protocol_version != kProtocolVersion ||
      hello.build_id != BuildId()) {
    worker.fault = "the worker is of another version (protocol " +
                   std::to_string(hello.protocol_version) + ", build " +
                   hello.build_id.substr(0, 64) + "; needed: protocol " +
                   std::to_string(kProtocolVersion) + ", build " + BuildId() +
                   ")";
    worker.kill_stage = KillStage::kKilled;
    launcher_->Kill(worker.id);
    return;  // Its exit, in state starting, is the spawn failure.
  }
  worker.state = WorkerState::kReady;
  worker.since = clock_->Now();
  respawn_.OnSuccess();
  TellFewerWorkers();
  if (told_sandbox_) return;
  told_sandbox_ = true;
  stats_.sandbox_active = hello.sandbox_active;
  stats_.sandbox_missing = hello.sandbox_missing;
  if (hello.sandbox_missing.empty()) return;
  std::string missing;
  for (const std::string& part : hello.sandbox_missing) {
    missing += (missing.empty() ? "" : ", ") + part;
  }
  if (options_.require_sandbox) {
    fatal_ =
        Error{ErrorCode::kUnsupported, "the sandbox is incomplete (" + missing +
                                           ") and --require-sandbox is given"};
    return;
  }
  sink_->OnNotice({Notice::Kind::kSandboxPartial,
                   "the sandbox of workers is incomplete: " + missing});
}

void Supervisor::Apply(const WorkerReplied& event) {
  const auto at = workers_.find(event.worker);
  if (at == workers_.end()) {
    ++stats_.ignored_events;
    return;
  }
  Worker& worker = at->second;
  for (const ScanReply& reply : event.replies) {
    // Once it has lied, nothing more of it counts.
    if (worker.kill_reason == KillReason::kProtocol) return;
    AcceptReply(worker, reply);
  }
}

void Supervisor::Apply(const WorkerFaulted& event) {
  const auto at = workers_.find(event.worker);
  if (at == workers_.end()) {
    ++stats_.ignored_events;
    return;
  }
  at->second.fault = event.what;
  StartKill(at->second, KillReason::kProtocol, clock_->Now());
}

void Supervisor::AcceptReply(Worker& worker, const ScanReply& reply) {
  const auto held = std::find_if(
      worker.held.begin(), worker.held.end(),
      [&](const QueuedTask& task) { return task.task.id == reply.task; });
  if (held == worker.held.end()) {
    worker.fault = "answered a task that it does not hold";
    StartKill(worker, KillReason::kProtocol, clock_->Now());
    return;
  }
  if (held->task.kind != kInspectTask && !reply.inspection.empty()) {
    worker.fault = "answered what it was not asked";
    StartKill(worker, KillReason::kProtocol, clock_->Now());
    return;
  }
  QueuedTask task = std::move(*held);
  worker.held.erase(held);
  if (worker.current == task.task.id) worker.current = 0;
  worker.since = clock_->Now();
  ++worker.tasks_done;
  ++task.attempts;
  // A number from a process that is not trusted: bounded by what it may have.
  std::uint64_t peak = reply.peak_memory;
  if (options_.worker_memory > 0) {
    peak = std::min(peak, options_.worker_memory);
  }
  governor_.Learn(task.task.resource_class, worker.reported_peak, peak);
  worker.reported_peak = std::max(worker.reported_peak, peak);
  // Short runs end before memory is polled.
  std::uint64_t sum = 0;
  for (const auto& [id, each] : workers_) {
    sum += std::max(each.memory, each.reported_peak);
  }
  stats_.peak_memory = std::max(stats_.peak_memory, sum);
  if (reply.status == OutcomeStatus::kTimedOut) ++stats_.timeouts;
  if (reply.status == OutcomeStatus::kOutOfMemory && !in_process_ &&
      !worker.closing && worker.kill_stage == KillStage::kNone &&
      worker.held.empty()) {
    // Its heap is full of what the parser left behind.
    worker.closing = true;
    ++stats_.recycled;
    launcher_->Close(worker.id);
  }
  Finish(task, reply, worker.number, "");
}

void Supervisor::Apply(const WorkerExited& event) {
  const auto at = workers_.find(event.worker);
  if (at == workers_.end()) {
    ++stats_.ignored_events;
    return;
  }
  Worker worker = std::move(at->second);
  workers_.erase(at);
  worker.current = TakeBoard(worker, event.board) ? event.board.task : 0;
  const bool over_limit = options_.worker_memory > 0 &&
                          worker.memory >= options_.worker_memory / 10 * 9;
  const ExitVerdict verdict =
      JudgeExit(event.end, worker.kill_reason, over_limit, worker.fault);
  if (worker.state == WorkerState::kStarting) {
    if (worker.closing || worker.kill_reason == KillReason::kCancelled) return;
    const bool killed =
        verdict.external && worker.kill_stage == KillStage::kNone;
    OnSpawnFailure(worker.fault.empty()
                       ? "the worker ended before it was ready (" +
                             verdict.ended + ")" + LastLine(event.last_words)
                       : worker.fault,
                   killed);
    return;
  }
  const bool expected = worker.closing && worker.held.empty();
  if (!expected && !in_process_) {
    ++lost_workers_;
    spare_wanted_ = true;
    const bool ours = worker.kill_reason != KillReason::kNone &&
                      worker.kill_reason != KillReason::kProtocol;
    if (!ours && verdict.status != OutcomeStatus::kTimedOut) ++stats_.crashes;
    if (verdict.status == OutcomeStatus::kTimedOut) ++stats_.timeouts;
    sink_->OnNotice(
        {Notice::Kind::kWorkerLost, "worker " + std::to_string(worker.number) +
                                        " ended: " + verdict.ended});
  }
  LoseTasks(worker, verdict);
}

std::size_t Supervisor::CulpritIndex(const Worker& worker) const {
  for (std::size_t i = 0; i < worker.held.size(); ++i) {
    if (worker.current != 0 && worker.held[i].task.id == worker.current) {
      return i;
    }
  }
  return 0;  // The first that it did not answer.
}

void Supervisor::LoseTasks(Worker& worker, const ExitVerdict& verdict) {
  if (worker.held.empty()) return;
  const std::size_t culprit = CulpritIndex(worker);
  QueuedTask blamed = std::move(worker.held[culprit]);
  // Front of the queue, in their old order.
  for (std::size_t i = worker.held.size(); i-- > 0;) {
    if (i != culprit) ReturnUncounted(std::move(worker.held[i]));
  }
  worker.held.clear();
  LoseCulprit(worker, std::move(blamed), verdict);
}

void Supervisor::ReturnUncounted(QueuedTask task) {
  if (stop_applied_ != 0) {
    ScanReply reply;
    reply.status = OutcomeStatus::kCancelled;
    reply.detail = "the run was stopped";
    Finish(task, std::move(reply), 0, "");
    return;
  }
  if (++task.uncounted >= kReturnsBeforeSolo) task.solo = true;
  queue_.AddFront(std::move(task));
}

void Supervisor::LoseCulprit(const Worker& worker, QueuedTask task,
                             ExitVerdict verdict) {
  if (verdict.external && task.external_kills < options_.max_external_kills) {
    ++task.external_kills;
    ReturnUncounted(std::move(task));
    return;
  }
  const bool by_governor = worker.kill_reason == KillReason::kMemory;
  if (by_governor && !task.exclusive && stop_applied_ == 0) {
    task.exclusive = true;
    task.solo = true;
    ++task.uncounted;
    queue_.AddRetry(std::move(task));
    return;
  }
  ++task.attempts;
  if (verdict.status == OutcomeStatus::kTimedOut && !worker.phase.empty()) {
    verdict.detail += " (in " + worker.phase + " at offset " +
                      std::to_string(worker.offset) + ")";
  }
  const bool final = task.attempts >= options_.max_attempts ||
                     stop_applied_ != 0 ||
                     verdict.status == OutcomeStatus::kCancelled;
  if (!final) {
    task.last_end = std::move(verdict);
    if (task.attempts + 1 >= options_.max_attempts) {
      task.solo = true;
      task.fresh_worker = true;
    }
    ++stats_.retries;
    queue_.AddRetry(std::move(task));
    return;
  }
  ScanReply reply;
  reply.status = verdict.status;
  reply.detail = verdict.detail;
  Finish(task, std::move(reply), worker.number, verdict.ended);
}

void Supervisor::Finish(const QueuedTask& task, ScanReply reply, int worker,
                        std::string ended) {
  FileOutcome outcome;
  outcome.path = task.task.target;
  outcome.result = std::move(reply);
  outcome.result.task = task.task.id;
  if (outcome.result.bytes == 0) outcome.result.bytes = task.task.size;
  outcome.attempts = task.attempts;
  outcome.worker = worker;
  outcome.in_process = in_process_ && worker != 0;
  outcome.ended = std::move(ended);
  outcome.stamp = task.task.stamp;
  outcome.cached = task.task.cached;
  if (task.task.earlier) {
    const EarlierRun& earlier = *task.task.earlier;
    outcome.attempts = earlier.attempts;
    outcome.worker = earlier.worker;
    outcome.ended = earlier.ended;
    outcome.place = earlier.place;
    outcome.resumed = true;
  }
  if (outcome.in_process && stats_.degraded) ++stats_.fallbacks;
  if (outcome.resumed) outcome.in_process = task.task.earlier->in_process;
  ++progress_.done;
  progress_.findings += outcome.result.findings.size();
  progress_.bytes_done += task.task.size;
  sink_->OnOutcome(std::move(outcome));
}

}  // namespace scanengine
