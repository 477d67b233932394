#include "engine/scan_engine.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/event_dispatcher.h"
#include "engine/in_process_launcher.h"
#include "engine/machine.h"
#include "engine/path_syntax.h"
#include "engine/process_info.h"
#include "engine/process_launcher.h"
#include "engine/run_cache.h"
#include "engine/run_journal.h"
#include "engine/supervisor.h"
#include "engine/task_feed.h"
#include "engine/worker_count.h"
#include "ipc/check.h"
#include "ipc/import_policy.h"
#include "ipc/shared_cache.h"

namespace scanengine {
namespace {

// Of one file, with texts as long as they may be, in one message.
constexpr std::uint32_t kMostFindings = 1'500;

// Stands in when workers cannot even be prepared: every start fails with the
// reason, and the supervisor does what it does when workers cannot be had.
class NoLauncher final : public WorkerLauncher {
 public:
  explicit NoLauncher(std::string reason) : reason_(std::move(reason)) {}

  Result<WorkerId> Spawn() override {
    return Error{ErrorCode::kSpawnFailed, reason_};
  }
  void Send(WorkerId, std::span<const TaskRequest>) override {}
  void Close(WorkerId) override {}
  void Terminate(WorkerId) override {}
  void Kill(WorkerId) override {}
  std::vector<WorkerEvent> Wait(Clock::Time until) override {
    std::this_thread::sleep_until(std::min(
        until,
        std::chrono::steady_clock::now() + std::chrono::milliseconds(5)));
    return {};
  }
  BoardSnapshot Board(WorkerId) override { return {}; }
  std::uint64_t Memory(WorkerId) override { return 0; }
  void Interrupt() override {}
  std::chrono::microseconds Serialising() const override {
    return std::chrono::microseconds(0);
  }

 private:
  std::string reason_;
};

// Adds up outcomes on their way to the dispatcher.
class CountingSink final : public EventSink {
 public:
  CountingSink(EventDispatcher& next, const TaskFeed& feed)
      : next_(next), feed_(feed) {}

  void OnOutcome(FileOutcome outcome) override {
    const ScanReply& result = outcome.result;
    ++summary_.files;
    if (outcome.resumed) ++summary_.resumed;
    if (outcome.cached && !outcome.resumed) ++summary_.cached;
    if (outcome.attempts > 0 && !outcome.resumed) ++summary_.scanned;
    ++summary_.by_status[static_cast<std::size_t>(result.status)];
    for (const Finding& finding : result.findings) {
      ++summary_
            .findings_by_severity[static_cast<std::size_t>(finding.severity)];
    }
    summary_.bytes += result.bytes;
    scanners_.insert(result.scanners.begin(), result.scanners.end());
    next_.OnOutcome(std::move(outcome));
  }
  void OnNotice(Notice notice) override { next_.OnNotice(std::move(notice)); }
  void OnProgress(Progress progress) override {
    progress.found = feed_.found();
    progress.bytes_found = feed_.bytes_found();
    next_.OnProgress(std::move(progress));
  }
  bool Congested() const override { return next_.Congested(); }

  RunSummary TakeSummary() {
    summary_.scanners.assign(scanners_.begin(), scanners_.end());
    return std::move(summary_);
  }

