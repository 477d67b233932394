// The loop of a worker against a supervisor that is a list of bytes.

#include "worker/worker_loop.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "ipc/frame_codec.h"
#include "tests/support/memory_channel.h"
#include "tests/support/scan_bytes.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::MemoryChannel;
using testing::TempDir;
using Bytes = std::vector<std::byte>;

Bytes FrameOf(MessageType type, const Bytes& payload) {
  Bytes frame;
  AppendFrame(type, payload, &frame);
  return frame;
}

SupervisorHello GoodHello() {
  SupervisorHello hello;
  hello.build_id = BuildId();
  hello.supervisor_pid = 7;
  hello.sandbox.read_roots = {"/a", "/b"};
  hello.sandbox.memory_limit = 12345;
  return hello;
}
Bytes HelloFrame(const SupervisorHello& hello = GoodHello()) {
  return FrameOf(MessageType::kSupervisorHello, Encode(hello));
}
Bytes TasksFrame(const std::vector<TaskRequest>& tasks) {
  return FrameOf(MessageType::kTasks, Encode(tasks));
}
TaskRequest TaskFor(TaskId id, std::string path, std::uint64_t deadline = 0) {
  TaskRequest task;
  task.id = id;
  task.path = std::move(path);
  task.soft_deadline_us = deadline;
  return task;
}

/// A loop, what goes in and what came out.
class Harness {
 public:
  Harness() {
    hooks.enter_sandbox =
        [this](const SandboxRequest& request) -> Result<SandboxReport> {
      requests.push_back(request);
      return SandboxReport{{"seccomp"}, {"landlock: not here"}};
    };
    hooks.pid = 4242;
  }

  Status Run() {
    ScanEnvironment environment;
    environment.imports = TestPolicy();
    environment.board = &board_;
    Status status = RunWorkerLoop(channel, environment, hooks);
    frames = Written();
    return status;
  }
  std::vector<Frame> Written() const {
    FrameDecoder decoder;
    std::vector<Frame> all = decoder.Feed(channel.written);
    CHECK(decoder.status().ok());
    CHECK_FALSE(decoder.mid_frame());
    return all;
  }
  /// Of all messages after the Hello.
  std::vector<ScanReply> Replies() const {
    std::vector<ScanReply> all;
    for (std::size_t i = 1; i < frames.size(); ++i) {
      REQUIRE(frames[i].type == MessageType::kReplies);
      const auto replies = DecodeReplies(frames[i].payload).value();
      all.insert(all.end(), replies.begin(), replies.end());
    }
    return all;
  }
  std::vector<TaskId> Answered() const {
    std::vector<TaskId> ids;
    for (const ScanReply& reply : Replies()) ids.push_back(reply.task);
    return ids;
  }

  MemoryChannel channel;
  WorkerHooks hooks;
  std::vector<SandboxRequest> requests;
  std::vector<Frame> frames;

 private:
  NullBoard board_;
};

TEST_CASE("Worker loop: greets when its sandbox is in force, ends at the end") {
  Harness harness;
  bool in_sandbox = false;
  harness.hooks.enter_sandbox =
      [&](const SandboxRequest& request) -> Result<SandboxReport> {
    CHECK(request == GoodHello().sandbox);
    CHECK(harness.channel.written.empty());
    in_sandbox = true;
    return SandboxReport{{"seccomp"}, {"landlock: not here"}};
  };
  harness.channel.Add(HelloFrame());
  CHECK(harness.Run().ok());
  CHECK(in_sandbox);
  REQUIRE(harness.frames.size() == 1);
  CHECK(harness.frames[0].type == MessageType::kWorkerHello);
  CHECK(DecodeWorkerHello(harness.frames[0].payload).value() ==
        WorkerHello{kProtocolVersion,
                    BuildId(),
                    4242,
                    {"seccomp"},
                    {"landlock: not here"}});
}

TEST_CASE("Worker loop: another version or build is told ours, then left") {
  SupervisorHello hello = GoodHello();
  SECTION("version") { hello.protocol_version = kProtocolVersion + 1; }
  SECTION("older version") { hello.protocol_version = 0; }
  SECTION("build") { hello.build_id = "another"; }
  SECTION("no build") { hello.build_id.clear(); }
  Harness harness;
  harness.channel.Add(HelloFrame(hello));
  harness.channel.Add(TasksFrame({TaskFor(1, "/nowhere")}));
  const Status status = harness.Run();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kInvalidArgument);
  REQUIRE(harness.frames.size() == 1);  // No task was done.
  const WorkerHello mine = DecodeWorkerHello(harness.frames[0].payload).value();
  CHECK(mine.build_id == BuildId());
  CHECK(mine.protocol_version == kProtocolVersion);
  CHECK(mine.sandbox_active.empty());
  CHECK(harness.requests.empty());
}

