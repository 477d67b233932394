// Attacks are raw system calls where that matters: a hijacked worker is not
// bound to what the C library offers.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <thread>

#include "tests/worker/sandbox_probe.h"

namespace scanengine::testing {
namespace {

// 0 if a call worked, else its error.
int Error(long result) { return result >= 0 ? 0 : errno; }

template <typename... Argument>
int Call(long number, Argument... arguments) {
  return Error(::syscall(number, arguments...));
}

int Open(const std::string& path, int flags) {
  return Error(::open(path.c_str(), flags | O_CLOEXEC, 0600));
}

std::string OfParent(const char* name) {
  return "/proc/" + std::to_string(::getppid()) + "/" + name;
}

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int Socket(int domain, int type) {
  return Error(::socket(domain, type | SOCK_CLOEXEC, 0));
}

int Map(int protection, int flags, int fd = -1) {
  void* const p = ::mmap(nullptr, 4096, protection, flags, fd, 0);
  return p == MAP_FAILED ? errno : 0;
}

int Protect(long call, int protection) {
  void* const p = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return errno;
  return Call(call, p, 4096, protection, -1);
}

int TouchMemory(long call, pid_t pid, const Scene& scene) {
  std::uint64_t mine = 0;
  iovec local{&mine, sizeof(mine)};
  iovec remote{reinterpret_cast<void*>(scene.address), sizeof(mine)};
  return Call(call, pid, &local, 1, &remote, 1, 0);
}

// Waits for a child and reports its exit code; for ways to start one.
int Reap(long pid) {
  if (pid < 0) return errno;
  if (pid == 0) ::_exit(0);
  int status = 0;
  ::waitpid(static_cast<pid_t>(pid), &status, 0);
  return status == 0 ? 0 : ECHILD;
}

int Exec(long call) {
  static char name[] = "/bin/true";
  char* const argv[] = {name, nullptr};
  char* const env[] = {nullptr};
  if (call == SYS_execveat) {
    return Call(call, AT_FDCWD, name, argv, env, 0);
  }
  return Call(call, name, argv, env);
}

int OverwriteCode(const Scene&) {
  // Private read-only memory, written through a file as a debugger does.
  const int fd = ::open("/proc/self/mem", O_RDWR | O_CLOEXEC);
  if (fd < 0) return errno;
  static const std::array<char, 8> kTarget{};
  return Error(
      ::pwrite(fd, "hijacked", 8, reinterpret_cast<off_t>(kTarget.data())));
}

int PeekThroughProc(const Scene& scene) {
  const int fd =
      ::open(("/proc/" + std::to_string(scene.victim) + "/mem").c_str(),
             O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  std::uint64_t word = 0;
  return Error(
      ::pread(fd, &word, sizeof(word), static_cast<off_t>(scene.address)));
}

int ConnectLeftOpen(const Scene& scene) {
  const sockaddr_in to = Loopback(scene.tcp_port);
  return Error(
      ::connect(scene.tcp, reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
}

int SendLeftOpen(const Scene& scene) {
  const sockaddr_in to = Loopback(9);
  return Error(::sendto(scene.udp, "x", 1, 0,
                        reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
}

// By a socket that was left open, past all paths.
int ConnectAbstract(const Scene& scene) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  scene.abstract_address.copy(to.sun_path + 1, sizeof(to.sun_path) - 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                           scene.abstract_address.size());
  return Error(::connect(scene.unix_socket,
                         reinterpret_cast<const sockaddr*>(&to), size));
}

// Small enough for the machine that runs the test bare.
int ForkBomb(const Scene&) {
  for (int i = 0; i < 32; ++i) {
    const int error = Reap(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    if (error != 0) return error;
  }
  return 0;
}

int StartThread(const Scene&) {
  try {
    std::thread([] {}).join();
    return 0;
  } catch (const std::system_error& e) {
    return e.code().value();
  }
}

int OpenByHandle(const Scene& scene) {
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + 128> room{};
  auto* const handle = reinterpret_cast<file_handle*>(room.data());
  handle->handle_bytes = 128;
  int mount = 0;
  if (::name_to_handle_at(AT_FDCWD, (scene.outside + "/secret").c_str(), handle,
                          &mount, 0) != 0) {
    return errno;
  }
  return Error(::open_by_handle_at(scene.folder_fd, handle, O_RDONLY));
}

int OpenForWritingByOpenat2(const Scene& scene) {
  const std::uint64_t how[3] = {O_WRONLY | O_CREAT, 0600, 0};
  return Call(SYS_openat2, AT_FDCWD, (scene.inside + "/new").c_str(), how,
              sizeof(how));
}

int Mount(const Scene& scene) {
  const int error =
      Error(::mount("none", scene.outside.c_str(), "tmpfs", 0, ""));
  // It would outlive us.
  if (error == 0) ::umount2(scene.outside.c_str(), MNT_DETACH);
  return error;
}

int LoadBpf(const Scene&) {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return Call(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes));
}

int OpenPerfEvent(const Scene&) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof(attributes);
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  return Call(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

int SetUpIoUring(const Scene&) {
  std::array<std::uint32_t, 30> parameters{};
  return Call(SYS_io_uring_setup, 4, parameters.data());
}

int RunFromMemory(const Scene&) {
  const long fd = ::syscall(SYS_memfd_create, "x", 0);
  if (fd < 0) return errno;
  if (::write(static_cast<int>(fd), "#!/bin/true\n", 12) != 12) return errno;
  char empty[] = "";
  char* const argv[] = {empty, nullptr};
  return Call(SYS_execveat, fd, empty, argv, argv + 1, AT_EMPTY_PATH);
}

int RaiseOwnLimit(const Scene&) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  return Error(::setrlimit(RLIMIT_NOFILE, &limit));
}

int ReadKeyring(const Scene&) {
  constexpr int kGetKeyringId = 0;
  constexpr int kSessionKeyring = -3;
  return Call(SYS_keyctl, kGetKeyringId, kSessionKeyring, 0);
}

int FilterAgain(const Scene&) {
  const std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
  return Call(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

int ReadClock(const Scene&) {
  timex query{};
  return Error(::adjtimex(&query));
}

int CallInAnotherAbi(const Scene&) {
#if defined(__x86_64__)
  // getpid as 32-bit programs call it.
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory");
  return result > 0 ? 0 : static_cast<int>(-result);
#else
  return ENOSYS;
#endif
}

int CallX32(const Scene&) { return Call(0x40000000L | SYS_getpid); }

int CutWithoutWriting(const Scene& s) {
  return Open(s.inside + "/file", O_RDONLY | O_TRUNC);
}

constexpr Attack kAttacks[] = {
    // Files.
    {"read-absolute",
     [](const Scene& s) { return Open(s.outside + "/secret", O_RDONLY); }},
    {"read-dotdot",
     [](const Scene& s) {
       return Open(s.inside + "/../outside/secret", O_RDONLY);
     }},
    {"read-link",
     [](const Scene& s) { return Open(s.inside + "/link-out", O_RDONLY); }},
    {"read-from-folder",
     [](const Scene& s) {
       return Error(::openat(s.folder_fd, "../outside/secret", O_RDONLY));
     }},
    {"read-by-handle", OpenByHandle},
    {"read-etc", [](const Scene&) { return Open("/etc/passwd", O_RDONLY); }},
    {"list-outside",
     [](const Scene& s) { return Open(s.outside, O_RDONLY | O_DIRECTORY); }},
    {"read-device", [](const Scene&) { return Open("/dev/zero", O_RDONLY); }},
    {"write-outside",
     [](const Scene& s) { return Open(s.outside + "/secret", O_WRONLY); }},
    {"write-inside",
     [](const Scene& s) { return Open(s.inside + "/file", O_RDWR); }},
    {"append",
     [](const Scene& s) {
       return Open(s.inside + "/file", O_WRONLY | O_APPEND);
     }},
    {"cut-by-open", CutWithoutWriting},
    {"make-file",
     [](const Scene& s) {
       return Open(s.inside + "/new", O_CREAT | O_WRONLY);
     }},
    {"make-file-readonly",
     [](const Scene& s) {
       return Open(s.inside + "/new", O_CREAT | O_RDONLY);
     }},
    {"make-unnamed",
     [](const Scene& s) { return Open(s.inside, O_TMPFILE | O_RDWR); }},
    {"make-by-openat2", OpenForWritingByOpenat2},
    {"unlink",
     [](const Scene& s) {
       return Error(::unlink((s.inside + "/file").c_str()));
     }},
    {"unlink-link",
     [](const Scene& s) {
       return Error(::unlinkat(s.folder_fd, "link-in", 0));
     }},
    {"rename",
     [](const Scene& s) {
       return Error(
           ::rename((s.inside + "/file").c_str(), (s.inside + "/new").c_str()));
     }},
    {"mkdir",
     [](const Scene& s) {
       return Error(::mkdir((s.outside + "/new").c_str(), 0700));
     }},
    {"rmdir",
     [](const Scene& s) {
       return Error(::rmdir((s.inside + "/empty").c_str()));
     }},
    {"symlink",
     [](const Scene& s) {
       return Error(::symlink("/etc/passwd", (s.inside + "/new").c_str()));
     }},
    {"link",
     [](const Scene& s) {
       return Error(
           ::link((s.inside + "/file").c_str(), (s.inside + "/new").c_str()));
     }},
    {"mkfifo",
     [](const Scene& s) {
       return Error(::mkfifo((s.inside + "/new").c_str(), 0600));
     }},
    {"chmod", [](const Scene& s) { return Error(::fchmod(s.file_fd, 0777)); }},
    {"chown",
     [](const Scene& s) {
       return Error(::fchown(s.file_fd, ::getuid(), ::getgid()));
     }},
    {"truncate",
     [](const Scene& s) {
       return Error(::truncate((s.inside + "/file").c_str(), 0));
     }},
    {"touch",
     [](const Scene& s) {
       return Error(
           ::utimensat(s.folder_fd, "file", nullptr, AT_SYMLINK_NOFOLLOW));
     }},
    {"chroot",
     [](const Scene& s) { return Error(::chroot(s.folder.c_str())); }},
    {"chdir", [](const Scene&) { return Error(::chdir("/")); }},
    {"flock",
     [](const Scene& s) { return Call(SYS_flock, s.file_fd, /*LOCK_EX=*/2); }},
    {"watch-file",
     [](const Scene&) { return Call(SYS_inotify_init1, O_CLOEXEC); }},
    {"signal-on-input",
     [](const Scene& s) { return Error(::fcntl(s.udp, F_SETOWN, s.victim)); }},
    {"ioctl",
     [](const Scene& s) {
       int size = 0;
       return Error(::ioctl(s.file_fd, FIONREAD, &size));
     }},

    // Other processes.
    {"fork",
     [](const Scene&) {
       return Reap(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
     }},
    {"fork-bomb", ForkBomb},
    {"clone3",
     [](const Scene&) {
       std::array<std::uint64_t, 8> arguments{};
       arguments[4] = SIGCHLD;
       return Reap(::syscall(SYS_clone3, arguments.data(), sizeof(arguments)));
     }},
    {"thread", StartThread},
    {"execve", [](const Scene&) { return Exec(SYS_execve); }},
    {"execveat", [](const Scene&) { return Exec(SYS_execveat); }},
    {"exec-from-memory", RunFromMemory},
    {"exec-open-file",
     [](const Scene& s) {
       char empty[] = "";
       char* const argv[] = {empty, nullptr};
       return Call(SYS_execveat, s.program_fd, empty, argv, argv + 1,
                   AT_EMPTY_PATH);
     }},
    // SIGURG is ignored unless asked for.
    {"kill-supervisor",
     [](const Scene&) { return Error(::kill(::getppid(), SIGURG)); }},
    {"kill-sibling",
     [](const Scene& s) { return Error(::kill(s.victim, SIGKILL)); }},
    {"kill-group", [](const Scene&) { return Error(::kill(0, SIGURG)); }},
    {"tgkill-supervisor",
     [](const Scene&) {
       return Call(SYS_tgkill, ::getppid(), ::getppid(), SIGURG);
     }},
    {"tkill-supervisor",
     [](const Scene&) { return Call(SYS_tkill, ::getppid(), SIGURG); }},
    {"sigqueue-sibling",
     [](const Scene& s) {
       return Error(::sigqueue(s.victim, SIGURG, sigval{}));
     }},
    {"pidfd-open",
     [](const Scene&) { return Call(SYS_pidfd_open, ::getppid(), 0); }},
    {"ptrace-sibling",
     [](const Scene& s) {
       return Call(SYS_ptrace, PTRACE_SEIZE, s.victim, 0, 0);
     }},
    {"ptrace-supervisor",
     [](const Scene&) {
       return Call(SYS_ptrace, PTRACE_SEIZE, ::getppid(), 0, 0);
     }},
    {"read-sibling",
     [](const Scene& s) {
       return TouchMemory(SYS_process_vm_readv, s.victim, s);
     }},
    {"write-sibling",
     [](const Scene& s) {
       return TouchMemory(SYS_process_vm_writev, s.victim, s);
     }},
    {"read-supervisor",
     [](const Scene& s) {
       return TouchMemory(SYS_process_vm_readv, ::getppid(), s);
     }},
    {"write-supervisor",
     [](const Scene& s) {
       return TouchMemory(SYS_process_vm_writev, ::getppid(), s);
     }},
    {"read-sibling-mem", PeekThroughProc},
    {"read-supervisor-maps",
     [](const Scene&) { return Open(OfParent("maps"), O_RDONLY); }},
    {"read-supervisor-mem",
     [](const Scene&) { return Open(OfParent("mem"), O_RDONLY); }},
    {"read-supervisor-environment",
     [](const Scene&) { return Open(OfParent("environ"), O_RDONLY); }},
    {"write-own-code", OverwriteCode},
    {"limit-sibling",
     [](const Scene& s) {
       rlimit limit{};
       return Error(::prlimit(s.victim, RLIMIT_NOFILE, nullptr, &limit));
     }},
    {"set-own-limit", RaiseOwnLimit},
    {"slow-supervisor",
     [](const Scene&) {
       return Error(
           ::setpriority(PRIO_PROCESS, static_cast<id_t>(::getppid()), 0));
     }},
    {"pin-supervisor",
     [](const Scene&) {
       cpu_set_t cpus;
       if (::sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return errno;
       return Error(::sched_setaffinity(::getppid(), sizeof(cpus), &cpus));
     }},
    {"setuid", [](const Scene&) { return Call(SYS_setuid, ::getuid()); }},
    {"become-dumpable",
     [](const Scene&) { return Error(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }},
    {"outlive-supervisor",
     [](const Scene&) { return Error(::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)); }},
    {"new-session", [](const Scene&) { return Call(SYS_setpgid, 0, 0); }},

    // Network.
    {"tcp", [](const Scene&) { return Socket(AF_INET, SOCK_STREAM); }},
    {"tcp6", [](const Scene&) { return Socket(AF_INET6, SOCK_STREAM); }},
    {"udp", [](const Scene&) { return Socket(AF_INET, SOCK_DGRAM); }},
    {"unix-socket", [](const Scene&) { return Socket(AF_UNIX, SOCK_STREAM); }},
    {"netlink", [](const Scene&) { return Socket(AF_NETLINK, SOCK_RAW); }},
    {"packet", [](const Scene&) { return Socket(AF_PACKET, SOCK_RAW); }},
    {"socketpair",
     [](const Scene&) {
       int ends[2];
       return Error(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
     }},
    {"connect-open-socket", ConnectLeftOpen},
    {"send-open-socket", SendLeftOpen},
    {"connect-abstract-socket", ConnectAbstract},
    {"listen-open-socket",
     [](const Scene& s) { return Error(::listen(s.tcp, 1)); }},

    // What the supervisor shares.
    {"write-cache",
     [](const Scene& s) { return Error(::write(s.cache_fd, "x", 1)); }},
    {"write-cache-at",
     [](const Scene& s) { return Error(::pwrite(s.cache_fd, "x", 1, 0)); }},
    {"map-cache",
     [](const Scene& s) {
       return Map(PROT_READ | PROT_WRITE, MAP_SHARED, s.cache_fd);
     }},
    {"shrink-cache",
     [](const Scene& s) { return Error(::ftruncate(s.cache_fd, 0)); }},
    {"punch-cache",
     [](const Scene& s) {
       return Error(::fallocate(
           s.cache_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
     }},
    {"shrink-board",
     [](const Scene& s) { return Error(::ftruncate(s.board_fd, 0)); }},
    {"grow-board",
     [](const Scene& s) { return Error(::ftruncate(s.board_fd, 1 << 30)); }},

    // Memory.
    {"map-code",
     [](const Scene&) {
       return Map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
     }},
    {"map-file-code",
     [](const Scene& s) {
       return Map(PROT_READ | PROT_EXEC, MAP_PRIVATE, s.file_fd);
     }},
    {"map-shared",
     [](const Scene&) {
       return Map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
     }},
    {"map-shared-file",
     [](const Scene& s) { return Map(PROT_READ, MAP_SHARED, s.file_fd); }},
    {"map-shared-validate",
     [](const Scene& s) {
       return Map(PROT_READ, MAP_SHARED_VALIDATE, s.file_fd);
     }},
    {"map-growing-stack",
     [](const Scene&) {
       return Map(PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
     }},
    {"make-code",
     [](const Scene&) { return Protect(SYS_mprotect, PROT_READ | PROT_EXEC); }},
    {"make-code-pkey",
     [](const Scene&) {
       return Protect(SYS_pkey_mprotect, PROT_READ | PROT_EXEC);
     }},
    {"read-implies-exec",
     [](const Scene&) { return Error(::personality(READ_IMPLIES_EXEC)); }},
    {"memfd", [](const Scene&) { return Call(SYS_memfd_create, "x", 0); }},
    {"sysv-memory",
     [](const Scene&) {
       const long id = ::syscall(SYS_shmget, IPC_PRIVATE, 4096, 0600);
       if (id < 0) return errno;
       return Call(SYS_shmctl, id, IPC_RMID, nullptr);
     }},
    {"lock-memory",
     [](const Scene&) { return Call(SYS_mlockall, MCL_CURRENT); }},

    // The kernel's large surfaces.
    {"mount", Mount},
    {"unshare", [](const Scene&) { return Error(::unshare(CLONE_NEWNS)); }},
    {"unshare-user",
     [](const Scene&) { return Error(::unshare(CLONE_NEWUSER)); }},
    {"bpf", LoadBpf},
    {"io-uring", SetUpIoUring},
    {"perf-event", OpenPerfEvent},
    {"userfaultfd",
     [](const Scene&) { return Call(SYS_userfaultfd, O_CLOEXEC | 1); }},
    {"keyctl", ReadKeyring},
    {"kernel-log",
     [](const Scene&) { return Call(SYS_syslog, /*size=*/10, nullptr, 0); }},
    {"seccomp", FilterAgain},
    {"clock", ReadClock},
    {"abi-32", CallInAnotherAbi},
    {"abi-x32", CallX32},
};

}  // namespace

std::span<const Attack> Attacks() { return kAttacks; }

}  // namespace scanengine::testing
