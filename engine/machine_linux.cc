#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "engine/cgroup.h"
#include "engine/machine.h"

namespace scanengine {
namespace {

std::chrono::microseconds TimeOf(int who) {
  struct rusage usage {};
  if (::getrusage(who, &usage) != 0) return std::chrono::microseconds(0);
  const auto us = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) +
           std::chrono::microseconds(t.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

std::string TemporaryFolder() {
  const char* folder = std::getenv("TMPDIR");
  return folder == nullptr || *folder == '\0' ? "/tmp" : folder;
}

// Copies all of descriptor 0 to |out|.
Result<std::uint64_t> CopyInput(int out, std::uint64_t max_size) {
  std::vector<char> buffer(256 << 10);
  std::uint64_t size = 0;
  while (true) {
    const ssize_t got = ::read(0, buffer.data(), buffer.size());
    if (got == 0) return size;
    if (got < 0) {
      if (errno == EINTR) continue;
      return Error{ErrorCode::kIo, std::strerror(errno)};
    }
    size += static_cast<std::uint64_t>(got);
    if (max_size != 0 && size > max_size) {
      return Error{ErrorCode::kLimitExceeded, "is larger than --max-file-size"};
    }
    for (ssize_t at = 0; at < got;) {
      const ssize_t put =
          ::write(out, buffer.data() + at, static_cast<std::size_t>(got - at));
      if (put < 0 && errno != EINTR) {
        return Error{ErrorCode::kIo, std::string("cannot keep a copy in ") +
                                         TemporaryFolder() + ": " +
                                         std::strerror(errno)};
      }
      at += std::max<ssize_t>(put, 0);
    }
  }
}

}  // namespace

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 1;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    cores = std::max(1, CPU_COUNT(&set));
  }
  const double quota = ReadCgroupLimits().cores;
  return quota > 0 ? std::min(cores, static_cast<int>(std::ceil(quota)))
                   : cores;
}

int FreeDescriptors() {
  rlimit limit{};
  std::error_code error;
  std::filesystem::directory_iterator all("/proc/self/fd", error);
  if (error || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  // The iterator's own is in the count and gone afterwards.
  const auto open = std::distance(begin(all), end(all)) - 1;
  constexpr rlim_t kEnough = 1 << 20;
  return static_cast<int>(std::min(limit.rlim_cur, kEnough)) -
         static_cast<int>(open);
}

std::uint64_t AvailableMemory() {
  std::ifstream in("/proc/meminfo");
  std::uint64_t available = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t kib = 0;
    if (words >> name >> kib && name == "MemAvailable:") available = kib << 10;
  }
  const CgroupLimits limits = ReadCgroupLimits();
  if (limits.memory > 0) available = std::min(available, limits.memory_left);
  return available;
}

std::chrono::microseconds ProcessorTime() {
  return TimeOf(RUSAGE_SELF) + TimeOf(RUSAGE_CHILDREN);
}

Result<StandardInput> CaptureStandardInput(std::uint64_t max_size) {
  struct stat info {};
  if (::fstat(0, &info) != 0) return Error{ErrorCode::kIo, "is closed"};
  // What tells no size (/proc) is copied, and so is what could be written to:
  // workers get the descriptor.
  const int mode = ::fcntl(0, F_GETFL) & O_ACCMODE;
  if (S_ISREG(info.st_mode) && info.st_size > 0 && mode == O_RDONLY &&
      ::lseek(0, 0, SEEK_CUR) == 0) {
    const int copy = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return Error{ErrorCode::kIo, std::strerror(errno)};
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (max_size != 0 && size > max_size) {
      ::close(copy);
      return Error{ErrorCode::kLimitExceeded, "is larger than --max-file-size"};
    }
    return StandardInput{copy, size};
  }
  const std::string folder = TemporaryFolder();
  const int fd =
      ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) {
    return Error{ErrorCode::kIo, "cannot keep a copy in " + folder + ": " +
                                     std::strerror(errno)};
  }
  Result<std::uint64_t> size = CopyInput(fd, max_size);
  if (!size.ok()) {
    ::close(fd);
    return size.error();
  }
  // Workers get a descriptor that cannot write.
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  const int readable = ::open(self.c_str(), O_RDONLY | O_CLOEXEC);
  const int error = errno;
  ::close(fd);
  if (readable < 0) return Error{ErrorCode::kIo, std::strerror(error)};
  return StandardInput{readable, size.value()};
}

Result<NativeHandle> AnonymousFile(std::string_view bytes) {
  const int fd =
      ::memfd_create("scanengine-file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return Error{ErrorCode::kIo, std::strerror(errno)};
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) break;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  constexpr int kSeals =
      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (!bytes.empty() || ::fcntl(fd, F_ADD_SEALS, kSeals) != 0) {
    const int error = errno;
    ::close(fd);
    return Error{ErrorCode::kIo, std::strerror(error)};
  }
  return NativeHandle{fd};
}

void CloseHandle(NativeHandle handle) { ::close(static_cast<int>(handle)); }

}  // namespace scanengine