TEST_CASE(
    "Worker loop: without its sandbox it reads no file and says nothing") {
  Harness harness;
  harness.hooks.enter_sandbox =
      [](const SandboxRequest&) -> Result<SandboxReport> {
    return Error{ErrorCode::kIo, "no sandbox today"};
  };
  harness.channel.Add(HelloFrame());
  harness.channel.Add(TasksFrame({TaskFor(1, "/nowhere")}));
  const Status status = harness.Run();
  REQUIRE_FALSE(status.ok());
  // Not kIo, by which a worker tells that its supervisor has gone.
  CHECK(status.error().code == ErrorCode::kUnsupported);
  CHECK(status.error().detail == "cannot enter the sandbox: no sandbox today");
  CHECK(harness.channel.written.empty());
}

TEST_CASE("Worker loop: a supervisor that goes before its Hello is an error") {
  Harness harness;
  SECTION("at once") {}
  SECTION("in the middle") {
    Bytes frame = HelloFrame();
    frame.resize(frame.size() - 1);
    harness.channel.Add(frame);
  }
  const Status status = harness.Run();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kIo);
  CHECK(harness.channel.written.empty());
}

TEST_CASE("Worker loop: what it cannot understand ends it as malformed") {
  Harness harness;
  bool greeted = true;
  SECTION("noise instead of a Hello") {
    greeted = false;
    harness.channel.Add(Bytes(64, std::byte{'x'}));
  }
  SECTION("a task instead of a Hello") {
    greeted = false;
    harness.channel.Add(TasksFrame({TaskFor(1, "/nowhere")}));
  }
  SECTION("a Hello that is cut inside its frame") {
    greeted = false;
    Bytes payload = Encode(GoodHello());
    payload.pop_back();
    harness.channel.Add(FrameOf(MessageType::kSupervisorHello, payload));
  }
  SECTION("noise after the Hello") {
    harness.channel.Add(HelloFrame());
    harness.channel.Add(Bytes(64, std::byte{'x'}));
  }
  SECTION("a second Hello") {
    harness.channel.Add(HelloFrame());
    harness.channel.Add(HelloFrame());
  }
  SECTION("replies, which a supervisor never sends") {
    harness.channel.Add(HelloFrame());
    const ScanReply reply;
    harness.channel.Add(
        FrameOf(MessageType::kReplies, Encode(std::span(&reply, 1))));
  }
  SECTION("a task of a kind that nobody knows") {
    TaskRequest task = TaskFor(1, "/nowhere");
    task.kind = "format-the-disk";
    harness.channel.Add(HelloFrame());
    harness.channel.Add(TasksFrame({task}));
  }
  SECTION("tasks with bytes behind them") {
    Bytes payload = Encode(std::vector<TaskRequest>{TaskFor(1, "/nowhere")});
    payload.push_back(std::byte{0});
    harness.channel.Add(HelloFrame());
    harness.channel.Add(FrameOf(MessageType::kTasks, payload));
  }
  const Status status = harness.Run();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kMalformed);
  CHECK(harness.frames.size() == (greeted ? 1 : 0));
}

TEST_CASE("Worker loop: tasks are answered in order, however they arrive") {
  TempDir folder;
  std::vector<TaskRequest> tasks;
  for (TaskId id = 1; id <= 20; ++id) {
    const std::string name = "f" + std::to_string(id) + ".txt";
    tasks.push_back(TaskFor(id, folder.File(name, "text\n")));
  }
  Bytes all = HelloFrame();
  const Bytes first = TasksFrame({tasks.begin(), tasks.begin() + 5});
  const Bytes second = TasksFrame({tasks.begin() + 5, tasks.end()});
  all.insert(all.end(), first.begin(), first.end());
  all.insert(all.end(), second.begin(), second.end());
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{7}, std::size_t{1000}, all.size()}) {
    DYNAMIC_SECTION(piece << " bytes at a time") {
      Harness harness;
      harness.channel.AddInPieces(all, piece);
      CHECK(harness.Run().ok());
      std::vector<TaskId> ids;
      for (const TaskRequest& task : tasks) ids.push_back(task.id);
      CHECK(harness.Answered() == ids);
      for (const ScanReply& reply : harness.Replies()) {
        CHECK(reply.status == OutcomeStatus::kNotAModel);
        CHECK(reply.bytes == 5);
      }
    }
  }
}