 private:
  EventDispatcher& next_;
  const TaskFeed& feed_;
  RunSummary summary_;
  std::set<std::string> scanners_;
};

Result<std::vector<std::byte>> CompilePolicies(const ScanOptions& options) {
  if (options.policies.empty() && !options.strict_imports) {
    const auto bytes = BuiltInPolicyBytes();
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  }
  std::vector<PolicyText> texts(BuiltInPolicy().begin(), BuiltInPolicy().end());
  for (const PolicyFile& file : options.policies) {
    texts.push_back({file.name, file.text});
  }
  Result<std::vector<std::byte>> compiled =
      CompileImportPolicy(texts, options.strict_imports);
  if (!compiled.ok()) {
    return Error{ErrorCode::kInvalidArgument, compiled.error().detail};
  }
  return compiled;
}

DiscoveryOptions DiscoveryOptionsOf(const ScanOptions& options) {
  DiscoveryOptions out;
  for (const std::string& path : options.paths) {
    out.paths.push_back(PortablePath(path));
  }
  for (const std::string& path : options.files) {
    out.files.push_back(PortablePath(path));
  }
  out.include = options.include;
  out.exclude = options.exclude;
  out.follow_symlinks = options.follow_symlinks;
  out.max_file_size = options.max_file_size;
  return out;
}

SupervisorOptions SupervisorOptionsOf(const ScanOptions& options) {
  SupervisorOptions out;
  const bool in_process = options.isolation == IsolationMode::kInProcess;
  out.in_process = in_process;
  out.max_attempts = 1 + options.retries;
  out.tasks_per_worker =
      options.isolation == IsolationMode::kPerFile ? 1 : options.recycle_after;
  out.memory_limit = options.memory_limit != 0 ? options.memory_limit
                                               : AvailableMemory() / 10 * 8;
  out.worker_memory = options.worker_memory;
  out.require_isolation = options.require_isolation;
  out.require_sandbox = options.require_sandbox;
  if (in_process) {
    out.workers = 1;
    out.tasks_per_worker = 0;
    out.recycle_memory = 0;
  }
  return out;
}

void TakeOver(const SupervisorStats& stats, RunSummary& summary) {
  summary.degraded = stats.degraded;
  summary.degraded_reason = stats.degraded_reason;
  summary.fewer_workers_reason = stats.fewer_workers_reason;
  summary.worker_count = stats.most_workers;
  summary.workers_started = stats.started;
  summary.crashes = stats.crashes;
  summary.respawns = stats.respawns;
  summary.retries = stats.retries;
  summary.timeouts = stats.timeouts;
  summary.fallbacks = stats.fallbacks;
  summary.recycled = stats.recycled;
  summary.peak_memory = stats.peak_memory;
  summary.sandbox_active = stats.sandbox_active;
  summary.sandbox_missing = stats.sandbox_missing;
}

// Whatever ends a run, its cache is ended before that of which it tells.
class CacheGuard {
 public:
  explicit CacheGuard(RunCache* cache) : cache_(cache) {}
  ~CacheGuard() {
    if (cache_ != nullptr) cache_->End();
  }
  CacheGuard(const CacheGuard&) = delete;
  CacheGuard& operator=(const CacheGuard&) = delete;

 private:
  RunCache* const cache_;
};

Status CheckOptions(const ScanOptions& options) {
  const auto bad = [](const char* what) {
    return Error{ErrorCode::kInvalidArgument, what};
  };
  if (options.workers < 0) return bad("the number of workers is negative");
  if (options.retries < 0) return bad("the number of retries is negative");
  if (options.timeout.count() < 0) return bad("the time limit is negative");
  if (options.recycle_after < 0) return bad("recycle_after is negative");
  // Deadlines are added up in nanoseconds.
  if (options.timeout > std::chrono::hours(24 * 366)) {
    return bad("the time limit is longer than a year");
  }
  if (options.limits.max_ratio == 0) return bad("max_ratio is 0");
  if (options.limits.max_findings > kMostFindings) {
    return bad("max_findings is larger than a reply can carry");
  }
  const bool in_process = options.isolation == IsolationMode::kInProcess;
  if (in_process && options.require_isolation) {
    return bad("isolation is required and in-process scanning asked for");
  }
  if (in_process && options.require_sandbox) {
    return bad("a sandbox is required and in-process scanning asked for");
  }
  if (!options.sandbox && options.require_sandbox) {
    return bad("a sandbox is required and switched off");
  }
  return OkStatus();
}

}  // namespace

std::string_view IsolationModeName(IsolationMode mode) {
  switch (mode) {
    case IsolationMode::kProcess:
      return "process";
    case IsolationMode::kPerFile:
      return "per-file";
    case IsolationMode::kInProcess:
      return "in-process";
  }
  return "process";
}

class ScanEngine::Impl {
 public:
  explicit Impl(ScanOptions options) : options_(std::move(options)) {}
  ~Impl() {
    if (stdin_.handle != kNoHandle) CloseHandle(stdin_.handle);
  }

  Result<RunSummary> Run(ScanObserver& observer);

  void RequestStop() {
    ++stop_requests_;
    Wake();
  }
  Result<FileOutcome> ReadBack(std::uint64_t place) {
    SCANENGINE_CHECK(journal_ != nullptr);
    return journal_->ReadBack(place);
  }
  void ForgetJournal() {
    if (journal_) journal_->Forget();
  }

