// Boost.Process needs these two before it at 1.81 with std::filesystem.
#include <boost/optional.hpp>
#include <boost/type_traits/decay.hpp>
//
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/process/v2/posix/default_launcher.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/child_process.h"

namespace scanengine {
namespace {

namespace asio = boost::asio;
namespace bp = boost::process::v2;

// Passes a descriptor on under its number.
struct InheritDescriptor {
  int fd;

  bp::error_code on_setup(bp::posix::default_launcher& launcher,
                          const bp::filesystem::path&, const char* const*) {
    launcher.fd_whitelist.push_back(fd);
    return {};
  }
  // In the child, which shares our memory: system calls only.
  bp::error_code on_exec_setup(bp::posix::default_launcher&,
                               const bp::filesystem::path&,
                               const char* const*) {
    if (::fcntl(fd, F_SETFD, 0) != 0) {
      return {errno, boost::system::system_category()};
    }
    return {};
  }
};

struct InheritAll {
  std::vector<InheritDescriptor> all;

  bp::error_code on_setup(bp::posix::default_launcher& launcher,
                          const bp::filesystem::path& program,
                          const char* const* argv) {
    for (InheritDescriptor& one : all) one.on_setup(launcher, program, argv);
    return {};
  }
  bp::error_code on_exec_setup(bp::posix::default_launcher& launcher,
                               const bp::filesystem::path& program,
                               const char* const* argv) {
    for (InheritDescriptor& one : all) {
      if (const auto ec = one.on_exec_setup(launcher, program, argv)) return ec;
    }
    return {};
  }
};

// A group of its own: Ctrl-C in the terminal is the supervisor's to handle, and
// descendants can be ended together.
struct OwnProcessGroup {
  bp::error_code on_exec_setup(bp::posix::default_launcher&,
                               const bp::filesystem::path&,
                               const char* const*) {
    if (::setpgid(0, 0) != 0) return {errno, boost::system::system_category()};
    return {};
  }
};

// Boost.Process's own vfork launcher breaks the parent's epoll set at 1.81, and
// its fork launcher costs time in proportion to the parent's memory.
struct VforkLauncher : bp::posix::default_launcher {
  template <typename Args, typename... Inits>
  pid_t Launch(bp::error_code& ec, const bp::filesystem::path& program,
               Args&& args, Inits&&... inits) {
    namespace detail = bp::posix::detail;
    auto argv = this->build_argv_(program, std::forward<Args>(args));
    ec = detail::on_setup(*this, program, argv, inits...);
    if (ec) return -1;
    std::sort(fd_whitelist.begin(), fd_whitelist.end());
    sigset_t all;
    sigset_t old;
    sigset_t none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &all, &old);
    volatile int error = 0;  // Written by the child in our memory.
    // This thread waits while the child runs in its memory. Signals stay
    // blocked until all have their default actions: no handler runs there.
    // NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork)
    const pid_t child = ::vfork();
    if (child == 0) {
      for (int sig = 1; sig < NSIG; ++sig) ::signal(sig, SIG_DFL);
      ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
      bp::error_code failed =
          detail::on_exec_setup(*this, program, argv, inits...);
      if (!failed) detail::close_all(fd_whitelist, failed);
      if (!failed) {
        ::execve(program.c_str(), const_cast<char* const*>(argv),
                 const_cast<char* const*>(env));
      }
      error = failed ? failed.value() : errno;
      ::_exit(127);
    }
    // NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork)
    const int fork_error = errno;
    ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    if (child < 0) {
      ec.assign(fork_error, boost::system::system_category());
    } else if (error != 0) {
      while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
      }
      ec.assign(error, boost::system::system_category());
    }
    return child;
  }
};

class PosixChild final : public ChildProcess {
 public:
  PosixChild(asio::io_context& io, pid_t pid, int pidfd, OnExit on_exit)
      : pid_(pid), watch_(io, pidfd), on_exit_(std::move(on_exit)) {
    Arm();
  }

