#include "worker/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "worker/sanitizer.h"

namespace scanengine {
namespace {

struct Pipe {
  Pipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void CloseRead() { Close(&ends[0]); }
  void CloseWrite() { Close(&ends[1]); }
  static void Close(int* fd) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }

  int ends[2] = {-1, -1};
};

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

// A probe with pipes for its standard streams.
class Probe {
 public:
  /// |inherit|: descriptors that it gets besides; |prepare| runs in it before
  /// it is executed.
  explicit Probe(std::vector<std::string> arguments,
                 std::vector<int> inherit = {}, void (*prepare)() = nullptr)
      : pid_(::fork()) {
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) Exec(arguments, inherit, prepare);
    input.CloseRead();
    output.CloseWrite();
    errors.CloseWrite();
  }
  ~Probe() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  /// Exit code, or minus the signal.
  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  pid_t pid() const { return pid_; }

  Pipe input;   // What the supervisor writes.
  Pipe output;  // What the worker writes.
  Pipe errors;

 private:
  [[noreturn]] void Exec(std::vector<std::string>& arguments,
                         const std::vector<int>& inherit, void (*prepare)()) {
    ::setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0", 1);
    ::setenv("LC_ALL", "C", 1);
    ::dup2(input.ends[0], STDIN_FILENO);
    ::dup2(output.ends[1], STDOUT_FILENO);
    ::dup2(errors.ends[1], STDERR_FILENO);
    for (const int fd : inherit) ::fcntl(fd, F_SETFD, 0);
    arguments.insert(arguments.begin(), WORKER_PROCESS_PROBE);
    std::vector<char*> argv;
    for (std::string& word : arguments) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (prepare != nullptr) prepare();
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  pid_t pid_;
};

std::string MyPid() { return std::to_string(::getpid()); }

}  // namespace

TEST_CASE("WorkerProcess: carries bytes both ways, and no noise") {
  Probe probe({"echo", MyPid()});
  std::string sent(1 << 20, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) {
    sent[i] = static_cast<char>(i * 7 + i / 256);
  }
  std::thread writer([&] {
    std::size_t at = 0;
    while (at < sent.size()) {
      const ssize_t put =
          ::write(probe.input.ends[1], sent.data() + at, sent.size() - at);
      if (put <= 0) break;
      at += static_cast<std::size_t>(put);
    }
    probe.input.CloseWrite();
  });
  const std::string echoed = ReadAll(probe.output.ends[0]);
  writer.join();
  CHECK(echoed.size() == sent.size());
  CHECK((echoed == sent));
  CHECK(ReadAll(probe.errors.ends[0]) == "noise on standard output\n");
  CHECK(probe.Wait() == 0);
}