 private:
  void Wake() {
    const std::lock_guard lock(mutex_);
    if (launcher_) launcher_->Interrupt();
    if (fallback_) fallback_->Interrupt();
  }
  // To whoever takes tasks from the walk.
  void OnNews() {
    if (result_cache_) {
      result_cache_->bell().Ring();
    } else {
      Wake();
    }
  }
  Status Prepare(const ReadRoots& roots);
  Status StartJournal(CountingSink& sink);
  Status StartCache(const ReadRoots& roots, CountingSink& sink);
  OutcomeRecorder* Recorder();
  std::unique_ptr<WorkerLauncher> MakeLauncher(const ReadRoots& roots);
  Task TaskPattern() const;
  void AddStandardInput(TaskFeed& feed);
  std::string SetWorkerCount(SupervisorOptions& supervisor, EventSink& sink);
  Status Drive(Supervisor& supervisor, EventSink& sink);
  void TellOfStop();

  ScanOptions options_;
  std::vector<std::byte> imports_;
  std::unique_ptr<SharedCache> cache_;
  StandardInput stdin_;
  std::optional<Error> stdin_error_;
  std::atomic<int> stop_requests_{0};
  std::unique_ptr<RunJournal> journal_;
  std::unique_ptr<RunCache> result_cache_;
  std::atomic<bool> journal_failed_{false};
  EventSink* sink_ = nullptr;  // Set while the supervisor is driven.
  bool told_of_stop_ = false;
  std::mutex mutex_;  // Guards the pointers below, not what they point to.
  std::unique_ptr<WorkerLauncher> launcher_;
  std::unique_ptr<WorkerLauncher> fallback_;
};

std::unique_ptr<WorkerLauncher> ScanEngine::Impl::MakeLauncher(
    const ReadRoots& roots) {
  const SharedCache::Section imports{std::string(kImportPolicySection),
                                     imports_};
  Result<std::unique_ptr<SharedCache>> cache =
      SharedCache::Create(std::span(&imports, 1));
  if (!cache.ok()) {
    return std::make_unique<NoLauncher>("no shared memory: " +
                                        cache.error().detail);
  }
  cache_ = std::move(cache).value();

  ProcessLauncherOptions launch;
  launch.worker_path = WorkerPath(options_.worker_path);
  if (!IsExecutable(launch.worker_path)) {
    return std::make_unique<NoLauncher>("there is no worker program at " +
                                        launch.worker_path);
  }
  launch.cache = cache_.get();
  launch.hello.limits = options_.limits;
  launch.hello.sandbox.enabled = options_.sandbox;
  launch.hello.sandbox.read_roots = roots.roots;
  launch.hello.sandbox.memory_limit = options_.worker_memory;
  if (stdin_.handle != kNoHandle) launch.inherited.push_back(stdin_.handle);
  return MakeProcessLauncher(std::move(launch));
}

Status ScanEngine::Impl::Prepare(const ReadRoots& roots) {
  Result<std::vector<std::byte>> imports = CompilePolicies(options_);
  if (!imports.ok()) return imports.error();
  imports_ = std::move(imports).value();
  if (options_.scan_stdin) {
    Result<StandardInput> input = CaptureStandardInput(options_.max_file_size);
    if (input.ok()) {
      stdin_ = input.value();
    } else {
      stdin_error_ = input.error();
    }
  }
  InProcessOptions in_process;
  in_process.imports = imports_;
  in_process.limits = options_.limits;
  in_process.cancelled = [this] {
    TellOfStop();
    return stop_requests_ >= 2;
  };
  in_process.before_scan = [this](const std::string& path) {
    if (journal_) journal_->BeginInProcess(path);
  };
  Result<std::unique_ptr<WorkerLauncher>> local =
      MakeInProcessLauncher(std::move(in_process));
  if (!local.ok()) return local.error();
  std::unique_ptr<WorkerLauncher> launcher;
  if (options_.isolation != IsolationMode::kInProcess) {
    launcher = MakeLauncher(roots);
  }
  const std::lock_guard lock(mutex_);
  launcher_ = std::move(launcher);
  fallback_ = std::move(local).value();
  return OkStatus();
}

Task ScanEngine::Impl::TaskPattern() const {
  Task task;
  if (options_.task == FileTask::kInspect) {
    task.kind = kInspectTask;
    task.inspect = options_.inspect;
  }
  return task;
}

void ScanEngine::Impl::AddStandardInput(TaskFeed& feed) {
  Task task = TaskPattern();
  task.target = "-";
  task.size = stdin_.size;
  task.inherited_fd = static_cast<int>(stdin_.handle);
  task.cost = EstimateCost(stdin_.size);
  task.deadline = DeadlineFor(options_.timeout, stdin_.size);
  task.resource_class = ResourceClassOf("-", stdin_.size);
  if (stdin_error_) {
    ScanReply reply;
    reply.status = stdin_error_->code == ErrorCode::kLimitExceeded
                       ? OutcomeStatus::kLimit
                       : OutcomeStatus::kUnreadable;
    reply.detail = stdin_error_->detail;
    task.settled = std::move(reply);
  }
  feed.AddFirst(std::move(task));
}

// Decides how many workers there may be; tells, and returns, why there are
// fewer than wanted.
std::string ScanEngine::Impl::SetWorkerCount(SupervisorOptions& supervisor,
                                             EventSink& sink) {
  if (supervisor.in_process) return {};
  WorkerCount chosen =
      ChooseWorkerCount({.asked = options_.workers,
                         .cores = UsableCores(),
                         .memory_limit = supervisor.memory_limit,
                         .free_descriptors = FreeDescriptors()});
  supervisor.workers = chosen.count;
  if (!chosen.shortage.empty()) {
    sink.OnNotice({Notice::Kind::kFewerWorkers,
                   "starting no more than " + std::to_string(chosen.count) +
                       (chosen.count == 1 ? " worker: " : " workers: ") +
                       chosen.shortage});
  }
  return std::move(chosen.shortage);
}

Status ScanEngine::Impl::StartJournal(CountingSink& sink) {
  RunJournal::Events events;
  events.tell = [&sink](Notice notice) { sink.OnNotice(std::move(notice)); };
  events.on_failure = [this] {
    journal_failed_ = true;
    Wake();
  };
  Result<std::unique_ptr<RunJournal>> journal =
      RunJournal::Start(options_, imports_, ListFormats(), std::move(events));
  if (!journal.ok()) return journal.error();
  journal_ = std::move(journal).value();
  return OkStatus();
}

Status ScanEngine::Impl::StartCache(const ReadRoots& roots,
                                    CountingSink& sink) {
  Result<std::unique_ptr<RunCache>> cache = RunCache::Start(
      options_,
      {imports_, ListFormats(), WorkerPath(options_.worker_path), roots.roots},
      [&sink](Notice notice) { sink.OnNotice(std::move(notice)); });
  if (!cache.ok()) return cache.error();
  result_cache_ = std::move(cache).value();
  return OkStatus();
}

OutcomeRecorder* ScanEngine::Impl::Recorder() {
  return result_cache_ ? result_cache_->RecorderAfter(journal_.get())
                       : journal_.get();
}

// Once, as soon as the thread that scans or supervises learns of it: a file
// that is scanned in this process can take minutes.
void ScanEngine::Impl::TellOfStop() {
  if (told_of_stop_) return;
  if (stop_requests_ == 0 && !journal_failed_) return;
  told_of_stop_ = true;
  sink_->OnNotice({Notice::Kind::kStopping,
                   "stopping: files being scanned are finished first"});
}

Status ScanEngine::Impl::Drive(Supervisor& supervisor, EventSink& sink) {
  sink_ = &sink;
  int stops_passed = 0;
  while (true) {
    TellOfStop();
    const int stops = std::max(stop_requests_.load(), journal_failed_ ? 1 : 0);
    for (; stops_passed < stops; ++stops_passed) supervisor.RequestStop();
    if (!supervisor.Step()) break;
  }
  sink_ = nullptr;
  if (supervisor.fatal()) return *supervisor.fatal();
  return OkStatus();
}

Result<RunSummary> ScanEngine::Impl::Run(ScanObserver& observer) {
  const auto begin = std::chrono::steady_clock::now();
  const std::chrono::microseconds cpu_before = ProcessorTime();
  if (Status status = CheckOptions(options_); !status.ok()) {
    return status.error();
  }
  const DiscoveryOptions discovery = DiscoveryOptionsOf(options_);
  ReadRoots roots;
  if (options_.isolation != IsolationMode::kInProcess) {
    roots = ResolveReadRoots(discovery);
  }
  if (Status status = Prepare(roots); !status.ok()) return status.error();

  EventDispatcher dispatcher(observer);
  TaskFeed feed(
      discovery, options_.timeout, [this] { OnNews(); }, TaskPattern());
  CountingSink sink(dispatcher, feed);
  for (const std::string& notice : roots.notices) {
    sink.OnNotice({Notice::Kind::kReadRights, notice});
  }
  if (Status status = StartCache(roots, sink); !status.ok()) {
    return status.error();
  }
  const CacheGuard guard(result_cache_.get());
  if (Status status = StartJournal(sink); !status.ok()) return status.error();
  dispatcher.SetRecorder(Recorder());
  feed.SetJournal(journal_.get());
  if (options_.scan_stdin) AddStandardInput(feed);

  const SteadyClock clock;
  SupervisorOptions supervisor_options = SupervisorOptionsOf(options_);
  const std::string shortage = SetWorkerCount(supervisor_options, sink);
  WorkerLauncher* const first = launcher_ ? launcher_.get() : fallback_.get();
  std::unique_ptr<CachedTaskSource> lookups;
  if (result_cache_) lookups = result_cache_->Wrap(feed, [this] { Wake(); });
  TaskSource* const source = lookups ? static_cast<TaskSource*>(lookups.get())
                                     : static_cast<TaskSource*>(&feed);
  Supervisor supervisor(supervisor_options, first, &clock, source, &sink);
  if (launcher_) supervisor.SetFallback(fallback_.get());
  feed.Start();
  if (lookups) lookups->Start();
  if (Status status = Drive(supervisor, sink); !status.ok()) {
    if (journal_) journal_->Abandon();
    return status.error();
  }

  RunSummary summary = sink.TakeSummary();
  summary.stopped = stop_requests_ != 0 || journal_failed_;
  summary.isolation = options_.isolation;
  TakeOver(supervisor.stats(), summary);
  if (summary.fewer_workers_reason.empty()) {
    summary.fewer_workers_reason = shortage;
  }
  summary.serialising = first->Serialising();
  dispatcher.Flush();
  if (journal_) journal_->End(summary);
  summary.stopped = summary.stopped || journal_failed_;
  const bool no_memory = feed.out_of_memory() || dispatcher.out_of_memory() ||
                         (lookups && lookups->out_of_memory());
  if (result_cache_) {
    lookups.reset();  // It may still be in the cache.
    result_cache_->End();
    summary.cache = result_cache_->folder();
  }
  if (no_memory) {
    return Error{ErrorCode::kLimitExceeded, "there is no memory left"};
  }
  {
    // Workers are gone; what they used is counted when they were reaped.
    const std::lock_guard lock(mutex_);
    launcher_.reset();
  }
  summary.wall = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin);
  summary.cpu = ProcessorTime() - cpu_before;
  return summary;
}

