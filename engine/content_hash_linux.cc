#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "engine/content_hash.h"
#include "ipc/descriptor_posix.h"
#include "ipc/system_error_posix.h"

namespace scanengine {
namespace {

constexpr std::size_t kBufferBytes = 128U << 10;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

Descriptor OpenToRead(const std::string& path) {
  return Descriptor(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

Result<FileStamp> StampOf(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return SystemError(errno);
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kChanged, "is no regular file"};
  }
  const auto nanoseconds = [](const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * kNanosecondsPerSecond +
           time.tv_nsec;
  };
  FileStamp stamp;
  stamp.size = static_cast<std::uint64_t>(info.st_size);
  stamp.inode = info.st_ino;
  stamp.modified_ns = nanoseconds(info.st_mtim);
  stamp.changed_ns = nanoseconds(info.st_ctim);
  return stamp;
}

// The kernel itself keeps the times there, not a server or another program.
bool IsLocal(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return false;
  switch (static_cast<std::uint32_t>(info.f_type)) {
    case 0x0000EF53:  // ext2, ext3, ext4
    case 0x58465342:  // XFS
    case 0x9123683E:  // Btrfs
    case 0x01021994:  // tmpfs
    case 0x2FC12FC1:  // ZFS
    case 0xF2F52010:  // F2FS
    case 0x794C7630:  // overlayfs, as in containers
      return true;
    default:
      return false;
  }
}

// Some local file systems keep whole seconds only.
bool IsFine(std::int64_t time_ns) { return time_ns % 1'000'000 != 0; }

// |size| is what to expect, and no more.
Result<Sha256> HashAll(int fd, std::uint64_t size) {
  // Most files are small: a large buffer costs more than reading them.
  std::vector<std::byte> buffer(static_cast<std::size_t>(
      std::min<std::uint64_t>(size + 1, kBufferBytes)));
  Sha256Hasher hasher;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) return hasher.Finish();
    if (got > 0) {
      hasher.Add(std::span<const std::byte>(buffer).first(
          static_cast<std::size_t>(got)));
    } else if (errno != EINTR) {
      return SystemError(errno);
    }
  }
}

}  // namespace

Result<FileHash> HashFile(const std::string& path, const FileStamp& expected) {
  const Descriptor file = OpenToRead(path);
  if (file.get() < 0) return SystemError(errno);
  const auto is_as_expected = [&] {
    const Result<FileStamp> stamp = StampOf(file.get());
    return stamp.ok() && stamp.value() == expected;
  };
  if (!is_as_expected()) {
    return Error{ErrorCode::kChanged, "is not what it was"};
  }
  const Result<Sha256> hash = HashAll(file.get(), expected.size);
  if (!hash.ok()) return hash.error();
  if (!is_as_expected()) {
    return Error{ErrorCode::kChanged, "changed while it was read"};
  }
  return FileHash{hash.value(),
                  IsLocal(file.get()) && IsFine(expected.changed_ns)};
}

Result<Sha256> HashProgram(const std::string& path) {
  const Descriptor file = OpenToRead(path);
  if (file.get() < 0) return SystemError(errno);
  return HashAll(file.get(), kBufferBytes);
}

}  // namespace scanengine