  ~PosixChild() override {
    if (reaped_) return;
    SignalTree(SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  void Terminate() override {
    if (!reaped_) SignalTree(SIGTERM);
  }
  void Kill() override {
    if (reaped_) {
      // Descendants may have outlived it. The group's id cannot have been
      // given away while one of them is in it; else nobody is hit.
      ::kill(-pid_, SIGKILL);
      return;
    }
    SignalTree(SIGKILL);
  }

  std::uint64_t Memory() const override {
    if (reaped_) return 0;
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/%d/statm", static_cast<int>(pid_));
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[128];
    const ssize_t got = ::read(fd, text, sizeof(text) - 1);
    ::close(fd);
    if (got <= 0) return 0;
    text[got] = '\0';
    unsigned long long total = 0;
    unsigned long long resident = 0;
    unsigned long long shared = 0;
    if (std::sscanf(text, "%llu %llu %llu", &total, &resident, &shared) != 3) {
      return 0;
    }
    static const long page = ::sysconf(_SC_PAGESIZE);
    return (resident - std::min(resident, shared)) *
           static_cast<std::uint64_t>(page);
  }

 private:
  void SignalTree(int signal_number) {
    ::kill(-pid_, signal_number);
    // In case it has not made its group yet, or left it.
    ::syscall(SYS_pidfd_send_signal, watch_.native_handle(), signal_number,
              nullptr, 0);
  }

  // The descriptor may wake us with nothing to reap: ask again, never block.
  void Arm() {
    watch_.async_wait(
        asio::posix::descriptor_base::wait_read,
        [this](const boost::system::error_code& ec) {
          if (ec) return;
          int status = 0;
          const pid_t got = ::waitpid(pid_, &status, WNOHANG);
          if (got == 0 || (got < 0 && errno == EINTR)) {
            Arm();
            return;
          }
          reaped_ = true;
          on_exit_(got == pid_ ? DecodeNativeExit(status) : NativeEnd{});
        });
  }

  pid_t pid_;
  asio::posix::stream_descriptor watch_;
  OnExit on_exit_;
  bool reaped_ = false;
};

Error SpawnError(const std::string& program, int error) {
  return {ErrorCode::kSpawnFailed,
          "cannot start " + program + ": " + std::strerror(error)};
}

// Both ends of a pipe; closed with this object unless taken.
class Pipe {
 public:
  Pipe() = default;
  ~Pipe() {
    for (const int fd : ends_) {
      if (fd >= 0) ::close(fd);
    }
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // 0, or the error. No end gets the number of a standard stream: it would be
  // overwritten in the child before it is put in its place.
  int Open() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) return errno;
    for (int& fd : ends_) {
      if (fd > STDERR_FILENO) continue;
      const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
      if (moved < 0) return errno;
      ::close(std::exchange(fd, moved));
    }
    return 0;
  }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  int TakeReader() { return std::exchange(ends_[0], -1); }
  int TakeWriter() { return std::exchange(ends_[1], -1); }

 private:
  std::array<int, 2> ends_{-1, -1};
};

// The three streams of a child. Not left to Boost.Process, which at 1.81 goes
// on when a pipe cannot be made: the child then has ours instead.
struct StandardPipes {
  Pipe in;
  Pipe out;
  Pipe err;

  int Open() {
    for (Pipe* const pipe : {&in, &out, &err}) {
      if (const int error = pipe->Open(); error != 0) return error;
    }
    return 0;
  }
  void GiveTo(ChildPipes& pipes) {
    pipes.in.assign(in.TakeWriter());
    pipes.out.assign(out.TakeReader());
    pipes.err.assign(err.TakeReader());
  }
};

// Takes over the new child |pid|, or ends it.
Result<std::unique_ptr<ChildProcess>> Watch(asio::io_context& io, pid_t pid,
                                            const std::string& program,
                                            ChildProcess::OnExit on_exit) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  int error = pidfd < 0 ? errno : 0;
  if (error == 0) {
    try {
      return std::unique_ptr<ChildProcess>(
          new PosixChild(io, pid, pidfd, std::move(on_exit)));
    } catch (const std::exception&) {  // It cannot be waited for.
      error = ENOMEM;
      ::close(pidfd);
    }
  }
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return SpawnError(program, error);
}

}  // namespace

bool IsEndOfPipe(const boost::system::error_code& error) {
  return error == asio::error::eof || error == asio::error::broken_pipe;
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(asio::io_context& io,
                                                          const ChildSpec& spec,
                                                          ChildPipes& pipes,
                                                          OnExit on_exit) {
  InheritAll inherit;
  for (const NativeHandle handle : spec.inherited) {
    inherit.all.push_back({static_cast<int>(handle)});
  }
  StandardPipes streams;
  if (const int error = streams.Open(); error != 0) {
    return SpawnError(spec.program, error);
  }
  bp::error_code ec;
  VforkLauncher launcher;
  pid_t pid = -1;
  try {
    streams.GiveTo(pipes);
    pid = launcher.Launch(
        ec, spec.program, spec.arguments,
        bp::process_stdio{streams.in.reader(), streams.out.writer(),
                          streams.err.writer()},
        OwnProcessGroup{}, inherit);
  } catch (const std::exception& e) {  // No memory.
    return Error{ErrorCode::kSpawnFailed,
                 "cannot start " + spec.program + ": " + e.what()};
  }
  if (ec) return SpawnError(spec.program, ec.value());
  return Watch(io, pid, spec.program, std::move(on_exit));
}

BrokenPipeGuard::BrokenPipeGuard() {
  sigset_t pipe_only;
  sigset_t old;
  ::sigemptyset(&pipe_only);
  ::sigaddset(&pipe_only, SIGPIPE);
  if (::pthread_sigmask(SIG_BLOCK, &pipe_only, &old) != 0) return;
  restore_ = ::sigismember(&old, SIGPIPE) == 0;
}

BrokenPipeGuard::~BrokenPipeGuard() {
  if (!restore_) return;
  sigset_t pipe_only;
  ::sigemptyset(&pipe_only);
  ::sigaddset(&pipe_only, SIGPIPE);
  // One that is pending would be delivered now.
  const timespec no_wait{};
  while (::sigtimedwait(&pipe_only, nullptr, &no_wait) == SIGPIPE) {
  }
  ::pthread_sigmask(SIG_UNBLOCK, &pipe_only, nullptr);
}

}  // namespace scanengine
