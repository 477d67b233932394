#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/journal_file.h"
#include "ipc/descriptor_posix.h"
#include "ipc/system_error_posix.h"

namespace scanengine {
namespace {

// A child that is about to become a worker holds the lock of a supervisor that
// was killed until it has started: well below this.
constexpr int kLockAttempts = 20;
constexpr std::chrono::milliseconds kLockPause{10};

class PosixJournalFile final : public JournalFile {
 public:
  PosixJournalFile(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  ~PosixJournalFile() override { ::close(fd_); }
  PosixJournalFile(const PosixJournalFile&) = delete;
  PosixJournalFile& operator=(const PosixJournalFile&) = delete;

  Status Append(std::span<const std::byte> bytes) override {
    const std::uint64_t begin = size_;
    std::uint64_t end = begin;
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(end));
      if (written > 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        end += static_cast<std::uint64_t>(written);
        continue;
      }
      const int code = written == 0 ? ENOSPC : errno;
      if (code == EINTR) continue;
      // A reader drops a torn record anyway: this is tidiness.
      if (::ftruncate(fd_, static_cast<off_t>(begin)) != 0) size_ = end;
      return SystemError(code);
    }
    size_ = end;
    return OkStatus();
  }

  Status Sync() override {
    if (::fdatasync(fd_) != 0) return SystemError(errno);
    return OkStatus();
  }

  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    std::size_t got = 0;
    while (got < out.size()) {
      const ssize_t read = ::pread(fd_, out.data() + got, out.size() - got,
                                   static_cast<off_t>(offset + got));
      if (read == 0) break;
      if (read > 0) {
        got += static_cast<std::size_t>(read);
      } else if (errno != EINTR) {
        return SystemError(errno);
      }
    }
    return got;
  }

  Status Truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
      return SystemError(errno);
    }
    size_ = size;
    return OkStatus();
  }

  std::uint64_t size() const override { return size_; }

 private:
  const int fd_;
  std::atomic<std::uint64_t> size_;
};

bool Lock(int fd) {
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    std::this_thread::sleep_for(kLockPause);
  }
  return false;
}

Result<std::unique_ptr<JournalFile>> Adopt(Descriptor& file, bool lock) {
  if (file.get() < 0) return SystemError(errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return SystemError(errno);
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kUnsupported, "is no regular file"};
  }
  if (lock && !Lock(file.get())) {
    return Error{ErrorCode::kChanged, "another scan is using it"};
  }
  // Its size before the lock was ours does not count.
  if (::fstat(file.get(), &info) != 0) return SystemError(errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  return std::unique_ptr<JournalFile>(
      std::make_unique<PosixJournalFile>(file.Release(), size));
}

void SyncFolderOf(const std::string& path) {
  const std::filesystem::path folder =
      std::filesystem::path(path).parent_path();
  const int fd = ::open(folder.empty() ? "." : folder.c_str(),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

Result<std::unique_ptr<JournalFile>> CreateJournalFile(
    const std::string& path) {
  // Not blocked by a FIFO, which is refused below.
  Descriptor opened(::open(path.c_str(),
                           O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                           0600));
  Result<std::unique_ptr<JournalFile>> file = Adopt(opened, true);
  if (!file.ok()) return file;
  if (file.value()->size() != 0) {
    return Error{ErrorCode::kInvalidArgument, "there is something in it"};
  }
  SyncFolderOf(path);
  return file;
}

Result<std::unique_ptr<JournalFile>> OpenJournalFile(const std::string& path,
                                                     JournalAccess access) {
  const bool lock = access == JournalAccess::kContinue;
  Descriptor opened(::open(path.c_str(), (lock ? O_RDWR : O_RDONLY) |
                                             O_CLOEXEC | O_NOCTTY |
                                             O_NONBLOCK));
  return Adopt(opened, lock);
}

std::string JournalFolder() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  // The specification of that variable: a relative path is to be ignored.
  if (state != nullptr && state[0] == '/') {
    return std::string(state) + "/scanengine";
  }
  const char* const home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return std::string(home) + "/.local/state/scanengine";
}

Status CreateFolders(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      struct stat info {};
      const int code = errno;  // Of what is there, some say EROFS or EACCES.
      if (::stat(part.c_str(), &info) != 0) return SystemError(code);
    }
    if (end == std::string::npos) return OkStatus();
  }
}

std::vector<std::string> JournalNames(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) return names;
  for (const std::filesystem::directory_iterator end; entries != end;
       entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (name.ends_with(".journal")) names.push_back(std::move(name));
    if (error) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool RemoveJournal(const std::string& path) {
  return ::unlink(path.c_str()) == 0 || errno == ENOENT;
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return path;
  std::string normal = absolute.lexically_normal().string();
  while (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

}  // namespace scanengine
