#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "worker/sandbox_parts.h"

namespace scanengine {
namespace {

Error SystemError(const char* what) {
  return {ErrorCode::kIo, std::string(what) + ": " + std::strerror(errno)};
}

// Keeps at most the right to read any file: a scan that root starts is meant to
// read files of all users. The effective and permitted sets lose the rest; with
// no_new_privs there is no way to gain it back.
Status DropCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, sets) != 0) {
    return SystemError("cannot ask for capabilities");
  }
  constexpr unsigned kReadAny = 1U << CAP_DAC_READ_SEARCH;
  sets[0] = {sets[0].effective & kReadAny, sets[0].permitted & kReadAny, 0};
  sets[1] = {};
  if (::syscall(SYS_capset, &header, sets) != 0) {
    return SystemError("cannot drop capabilities");
  }
  return OkStatus();
}

}  // namespace

Status DropPrivileges(SandboxReport* report) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return SystemError("cannot forbid new privileges");
  }
  report->active.emplace_back("no-new-privs");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return SystemError("cannot forbid to be looked into");
  }
  report->active.emplace_back("not-dumpable");
  if (Status status = DropCapabilities(); !status.ok()) return status;
  report->active.emplace_back("no-capabilities");
  return OkStatus();
}

}  // namespace scanengine
