#include "worker/worker_loop.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <utility>
#include <vector>

#include "ipc/frame_codec.h"
#include "worker/scan_task.h"

namespace scanengine {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// A finished reply waits at most about this long for others to go with it.
constexpr std::chrono::milliseconds kMaxReplyDelay{2};
constexpr std::size_t kMaxReplies = 64;
// Strings in replies are bounded one by one; this bounds their sum, far below
// what a frame takes.
constexpr std::size_t kMaxReplyBytes = kMaxPayloadBytes / 2;

class WorkerLoop {
 public:
  WorkerLoop(ByteChannel& channel, ScanEnvironment environment,
             const WorkerHooks& hooks)
      : channel_(channel),
        environment_(std::move(environment)),
        hooks_(hooks) {}

  Status Run() {
    if (Status status = Handshake(); !status.ok()) return status;
    while (true) {
      Result<bool> more = ReadTasks();
      if (!more.ok()) return more.error();
      if (!more.value()) return OkStatus();
      while (!tasks_.empty()) {
        if (Status status = RunNext(); !status.ok()) return status;
      }
      if (Status status = Flush(); !status.ok()) return status;
    }
  }

 private:
  // The next frame; nothing at the end of the input.
  Result<std::optional<Frame>> ReadFrame() {
    while (frames_.empty()) {
      const Result<std::size_t> got = channel_.Read(buffer_);
      if (!got.ok()) return got.error();
      if (got.value() == 0) return std::optional<Frame>();
      for (Frame& frame :
           decoder_.Feed(std::span(buffer_).first(got.value()))) {
        frames_.push_back(std::move(frame));
      }
      if (!decoder_.status().ok()) return decoder_.status().error();
    }
    std::optional<Frame> frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }

  Status Handshake() {
    Result<std::optional<Frame>> frame = ReadFrame();
    if (!frame.ok()) return frame.error();
    if (!frame.value()) {
      return Error{ErrorCode::kIo, "the supervisor went away"};
    }
    if (frame.value()->type != MessageType::kSupervisorHello) {
      return Error{ErrorCode::kMalformed, "the first message is no Hello"};
    }
    Result<SupervisorHello> hello =
        DecodeSupervisorHello(frame.value()->payload);
    if (!hello.ok()) return hello.error();
    WorkerHello mine;
    mine.build_id = BuildId();
    mine.pid = hooks_.pid;
    const bool same = hello.value().protocol_version == kProtocolVersion &&
                      hello.value().build_id == BuildId();
    if (!same) {
      // The supervisor tells people; it needs to know our version for that.
      (void)Send(MessageType::kWorkerHello, Encode(mine));
      return Error{ErrorCode::kInvalidArgument,
                   "the supervisor is of another version"};
    }
    Result<SandboxReport> sandbox = hooks_.enter_sandbox(hello.value().sandbox);
    if (!sandbox.ok()) {
      // Not kIo, which would say that the supervisor has gone.
      return Error{ErrorCode::kUnsupported,
                   "cannot enter the sandbox: " + sandbox.error().detail};
    }
    environment_.limits = hello.value().limits;
    mine.sandbox_active = std::move(sandbox.value().active);
    mine.sandbox_missing = std::move(sandbox.value().missing);
    return Send(MessageType::kWorkerHello, Encode(mine));
  }

  // False at the end of the input.
  Result<bool> ReadTasks() {
    Result<std::optional<Frame>> frame = ReadFrame();
    if (!frame.ok()) return frame.error();
    if (!frame.value()) return false;
    if (frame.value()->type != MessageType::kTasks) {
      return Error{ErrorCode::kMalformed, "a message that is no task"};
    }
    Result<std::vector<TaskRequest>> tasks =
        DecodeTasks(frame.value()->payload);
    if (!tasks.ok()) return tasks.error();
    for (TaskRequest& task : tasks.value()) {
      if (!IsTaskKind(task.kind)) {
        return Error{ErrorCode::kMalformed, "a task of an unknown kind"};
      }
      tasks_.push_back(std::move(task));
    }
    return true;
  }

  Status RunNext() {
    const TaskRequest task = std::move(tasks_.front());
    tasks_.pop_front();
    if (hooks_.arm_watchdog && task.soft_deadline_us != 0) {
      // Later than the cooperative deadline, earlier than the supervisor's.
      const std::chrono::microseconds soft(task.soft_deadline_us);
      hooks_.arm_watchdog(soft + std::max<std::chrono::microseconds>(
                                     soft / 8, std::chrono::milliseconds(250)));
    }
    ScanReply reply = RunScanTask(environment_, task);
    if (hooks_.disarm_watchdog) hooks_.disarm_watchdog();
    const std::size_t size = WireSize(reply);
    if (reply_bytes_ + size > kMaxReplyBytes) {
      if (Status status = Flush(); !status.ok()) return status;
    }
    const SteadyTime now = std::chrono::steady_clock::now();
    if (replies_.empty()) oldest_reply_ = now;
    reply_bytes_ += size;
    const bool exhausted = reply.status == OutcomeStatus::kOutOfMemory;
    replies_.push_back(std::move(reply));
    if (exhausted || replies_.size() >= kMaxReplies ||
        reply_bytes_ >= kMaxReplyBytes / 8 ||
        now - oldest_reply_ >= kMaxReplyDelay) {
      return Flush();
    }
    return OkStatus();
  }

  Status Flush() {
    if (replies_.empty()) return OkStatus();
    if (hooks_.peak_memory) replies_.back().peak_memory = hooks_.peak_memory();
    Status status = Send(MessageType::kReplies, Encode(replies_));
    replies_.clear();
    reply_bytes_ = 0;
    return status;
  }

  Status Send(MessageType type, std::span<const std::byte> payload) {
    std::vector<std::byte> frame;
    AppendFrame(type, payload, &frame);
    return channel_.Write(frame);
  }

  ByteChannel& channel_;
  ScanEnvironment environment_;
  const WorkerHooks& hooks_;
  std::array<std::byte, 64 << 10> buffer_;
  FrameDecoder decoder_;
  std::deque<Frame> frames_;
  std::deque<TaskRequest> tasks_;
  std::vector<ScanReply> replies_;
  std::size_t reply_bytes_ = 0;
  SteadyTime oldest_reply_;
};

}  // namespace

Status RunWorkerLoop(ByteChannel& channel, ScanEnvironment environment,
                     const WorkerHooks& hooks) {
  // On the heap: its buffers are larger than a stack should carry.
  const auto loop =
      std::make_unique<WorkerLoop>(channel, std::move(environment), hooks);
  return loop->Run();
}

}  // namespace scanengine
