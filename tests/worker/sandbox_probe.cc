// Tries to do what the sandbox forbids, one thing a run.
//
//   sandbox_probe attack  FOLDER WHERE NAME   an attack: bare, sealed (shared
//                                             memory is, there is no sandbox),
//                                             sandbox, or in a thread of it
//   sandbox_probe read    FOLDER PATH         reads a file in the sandbox
//   sandbox_probe crash   NAME                a way to end, in the sandbox
//   sandbox_probe report  [CALL ERRNO]        enters the sandbox where a system
//                                             call fails as on another kernel
//
// Prints what the sandbox reported, then "done" or "refused" with an error
// number. Exit code 0 unless the mode says otherwise; 3 for a wrong usage, 4 if
// the sandbox could not be entered.
#include "tests/worker/sandbox_probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <semaphore>
#include <thread>
#include <vector>

#include "ipc/check.h"
#include "ipc/shared_cache.h"
#include "ipc/status_board.h"
#include "worker/sandbox.h"
#include "worker/watchdog.h"

namespace scanengine::testing {
namespace {

constexpr std::uint64_t kMemoryLimit = 256 << 20;

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

// Enters the sandbox and prints what is in force, or ends the process.
void Enter(std::vector<std::string> roots, std::uint64_t memory_limit = 0,
           bool enabled = true) {
  const auto report = EnterSandbox({.enabled = enabled,
                                    .read_roots = std::move(roots),
                                    .memory_limit = memory_limit});
  if (!report.ok()) {
    Say("error " + report.error().detail);
    std::_Exit(4);
  }
  for (const auto& part : report.value().active) Say("active " + part);
  for (const auto& part : report.value().missing) Say("missing " + part);
}

// A process that lives until this one has ended. A death signal would not do:
// the kernel sends it in the name of the one that died, whom the sandbox keeps
// from sending any.
pid_t StartVictim() {
  int ends[2];
  SCANENGINE_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t pid = ::fork();
  if (pid != 0) {
    ::close(ends[0]);
    return pid;
  }
  ::close(ends[1]);
  ::close(STDOUT_FILENO);
  char none;
  (void)!::read(ends[0], &none, 1);
  ::_exit(0);
}

std::uint16_t Listen() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(fd, 1) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

std::string ListenAbstract() {
  const std::string name = "scanengine-probe-" + std::to_string(::getpid());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, name.size());
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  SCANENGINE_CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) ==
                       0 &&
                   ::listen(fd, 1) == 0);
  return name;
}

int PlainMemory() {
  const int fd = ::memfd_create("probe", MFD_CLOEXEC);
  SCANENGINE_CHECK(fd >= 0 && ::ftruncate(fd, 4096) == 0);
  return fd;
}

// Real ones, as workers get them; they stay for the life of the process.
int SealedCache() {
  static const SharedCache::Section section{"section", {std::byte{1}}};
  static const auto cache = SharedCache::Create(std::span(&section, 1));
  SCANENGINE_CHECK(cache.ok());
  return static_cast<int>(cache.value()->handle());
}
int SealedBoard() {
  static const auto board = StatusBoard::Create();
  SCANENGINE_CHECK(board.ok());
  return static_cast<int>(board.value()->handle());
}

Scene MakeScene(const std::string& folder, bool sealed) {
  static std::uint64_t word = 0;
  Scene scene;
  scene.cache_fd = sealed ? SealedCache() : PlainMemory();
  scene.board_fd = sealed ? SealedBoard() : PlainMemory();
  scene.program_fd = ::open("/bin/true", O_RDONLY | O_CLOEXEC);
  scene.unix_socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  scene.abstract_address = ListenAbstract();
  scene.folder = folder;
  scene.inside = folder + "/inside";
  scene.outside = folder + "/outside";
  scene.victim = StartVictim();
  scene.address = reinterpret_cast<std::uintptr_t>(&word);
  scene.tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  scene.udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  scene.tcp_port = Listen();
  scene.folder_fd =
      ::open(scene.inside.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  scene.file_fd =
      ::open((scene.inside + "/file").c_str(), O_RDONLY | O_CLOEXEC);
  SCANENGINE_CHECK(scene.folder_fd >= 0 && scene.file_fd >= 0);
  return scene;
}

// Goes on in a child, whose end becomes that of this process.
void BecomeChild() {
  const pid_t child = ::fork();
  SCANENGINE_CHECK(child >= 0);
  if (child == 0) return;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) SCANENGINE_CHECK(errno == EINTR);
  if (WIFSIGNALED(status)) {
    const rlimit no_core{};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(WTERMSIG(status), SIG_DFL);
    ::raise(WTERMSIG(status));
  }
  ::_exit(WEXITSTATUS(status));
}

void RunAttack(const Attack& attack, const Scene& scene) {
  const int error = attack.run(scene);
  Say(error == 0 ? "done" : "refused " + std::to_string(error));
  std::_Exit(0);
}

