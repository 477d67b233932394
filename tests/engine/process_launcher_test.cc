// Workers as processes, seen through the launcher's interface. How it copes
// with each way to fail is in tests/integration/misbehaving_worker_test.cc.

#include "engine/process_launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "ipc/import_policy.h"
#include "ipc/shared_cache.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::TempDir;

// Long enough for any machine; only a hang gets that far.
Clock::Time Patience() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(60);
}
Clock::Time NoTime() { return std::chrono::steady_clock::now(); }

std::unique_ptr<WorkerLauncher> MisbehavingLauncher(const std::string& mode) {
  ProcessLauncherOptions options;
  options.worker_path = MISBEHAVING_WORKER;
  options.extra_arguments = {"--mode", mode};
  return MakeProcessLauncher(std::move(options));
}

/// Waits for events until |enough| says so of all of them.
using Events = std::vector<WorkerEvent>;
Events WaitUntil(WorkerLauncher& launcher,
                 const std::function<bool(const Events&)>& enough) {
  Events all;
  const Clock::Time patience = Patience();
  while (!enough(all)) {
    REQUIRE(std::chrono::steady_clock::now() < patience);
    for (WorkerEvent& event : launcher.Wait(patience)) {
      all.push_back(std::move(event));
    }
  }
  return all;
}

template <typename Event>
std::vector<Event> Of(const Events& events) {
  std::vector<Event> all;
  for (const WorkerEvent& event : events) {
    if (const auto* it = std::get_if<Event>(&event)) all.push_back(*it);
  }
  return all;
}
template <typename Event>
Events WaitFor(WorkerLauncher& launcher, std::size_t count = 1) {
  return WaitUntil(launcher, [count](const Events& events) {
    return Of<Event>(events).size() >= count;
  });
}
Events WaitForAnswers(WorkerLauncher& launcher, std::size_t count) {
  return WaitUntil(launcher, [count](const Events& events) {
    std::size_t answered = 0;
    for (const WorkerReplied& event : Of<WorkerReplied>(events)) {
      answered += event.replies.size();
    }
    return answered >= count;
  });
}

TaskRequest TaskFor(TaskId id, std::string path) {
  TaskRequest task;
  task.id = id;
  task.path = std::move(path);
  return task;
}
std::vector<TaskId> Answered(const Events& events) {
  std::vector<TaskId> ids;
  for (const WorkerReplied& event : Of<WorkerReplied>(events)) {
    for (const ScanReply& reply : event.replies) ids.push_back(reply.task);
  }
  return ids;
}

bool IsGone(std::uint32_t pid) {
  return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

// Bounds how many descriptors this process may have, as long as it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t most) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit limit{most, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_CASE("Process launcher: without all its pipes a worker is not started") {
  if (SCANENGINE_SANITIZED != 0) {
    WARN("not run: sanitizers make pipes of their own to look at memory");
    return;
  }
  const auto launcher = MisbehavingLauncher("none");
  // The first number that is free.
  const int first = ::dup(0);
  REQUIRE(first >= 0);
  ::close(first);
  int failures = 0;
  bool started = false;
  for (int more = 0; !started; ++more) {
    CAPTURE(more);
    REQUIRE(more < 20);
    Result<WorkerId> worker = [&] {
      const DescriptorLimit limit(static_cast<rlim_t>(first + more));
      return launcher->Spawn();
    }();
    started = worker.ok();
    if (started) continue;
    ++failures;
    CHECK(worker.error().code == ErrorCode::kSpawnFailed);
    CHECK(worker.error().detail.find("Too many open files") !=
          std::string::npos);
  }
  CHECK(failures > 5);
  // It has our pipes: its Hello comes through one.
  CHECK(Of<WorkerReady>(WaitFor<WorkerReady>(*launcher)).size() == 1);
}

TEST_CASE("Process launcher: the last words of a worker come with its end") {
  const auto launcher = MisbehavingLauncher("start-complaint");
  REQUIRE(launcher->Spawn().ok());
  const auto ends = Of<WorkerExited>(WaitFor<WorkerExited>(*launcher));
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].end == NativeEnd{NativeEnd::Kind::kExited, 3});
  CHECK(ends[0].last_words == "no room for a worker\n");
}

TEST_CASE("Process launcher: greets, carries tasks, closes, reaps") {
  const auto launcher = MisbehavingLauncher("none");
  const WorkerId worker = launcher->Spawn().value();
  const Events hello = WaitFor<WorkerReady>(*launcher);
  REQUIRE(hello.size() == 1);
  const WorkerReady ready = Of<WorkerReady>(hello)[0];
  CHECK(ready.worker == worker);
  CHECK(ready.hello.build_id == BuildId());
  CHECK_FALSE(IsGone(ready.hello.pid));
  CHECK(launcher->Memory(worker) > 0);

  launcher->Send(worker, std::vector{TaskFor(3, "/a"), TaskFor(4, "/b")});
  CHECK(Answered(WaitForAnswers(*launcher, 2)) == std::vector<TaskId>{3, 4});
  CHECK(launcher->Serialising().count() >= 0);

  launcher->Close(worker);
  const Events end = WaitFor<WorkerExited>(*launcher);
  REQUIRE(end.size() == 1);
  CHECK(Of<WorkerExited>(end)[0].worker == worker);
  CHECK(Of<WorkerExited>(end)[0].end == NativeEnd{NativeEnd::Kind::kExited, 0});
  CHECK(IsGone(ready.hello.pid));
  CHECK(launcher->Wait(NoTime()).empty());
  CHECK(launcher->Memory(worker) == 0);
  CHECK(launcher->Board(worker).task == 0);
}

