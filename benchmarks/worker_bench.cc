// What isolation costs: real worker processes behind the real launcher, without
// a supervisor. Times are wall times, from this process's side.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/process_launcher.h"
#include "ipc/check.h"
#include "ipc/import_policy.h"
#include "ipc/shared_cache.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using SteadyClockType = std::chrono::steady_clock;

// Long enough for a busy machine, short enough to notice a hang.
constexpr std::chrono::seconds kPatience{20};

double SecondsSince(SteadyClockType::time_point begin) {
  return std::chrono::duration<double>(SteadyClockType::now() - begin).count();
}

// A launcher with the cache and the sandbox of a scan of one folder.
class Workers {
 public:
  explicit Workers(const char* program = SCANENGINE_WORKER,
                   std::vector<std::string> extra_arguments = {},
                   bool sandbox = true) {
    const SharedCache::Section imports{
        std::string(kImportPolicySection),
        CompileImportPolicy(BuiltInPolicy()).value()};
    cache_ = SharedCache::Create(std::span(&imports, 1)).value();
    ProcessLauncherOptions options;
    options.worker_path = program;
    options.extra_arguments = std::move(extra_arguments);
    options.cache = cache_.get();
    options.hello.sandbox.enabled = sandbox;
    options.hello.sandbox.read_roots = {folder_.path()};
    options.hello.sandbox.memory_limit = 1ULL << 30;
    launcher_ = MakeProcessLauncher(std::move(options));
    empty_file_ = folder_.File("empty", "");
  }

  WorkerId Spawn() {
    const Result<WorkerId> worker = launcher_->Spawn();
    SCANENGINE_CHECK(worker.ok());
    return worker.value();
  }

  // Waits for the next event, which must be an |Event|.
  template <typename Event>
  Event Await() {
    while (next_ == events_.size()) {
      events_ = launcher_->Wait(SteadyClockType::now() + kPatience);
      next_ = 0;
      SCANENGINE_CHECK(!events_.empty());
    }
    const Event* event = std::get_if<Event>(&events_[next_++]);
    SCANENGINE_CHECK(event != nullptr);
    return *event;
  }

  WorkerReady Start() {
    Spawn();
    return Await<WorkerReady>();
  }
  void End(WorkerId worker) {
    launcher_->Close(worker);
    Await<WorkerExited>();
  }

  // Tasks for a file of no bytes: opened, looked at, answered.
  void Send(WorkerId worker, std::size_t count, const std::string& name = "") {
    std::vector<TaskRequest> tasks(count);
    for (TaskRequest& task : tasks) {
      task.id = ++task_;
      task.path = name.empty() ? empty_file_ : name;
      task.soft_deadline_us = 60'000'000;
    }
    launcher_->Send(worker, tasks);
  }
  // Waits for answers to |count| tasks. More may come than that: they count
  // for the next call.
  void AwaitReplies(std::size_t count) {
    while (early_ < count) early_ += Await<WorkerReplied>().replies.size();
    early_ -= count;
  }

  WorkerLauncher& launcher() { return *launcher_; }

 private:
  testing::TempDir folder_;
  std::unique_ptr<SharedCache> cache_;
  std::unique_ptr<WorkerLauncher> launcher_;
  std::string empty_file_;
  std::vector<WorkerEvent> events_;
  std::size_t next_ = 0;
  std::size_t early_ = 0;
  TaskId task_ = 0;
};

// From the call that starts a worker to its Hello, sandbox in force.
void StartToHello(benchmark::State& state) {
  Workers workers;
  for (auto _ : state) {
    const auto begin = SteadyClockType::now();
    const WorkerReady ready = workers.Start();
    state.SetIterationTime(SecondsSince(begin));
    workers.End(ready.worker);
  }
}
BENCHMARK(StartToHello)->UseManualTime()->Unit(benchmark::kMicrosecond);

// A whole life: start, one empty task, end; what a file costs with a worker of
// its own.
void OneTaskLife(benchmark::State& state) {
  Workers workers;
  for (auto _ : state) {
    const WorkerId worker = workers.Start().worker;
    workers.Send(worker, 1);
    workers.AwaitReplies(1);
    workers.End(worker);
  }
}
BENCHMARK(OneTaskLife)->UseRealTime()->Unit(benchmark::kMicrosecond);