TEST_CASE("WorkerProcess: pipes that do not block are waited for") {
  // The state belongs to the pipe's end, which a launcher may have made so.
  Probe probe({"echo", MyPid()}, {}, [] {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
  });
  const std::string sent(300'000, 'x');
  std::thread writer([&] {
    REQUIRE(::write(probe.input.ends[1], sent.data(), sent.size()) ==
            static_cast<ssize_t>(sent.size()));
    probe.input.CloseWrite();
  });
  const std::string echoed = ReadAll(probe.output.ends[0]);
  writer.join();
  CHECK((echoed == sent));
  CHECK(probe.Wait() == 0);
}

TEST_CASE("WorkerProcess: a supervisor that stops reading is an error") {
  Probe probe({"echo", MyPid()});
  probe.output.CloseRead();
  REQUIRE(::write(probe.input.ends[1], "x", 1) == 1);
  CHECK(probe.Wait() == 0);  // Not -SIGPIPE.
}

TEST_CASE("WorkerProcess: only the descriptors that it needs stay open") {
  const int kept = ::open("/dev/zero", O_RDONLY);
  const int leaked = ::open("/dev/full", O_RDONLY);
  const int high = ::fcntl(leaked, F_DUPFD, 500);
  REQUIRE(high >= 500);
  Probe probe({"descriptors", MyPid(), std::to_string(kept)}, {leaked, high});
  const std::string list = ReadAll(probe.output.ends[0]);
  for (const int fd : {kept, leaked, high}) ::close(fd);
  INFO(list);
  CHECK(probe.Wait() == 0);
  CHECK(list.find("/dev/full") == std::string::npos);
  CHECK(list.find("0 /dev/null\n") == 0);
  CHECK(list.find("\n" + std::to_string(kept) + " cloexec /dev/zero\n") !=
        std::string::npos);
  // 0, 1, 2, two ends of pipes, its own status, the kept one.
  CHECK(std::count(list.begin(), list.end(), '\n') == 7);
}

TEST_CASE("WorkerProcess: a handle that was not inherited is an error") {
  for (const char* bad : {"1", "77", "-1"}) {
    CAPTURE(bad);
    Probe probe({"echo", MyPid(), bad});
    CHECK(probe.Wait() == 10 + static_cast<int>(ErrorCode::kInvalidArgument));
  }
}

TEST_CASE("WorkerProcess: closed standard streams are an error, not a hang") {
  Probe probe({"echo", MyPid()}, {}, [] {
    ::close(STDIN_FILENO);
    ::close(STDOUT_FILENO);
  });
  CHECK(probe.Wait() == 10 + static_cast<int>(ErrorCode::kIo));
}

TEST_CASE("WorkerProcess: works without standard error") {
  Probe probe({"echo", MyPid()}, {}, [] { ::close(STDERR_FILENO); });
  REQUIRE(::write(probe.input.ends[1], "x", 1) == 1);
  probe.input.CloseWrite();
  CHECK(ReadAll(probe.output.ends[0]) == "x");
  CHECK(probe.Wait() == 0);
}

TEST_CASE("WorkerProcess: inherited signal settings do not matter") {
  Probe probe({"signals", MyPid()}, {}, [] {
    ::signal(SIGTERM, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
  });
  CHECK(ReadAll(probe.output.ends[0]) ==
        "Broken pipe: ignored\n"
        "Interrupt: ignored\n"
        "Terminated: default\n"
        "Hangup: default\n"
        "Child exited: default\n");
  CHECK(probe.Wait() == 0);
}

TEST_CASE("WorkerProcess: standard input is at its end") {
  Probe probe({"read-standard-input", MyPid()});
  CHECK(ReadAll(probe.output.ends[0]) == "0");
}

TEST_CASE("WorkerProcess: peak memory is the worker's own") {
  // A child of a large process starts with that one's peak in its counters.
  constexpr std::size_t kSize = 200 << 20;
  void* const block = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(block != MAP_FAILED);
  std::memset(block, 1, kSize);
  Probe probe({"memory", MyPid()});
  std::istringstream text(ReadAll(probe.output.ends[0]));
  ::munmap(block, kSize);
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  text >> before >> after;
  CHECK(before > (256 << 10));
  CHECK(after >= before + (60 << 20));
  if (kSanitizedBuild) return;  // Has memory of its own.
  CHECK(before < (100 << 20));
  CHECK(after < before + (100 << 20));
}

TEST_CASE("WorkerProcess: does not start for a supervisor that is gone") {
  // Not our pid: what a worker sees whose supervisor died before it asked.
  Probe probe({"echo", "1"});
  CHECK(probe.Wait() == 10 + static_cast<int>(ErrorCode::kNotFound));
}

TEST_CASE("WorkerProcess: dies with its supervisor, busy and in the sandbox") {
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  Pipe pids;
  const pid_t supervisor = ::fork();
  REQUIRE(supervisor >= 0);
  if (supervisor == 0) {
    Probe probe({"outlive", MyPid()});
    char busy[4];
    const pid_t worker = probe.pid();
    const bool ok = ::read(probe.output.ends[0], busy, 4) == 4 &&
                    ::write(pids.ends[1], &worker, sizeof(worker)) > 0;
    if (!ok) ::_exit(1);
    while (true) ::pause();
  }
  pid_t worker = 0;
  REQUIRE(::read(pids.ends[0], &worker, sizeof(worker)) == sizeof(worker));
  REQUIRE(::kill(supervisor, SIGKILL) == 0);
  REQUIRE(::waitpid(supervisor, nullptr, 0) == supervisor);

  const int watched = static_cast<int>(::syscall(SYS_pidfd_open, worker, 0));
  REQUIRE(watched >= 0);
  pollfd end{.fd = watched, .events = POLLIN, .revents = 0};
  const bool died = ::poll(&end, 1, 10'000) == 1;
  ::close(watched);
  CHECK(died);
  if (!died) ::kill(worker, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(worker, &status, 0) == worker);
  CHECK(WTERMSIG(status) == SIGKILL);
}

}  // namespace scanengine
