// Runs a program whose system calls fail when a listener says so.
//
//   fail_worker_call CALL ERROR K once|ever HIT PROGRAM [ARGUMENT]...
//
// The K-th CALL, a name, fails with ERROR, a number of errno; `ever`: and all
// after it. HIT is a file that is made when a call has failed; with `once` none
// fails when it is there, so that of many workers one is hit. Meant as a worker
// program: the listener is a process beside it that goes with it.
//
// Every system call is reached, those of the C library within itself as well,
// and vfork; a filter that the program installs on top can only forbid more.
// Exit code 126 if the filter cannot be had, 127 if the program cannot.

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

struct Plan {
  int error = 0;
  long at = 0;
  bool ever = false;
  const char* hit = nullptr;
};

// In memory that both processes share: the descriptor of the filter.
std::atomic<int>* filter_fd = nullptr;

bool IsDue(const Plan& plan, long count) {
  if (plan.ever) return count >= plan.at;
  return count == plan.at && ::access(plan.hit, F_OK) != 0;
}

void Listen(int fd, const Plan& plan) {
  seccomp_notif* request = nullptr;
  seccomp_notif_resp* response = nullptr;
  if (seccomp_notify_alloc(&request, &response) != 0) return;
  for (long count = 1;; ++count) {
    while (seccomp_notify_receive(fd, request) != 0) {
      if (errno != EINTR) return;  // All that it held for are gone.
    }
    response->id = request->id;
    response->val = 0;
    response->error = 0;
    response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (IsDue(plan, count)) {
      ::close(::open(plan.hit, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR));
      response->error = -plan.error;
      response->flags = 0;
    }
    seccomp_notify_respond(fd, response);
  }
}

// Shares the descriptors of the program until it knows the filter's, and keeps
// no other: a pipe that it held open would hide the program's end.
int Listener(void* argument) {
  const Plan plan = *static_cast<Plan*>(argument);
  while (filter_fd->load() < 0) ::usleep(100);
  const int fd = filter_fd->load();
  if (::unshare(CLONE_FILES) != 0) return 1;
  const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 1000);
  ::close_range(0, 999, 0);
  if (own >= 0) Listen(own, plan);
  return 0;
}

int InstallFilter(std::string_view call) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return -1;
  const int number = seccomp_syscall_resolve_name(call.data());
  if (number == __NR_SCMP_ERROR ||
      seccomp_rule_add(filter, SCMP_ACT_NOTIFY, number, 0) != 0 ||
      seccomp_load(filter) != 0) {
    return -1;
  }
  return seccomp_notify_fd(filter);
}

bool StartListener(Plan* plan) {
  constexpr std::size_t kStack = 256 << 10;
  void* const shared =
      ::mmap(nullptr, sizeof(*filter_fd), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  void* const stack = ::mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || stack == MAP_FAILED) return false;
  filter_fd = new (shared) std::atomic<int>(-1);
  return ::clone(Listener, static_cast<char*>(stack) + kStack,
                 CLONE_FILES | SIGCHLD, plan) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fputs("fail_worker_call: see its source\n", stderr);
    return 126;
  }
  Plan plan{std::atoi(argv[2]), std::atol(argv[3]),
            std::string_view(argv[4]) == "ever", argv[5]};
  if (!StartListener(&plan)) return 126;
  const int fd = InstallFilter(argv[1]);
  if (fd < 0) {
    std::fputs("fail_worker_call: no such filter\n", stderr);
    std::_Exit(126);
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  filter_fd->store(fd);
  ::execv(argv[6], argv + 6);
  std::perror(argv[6]);
  return 127;
}
