// A worker that fails on request, for tests of the process layer.
//
// Usage: misbehaving_worker --mode MODE --parent PID --board N [--cache N]
//
// It answers every task like a worker that finds nothing, except one whose path
// contains "trigger": then it does what MODE says. Modes that start with
// "hello-" or "start-" act before any task. The table is the list of ways to
// fail that the supervisor must survive; each is a row in
// misbehaving_rows_*.cc.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ipc/frame_codec.h"
#include "ipc/messages.h"
#include "ipc/status_board.h"
#include "tests/integration/misbehaving_system.h"

namespace {

using scanengine::AppendFrame;
using scanengine::Encode;
using scanengine::MessageType;
using scanengine::ScanReply;
using scanengine::TaskRequest;
using namespace scanengine::testing;  // NOLINT(google-build-using-namespace)
using Bytes = std::vector<std::byte>;

struct Self {
  std::unique_ptr<scanengine::StatusBoardWriter> board;
  const TaskRequest* task = nullptr;
};
Self self;

void WriteFrame(MessageType type, const Bytes& payload) {
  Bytes frame;
  AppendFrame(type, payload, &frame);
  WriteOut(frame.data(), frame.size());
}
void WriteReply(scanengine::TaskId task) {
  ScanReply reply;
  reply.task = task;
  WriteFrame(MessageType::kReplies, Encode(std::span(&reply, 1)));
}
void WriteHello(std::uint32_t version, const std::string& build) {
  scanengine::WorkerHello hello;
  hello.protocol_version = version;
  hello.build_id = build;
  hello.pid = OwnPid();
  WriteFrame(MessageType::kWorkerHello, Encode(hello));
}
void WriteRaw(const std::string& bytes) {
  WriteOut(bytes.data(), bytes.size());
}

void EatMemory() {
  for (int i = 0; i < 4096; ++i) {
    auto* block = static_cast<char*>(std::malloc(16 << 20));
    if (block == nullptr) Crash();
    std::memset(block, 1, 16 << 20);
    Pause(2);
  }
  Hang();
}

const std::map<std::string, Action>& Modes() {
  static const std::map<std::string, Action> modes{
      // Ways to end.
      {"exit-0", [] { Leave(0); }},
      {"exit-7", [] { Leave(7); }},
      {"crash", [] { Crash(); }},
      {"exit-watchdog", [] { Leave(75); }},
      {"exit-between-tasks",
       [] {
         WriteReply(self.task->id);
         Leave(0);
       }},
      // Ways not to end.
      {"hang", [] { Hang(); }},
      {"hang-ignoring-term",
       [] {
         IgnoreTerm();
         Hang();
       }},
      {"hang-busy",
       [] {
         IgnoreTerm();
         static volatile bool for_ever = true;
         while (for_ever) {
         }
       }},
      {"reads-nothing-writes-nothing",
       [] {
         CloseIn();
         Hang();
       }},
      {"close-pipe-and-hang",
       [] {
         CloseOut();
         Hang();
       }},
      {"eat-memory", EatMemory},
      // Bytes that are no message.
      {"noise-on-stdout", [] { WriteRaw("hello from a chatty library\n"); }},
      {"half-a-frame-then-exit",
       [] {
         WriteRaw(std::string("SE\x04\x00\x10\x00", 6));
         Leave(0);
       }},
      {"half-a-frame-then-crash",
       [] {
         WriteRaw(std::string("SE\x04\x00\x10\x00", 6));
         Crash();
       }},
      {"half-a-frame-then-hang",
       [] {
         WriteRaw(std::string("SE\x04\x00\x10\x00", 6));
         Hang();
       }},
      {"oversized-length",
       [] {
         WriteRaw(std::string("SE\x04\x00\xff\xff\xff\x7f", 8));
         Hang();
       }},
      {"unknown-type",
       [] {
         WriteRaw(std::string("SE\x63\x00\x00\x00\x00\x00", 8));
         Hang();
       }},
      {"slow-drip",
       [] {
         for (;;) {
           WriteRaw("S");
           Pause(20);
           Hang();
         }
       }},
      {"flood-stdout",
       [] {
         const std::string block(1 << 16, 'x');
         for (;;) WriteRaw(block);
       }},
      {"flood-stderr",
       [] {
         IgnoreTerm();
         const std::string block(1 << 16, 'e');
         for (;;) WriteErr(block.data(), block.size());
       }},
      // Messages that lie.
      {"empty-replies",
       [] { WriteFrame(MessageType::kReplies, Bytes(3, std::byte{1})); }},
      {"huge-count",
       [] { WriteFrame(MessageType::kReplies, Bytes(4, std::byte{0xff})); }},
      {"bad-enumerator",
       [] {
         ScanReply reply;
         reply.task = self.task->id;
         Bytes payload = Encode(std::span(&reply, 1));
         payload[12] = std::byte{200};  // The status.
         WriteFrame(MessageType::kReplies, payload);
       }},
      {"trailing-bytes",
       [] {
         ScanReply reply;
         reply.task = self.task->id;
         Bytes payload = Encode(std::span(&reply, 1));
         payload.push_back(std::byte{0});
         WriteFrame(MessageType::kReplies, payload);
       }},
      {"reply-foreign", [] { WriteReply(self.task->id + 1'000'000); }},
      {"reply-never-sent", [] { WriteReply(0); }},
      {"reply-twice",
       [] {
         WriteReply(self.task->id);
         WriteReply(self.task->id);
         Hang();
       }},
      {"hello-twice",
       [] { WriteHello(scanengine::kProtocolVersion, scanengine::BuildId()); }},
      {"sends-tasks",
       [] {
         WriteFrame(MessageType::kTasks, Encode(std::span(self.task, 1)));
       }},
      // A board that lies.
      {"board-foreign-then-crash",
       [] {
         self.board->BeginTask(999'999);
         Crash();
       }},
      {"board-silent-hang",
       [] {
         self.board->EndTask();
         Hang();
       }},
  };
  return modes;
}

std::map<std::string, Action> AllModes() {
  std::map<std::string, Action> all = Modes();
  all.merge(SystemModes());
  return all;
}

const std::map<std::string, Action>& StartModes() {
  static const std::map<std::string, Action> modes{
      {"start-exit", [] { Leave(3); }},
      {"start-complaint",
       [] {
         const std::string text = "no room for a worker\n";
         WriteErr(text.data(), text.size());
         Leave(3);
       }},
      {"start-crash", [] { Crash(); }},
      {"hello-never", [] { Hang(); }},
      {"hello-garbage",
       [] {
         WriteRaw("not a frame at all");
         Hang();
       }},
      {"hello-malformed",
       [] {
         WriteFrame(MessageType::kWorkerHello, Bytes(2, std::byte{9}));
         Hang();
       }},
      {"hello-wrong-version", [] { WriteHello(99, scanengine::BuildId()); }},
      {"hello-wrong-build",
       [] { WriteHello(scanengine::kProtocolVersion, "another build"); }},
      {"reply-before-hello", [] { WriteReply(1); }},
  };
  return modes;
}

void Serve(const std::string& mode) {
  const std::map<std::string, Action> all = AllModes();
  const auto action = all.find(mode);
  scanengine::FrameDecoder decoder;
  std::array<std::byte, 65536> buffer;
  while (true) {
    const std::size_t got = ReadIn(buffer.data(), buffer.size());
    if (got == 0) Leave(0);
    const auto frames = decoder.Feed(std::span(buffer).first(got));
    if (!decoder.status().ok()) Leave(97);
    for (const auto& frame : frames) {
      if (frame.type != MessageType::kTasks) continue;
      auto tasks = scanengine::DecodeTasks(frame.payload);
      if (!tasks.ok()) Leave(96);
      for (const TaskRequest& task : tasks.value()) {
        self.task = &task;
        self.board->BeginTask(task.id);
        self.board->SetPhase("misbehave");
        const bool trigger = task.path.find("trigger") != std::string::npos;
        if (trigger && action != all.end()) {
          action->second();
          if (mode != "exit-between-tasks") continue;
        }
        self.board->EndTask();
        WriteReply(task.id);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string mode;
  scanengine::NativeHandle board_handle = scanengine::kNoHandle;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--mode") mode = argv[i + 1];
    if (name == "--board") board_handle = std::atol(argv[i + 1]);
  }
  PrepareSystem(board_handle);
  auto board = scanengine::StatusBoardWriter::Attach(board_handle);
  if (!board.ok()) return 95;
  self.board = std::move(board).value();
  // A test of a mode that is not there would show nothing.
  if (!mode.empty() && mode != "none" && !StartModes().contains(mode) &&
      !AllModes().contains(mode)) {
    return 94;
  }
  const auto start = StartModes().find(mode);
  if (start != StartModes().end()) {
    start->second();
    Hang();
  }
  WriteHello(scanengine::kProtocolVersion, scanengine::BuildId());
  Serve(mode);
}