TEST_CASE("Worker loop: no tasks, and a message of none, need no answer") {
  Harness harness;
  harness.channel.Add(HelloFrame());
  harness.channel.Add(TasksFrame({}));
  CHECK(harness.Run().ok());
  CHECK(harness.frames.size() == 1);
}

TEST_CASE("Worker loop: every reply is written before it waits for more") {
  TempDir folder;
  const std::string path = folder.File("a.txt", "text\n");
  Harness harness;
  harness.channel.Add(HelloFrame());
  harness.channel.Add(TasksFrame({TaskFor(1, path), TaskFor(2, path)}));
  harness.channel.Add(TasksFrame({TaskFor(3, path)}));
  std::vector<std::size_t> answered;
  harness.channel.on_read = [&] {
    harness.frames = harness.Written();
    answered.push_back(harness.frames.empty() ? 0 : harness.Answered().size());
  };
  CHECK(harness.Run().ok());
  CHECK(answered == std::vector<std::size_t>{0, 0, 2, 3});
}

TEST_CASE("Worker loop: short tasks are answered together, 64 at most") {
  TempDir folder;
  const std::string path = folder.File("a.txt", "text\n");
  std::vector<TaskRequest> tasks;
  for (TaskId id = 1; id <= 200; ++id) tasks.push_back(TaskFor(id, path));
  Harness harness;
  harness.channel.Add(HelloFrame());
  harness.channel.Add(TasksFrame(tasks));
  CHECK(harness.Run().ok());
  CHECK(harness.Answered().size() == 200);
  for (std::size_t i = 1; i < harness.frames.size(); ++i) {
    CHECK(DecodeReplies(harness.frames[i].payload).value().size() <= 64);
  }
}

TEST_CASE("Worker loop: the watchdog is armed around each task with a time") {
  TempDir folder;
  const std::string path = folder.File("a.txt", "text\n");
  Harness harness;
  std::vector<std::string> log;
  harness.hooks.arm_watchdog = [&](std::chrono::microseconds limit) {
    log.push_back("arm " + std::to_string(limit.count()));
  };
  harness.hooks.disarm_watchdog = [&] { log.push_back("disarm"); };
  harness.channel.Add(HelloFrame());
  harness.channel.Add(
      TasksFrame({TaskFor(1, path, 800'000'000), TaskFor(2, path, 1'000),
                  TaskFor(3, path, 0)}));
  CHECK(harness.Run().ok());
  // An eighth later than the cooperative one, and at least a quarter second.
  CHECK(log == std::vector<std::string>{"arm 900000000", "disarm", "arm 251000",
                                        "disarm", "disarm"});
}

TEST_CASE("Worker loop: the peak of memory goes out with each message") {
  TempDir folder;
  const std::string path = folder.File("a.txt", "text\n");
  Harness harness;
  std::uint64_t peak = 1'000;
  harness.hooks.peak_memory = [&] { return peak++; };
  harness.channel.Add(HelloFrame());
  harness.channel.Add(TasksFrame({TaskFor(1, path)}));
  harness.channel.Add(TasksFrame({TaskFor(2, path)}));
  CHECK(harness.Run().ok());
  const std::vector<ScanReply> replies = harness.Replies();
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].peak_memory == 1'000);
  CHECK(replies[1].peak_memory == 1'001);
}

TEST_CASE("Worker loop: limits come from the supervisor") {
  SupervisorHello hello = GoodHello();
  hello.limits.max_findings = 0;
  TempDir folder;
  Harness harness;
  harness.channel.Add(HelloFrame(hello));
  // Protocol 0: os.system("x").
  harness.channel.Add(TasksFrame(
      {TaskFor(1, folder.File("a.pkl", "cos\nsystem\n(S'x'\ntR."))}));
  CHECK(harness.Run().ok());
  REQUIRE(harness.Replies().size() == 1);
  const ScanReply reply = harness.Replies()[0];
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(RuleIds(reply) == std::vector<std::string>{"limit-reached"});
}

TEST_CASE("Worker loop: a supervisor that stops reading ends it with kIo") {
  TempDir folder;
  Harness harness;
  harness.channel.Add(HelloFrame());
  harness.channel.Add(TasksFrame({TaskFor(1, folder.File("a.txt"))}));
  SECTION("at the Hello") { harness.channel.writes_left = 0; }
  SECTION("at a reply") { harness.channel.writes_left = 1; }
  const Status status = harness.Run();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kIo);
}

TEST_CASE("Worker loop: an input that fails is no orderly end") {
  Harness harness;
  harness.channel.Add(HelloFrame());
  harness.channel.fail_reads = true;
  const Status status = harness.Run();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kIo);
}

}  // namespace
}  // namespace scanengine
