#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "tests/integration/misbehaving_system.h"

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

namespace scanengine::testing {
namespace {

int board_fd = -1;

[[noreturn]] void Raise(int number) {
  ::signal(number, SIG_DFL);
  ::raise(number);
  ::_exit(99);
}

volatile int* forbidden = nullptr;
void FaultAgain(int) { *forbidden = 1; }
// A handler that crashes in turn, as crash reporters do.
void FaultInHandler() {
  // Not a null pointer, which a sanitizer would report and end by itself.
  forbidden = static_cast<volatile int*>(
      ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
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

int Overflow(int depth) {
  static volatile bool for_ever = true;
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return for_ever ? Overflow(depth + 1) + frame[0] : 0;
}

void WriteAll(int fd, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size != 0) {
    const ssize_t put = ::write(fd, at, size);
    if (put <= 0) ::_exit(79);
    at += put;
    size -= static_cast<std::size_t>(put);
  }
}

}  // namespace

void PrepareSystem(NativeHandle board) {
  board_fd = static_cast<int>(board);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);  // No core files from tests.
}

std::uint32_t OwnPid() { return static_cast<std::uint32_t>(::getpid()); }

std::size_t ReadIn(void* data, std::size_t size) {
  const ssize_t got = ::read(0, data, size);
  return got <= 0 ? 0 : static_cast<std::size_t>(got);
}
void WriteOut(const void* data, std::size_t size) { WriteAll(1, data, size); }
void WriteErr(const void* data, std::size_t size) { WriteAll(2, data, size); }
void CloseIn() { ::close(0); }
void CloseOut() { ::close(1); }

void Pause(int milliseconds) {
  ::usleep(static_cast<useconds_t>(milliseconds) * 1000);
}
void Hang() {
  while (true) ::pause();
}
void Leave(int code) { ::_exit(code); }
void Crash() { Raise(SIGSEGV); }
void IgnoreTerm() { ::signal(SIGTERM, SIG_IGN); }

std::map<std::string, Action> SystemModes() {
  return {
      {"segv", [] { Raise(SIGSEGV); }},
      {"abort", [] { Raise(SIGABRT); }},
      {"bus", [] { Raise(SIGBUS); }},
      {"fpe", [] { Raise(SIGFPE); }},
      {"ill", [] { Raise(SIGILL); }},
      {"sys", [] { Raise(SIGSYS); }},
      {"xcpu", [] { Raise(SIGXCPU); }},
      {"xfsz", [] { Raise(SIGXFSZ); }},
      {"kill", [] { Raise(SIGKILL); }},
      {"stack-overflow", [] { ::_exit(Overflow(0)); }},
      {"fault-in-handler", FaultInHandler},
      {"hang-blocking-all",
       [] {
         BlockAll();
         Hang();
       }},
      {"stop-itself", [] { Raise(SIGSTOP); }},
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
      {"board-garbage-then-crash",
       [] {
         void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                             board_fd, 0);
         if (page != MAP_FAILED) std::memset(page, 0xa5, 4096);
         Raise(SIGSEGV);
       }},
      {"board-shrink-then-crash",
       [] {
         if (::ftruncate(board_fd, 0) == 0) ::_exit(98);
         Raise(SIGSEGV);
       }},
  };
}

}  // namespace scanengine::testing
