#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "worker/sandbox_parts.h"
#include "worker/sanitizer.h"
#include "worker/seccomp_filter_linux.h"

namespace scanengine {
namespace {

// Why there can be no filter, or nothing.
std::optional<const char*> Absence() {
  if (kSanitizedBuild) return "seccomp: sanitizer build";
  const std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
    return std::nullopt;
  }
  switch (errno) {
    case ENOSYS:
    case EINVAL:
      return "seccomp: not in this kernel";
    case EOPNOTSUPP:
      return "seccomp: this kernel is too old";
    default:
      return "seccomp: refused by what this program runs in";
  }
}

std::vector<sock_filter> FilterOfThisProcess() {
  const auto filter = SystemCallFilter();
  std::vector<sock_filter> own(filter.begin(), filter.end());
  const auto process = static_cast<std::uint32_t>(::getpid());
  for (sock_filter& each : own) {
    if (ComparesOwnProcess(each)) each.k = process;
  }
  return own;
}

}  // namespace

Status RestrictSystemCalls(SandboxReport* report) {
  if (const auto why = Absence()) {
    report->missing.emplace_back(*why);
    return OkStatus();
  }
  std::vector<sock_filter> filter = FilterOfThisProcess();
  const sock_fprog program{static_cast<std::uint16_t>(filter.size()),
                           filter.data()};
  const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (result != 0) {
    // A positive one is a thread that cannot be held.
    return Error{ErrorCode::kIo,
                 std::string("seccomp: cannot be put in force: ") +
                     (result < 0 ? std::strerror(errno)
                                 : "another thread has its own filter")};
  }
  report->active.emplace_back("seccomp");
  return OkStatus();
}

}  // namespace scanengine
