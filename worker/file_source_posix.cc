#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include "worker/file_source.h"

namespace scanengine {
namespace {

Error FromErrno(int error) {
  const std::string text = std::strerror(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound, "no such file"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermission, "permission denied"};
    case ELOOP:
      return {ErrorCode::kIo, "too many levels of links"};
    case ENXIO:
    case EISDIR:
      return {ErrorCode::kInvalidArgument, "not a regular file"};
    default:
      return {ErrorCode::kIo, text};
  }
}

constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// Opens a path that is longer than the kernel takes in one call, folder by
// folder, holding one descriptor at a time. O_PATH: an ordinary descriptor for
// each level costs time that grows with the depth under Landlock.
int OpenLong(std::string_view path) {
  int at = AT_FDCWD;
  std::string piece;
  while (true) {
    // As many components at once as fit.
    std::size_t cut = path.size();
    if (cut >= PATH_MAX) cut = path.rfind('/', PATH_MAX - 1);
    if (cut == std::string_view::npos || cut == 0) {
      if (at != AT_FDCWD) ::close(at);
      errno = ENAMETOOLONG;
      return -1;
    }
    const bool last = cut == path.size();
    piece = path.substr(0, cut);
    const int next =
        ::openat(at, piece.c_str(),
                 last ? kOpenFlags : O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int error = errno;
    if (at != AT_FDCWD) ::close(at);
    errno = error;
    if (next < 0 || last) return next;
    at = next;
    path.remove_prefix(cut);
    while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  }
}

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

class PosixFileSource final : public FileSource {
 public:
  PosixFileSource(int fd, const struct stat& info) : fd_(fd), info_(info) {}
  ~PosixFileSource() override { ::close(fd_); }

  std::uint64_t size() const override {
    return static_cast<std::uint64_t>(info_.st_size);
  }

  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    if (offset >= size() || out.empty()) return std::size_t{0};
    const std::uint64_t rest = size() - offset;
    if (out.size() > rest) out = out.first(static_cast<std::size_t>(rest));
    while (true) {
      const ssize_t got =
          ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got > 0) return static_cast<std::size_t>(got);
      if (got == 0) {
        return Error{ErrorCode::kChanged, "became shorter during the scan"};
      }
      if (errno != EINTR) return FromErrno(errno);
    }
  }

  std::uint64_t NextData(std::uint64_t offset) override {
    if (offset >= size()) return size();
    const off_t data = ::lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0) return errno == ENXIO ? size() : offset;
    return std::clamp(static_cast<std::uint64_t>(data), offset, size());
  }

  bool Unchanged() const override {
    struct stat now {};
    if (::fstat(fd_, &now) != 0) return false;
    // Who writes may set the time of writing back, not that of the change. A
    // link less: its name was given to another file, or is no more.
    return now.st_size == info_.st_size &&
           SameTime(now.st_mtim, info_.st_mtim) &&
           SameTime(now.st_ctim, info_.st_ctim) &&
           now.st_nlink == info_.st_nlink && now.st_ino == info_.st_ino &&
           now.st_dev == info_.st_dev;
  }

 private:
  int fd_;
  struct stat info_;
};

}  // namespace

Result<std::unique_ptr<FileSource>> FileSource::Open(const TaskRequest& task) {
  // The system would take the part before a null byte for the whole.
  const bool named =
      !task.path.empty() && task.path.find('\0') == std::string::npos;
  if (task.inherited_fd < 0 && !named) return FromErrno(ENOENT);
  const int fd = task.inherited_fd >= 0
                     ? ::fcntl(task.inherited_fd, F_DUPFD_CLOEXEC, 3)
                     : OpenLong(task.path);
  if (fd < 0) return FromErrno(errno);
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    return FromErrno(error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return Error{ErrorCode::kInvalidArgument, "not a regular file"};
  }
  return std::unique_ptr<FileSource>(new PosixFileSource(fd, info));
}

}  // namespace scanengine