ScanEngine::ScanEngine(ScanOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
ScanEngine::~ScanEngine() = default;

Result<RunSummary> ScanEngine::Run(ScanObserver& observer) {
  try {
    return impl_->Run(observer);
  } catch (const std::system_error& e) {  // Not even a thread can be had.
    return Error{ErrorCode::kIo,
                 "cannot start a thread: " + e.code().message()};
  }
}
void ScanEngine::RequestStop() { impl_->RequestStop(); }
Result<FileOutcome> ScanEngine::ReadBack(std::uint64_t place) {
  return impl_->ReadBack(place);
}
void ScanEngine::ForgetJournal() { impl_->ForgetJournal(); }

Result<FileOutcome> ScanOneInProcess(const std::string& path,
                                     const ScanOptions& options) {
  Result<std::vector<std::byte>> imports = CompilePolicies(options);
  if (!imports.ok()) return imports.error();
  InProcessOptions in_process;
  in_process.imports = imports.value();
  in_process.limits = options.limits;
  Result<std::unique_ptr<WorkerLauncher>> launcher =
      MakeInProcessLauncher(std::move(in_process));
  if (!launcher.ok()) return launcher.error();
  TaskRequest task;
  task.id = 1;
  task.path = PortablePath(path);
  launcher.value()->Send(1, std::span(&task, 1));
  const std::vector<WorkerEvent> events =
      launcher.value()->Wait(Clock::Time::min());
  FileOutcome outcome;
  outcome.path = task.path;
  outcome.attempts = 1;
  outcome.in_process = true;
  outcome.result = std::get<WorkerReplied>(events.at(0)).replies.at(0);
  return outcome;
}

}  // namespace scanengine
