// A worker that fails on request, for tests of the process layer.
//
// Usage: misbehaving_worker --mode MODE --parent PID --board N [--cache N]
//
// It answers every task like a worker that finds nothing, except one whose path
// contains "trigger": then it does what MODE says. Modes that start with
// "hello-" or "start-" act before any task. The table is the list of ways to
// fail that the supervisor must survive; each is a row in
// misbehaving_worker_test.cc.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Sanitizers would turn a signal into an exit code; the names are theirs.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" const char* __asan_default_options() {
  return "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
         "handle_sigill=0:detect_leaks=0";
}
extern "C" const char* __tsan_default_options() {
  return "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
         "handle_sigill=0";
}
// NOLINTEND(bugprone-reserved-identifier)

namespace {

using scanengine::AppendFrame;
using scanengine::Encode;
using scanengine::MessageType;
using scanengine::ScanReply;
using scanengine::TaskRequest;
using Bytes = std::vector<std::byte>;

struct Self {
  std::unique_ptr<scanengine::StatusBoardWriter> board;
  int board_fd = -1;
  const TaskRequest* task = nullptr;
};
Self self;

void Write(const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size != 0) {
    const ssize_t put = ::write(1, at, size);
    if (put <= 0) ::_exit(79);
    at += put;
    size -= static_cast<std::size_t>(put);
  }
}
void WriteFrame(MessageType type, const Bytes& payload) {
  Bytes frame;
  AppendFrame(type, payload, &frame);
  Write(frame.data(), frame.size());
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
  hello.pid = static_cast<std::uint32_t>(::getpid());
  WriteFrame(MessageType::kWorkerHello, Encode(hello));
}
void WriteRaw(const std::string& bytes) { Write(bytes.data(), bytes.size()); }

[[noreturn]] void Hang() {
  while (true) ::pause();
}
[[noreturn]] void Raise(int number) {
  ::signal(number, SIG_DFL);
  ::raise(number);
  ::_exit(99);
}

void FaultAgain(int) {
  static volatile int* const nowhere = nullptr;
  *nowhere = 1;
}
// A handler that crashes in turn, as crash reporters do.
void FaultInHandler() {
  struct sigaction action {};
  action.sa_handler = FaultAgain;
  ::sigaction(SIGSEGV, &action, nullptr);
  ::raise(SIGSEGV);
}
void BlockAll() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}
void IgnoreTerm() { ::signal(SIGTERM, SIG_IGN); }

int Overflow(int depth) {
  static volatile bool for_ever = true;
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return for_ever ? Overflow(depth + 1) + frame[0] : 0;
}

