// The life of a real worker, step by step. Each kind of message of the protocol
// goes over the wire once at least, and a worker is ended in each way that the
// supervisor knows.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include "engine/doctor.h"
#include "engine/machine.h"
#include "engine/process_info.h"
#include "engine/process_launcher.h"
#include "ipc/import_policy.h"
#include "ipc/shared_cache.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// A step that takes longer hangs.
constexpr std::chrono::seconds kPatience{30};

// Imports os.system and calls it with "id". Nothing here ever loads it.
constexpr std::string_view kHostile(
    "\x80\x02"
    "cos\nsystem\nX\x02\x00\x00\x00"
    "id\x85R.",
    23);
constexpr std::string_view kHostileRule = "pickle-dangerous-call";
// The number 1.
constexpr std::string_view kHarmless("\x80\x02K\x01.", 5);
// A harmless pickle of so many bytes: long enough to be met in the middle.
constexpr std::size_t kSlowBytes = 8 << 20;
constexpr int kSlowCopies = 64;
constexpr int kBatch = 64;

// A file that workers inherit: nothing is left on a disk.
class Sample {
 public:
  Sample() = default;
  ~Sample() {
    if (handle_ != kNoHandle) CloseHandle(handle_);
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;

  Status Make(std::string_view bytes) {
    Result<NativeHandle> made = AnonymousFile(bytes);
    if (!made.ok()) return made.error();
    handle_ = made.value();
    return OkStatus();
  }
  NativeHandle handle() const { return handle_; }

 private:
  NativeHandle handle_ = kNoHandle;
};

std::string SlowBytes() {
  std::string bytes(kSlowBytes, 'N');
  for (std::size_t i = 3; i < bytes.size(); i += 2) bytes[i] = '0';
  bytes[0] = '\x80';
  bytes[1] = '\x02';
  bytes.back() = '.';
  return bytes;
}

class RoundTripper {
 public:
  explicit RoundTripper(const ScanOptions& options) : options_(options) {}

  RoundTrip Run() {
    using Method = Status (RoundTripper::*)();
    constexpr std::pair<const char*, Method> kSteps[] = {
        {"cache", &RoundTripper::BuildCache},
        {"start", &RoundTripper::Start},
        {"hello", &RoundTripper::AwaitHello},
        {"scan", &RoundTripper::ScanHostile},
        {"batch", &RoundTripper::ScanBatch},
        {"outside", &RoundTripper::ReadOutside},
        {"soft-timeout", &RoundTripper::RunOutOfTime},
        {"board", &RoundTripper::FindOnBoard},
        {"cancel", &RoundTripper::Cancel},
        {"respawn", &RoundTripper::Respawn},
        {"crash", &RoundTripper::Crash},
        {"respawn-after-crash", &RoundTripper::Respawn},
        {"end", &RoundTripper::End},
    };
    for (const auto& [name, method] : kSteps) {
      detail_.clear();
      const SteadyTime begin = std::chrono::steady_clock::now();
      const Status status = (this->*method)();
      const auto time = std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::steady_clock::now() - begin);
      result_.steps.push_back(
          {name, status.ok(), time,
           Printable(status.ok() ? detail_ : status.error().detail, 500)});
      if (!status.ok()) return std::move(result_);
    }
    result_.complete = true;
    return std::move(result_);
  }

 private:
  static Error Failure(std::string what) {
    return {ErrorCode::kUnsupported, std::move(what)};
  }

  // Goes through events until |done|, or the worker is gone, or time is up.
  Status WaitUntil(const std::function<bool(const WorkerEvent&)>& done);
  Result<NativeEnd> AwaitEnd();
  TaskRequest NewTask(const Sample& sample);
  Result<std::vector<ScanReply>> Ask(std::vector<TaskRequest> tasks);
  Result<ScanReply> AskOne(TaskRequest task);
  void SendSlowTasks();

  Status BuildCache();
  Status Start();
  Status AwaitHello();
  Status ScanHostile();
  Status ScanBatch();
  Status ReadOutside();
  Status RunOutOfTime();
  Status FindOnBoard();
  Status Cancel();
  Status Respawn();
  Status Crash();
  Status End();

  const ScanOptions& options_;
  RoundTrip result_;
  std::string detail_;  // Of the step under way.
  Sample hostile_;
  Sample harmless_;
  Sample slow_;
  std::unique_ptr<SharedCache> cache_;
  std::unique_ptr<WorkerLauncher> launcher_;  // Goes before what it refers to.
  WorkerId worker_ = 0;
  TaskId next_task_ = 1;
};

Status RoundTripper::WaitUntil(
    const std::function<bool(const WorkerEvent&)>& done) {
  const SteadyTime end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    for (const WorkerEvent& event : launcher_->Wait(end)) {
      if (done(event)) return OkStatus();
      if (const auto* fault = std::get_if<WorkerFaulted>(&event)) {
        return Failure("the worker " + fault->what);
      }
      if (const auto* exit = std::get_if<WorkerExited>(&event)) {
        return Failure("the worker ended (" + NameOfEnd(exit->end) + ") " +
                       exit->last_words);
      }
    }
  }
  return Failure("the worker did not react within thirty seconds");
}

