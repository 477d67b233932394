#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "worker/sandbox_parts.h"
#include "worker/sanitizer.h"

namespace scanengine {
namespace {

constexpr rlim_t kMaxDescriptors = 64;
constexpr rlim_t kMaxStack = 8 << 20;

bool IsRegularFile(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

// Lowers a limit for good; one that is lower already stays.
template <typename Resource>
Status Lower(Resource resource, const char* name, rlim_t value) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) == 0) {
    limit.rlim_max = std::min(limit.rlim_max, value);
    limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
    if (::setrlimit(resource, &limit) == 0) return OkStatus();
  }
  return Error{ErrorCode::kIo, std::string("cannot limit ") + name + ": " +
                                   std::strerror(errno)};
}

}  // namespace

Status LimitResources(std::uint64_t memory_limit, SandboxReport* report) {
  Status status = Lower(RLIMIT_CORE, "core dumps", 0);
  if (status.ok()) status = Lower(RLIMIT_NOFILE, "files", kMaxDescriptors);
  // Else the memory limit would not hold for the stack.
  if (status.ok()) status = Lower(RLIMIT_STACK, "stack", kMaxStack);
  // A message to a log file would end the process.
  if (status.ok() && !IsRegularFile(STDOUT_FILENO) &&
      !IsRegularFile(STDERR_FILENO)) {
    status = Lower(RLIMIT_FSIZE, "file size", 0);
  }
  if (!status.ok()) return status;
  report->active.emplace_back("limits");
  if (memory_limit == 0) return OkStatus();
  if (kSanitizedBuild) {
    report->missing.emplace_back("memory limit: sanitizer build");
    return OkStatus();
  }
  // Private memory only: unlike RLIMIT_AS it does not count what is mapped from
  // files and shared.
  status = Lower(RLIMIT_DATA, "memory", rlim_t{memory_limit});
  if (status.ok()) report->active.emplace_back("memory-limit");
  return status;
}

}  // namespace scanengine