void EatMemory() {
  for (int i = 0; i < 4096; ++i) {
    auto* block = static_cast<char*>(std::malloc(16 << 20));
    if (block == nullptr) Raise(SIGABRT);
    std::memset(block, 1, 16 << 20);
    ::usleep(2'000);
  }
  Hang();
}

using Action = void (*)();

const std::map<std::string, Action>& Modes() {
  static const std::map<std::string, Action> modes{
      // Ways to end.
      {"exit-0", [] { ::_exit(0); }},
      {"exit-7", [] { ::_exit(7); }},
      {"exit-watchdog", [] { ::_exit(75); }},
      {"abort", [] { Raise(SIGABRT); }},
      {"segv", [] { Raise(SIGSEGV); }},
      {"bus", [] { Raise(SIGBUS); }},
      {"fpe", [] { Raise(SIGFPE); }},
      {"ill", [] { Raise(SIGILL); }},
      {"sys", [] { Raise(SIGSYS); }},
      {"xcpu", [] { Raise(SIGXCPU); }},
      {"xfsz", [] { Raise(SIGXFSZ); }},
      {"kill", [] { Raise(SIGKILL); }},
      {"stack-overflow", [] { ::_exit(Overflow(0)); }},
      {"fault-in-handler", FaultInHandler},
      {"exit-between-tasks",
       [] {
         WriteReply(self.task->id);
         ::_exit(0);
       }},
      // Ways not to end.
      {"hang", [] { Hang(); }},
      {"hang-ignoring-term",
       [] {
         IgnoreTerm();
         Hang();
       }},
      {"hang-blocking-all",
       [] {
         BlockAll();
         Hang();
       }},
      {"hang-busy",
       [] {
         IgnoreTerm();
         static volatile bool for_ever = true;
         while (for_ever) {
         }
       }},
      {"stop-itself", [] { Raise(SIGSTOP); }},
      {"reads-nothing-writes-nothing",
       [] {
         ::close(0);
         Hang();
       }},
      {"close-pipe-and-hang",
       [] {
         ::close(1);
         Hang();
       }},
      {"grandchild-keeps-pipe",
       [] {
         if (::fork() == 0) {
           ::setsid();  // Out of reach of a kill of the group.
           ::prctl(PR_SET_PDEATHSIG, 0);
           ::alarm(20);
           Hang();
         }
         Raise(SIGSEGV);
       }},
      {"grandchild-in-group",
       [] {
         if (::fork() == 0) Hang();
         Raise(SIGSEGV);
       }},
      {"eat-memory", EatMemory},
      // Bytes that are no message.
      {"noise-on-stdout", [] { WriteRaw("hello from a chatty library\n"); }},
      {"half-a-frame-then-exit",
       [] {
         WriteRaw(std::string("SE\x04\x00\x10\x00", 6));
         ::_exit(0);
       }},
      {"half-a-frame-then-crash",
       [] {
         WriteRaw(std::string("SE\x04\x00\x10\x00", 6));
         Raise(SIGSEGV);
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
           ::usleep(20'000);
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
         for (;;) {
           if (::write(2, block.data(), block.size()) < 0) ::_exit(79);
         }
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
         Raise(SIGSEGV);
       }},
      {"board-garbage-then-crash",
       [] {
         void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                             self.board_fd, 0);
         if (page != MAP_FAILED) std::memset(page, 0xa5, 4096);
         Raise(SIGSEGV);
       }},
      {"board-shrink-then-crash",
       [] {
         if (::ftruncate(self.board_fd, 0) == 0) ::_exit(98);
         Raise(SIGSEGV);
       }},
      {"board-silent-hang",
       [] {
         self.board->EndTask();
         Hang();
       }},
  };
  return modes;
}

const std::map<std::string, Action>& StartModes() {
  static const std::map<std::string, Action> modes{
      {"start-exit", [] { ::_exit(3); }},
      {"start-complaint",
       [] {
         std::fputs("no room for a worker\n", stderr);
         ::_exit(3);
       }},
      {"start-crash", [] { Raise(SIGSEGV); }},
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
  const auto action = Modes().find(mode);
  scanengine::FrameDecoder decoder;
  std::array<std::byte, 65536> buffer;
  while (true) {
    const ssize_t got = ::read(0, buffer.data(), buffer.size());
    if (got <= 0) ::_exit(0);
    const auto frames =
        decoder.Feed(std::span(buffer).first(static_cast<std::size_t>(got)));
    if (!decoder.status().ok()) ::_exit(97);
    for (const auto& frame : frames) {
      if (frame.type != MessageType::kTasks) continue;
      auto tasks = scanengine::DecodeTasks(frame.payload);
      if (!tasks.ok()) ::_exit(96);
      for (const TaskRequest& task : tasks.value()) {
        self.task = &task;
        self.board->BeginTask(task.id);
        self.board->SetPhase("misbehave");
        const bool trigger = task.path.find("trigger") != std::string::npos;
        if (trigger && action != Modes().end()) {
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
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--mode") mode = argv[i + 1];
    if (name == "--board") self.board_fd = std::atoi(argv[i + 1]);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);  // No core files from tests.
  auto board = scanengine::StatusBoardWriter::Attach(self.board_fd);
  if (!board.ok()) return 95;
  self.board = std::move(board).value();
  const auto start = StartModes().find(mode);
  if (start != StartModes().end()) {
    start->second();
    Hang();
  }
  WriteHello(scanengine::kProtocolVersion, scanengine::BuildId());
  Serve(mode);
}