Result<NativeEnd> RoundTripper::AwaitEnd() {
  NativeEnd end;
  const Status waited = WaitUntil([&](const WorkerEvent& event) {
    const auto* exit = std::get_if<WorkerExited>(&event);
    if (exit != nullptr) end = exit->end;
    return exit != nullptr;
  });
  if (!waited.ok()) return waited.error();
  return end;
}

TaskRequest RoundTripper::NewTask(const Sample& sample) {
  TaskRequest task;
  task.id = next_task_++;
  task.path = "sample.pkl";
  task.inherited_fd = static_cast<std::int32_t>(sample.handle());
  return task;
}

// Sends |tasks| in one message; their replies, in whatever order they came.
Result<std::vector<ScanReply>> RoundTripper::Ask(
    std::vector<TaskRequest> tasks) {
  launcher_->Send(worker_, tasks);
  std::vector<ScanReply> replies;
  const Status waited = WaitUntil([&](const WorkerEvent& event) {
    if (const auto* replied = std::get_if<WorkerReplied>(&event)) {
      replies.insert(replies.end(), replied->replies.begin(),
                     replied->replies.end());
    }
    return replies.size() >= tasks.size();
  });
  if (!waited.ok()) return waited.error();
  return replies;
}

Result<ScanReply> RoundTripper::AskOne(TaskRequest task) {
  const TaskId id = task.id;
  Result<std::vector<ScanReply>> replies = Ask({std::move(task)});
  if (!replies.ok()) return replies.error();
  if (replies.value().size() != 1 || replies.value()[0].task != id) {
    return Failure("the worker answered something else");
  }
  return std::move(replies.value()[0]);
}

Status RoundTripper::BuildCache() {
  std::vector<PolicyText> texts(BuiltInPolicy().begin(), BuiltInPolicy().end());
  for (const PolicyFile& file : options_.policies) {
    texts.push_back({file.name, file.text});
  }
  Result<std::vector<std::byte>> imports = CompileImportPolicy(texts);
  if (!imports.ok()) return imports.error();
  const SharedCache::Section section{std::string(kImportPolicySection),
                                     std::move(imports).value()};
  auto cache = SharedCache::Create(std::span(&section, 1));
  if (!cache.ok()) return cache.error();
  cache_ = std::move(cache).value();
  for (const auto& [sample, bytes] :
       {std::pair(&hostile_, std::string(kHostile)),
        std::pair(&harmless_, std::string(kHarmless)),
        std::pair(&slow_, SlowBytes())}) {
    if (Status made = sample->Make(bytes); !made.ok()) return made;
  }
  detail_ = "import tables of " + HumanSize(cache_->size());
  return OkStatus();
}

Status RoundTripper::Start() {
  ProcessLauncherOptions launch;
  launch.worker_path = WorkerPath(options_.worker_path);
  launch.cache = cache_.get();
  launch.hello.limits = options_.limits;
  launch.hello.sandbox.enabled = options_.sandbox;
  launch.hello.sandbox.memory_limit = options_.worker_memory;
  for (const Sample* sample : {&hostile_, &harmless_, &slow_}) {
    launch.inherited.push_back(sample->handle());
  }
  launcher_ = MakeProcessLauncher(std::move(launch));
  Result<WorkerId> worker = launcher_->Spawn();
  if (!worker.ok()) return worker.error();
  worker_ = worker.value();
  return OkStatus();
}

Status RoundTripper::AwaitHello() {
  WorkerHello hello;
  const Status waited = WaitUntil([&](const WorkerEvent& event) {
    const auto* ready = std::get_if<WorkerReady>(&event);
    if (ready != nullptr) hello = ready->hello;
    return ready != nullptr;
  });
  if (!waited.ok()) return waited.error();
  if (hello.protocol_version != kProtocolVersion ||
      hello.build_id != BuildId()) {
    return Failure(fmt::format(
        "the worker is of another version: protocol {}, build {}; needed: "
        "protocol {}, build {}",
        hello.protocol_version, hello.build_id, kProtocolVersion, BuildId()));
  }
  result_.sandbox_active = hello.sandbox_active;
  result_.sandbox_missing = hello.sandbox_missing;
  detail_ =
      fmt::format("protocol {}, build {}", kProtocolVersion, hello.build_id);
  return OkStatus();
}

Status RoundTripper::ScanHostile() {
  Result<ScanReply> reply = AskOne(NewTask(hostile_));
  if (!reply.ok()) return reply.error();
  const std::vector<Finding>& findings = reply.value().findings;
  const auto found = std::find_if(
      findings.begin(), findings.end(),
      [](const Finding& finding) { return finding.rule_id == kHostileRule; });
  if (reply.value().status != OutcomeStatus::kScanned ||
      found == findings.end()) {
    return Failure(fmt::format(
        "the sample that calls os.system came back as {} with {} finding(s), "
        "none of them {}",
        OutcomeStatusName(reply.value().status), findings.size(),
        kHostileRule));
  }
  detail_ = "found in the sample: " + found->message;
  return OkStatus();
}