int AttackMode(const std::string& folder, std::string_view where,
               std::string_view name) {
  const auto attacks = Attacks();
  const auto attack = std::ranges::find(attacks, name, &Attack::name);
  if (attack == attacks.end()) return 3;
  BecomeChild();
  const Scene scene = MakeScene(folder, where != "bare");
  const std::vector<std::string> roots{scene.inside, folder + "/single"};
  if (where == "bare" || where == "sealed") RunAttack(*attack, scene);
  if (where == "sandbox") {
    Enter(roots);
    RunAttack(*attack, scene);
  }
  if (where == "thread") {
    // In a thread that was there first.
    std::binary_semaphore running{0};
    std::binary_semaphore entered{0};
    std::thread thread([&] {
      running.release();
      entered.acquire();
      RunAttack(*attack, scene);
    });
    running.acquire();
    Enter(roots);
    entered.release();
    thread.join();
  }
  return 3;
}

int ReadMode(const std::string& folder, const std::string& path) {
  Enter({folder + "/inside", folder + "/single", folder + "/vanished"});
  const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  std::array<char, 64> text{};
  const ssize_t got = fd < 0 ? -1 : ::pread(fd, text.data(), text.size(), 0);
  if (got < 0) {
    Say("refused " + std::to_string(errno));
  } else {
    Say("read " + std::string(text.data(), static_cast<std::size_t>(got)));
  }
  return 0;
}

// Ways to end.

// Always true; unknown to the compiler, which would see an endless recursion.
volatile bool go_deeper = true;

void Overflow() {
  volatile char frame[1024];
  frame[0] = 1;
  if (go_deeper) Overflow();
  frame[1] = frame[0];
}

// Allocates and touches all there is.
char* volatile newest_block;

void Hoard() {
  constexpr std::size_t kBlock = 1 << 20;
  while (true) {
    newest_block = new char[kBlock];
    std::memset(newest_block, 1, kBlock);
  }
}

void Spin() {
  volatile std::uint64_t counter = 0;
  while (true) counter = counter + 1;
}

// Uses the stack up to less than a signal's frame takes, then spins.
[[gnu::no_sanitize_address]] void SpinDeep(std::uintptr_t lowest) {
  volatile char frame[256];
  frame[0] = 1;
  if (reinterpret_cast<std::uintptr_t>(&frame[0]) < lowest + 1024) Spin();
  if (go_deeper) SpinDeep(lowest);
  frame[1] = frame[0];
}

std::uintptr_t StackLimit() {
  pthread_attr_t attributes;
  void* lowest = nullptr;
  std::size_t size = 0;
  SCANENGINE_CHECK(::pthread_getattr_np(::pthread_self(), &attributes) == 0);
  SCANENGINE_CHECK(::pthread_attr_getstack(&attributes, &lowest, &size) == 0);
  return reinterpret_cast<std::uintptr_t>(lowest);
}

int CrashMode(std::string_view name) {
  using std::chrono::milliseconds;
  SCANENGINE_CHECK(Watchdog::Install().ok());
  const bool small_stack = name == "hang-deep";
  if (small_stack) {
    // The bound of the sandbox, set early so that it can be asked for.
    const rlimit stack{8 << 20, 8 << 20};
    SCANENGINE_CHECK(::setrlimit(RLIMIT_STACK, &stack) == 0);
  }
  const std::uintptr_t lowest = StackLimit();
  Enter({}, kMemoryLimit);
  if (name == "hoard") {
    try {
      Hoard();
    } catch (const std::bad_alloc&) {
      return 50;
    }
  }
  if (name == "hoard-uncaught") Hoard();
  if (name == "overflow") Overflow();
  if (name == "abort") std::abort();
  if (name == "hang") {
    Watchdog::Arm(milliseconds(20));
    Spin();
  }
  if (name == "hang-deep") {
    Watchdog::Arm(milliseconds(20));
    SpinDeep(lowest);
  }
  if (name == "disarmed") {
    Watchdog::Arm(milliseconds(20));
    Watchdog::Disarm();
    std::this_thread::sleep_for(milliseconds(60));
    return 0;
  }
  if (name == "rearmed") {
    Watchdog::Arm(milliseconds(20));
    Watchdog::Arm(std::chrono::hours(1));
    std::this_thread::sleep_for(milliseconds(60));
    return 0;
  }
  if (name == "at-once") {
    Watchdog::Arm(milliseconds(-1));
    Spin();
  }
  return 3;
}

// Makes one system call fail, as it would on a kernel without it.
void MakeFail(const char* call, int error) {
  const int number = seccomp_syscall_resolve_name(call);
  SCANENGINE_CHECK(number != __NR_SCMP_ERROR);
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  SCANENGINE_CHECK(
      seccomp_rule_add(filter,
                       SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)),
                       number, 0) == 0);
  SCANENGINE_CHECK(seccomp_load(filter) == 0);
  seccomp_release(filter);
}

int ReportMode(int argc, char** argv) {
  if (argc == 4) MakeFail(argv[2], std::atoi(argv[3]));
  Enter({}, kMemoryLimit);
  return 0;
}

int Main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "attack" && argc == 5) {
    return AttackMode(argv[2], argv[3], argv[4]);
  }
  if (mode == "read" && argc == 4) return ReadMode(argv[2], argv[3]);
  if (mode == "crash" && argc == 3) return CrashMode(argv[2]);
  if (mode == "report") return ReportMode(argc, argv);
  if (mode == "off") {
    Enter({}, kMemoryLimit, false);
    return 0;
  }
  if (mode == "root" && argc == 3) {
    Enter({argv[2]});
    return 0;
  }
  return 3;
}

}  // namespace
}  // namespace scanengine::testing

int main(int argc, char** argv) {
  return scanengine::testing::Main(argc, argv);
}
