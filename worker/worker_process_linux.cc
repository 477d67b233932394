#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "worker/worker_process.h"

namespace scanengine {
namespace {

// Open for the life of the process: the sandbox forbids to open it later.
int own_status_fd = -1;

Error SystemError(const char* what, int error = errno) {
  return {ErrorCode::kIo, std::string(what) + ": " + std::strerror(error)};
}

// True if a call on |fd| that failed with errno is worth repeating. Waits for
// |events| first if the descriptor came to us as non-blocking.
bool ShouldRepeat(int fd, short events) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  pollfd wait{.fd = fd, .events = events, .revents = 0};
  return ::poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

class PipeChannel final : public ByteChannel {
 public:
  PipeChannel(int in, int out) : in_(in), out_(out) {}
  ~PipeChannel() override {
    ::close(in_);
    ::close(out_);
  }
  PipeChannel(const PipeChannel&) = delete;
  PipeChannel& operator=(const PipeChannel&) = delete;

  Result<std::size_t> Read(std::span<std::byte> out) override {
    while (true) {
      const ssize_t got = ::read(in_, out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (!ShouldRepeat(in_, POLLIN)) {
        return SystemError("cannot read from the supervisor");
      }
    }
  }

  Status Write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::write(out_, bytes.data(), bytes.size());
      if (put >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(put));
      } else if (!ShouldRepeat(out_, POLLOUT)) {
        return SystemError("cannot write to the supervisor");
      }
    }
    return OkStatus();
  }

 private:
  int in_;
  int out_;
};

// Keeps what one file needed for the next: the C library would give the top of
// the heap back after every file, and the kernel clear the same pages again.
// Bounds what an idle worker holds.
void KeepFreedMemory() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 4 << 20);
  ::mallopt(M_TOP_PAD, 256 << 10);
}

void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) {
    // Fails for KILL, STOP and what the C library keeps for itself.
    ::signal(number, SIG_DFL);
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

Status DieWith(std::uint32_t supervisor_pid) {
  if (supervisor_pid == 0) return OkStatus();
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return SystemError("cannot be tied to the supervisor");
  }
  // It may have gone before the call, and then no signal comes.
  if (std::cmp_not_equal(::getppid(), supervisor_pid)) {
    return Error{ErrorCode::kNotFound, "supervisor is gone"};
  }
  return OkStatus();
}

// Descriptors 0 to 2, each of them open in any case.
Status RedirectStandardStreams() {
  const int null_device = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null_device < 0) return SystemError("cannot open the null device");
  const bool has_stderr = ::fcntl(STDERR_FILENO, F_GETFD) >= 0;
  Status status = OkStatus();
  if (::dup2(null_device, STDIN_FILENO) < 0 ||
      (!has_stderr && ::dup2(null_device, STDERR_FILENO) < 0) ||
      ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    status = SystemError("cannot redirect the standard streams");
  }
  if (null_device > STDERR_FILENO) ::close(null_device);
  return status;
}

// Closes every descriptor from 3 on that is not in |keep|, which is sorted.
Status CloseAllBut(const std::vector<int>& keep) {
  int first = STDERR_FILENO + 1;
  for (const int fd : keep) {
    if (fd > first && ::close_range(static_cast<unsigned>(first),
                                    static_cast<unsigned>(fd - 1), 0) != 0) {
      return SystemError("cannot close inherited descriptors");
    }
    first = std::max(first, fd + 1);
  }
  if (::close_range(static_cast<unsigned>(first), ~0U, 0) != 0) {
    return SystemError("cannot close inherited descriptors");
  }
  return OkStatus();
}

Result<std::vector<int>> ToKeep(const std::vector<NativeHandle>& handles) {
  std::vector<int> keep;
  for (const NativeHandle handle : handles) {
    const int fd = static_cast<int>(handle);
    if (fd <= STDERR_FILENO || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return Error{ErrorCode::kInvalidArgument,
                   "descriptor " + std::to_string(fd) + " was not inherited"};
    }
    keep.push_back(fd);
  }
  return keep;
}

// The number of kB behind "VmHWM:", in bytes; 0 if there is none.
std::uint64_t ParseHighWaterMark(std::string_view status) {
  constexpr std::string_view kKey = "VmHWM:";
  std::size_t at = status.find(kKey);
  if (at == std::string_view::npos) return 0;
  at = status.find_first_of("0123456789", at);
  if (at == std::string_view::npos) return 0;
  std::uint64_t kilobytes = 0;
  std::from_chars(status.data() + at, status.data() + status.size(), kilobytes);
  return kilobytes * 1024;
}

}  // namespace

Result<std::unique_ptr<ByteChannel>> PrepareWorkerProcess(
    const WorkerProcessOptions& options) {
  KeepFreedMemory();
  ResetSignals();
  if (Status tied = DieWith(options.supervisor_pid); !tied.ok()) {
    return tied.error();
  }
  Result<std::vector<int>> keep = ToKeep(options.keep);
  if (!keep.ok()) return keep.error();

  const int first_free = STDERR_FILENO + 1;
  const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, first_free);
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, first_free);
  if (in < 0 || out < 0) return SystemError("has no pipes to a supervisor");
  auto channel = std::make_unique<PipeChannel>(in, out);
  own_status_fd = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);

  std::vector<int> open_fds = std::move(keep).value();
  for (const int fd : {in, out, own_status_fd}) {
    if (fd >= 0) open_fds.push_back(fd);
  }
  std::sort(open_fds.begin(), open_fds.end());
  if (Status s = RedirectStandardStreams(); !s.ok()) return s.error();
  if (Status s = CloseAllBut(open_fds); !s.ok()) return s.error();
  return std::unique_ptr<ByteChannel>(std::move(channel));
}

std::uint32_t OwnProcessId() { return static_cast<std::uint32_t>(::getpid()); }

std::uint64_t PeakMemory() {
  // getrusage() would count what the supervisor had when it started us.
  if (own_status_fd < 0) return 0;
  std::array<char, 4096> text;
  const ssize_t got = ::pread(own_status_fd, text.data(), text.size(), 0);
  if (got <= 0) return 0;
  return ParseHighWaterMark({text.data(), static_cast<std::size_t>(got)});
}

}  // namespace scanengine