Status RoundTripper::ScanBatch() {
  std::vector<TaskRequest> tasks;
  tasks.reserve(kBatch);
  for (int i = 0; i < kBatch; ++i) {
    tasks.push_back(NewTask(i % 2 == 0 ? hostile_ : harmless_));
  }
  const TaskId first = tasks.front().id;
  Result<std::vector<ScanReply>> replies = Ask(std::move(tasks));
  if (!replies.ok()) return replies.error();
  std::array<bool, kBatch> answered{};
  for (const ScanReply& reply : replies.value()) {
    const TaskId index = reply.task - first;
    if (index >= kBatch || answered[index] ||
        reply.status != OutcomeStatus::kScanned ||
        reply.findings.empty() == (index % 2 == 0)) {
      return Failure("a task of a batch was answered wrongly");
    }
    answered[index] = true;
  }
  detail_ = fmt::format("{} tasks in one message", kBatch);
  return OkStatus();
}

// What the worker may not read. Here: its own program, which we can read.
Status RoundTripper::ReadOutside() {
  TaskRequest task;
  task.id = next_task_++;
  task.path = WorkerPath(options_.worker_path);
  Result<ScanReply> reply = AskOne(std::move(task));
  if (!reply.ok()) return reply.error();
  const std::vector<std::string>& active = result_.sandbox_active;
  const bool held = std::any_of(
      active.begin(), active.end(),
      [](const std::string& part) { return part.starts_with("landlock"); });
  const bool refused = reply.value().status == OutcomeStatus::kUnreadable;
  if (held && !refused) {
    return Failure("the worker could read a file outside what is scanned");
  }
  detail_ = refused ? "a file outside what is scanned is refused"
                    : "without Landlock a worker can read any file";
  return OkStatus();
}

Status RoundTripper::RunOutOfTime() {
  TaskRequest task = NewTask(slow_);
  task.soft_deadline_us = 1;
  Result<ScanReply> reply = AskOne(std::move(task));
  if (!reply.ok()) return reply.error();
  if (reply.value().status != OutcomeStatus::kTimedOut) {
    return Failure(fmt::format("a task past its deadline came back as {}",
                               OutcomeStatusName(reply.value().status)));
  }
  detail_ = reply.value().detail;
  return OkStatus();
}

void RoundTripper::SendSlowTasks() {
  std::vector<TaskRequest> tasks;
  tasks.reserve(kSlowCopies);
  for (int i = 0; i < kSlowCopies; ++i) tasks.push_back(NewTask(slow_));
  launcher_->Send(worker_, tasks);
}

// The worker says on its board what it is in, without a message.
Status RoundTripper::FindOnBoard() {
  const TaskId first = next_task_;
  SendSlowTasks();
  const SteadyTime end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    const BoardSnapshot board = launcher_->Board(worker_);
    if (board.task >= first && board.task < next_task_) {
      detail_ = fmt::format("in task {}, {}, at offset {}", board.task,
                            board.phase, board.offset);
      return OkStatus();
    }
    (void)launcher_->Wait(std::chrono::steady_clock::now() +
                          std::chrono::milliseconds(1));
  }
  return Failure("the worker's board never named its task");
}

Status RoundTripper::Cancel() {
  launcher_->Terminate(worker_);
  const Result<NativeEnd> end = AwaitEnd();
  if (!end.ok()) return end.error();
  detail_ = "ended with " + NameOfEnd(end.value()) + " in the middle of a task";
  return OkStatus();
}

Status RoundTripper::Respawn() {
  Result<WorkerId> worker = launcher_->Spawn();
  if (!worker.ok()) return worker.error();
  worker_ = worker.value();
  Status ready = AwaitHello();
  if (ready.ok()) detail_ = "a new worker is ready";
  return ready;
}

Status RoundTripper::Crash() {
  SendSlowTasks();
  launcher_->Kill(worker_);
  const Result<NativeEnd> end = AwaitEnd();
  if (!end.ok()) return end.error();
  detail_ = "noticed as " + NameOfEnd(end.value());
  return OkStatus();
}

Status RoundTripper::End() {
  launcher_->Close(worker_);
  const Result<NativeEnd> end = AwaitEnd();
  if (!end.ok()) return end.error();
  if (end.value() != NativeEnd{NativeEnd::Kind::kExited, 0}) {
    return Failure("the worker ended with " + NameOfEnd(end.value()));
  }
  detail_ = "ended by itself when its pipe was closed";
  return OkStatus();
}

}  // namespace

RoundTrip TryWorker(const ScanOptions& options) {
  return RoundTripper(options).Run();
}

}  // namespace scanengine
