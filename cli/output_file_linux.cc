#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "cli/output_file.h"
#include "ipc/descriptor_posix.h"
#include "ipc/system_error_posix.h"

namespace scanengine::cli {
namespace {

constexpr int kNameAttempts = 100;

// Returns 0 or an errno. Standard output may be non-blocking if it is shared.
int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// Writes to what is already open and has no name to protect.
class DirectSink : public ByteSink {
 public:
  // |owned| is closed in the end; |fd| is only used.
  DirectSink(int fd, Descriptor owned) : fd_(fd), owned_(std::move(owned)) {}

  Status Write(std::string_view bytes) override {
    const int error = WriteAll(fd_, bytes);
    if (error == EPIPE) reader_gone_ = true;
    if (error != 0) return SystemError(error);
    return OkStatus();
  }

  // Some file systems (quotas, network) tell of a full disk at close only; a
  // duplicate has the same effect and leaves standard output open.
  Status Commit() override {
    const int copy = ::dup(fd_);
    if (copy < 0) return SystemError(errno);
    if (::close(copy) != 0 && errno != EINTR) return SystemError(errno);
    return OkStatus();
  }

  bool reader_gone() const override { return reader_gone_; }

 private:
  int fd_;
  Descriptor owned_;
  bool reader_gone_ = false;
};

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string TemporaryName(const std::string& target, int attempt) {
  return fmt::format("{}/.scanengine-{}-{}.tmp", FolderOf(target),
                     static_cast<long>(::getpid()), attempt);
}

// Writes to a file without its final name and gives it that name at Commit().
class AtomicFileSink : public ByteSink {
 public:
  // |temporary|: the name that the open file has; empty if it has none yet.
  AtomicFileSink(std::string target, Descriptor file, std::string temporary)
      : target_(std::move(target)),
        file_(std::move(file)),
        temporary_(std::move(temporary)) {}

  ~AtomicFileSink() override {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  Status Write(std::string_view bytes) override {
    const int error = WriteAll(file_.get(), bytes);
    if (error != 0) return SystemError(error);
    return OkStatus();
  }

  Status Commit() override {
    if (::fsync(file_.get()) != 0) return SystemError(errno);
    if (temporary_.empty()) {
      const int error = GiveName();
      if (error != 0) return SystemError(error);
    }
    if (::close(file_.Release()) != 0 && errno != EINTR) {
      return SystemError(errno);
    }
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
      return SystemError(errno);
    }
    temporary_.clear();
    // The name is there; a folder that cannot be synced is no lost report.
    const Descriptor folder(
        ::open(FolderOf(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.ok()) ::fsync(folder.get());
    return OkStatus();
  }

 private:
  int GiveName() {
    const std::string self = fmt::format("/proc/self/fd/{}", file_.get());
    for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
      std::string name = TemporaryName(target_, attempt);
      if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(),
                   AT_SYMLINK_FOLLOW) == 0) {
        temporary_ = std::move(name);
        return 0;
      }
      if (errno != EEXIST) return errno;
    }
    return EEXIST;
  }

  std::string target_;
  Descriptor file_;
  std::string temporary_;
};

// The file that |path| means when links are followed; |path| itself if there
// is none yet.
std::string Resolved(const std::string& path) {
  char* const real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string out(real);
  std::free(real);
  return out;
}

bool CanLinkUnnamedFiles() { return ::access("/proc/self/fd", X_OK) == 0; }

}  // namespace

std::unique_ptr<ByteSink> OpenStandardOutput() {
  return std::make_unique<DirectSink>(STDOUT_FILENO, Descriptor());
}

Result<std::unique_ptr<ByteSink>> OpenOutputFile(const std::string& path) {
  struct stat status {};
  mode_t mode = 0666;
  bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) return SystemError(EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!file.ok()) return SystemError(errno);
    const int fd = file.get();
    return std::unique_ptr<ByteSink>(
        std::make_unique<DirectSink>(fd, std::move(file)));
  }
  const std::string target = exists ? Resolved(path) : path;
  if (exists) {
    mode = status.st_mode & 07777;
    // A file that may not be written is not replaced behind its owner's back.
    if (::access(target.c_str(), W_OK) != 0) return SystemError(errno);
  }
  std::string name;
  Descriptor file;
  if (CanLinkUnnamedFiles()) {
    file = Descriptor(::open(FolderOf(target).c_str(),
                             O_TMPFILE | O_WRONLY | O_CLOEXEC, mode));
  }
  for (int i = 0; !file.ok() && i < kNameAttempts; ++i) {
    name = TemporaryName(target, i);
    file = Descriptor(
        ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file.ok() && errno != EEXIST) return SystemError(errno);
  }
  if (!file.ok()) return SystemError(EEXIST);
  if (exists) ::fchmod(file.get(), mode);  // What the mask took away.
  return std::unique_ptr<ByteSink>(std::make_unique<AtomicFileSink>(
      target, std::move(file), std::move(name)));
}

}  // namespace scanengine::cli
