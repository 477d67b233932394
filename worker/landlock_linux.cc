#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "ipc/descriptor_posix.h"
#include "worker/sandbox_parts.h"

// Landlock, as https://docs.kernel.org/userspace-api/landlock.html has it for
// ABI 7 (Linux 6.15). Spelled out here because <linux/landlock.h> is often
// older than the kernel.

namespace scanengine {
namespace {

constexpr int kNewestAbi = 7;

struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;  // Since ABI 4.
  std::uint64_t scoped;              // Since ABI 6.
};

struct [[gnu::packed]] PathBeneathAttributes {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
};

constexpr std::uint64_t kReadFile = 1U << 2;
constexpr std::uint64_t kReadDir = 1U << 3;
constexpr unsigned kAskVersion = 1U;
constexpr int kRulePathBeneath = 1;

Error SystemError(const std::string& what) {
  return {ErrorCode::kIo, "landlock: " + what + ": " + std::strerror(errno)};
}

// Every right of the ABI is handled: what is not granted below is refused.
RulesetAttributes AllOf(int abi) {
  // Rights over files were added by the bit: 13 at first, then rename across
  // folders (2), truncate (3) and ioctl on devices (5).
  const int fs_rights = 13 + (abi >= 2) + (abi >= 3) + (abi >= 5);
  return {.handled_access_fs = (std::uint64_t{1} << fs_rights) - 1,
          .handled_access_net = abi >= 4 ? 3U : 0U,  // TCP bind, connect.
          .scoped = abi >= 6 ? 3U : 0U};  // Abstract sockets, signals.
}

std::size_t SizeFor(int abi) {
  if (abi >= 6) return sizeof(RulesetAttributes);
  return abi >= 4 ? 16 : 8;
}

Status Grant(int ruleset, const std::string& root) {
  const Descriptor fd(::open(root.c_str(), O_PATH | O_CLOEXEC));
  if (fd.get() < 0) {
    // Gone since it was found: its files will be reported as changed.
    if (errno == ENOENT || errno == ENOTDIR) return OkStatus();
    return SystemError("cannot open " + root);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return SystemError("cannot see " + root);
  const std::uint64_t rights =
      S_ISDIR(info.st_mode) ? kReadFile | kReadDir : kReadFile;
  const PathBeneathAttributes rule{rights, fd.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &rule, 0) !=
      0) {
    return SystemError("cannot grant " + root);
  }
  return OkStatus();
}

// Threads of this process; each is a folder, which counts as a link.
bool HasOtherThreads() {
  struct stat info {};
  return ::stat("/proc/self/task", &info) == 0 && info.st_nlink > 3;
}

// The ABI to use, or why there is none.
std::pair<int, const char*> FindAbi() {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  if (abi >= 1) return {static_cast<int>(std::min<long>(abi, kNewestAbi)), ""};
  switch (errno) {
    case ENOSYS:
      return {0, "landlock: not in this kernel"};
    case EOPNOTSUPP:
      return {0, "landlock: switched off in this kernel"};
    default:
      return {0, "landlock: refused by what this program runs in"};
  }
}

}  // namespace

Status RestrictFiles(const std::vector<std::string>& read_roots,
                     SandboxReport* report) {
  const auto [abi, why] = FindAbi();
  if (abi == 0) {
    report->missing.emplace_back(why);
    return OkStatus();
  }
  const bool has_other_threads = HasOtherThreads();
  const RulesetAttributes attributes = AllOf(abi);
  const Descriptor ruleset(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &attributes, SizeFor(abi), 0)));
  if (!ruleset.ok()) return SystemError("cannot make a ruleset");
  for (const std::string& root : read_roots) {
    if (Status status = Grant(ruleset.get(), root); !status.ok()) return status;
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return SystemError("cannot be put in force");
  }
  report->active.push_back("landlock-" + std::to_string(abi));
  if (has_other_threads) {
    report->missing.emplace_back("landlock: does not hold threads that ran");
  }
  return OkStatus();
}

}  // namespace scanengine
