// A library for LD_PRELOAD that makes calls of a program fail, shifts its clock
// or keeps a log of what it writes. Told what to do by the environment:
//
//   FAIL_PROGRAM=NAME   only in processes of this name (as in /proc/PID/comm)
//   FAIL_CALL=NAME      the function that fails; see kCalls
//   FAIL_ERROR=N        the errno that it fails with
//   FAIL_AT=K           the K-th call fails; FAIL_EVER=1: and all after it
//   FAIL_HIT=FILE       is created when a call has failed
//   FAIL_CLOCK=SECONDS  from the FAIL_AT-th look at the wall clock on it is off
//                       by so much
//   FAIL_LOG=FILE       a record for each write to, sync and cut of the file
//   FAIL_LOGGED=FILE    of this name, for T6: see
//   tests/faults/journal_faults.py
//
// Not all that a program does passes here: what the C library calls within
// itself does not. vfork is left out, since a wrapper cannot return twice;
// fail_worker_call.cc reaches it.

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

struct Plan {
  std::string_view call;
  int error = 0;
  long at = 0;
  bool ever = false;
  long clock = 0;
  const char* hit = nullptr;
  int log = -1;
  const char* logged = nullptr;
};

Plan plan;
std::atomic<bool> ready = false;
std::atomic<long> calls = 0;
std::atomic<long> looks = 0;

std::string_view Variable(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}

bool IsChosenProgram() {
  const std::string_view wanted = Variable("FAIL_PROGRAM");
  char name[32] = {};
  const long fd = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/comm", O_RDONLY);
  if (fd < 0) return false;
  const long got = ::syscall(SYS_read, fd, name, sizeof(name) - 1);
  ::syscall(SYS_close, fd);
  std::string_view found(name, got > 0 ? static_cast<std::size_t>(got) : 0);
  if (found.ends_with('\n')) found.remove_suffix(1);
  return wanted.substr(0, 15) == found;
}

__attribute__((constructor)) void Prepare() {
  if (!IsChosenProgram()) return;
  plan.call = Variable("FAIL_CALL");
  plan.error = std::atoi(Variable("FAIL_ERROR").data());
  plan.at = std::atol(Variable("FAIL_AT").data());
  plan.ever = Variable("FAIL_EVER") == "1";
  plan.clock = std::atol(Variable("FAIL_CLOCK").data());
  plan.hit = ::getenv("FAIL_HIT");
  plan.logged = ::getenv("FAIL_LOGGED");
  if (const char* log = ::getenv("FAIL_LOG")) {
    const long fd =
        ::syscall(SYS_openat, AT_FDCWD, log,
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    // Out of the way of what the program may close or count.
    plan.log = ::fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 900);
    ::syscall(SYS_close, fd);
  }
  ready = true;
}

// True if this call of |name| is one that fails; errno is set then.
bool Fails(std::string_view name) {
  if (!ready || name != plan.call) return false;
  const long count = ++calls;
  if (count != plan.at && !(plan.ever && count > plan.at)) return false;
  if (plan.hit != nullptr) {
    const long fd = ::syscall(SYS_openat, AT_FDCWD, plan.hit,
                              O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR);
    if (fd >= 0) ::syscall(SYS_close, fd);
  }
  errno = plan.error;
  return true;
}