// One empty task there and back, the worker waiting for it.
void RoundTrip(benchmark::State& state) {
  Workers workers;
  const WorkerId worker = workers.Start().worker;
  for (auto _ : state) {
    workers.Send(worker, 1);
    workers.AwaitReplies(1);
  }
  workers.End(worker);
}
BENCHMARK(RoundTrip)->UseRealTime()->Unit(benchmark::kMicrosecond);

// Empty tasks, 32 in a message and two messages under way to each of range(0)
// workers.
void EmptyTasks(benchmark::State& state) {
  constexpr std::size_t kBatch = 32;
  Workers workers;
  std::vector<WorkerId> ids;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    ids.push_back(workers.Start().worker);
  }
  const std::size_t round = kBatch * ids.size();
  for (const WorkerId id : ids) workers.Send(id, kBatch);
  for (auto _ : state) {
    for (const WorkerId id : ids) workers.Send(id, kBatch);
    workers.AwaitReplies(round);
  }
  workers.AwaitReplies(round);
  for (const WorkerId id : ids) workers.launcher().Close(id);
  for (std::size_t i = 0; i < ids.size(); ++i) workers.Await<WorkerExited>();
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(round));
}
BENCHMARK(EmptyTasks)
    ->Arg(1)
    ->Arg(2)
    ->Arg(4)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

// Shows the middle and the hundredth worst of |times|, in microseconds.
void ShowPercentiles(benchmark::State& state, std::vector<double> times) {
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  state.counters["p50"] = times[times.size() / 2] * 1e6;
  state.counters["p99"] = times[times.size() * 99 / 100] * 1e6;
}

// From |end|, which ends a worker, to the answer of a task by the next one: the
// kernel ends and we reap the old, start the new, greet and ask it.
void EndToNextAnswer(benchmark::State& state, Workers& workers,
                     const std::function<void(WorkerId)>& end) {
  WorkerId worker = workers.Start().worker;
  std::vector<double> times;
  for (auto _ : state) {
    const auto begin = SteadyClockType::now();
    end(worker);
    workers.Await<WorkerExited>();
    worker = workers.Start().worker;
    workers.Send(worker, 1);
    workers.AwaitReplies(1);
    times.push_back(SecondsSince(begin));
  }
  workers.End(worker);
  ShowPercentiles(state, std::move(times));
}

void CrashToNextAnswer(benchmark::State& state) {
  Workers workers(MISBEHAVING_WORKER, {"--mode", "segv"});
  EndToNextAnswer(state, workers,
                  [&](WorkerId worker) { workers.Send(worker, 1, "trigger"); });
}
BENCHMARK(CrashToNextAnswer)->UseRealTime()->Unit(benchmark::kMicrosecond);

// The same with the real worker and its sandbox, ended by SIGKILL.
void KillToNextAnswer(benchmark::State& state) {
  Workers workers;
  EndToNextAnswer(state, workers,
                  [&](WorkerId worker) { workers.launcher().Kill(worker); });
}
BENCHMARK(KillToNextAnswer)->UseRealTime()->Unit(benchmark::kMicrosecond);

// Bytes that the process has to itself; nothing if we may not ask.
std::optional<double> PrivateBytes(std::uint32_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  std::string word;
  double kilobytes = 0;
  bool any = false;
  while (in >> word) {
    if (word != "Private_Clean:" && word != "Private_Dirty:") continue;
    double value = 0;
    in >> value;
    kilobytes += value;
    any = true;
  }
  return any ? std::optional(kilobytes * 1024) : std::nullopt;
}

// Memory of a worker that has answered one empty task and waits. Without the
// sandbox, which hides its maps. The time means nothing.
void IdleMemory(benchmark::State& state) {
  Workers workers(SCANENGINE_WORKER, {}, false);
  std::vector<WorkerId> ids;
  std::optional<double> bytes;
  for (auto _ : state) {
    // Two: what they share with each other is not theirs.
    const WorkerReady first = workers.Start();
    const WorkerReady second = workers.Start();
    for (const WorkerId id : {first.worker, second.worker}) {
      workers.Send(id, 1);
      workers.AwaitReplies(1);
    }
    bytes = PrivateBytes(second.hello.pid);
    workers.End(first.worker);
    workers.End(second.worker);
  }
  if (!bytes) {
    state.SkipWithError("the memory of a child may not be looked into");
    return;
  }
  state.counters["private"] = benchmark::Counter(
      *bytes, benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
}
BENCHMARK(IdleMemory)
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace scanengine
