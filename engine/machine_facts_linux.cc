#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>

#include "engine/machine.h"
#include "engine/machine_facts.h"
#include "engine/process_info.h"
#include "ipc/shared_memory.h"

namespace scanengine {
namespace {

std::string SystemName() {
  utsname name{};
  if (::uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

template <typename Resource>
std::uint64_t SoftLimit(Resource resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return kUnlimited;
  return limit.rlim_cur == RLIM_INFINITY ? kUnlimited
                                         : std::uint64_t{limit.rlim_cur};
}

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// XDG Base Directory Specification; a relative path there does not count.
std::string StateFolder() {
  const std::string base = Variable("XDG_STATE_HOME");
  if (base.starts_with('/')) return base + "/scanengine";
  const std::string home = Variable("HOME");
  return home.starts_with('/') ? home + "/.local/state/scanengine" : "";
}

std::string TemporaryFolder() {
  const std::string folder = Variable("TMPDIR");
  return folder.empty() ? "/tmp" : folder;
}

// |may_be_made|: the folder may be missing and would be made when needed.
FolderFact LookAtFolder(const std::string& path, bool may_be_made) {
  FolderFact fact;
  fact.path = path;
  std::filesystem::path there = path;
  std::error_code error;
  while (may_be_made && there.has_relative_path() &&
         !std::filesystem::exists(there, error)) {
    there = there.parent_path();
  }
  if (path.empty()) return fact;
  fact.writable =
      ::faccessat(AT_FDCWD, there.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  struct statvfs info {};
  if (::statvfs(there.c_str(), &info) == 0) {
    // A read-only file system lets root pass the first question.
    if ((info.f_flag & ST_RDONLY) != 0) fact.writable = false;
    fact.free = std::uint64_t{info.f_bavail} * info.f_frsize;
  }
  return fact;
}

std::string TrySharedMemory() {
  const auto memory = SharedMemory::CreateSealed(
      "scanengine-doctor", 1,
      [](std::span<std::byte> bytes) { bytes[0] = std::byte{1}; });
  return memory.ok() ? "" : memory.error().detail;
}

std::string TrySeccomp() {
  const std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0
             ? ""
             : std::strerror(errno);
}

void AskLandlock(MachineFacts& facts) {
  constexpr unsigned kAskVersion = 1;
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  facts.landlock_abi = static_cast<int>(std::max(abi, 0L));
  if (abi < 0) facts.landlock_error = std::strerror(errno);
}

std::string TryPidfd() {
  const long fd = ::syscall(SYS_pidfd_open, ::getpid(), 0);
  if (fd < 0) return std::strerror(errno);
  ::close(static_cast<int>(fd));
  return "";
}

void ReadLimits(MachineFacts& facts) {
  facts.open_files = SoftLimit(RLIMIT_NOFILE);
  facts.processes = SoftLimit(RLIMIT_NPROC);
  facts.address_space = SoftLimit(RLIMIT_AS);
  facts.data = SoftLimit(RLIMIT_DATA);
  facts.file_size = SoftLimit(RLIMIT_FSIZE);
  facts.pending_signals = SoftLimit(RLIMIT_SIGPENDING);
  facts.free_descriptors = FreeDescriptors();
}

}  // namespace

MachineFacts ReadMachineFacts(const std::string& worker_path) {
  MachineFacts facts;
  facts.system = SystemName();
  facts.is_root = ::geteuid() == 0;
  facts.online_cores =
      static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof(cpus), &cpus) == 0) {
    facts.affinity_cores = std::max(1, CPU_COUNT(&cpus));
  }
  facts.cgroup = ReadCgroupLimits();
  facts.total_memory = static_cast<std::uint64_t>(
      std::max(0L, ::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE));
  facts.available_memory = AvailableMemory();
  facts.shared_memory_error = TrySharedMemory();
  const FolderFact shm = LookAtFolder("/dev/shm", false);
  std::error_code error;
  facts.has_shm_folder = std::filesystem::is_directory(shm.path, error);
  facts.shm_free = shm.free;
  facts.seccomp_error = TrySeccomp();
  AskLandlock(facts);
  facts.pidfd_error = TryPidfd();
  ReadLimits(facts);
  facts.state = LookAtFolder(StateFolder(), true);
  facts.temporary = LookAtFolder(TemporaryFolder(), false);
  facts.worker_path = WorkerPath(worker_path);
  if (::access(facts.worker_path.c_str(), X_OK) != 0) {
    facts.worker_error = std::strerror(errno);
  }
  return facts;
}

}  // namespace scanengine
