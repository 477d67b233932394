// A worker that a file has taken over: it is in its sandbox, scans like a real
// one, and, as soon as it has read a file whose path contains "trigger", does
// what its mode says.
//
// Usage: hijacked_worker MODE [an ordinary worker's arguments]
//        hijacked_worker.MODE [an ordinary worker's arguments]
//
// The second, for a link of that name, starts as fast as a worker does.
//
// Modes: honest; lie (later files are called clean); or the name of a way out
// that is tried when the trigger is scanned and after which it goes on as if
// nothing had been: those that the sandbox stops never get that far.

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/check.h"
#include "ipc/frame_codec.h"
#include "ipc/shared_cache.h"
#include "ipc/status_board.h"
#include "worker/sandbox.h"
#include "worker/scan_task.h"
#include "worker/worker_process.h"

namespace scanengine {
namespace {

struct Handles {
  NativeHandle board = kNoHandle;
  NativeHandle cache = kNoHandle;
  pid_t supervisor = 0;
};
Handles handles;

constexpr std::uint64_t kTenGigabytes = 10'000'000'000;

void WriteTenGigabytes(int fd) {
  static const std::string block(1 << 16, 'x');
  for (std::uint64_t done = 0; done < kTenGigabytes; done += block.size()) {
    if (::write(fd, block.data(), block.size()) < 0) return;
  }
}

void ForkBomb() {
  for (int i = 0; i < 64; ++i) {
    if (::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
      ::sleep(1);
      ::_exit(0);
    }
  }
}

// Overwrites what all workers read.
void WriteCache() {
  (void)!::write(static_cast<int>(handles.cache), "\0\0\0\0", 4);
}
void MapCache() {
  void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                            static_cast<int>(handles.cache), 0);
  if (page != MAP_FAILED) std::memset(page, 0, 4096);
}

void Crash() {
  static volatile int* const nowhere = nullptr;
  *nowhere = 1;
}

using Way = void (*)();

const std::map<std::string_view, Way>& Ways() {
  static const std::map<std::string_view, Way> ways{
      {"crash", Crash},
      {"socket", [] { (void)::socket(AF_INET, SOCK_STREAM, 0); }},
      {"execve",
       [] {
         char name[] = "/bin/true";
         char* const argv[] = {name, nullptr};
         ::execve(name, argv, argv + 1);
       }},
      {"fork-bomb", ForkBomb},
      {"kill-supervisor", [] { ::kill(handles.supervisor, SIGKILL); }},
      {"shrink-board",
       [] { (void)!::ftruncate(static_cast<int>(handles.board), 0); }},
      {"write-cache", WriteCache},
      {"map-cache", MapCache},
      {"ten-gigabytes-to-stderr", [] { WriteTenGigabytes(STDERR_FILENO); }},
      // Descriptor 1 of a worker leads to its standard error.
      {"ten-gigabytes-to-stdout", [] { WriteTenGigabytes(STDOUT_FILENO); }},
  };
  return ways;
}

class HijackedWorker {
 public:
  HijackedWorker(std::string_view mode, ByteChannel& channel,
                 ScanEnvironment environment)
      : mode_(mode), channel_(channel), environment_(std::move(environment)) {}

  int Run() {
    while (true) {
      const auto got = channel_.Read(buffer_);
      if (!got.ok() || got.value() == 0) return 0;
      for (const Frame& frame :
           decoder_.Feed(std::span(buffer_).first(got.value()))) {
        if (frame.type == MessageType::kSupervisorHello) Greet(frame);
        if (frame.type == MessageType::kTasks) Answer(frame);
      }
    }
  }

 private:
  void Send(MessageType type, const std::vector<std::byte>& payload) {
    std::vector<std::byte> frame;
    AppendFrame(type, payload, &frame);
    SCANENGINE_CHECK(channel_.Write(frame).ok());
  }

  void Greet(const Frame& frame) {
    const auto request = DecodeSupervisorHello(frame.payload);
    SCANENGINE_CHECK(request.ok());
    environment_.limits = request.value().limits;
    const auto sandbox = EnterSandbox(request.value().sandbox);
    SCANENGINE_CHECK(sandbox.ok());
    WorkerHello hello;
    hello.build_id = BuildId();
    hello.pid = OwnProcessId();
    hello.sandbox_active = sandbox.value().active;
    hello.sandbox_missing = sandbox.value().missing;
    Send(MessageType::kWorkerHello, Encode(hello));
  }

  void Answer(const Frame& frame) {
    const auto tasks = DecodeTasks(frame.payload);
    SCANENGINE_CHECK(tasks.ok());
    for (const TaskRequest& task : tasks.value()) {
      ScanReply reply = RunScanTask(environment_, task);
      if (lying_) {
        reply.findings.clear();
        reply.status = OutcomeStatus::kScanned;
      }
      if (task.path.find("trigger") != std::string::npos) {
        environment_.board->BeginTask(task.id);
        TakeOver();
      }
      Send(MessageType::kReplies, Encode(std::span(&reply, 1)));
    }
  }

  void TakeOver() {
    lying_ = mode_ == "lie";
    const auto way = Ways().find(mode_);
    if (way != Ways().end()) way->second();
  }

  std::string_view mode_;
  ByteChannel& channel_;
  ScanEnvironment environment_;
  std::array<std::byte, 64 << 10> buffer_;
  FrameDecoder decoder_;
  bool lying_ = false;
};

int Main(int argc, char** argv) {
  int first = 1;
  std::string_view mode = argv[0];
  mode.remove_prefix(std::min(mode.rfind('.') + 1, mode.size()));
  if (std::string_view(argv[0]).find("hijacked_worker.") ==
      std::string_view::npos) {
    if (argc < 2) return 3;
    mode = argv[first++];
  }
  WorkerProcessOptions options;
  for (int i = first; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const long value = std::strtol(argv[i + 1], nullptr, 10);
    if (name == "--parent") {
      options.supervisor_pid = static_cast<std::uint32_t>(value);
      handles.supervisor = static_cast<pid_t>(value);
      continue;
    }
    if (name == "--board") handles.board = value;
    if (name == "--cache") handles.cache = value;
    options.keep.push_back(value);
  }
  auto channel = PrepareWorkerProcess(options);
  if (!channel.ok()) return 3;
  auto board = StatusBoardWriter::Attach(handles.board);
  auto cache = SharedCache::Attach(handles.cache);
  if (!board.ok() || !cache.ok()) return 3;
  auto imports =
      ImportPolicy::FromBytes(cache.value()->Find(kImportPolicySection));
  if (!imports.ok()) return 3;
  ScanEnvironment environment;
  environment.board = board.value().get();
  environment.imports = imports.value();
  const auto worker =
      std::make_unique<HijackedWorker>(mode, *channel.value(), environment);
  return worker->Run();
}

}  // namespace
}  // namespace scanengine

int main(int argc, char** argv) { return scanengine::Main(argc, argv); }