// The function of the C library behind the one of this name here.
template <typename Function>
Function* Real(Function*, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// Calls the real |function| unless it is to fail.
template <typename Function, typename Failure, typename... Arguments>
auto Call(Function* function, const char* name, Failure failure,
          Arguments... arguments) {
  using Returned = decltype(function(arguments...));
  if (Fails(name)) return static_cast<Returned>(failure);
  return Real(function, name)(arguments...);
}
// Of functions that return an errno.
template <typename Function, typename... Arguments>
int CallForError(Function* function, const char* name, Arguments... arguments) {
  if (Fails(name)) return plan.error;
  return Real(function, name)(arguments...);
}

bool IsLogged(int fd) {
  if (plan.log < 0 || plan.logged == nullptr) return false;
  struct stat one {};
  struct stat other {};
  return ::fstat(fd, &one) == 0 && ::stat(plan.logged, &other) == 0 &&
         one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

// A record: what, where, how many bytes; and these.
void Log(char what, std::uint64_t offset, const void* bytes, std::size_t size) {
  struct Head {
    std::uint64_t what;
    std::uint64_t offset;
    std::uint64_t size;
  };
  const Head head{static_cast<std::uint64_t>(what), offset, size};
  std::string_view parts[] = {
      {reinterpret_cast<const char*>(&head), sizeof(head)},
      {static_cast<const char*>(bytes), bytes == nullptr ? 0 : size}};
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  ::pthread_mutex_lock(&mutex);
  for (std::string_view part : parts) {
    while (!part.empty()) {
      const long put = ::syscall(SYS_write, plan.log, part.data(), part.size());
      if (put <= 0) ::abort();
      part.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  ::pthread_mutex_unlock(&mutex);
}

mode_t ModeOf(int flags, va_list rest) {
  const bool makes = (flags & (O_CREAT | O_TMPFILE)) != 0;
  return makes ? static_cast<mode_t>(va_arg(rest, unsigned)) : 0;
}

}  // namespace

// The system's names for parameters are reserved ones.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Call(open, "open", -1, path, flags, mode);
}
int openat(int at, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Call(openat, "openat", -1, at, path, flags, mode);
}
int close(int fd) {
  // Only tells of a failure: the descriptor is gone in any case.
  const int done = Real(close, "close")(fd);
  return Fails("close") ? -1 : done;
}
ssize_t read(int fd, void* buffer, size_t size) {
  return Call(read, "read", -1, fd, buffer, size);
}
ssize_t pread(int fd, void* buffer, size_t size, off_t offset) {
  return Call(pread, "pread", -1, fd, buffer, size, offset);
}
ssize_t write(int fd, const void* buffer, size_t size) {
  return Call(write, "write", -1, fd, buffer, size);
}
ssize_t pwrite(int fd, const void* buffer, size_t size, off_t offset) {
  const ssize_t put = Call(pwrite, "pwrite", -1, fd, buffer, size, offset);
  if (put > 0 && IsLogged(fd)) {
    Log('W', static_cast<std::uint64_t>(offset), buffer,
        static_cast<size_t>(put));
  }
  return put;
}
int fdatasync(int fd) {
  // What is written meanwhile may not be covered.
  const bool logged = IsLogged(fd);
  if (logged) Log('B', 0, nullptr, 0);
  const int done = Call(fdatasync, "fdatasync", -1, fd);
  if (logged && done == 0) Log('S', 0, nullptr, 0);
  return done;
}
int fsync(int fd) {
  const bool logged = IsLogged(fd);
  if (logged) Log('B', 0, nullptr, 0);
  const int done = Call(fsync, "fsync", -1, fd);
  if (logged && done == 0) Log('S', 0, nullptr, 0);
  return done;
}
int ftruncate(int fd, off_t size) noexcept {
  const int done = Call(ftruncate, "ftruncate", -1, fd, size);
  if (done == 0 && IsLogged(fd)) {
    Log('T', static_cast<std::uint64_t>(size), nullptr, 0);
  }
  return done;
}
void* mmap(void* at, size_t size, int protection, int flags, int fd,
           off_t offset) noexcept {
  if (Fails("mmap")) return MAP_FAILED;
  return reinterpret_cast<void*>(
      ::syscall(SYS_mmap, at, size, protection, flags, fd, offset));
}
int munmap(void* at, size_t size) noexcept {
  return Call(munmap, "munmap", -1, at, size);
}
int pipe(int* ends) noexcept { return Call(pipe, "pipe", -1, ends); }
int pipe2(int* ends, int flags) noexcept {
  return Call(pipe2, "pipe2", -1, ends, flags);
}
int epoll_create1(int flags) noexcept {
  return Call(epoll_create1, "epoll_create1", -1, flags);
}
int epoll_ctl(int set, int what, int fd, struct epoll_event* event) noexcept {
  return Call(epoll_ctl, "epoll_ctl", -1, set, what, fd, event);
}
int epoll_wait(int set, struct epoll_event* events, int most, int timeout) {
  return Call(epoll_wait, "epoll_wait", -1, set, events, most, timeout);
}
int poll(struct pollfd* all, nfds_t count, int timeout) {
  return Call(poll, "poll", -1, all, count, timeout);
}
int eventfd(unsigned count, int flags) noexcept {
  return Call(eventfd, "eventfd", -1, count, flags);
}
int timerfd_create(clockid_t clock, int flags) noexcept {
  return Call(timerfd_create, "timerfd_create", -1, clock, flags);
}
int timerfd_settime(int fd, int flags, const struct itimerspec* next,
                    struct itimerspec* old) noexcept {
  return Call(timerfd_settime, "timerfd_settime", -1, fd, flags, next, old);
}
int memfd_create(const char* name, unsigned flags) noexcept {
  return Call(memfd_create, "memfd_create", -1, name, flags);
}
int posix_fallocate(int fd, off_t offset, off_t size) {
  return CallForError(posix_fallocate, "posix_fallocate", fd, offset, size);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                   void* (*start)(void*), void* argument) noexcept {
  return CallForError(pthread_create, "pthread_create", thread, attributes,
                      start, argument);
}
int rename(const char* from, const char* to) noexcept {
  return Call(rename, "rename", -1, from, to);
}
int linkat(int from_at, const char* from, int to_at, const char* to,
           int flags) noexcept {
  return Call(linkat, "linkat", -1, from_at, from, to_at, to, flags);
}
int unlink(const char* path) noexcept {
  return Call(unlink, "unlink", -1, path);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return Call(mkdir, "mkdir", -1, path, mode);
}
int stat(const char* path, struct stat* info) noexcept {
  return Call(stat, "stat", -1, path, info);
}
int fstat(int fd, struct stat* info) noexcept {
  return Call(fstat, "fstat", -1, fd, info);
}
int fstatat(int at, const char* path, struct stat* info, int flags) noexcept {
  return Call(fstatat, "fstatat", -1, at, path, info, flags);
}
int fstatfs(int fd, struct statfs* info) noexcept {
  return Call(fstatfs, "fstatfs", -1, fd, info);
}
DIR* fdopendir(int fd) { return Call(fdopendir, "fdopendir", nullptr, fd); }
struct dirent* readdir(DIR* folder) {
  return Call(readdir, "readdir", nullptr, folder);
}
ssize_t readlink(const char* path, char* buffer, size_t size) noexcept {
  return Call(readlink, "readlink", -1, path, buffer, size);
}
char* realpath(const char* path, char* buffer) noexcept {
  return Call(realpath, "realpath", nullptr, path, buffer);
}
int flock(int fd, int what) noexcept {
  return Call(flock, "flock", -1, fd, what);
}
int fchmod(int fd, mode_t mode) noexcept {
  return Call(fchmod, "fchmod", -1, fd, mode);
}
int dup(int fd) noexcept { return Call(dup, "dup", -1, fd); }
int fcntl(int fd, int what, ...) {
  va_list rest;
  va_start(rest, what);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return Call(fcntl, "fcntl", -1, fd, what, argument);
}
int ioctl(int fd, unsigned long what, ...) noexcept;
pid_t waitpid(pid_t child, int* status, int options) {
  return Call(waitpid, "waitpid", -1, child, status, options);
}
int kill(pid_t process, int number) noexcept {
  return Call(kill, "kill", -1, process, number);
}
int sigaction(int number, const struct sigaction* action,
              struct sigaction* old) noexcept {
  return Call(sigaction, "sigaction", -1, number, action, old);
}

// pidfd_open, pidfd_send_signal, close_range and the like have no wrapper.
long syscall(long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (long& argument : a) argument = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_pidfd_open && Fails("pidfd_open")) return -1;
  if (number == SYS_pidfd_send_signal && Fails("pidfd_send_signal")) return -1;
  static long (*const real)(long, ...) =
      reinterpret_cast<long (*)(long, ...)>(::dlsym(RTLD_NEXT, "syscall"));
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int clock_gettime(clockid_t clock, struct timespec* time) noexcept {
  const int done = Call(clock_gettime, "clock_gettime", -1, clock, time);
  if (ready && plan.clock != 0 && clock == CLOCK_REALTIME && done == 0 &&
      ++looks >= plan.at) {
    time->tv_sec += plan.clock;
  }
  return done;
}

void* malloc(size_t size) noexcept {
  static void* (*const real)(size_t) =
      reinterpret_cast<void* (*)(size_t)>(::dlsym(RTLD_NEXT, "malloc"));
  return Fails("malloc") ? nullptr : real(size);
}

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