TEST_CASE("Process launcher: a close sends and answers first all it holds") {
  const auto launcher = MisbehavingLauncher("none");
  const WorkerId worker = launcher->Spawn().value();
  std::vector<TaskId> sent;
  // More than a pipe holds, so that much of it waits here.
  for (TaskId id = 1; id <= 200; ++id) {
    launcher->Send(worker, std::vector{TaskFor(id, std::string(5'000, 'p'))});
    sent.push_back(id);
  }
  launcher->Close(worker);
  const Events all = WaitFor<WorkerExited>(*launcher);
  CHECK(Answered(all) == sent);
  REQUIRE(std::holds_alternative<WorkerReady>(all.front()));
  CHECK(std::holds_alternative<WorkerExited>(all.back()));
}

TEST_CASE("Process launcher: what is sent after a close is not carried") {
  const auto launcher = MisbehavingLauncher("none");
  const WorkerId worker = launcher->Spawn().value();
  launcher->Send(worker, std::vector{TaskFor(1, "/a")});
  launcher->Close(worker);
  launcher->Send(worker, std::vector{TaskFor(2, "/b")});
  launcher->Close(worker);
  CHECK(Answered(WaitFor<WorkerExited>(*launcher)) == std::vector<TaskId>{1});
}

TEST_CASE("Process launcher: who is gone, or never was, takes no harm") {
  const auto launcher = MisbehavingLauncher("none");
  const WorkerId worker = launcher->Spawn().value();
  launcher->Kill(worker);
  const Events end = WaitFor<WorkerExited>(*launcher);
  CHECK(Of<WorkerExited>(end)[0].end ==
        NativeEnd{NativeEnd::Kind::kSignaled, SIGKILL});
  for (const WorkerId id : {worker, worker + 1, WorkerId{0}}) {
    launcher->Send(id, std::vector{TaskFor(1, "/a")});
    launcher->Close(id);
    launcher->Terminate(id);
    launcher->Kill(id);
    CHECK(launcher->Memory(id) == 0);
    CHECK(launcher->Board(id).task == 0);
  }
  CHECK(launcher->Wait(NoTime()).empty());
}

TEST_CASE("Process launcher: long paths go in as many frames as it takes") {
  const auto launcher = MisbehavingLauncher("none");
  const WorkerId worker = launcher->Spawn().value();
  std::vector<TaskRequest> tasks;
  std::vector<TaskId> ids;
  // 30 MB in all; one frame takes 16.
  for (TaskId id = 1; id <= 10; ++id) {
    tasks.push_back(TaskFor(id, std::string(3U << 20, 'p')));
    ids.push_back(id);
  }
  launcher->Send(worker, tasks);
  CHECK(Answered(WaitForAnswers(*launcher, 10)) == ids);
}

TEST_CASE("Process launcher: no tasks are no message") {
  const auto launcher = MisbehavingLauncher("none");
  const WorkerId worker = launcher->Spawn().value();
  launcher->Send(worker, {});
  launcher->Send(worker, std::vector{TaskFor(1, "/a")});
  CHECK(Answered(WaitForAnswers(*launcher, 1)) == std::vector<TaskId>{1});
}

TEST_CASE("Process launcher: a wait ends with its time, not before an event") {
  const auto launcher = MisbehavingLauncher("none");
  const Clock::Time until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  CHECK(launcher->Wait(until).empty());
  CHECK(std::chrono::steady_clock::now() >= until);
  CHECK(launcher->Wait(Clock::Time::min()).empty());
}

TEST_CASE("Process launcher: an interrupt wakes a wait, from any thread") {
  const auto launcher = MisbehavingLauncher("hello-never");
  SECTION("before") {
    launcher->Interrupt();
    CHECK(launcher->Wait(Patience()).empty());
  }
  SECTION("meanwhile, again and again") {
    launcher->Spawn().value();
    for (int i = 0; i < 200; ++i) {
      std::thread other([&] { launcher->Interrupt(); });
      CHECK(launcher->Wait(Patience()).empty());
      other.join();
    }
  }
  SECTION("many at once are one") {
    for (int i = 0; i < 100; ++i) launcher->Interrupt();
    CHECK(launcher->Wait(Patience()).empty());
    // The next wait has its time to itself.
    const Clock::Time until =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    CHECK(launcher->Wait(until).empty());
    CHECK(std::chrono::steady_clock::now() >= until);
  }
}

TEST_CASE("Process launcher: its end kills and reaps every worker") {
  std::vector<std::uint32_t> pids;
  auto launcher = MisbehavingLauncher("hang-ignoring-term");
  constexpr std::size_t kWorkers = 5;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    const WorkerId worker = launcher->Spawn().value();
    if (i % 2 == 0) launcher->Send(worker, std::vector{TaskFor(1, "trigger")});
  }
  for (const auto& ready :
       Of<WorkerReady>(WaitFor<WorkerReady>(*launcher, kWorkers))) {
    pids.push_back(ready.hello.pid);
  }
  launcher.reset();
  for (const std::uint32_t pid : pids) CHECK(IsGone(pid));
  int status = 0;
  CHECK(::waitpid(-1, &status, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("Process launcher: its end is quick with bytes on their way") {
  auto launcher = MisbehavingLauncher("reads-nothing-writes-nothing");
  const WorkerId worker = launcher->Spawn().value();
  WaitFor<WorkerReady>(*launcher);
  launcher->Send(worker, std::vector{TaskFor(1, "trigger")});
  launcher->Send(worker, std::vector{TaskFor(2, std::string(10U << 20, 'p'))});
  launcher.reset();
  SUCCEED("neither hung nor died of a broken pipe");
}

TEST_CASE("Process launcher: after a fault nothing more is believed") {
  const auto launcher = MisbehavingLauncher("noise-on-stdout");
  const WorkerId worker = launcher->Spawn().value();
  launcher->Send(worker, std::vector{TaskFor(1, "a"), TaskFor(2, "trigger"),
                                     TaskFor(3, "c")});
  const Events events = WaitFor<WorkerFaulted>(*launcher);
  launcher->Kill(worker);
  const Events rest = WaitFor<WorkerExited>(*launcher);
  CHECK(Answered(events) == std::vector<TaskId>{1});
  CHECK(Of<WorkerFaulted>(events).size() == 1);
  CHECK(Of<WorkerFaulted>(events)[0].what.find("no message") !=
        std::string::npos);
  CHECK(rest.size() == 1);
}

TEST_CASE("Process launcher: the board is read while a task runs") {
  const auto launcher = MisbehavingLauncher("hang");
  const WorkerId worker = launcher->Spawn().value();
  launcher->Send(worker, std::vector{TaskFor(1, "a"), TaskFor(55, "trigger")});
  WaitForAnswers(*launcher, 1);
  while (launcher->Board(worker).task != 55 ||
         launcher->Board(worker).phase != "misbehave") {
    std::this_thread::yield();
  }
  launcher->Terminate(worker);
  const auto exited = Of<WorkerExited>(WaitFor<WorkerExited>(*launcher))[0];
  CHECK(exited.end == NativeEnd{NativeEnd::Kind::kSignaled, SIGTERM});
  CHECK(exited.board.task == 55);
  CHECK(exited.board.phase == "misbehave");
}

ProcessLauncherOptions RealWorker(const SharedCache& cache) {
  ProcessLauncherOptions options;
  options.worker_path = SCANENGINE_WORKER;
  options.cache = &cache;
  return options;
}

TEST_CASE("Process launcher: real workers read an inherited descriptor") {
  const SharedCache::Section imports{
      std::string(kImportPolicySection),
      CompileImportPolicy(BuiltInPolicy()).value()};
  const auto cache = SharedCache::Create(std::span(&imports, 1)).value();
  TempDir folder;
  const std::string path = folder.File("a", "cos\nsystem\n(S'x'\ntR.");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd > 2);
  ProcessLauncherOptions options = RealWorker(*cache);
  options.inherited = {fd};
  const auto launcher = MakeProcessLauncher(options);
  // Each of them, one after the other, from the first byte on.
  for (TaskId id = 1; id <= 3; ++id) {
    const WorkerId worker = launcher->Spawn().value();
    TaskRequest task = TaskFor(id, "-");
    task.inherited_fd = fd;
    launcher->Send(worker, std::span(&task, 1));
    const Events events = WaitForAnswers(*launcher, 1);
    REQUIRE(Of<WorkerReplied>(events).size() == 1);
    const ScanReply reply = Of<WorkerReplied>(events)[0].replies.at(0);
    CHECK(reply.task == id);
    CHECK(reply.status == OutcomeStatus::kScanned);
    CHECK(reply.bytes == 20);
    REQUIRE_FALSE(reply.findings.empty());
    CHECK(reply.findings[0].severity == Severity::kCritical);
    launcher->Close(worker);
    WaitFor<WorkerExited>(*launcher);
  }
  ::close(fd);
}

TEST_CASE("Process launcher: another build of a worker says who it is") {
  const auto launcher = MisbehavingLauncher("hello-wrong-build");
  launcher->Spawn().value();
  const Events events = WaitFor<WorkerReady>(*launcher);
  CHECK(Of<WorkerReady>(events)[0].hello.build_id == "another build");
}

}  // namespace
}  // namespace scanengine
