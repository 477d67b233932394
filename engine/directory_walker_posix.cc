#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/directory_walker.h"
#include "ipc/check.h"
#include "ipc/descriptor_posix.h"

namespace scanengine {
namespace {

// Folders on the way to the current one that stay open, besides the root:
// enough that a walk of an ordinary tree hardly ever climbs by "..".
constexpr std::size_t kOpenLevels = 4;
constexpr std::size_t kOpenLevelsInNeed = 1;
constexpr rlim_t kFewDescriptors = 64;

// Others of this process may have all descriptors for a moment: the start of a
// worker takes several that are free again right after it.
constexpr int kPatience = 200;
constexpr std::chrono::milliseconds kMoment{5};

constexpr int kReadFolder =
    O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
// Enough to start from or to pass through; needs no right to read.
constexpr int kPassFolder = O_PATH | O_DIRECTORY | O_CLOEXEC;

Error FromErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound, "no such file or folder"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermission, "permission denied"};
    case ELOOP:
      return {ErrorCode::kLimitExceeded,
              "link loop, or too long a chain of links"};
    default: {
      std::string text = std::system_category().message(error);
      if (!text.empty()) {
        text[0] = static_cast<char>(
            std::tolower(static_cast<unsigned char>(text[0])));
      }
      return {ErrorCode::kIo, std::move(text)};
    }
  }
}

EntryKind KindOfMode(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EntryKind::kFile;
    case S_IFDIR:
      return EntryKind::kFolder;
    case S_IFLNK:
      return EntryKind::kLink;
    case S_IFIFO:
      return EntryKind::kFifo;
    case S_IFSOCK:
      return EntryKind::kSocket;
    case S_IFCHR:
      return EntryKind::kCharacterDevice;
    case S_IFBLK:
      return EntryKind::kBlockDevice;
    default:
      return EntryKind::kOther;
  }
}

FileId IdOf(const struct stat& info) {
  return {static_cast<std::uint64_t>(info.st_dev),
          static_cast<std::uint64_t>(info.st_ino)};
}

// Wraps around for times that no clock shows; they differ all the same.
std::int64_t Nanoseconds(const struct timespec& time) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(time.tv_sec) *
                                       1'000'000'000U +
                                   static_cast<std::uint64_t>(time.tv_nsec));
}

FileStamp StampOf(const struct stat& info) {
  return {static_cast<std::uint64_t>(info.st_size),
          static_cast<std::uint64_t>(info.st_ino), Nanoseconds(info.st_mtim),
          Nanoseconds(info.st_ctim)};
}

FileFacts FactsOf(const struct stat& info) {
  const EntryKind kind = KindOfMode(info.st_mode);
  return {
      kind,
      kind == EntryKind::kFile ? static_cast<std::uint64_t>(info.st_size) : 0,
      IdOf(info), StampOf(info)};
}

// File systems whose files are made up by the kernel: reading them can block,
// never end or change the system. Numbers without a name in old headers.
std::string_view PseudoFileSystem(int fd) {
  struct Pseudo {
    unsigned long magic;
    std::string_view name;
  };
  static constexpr std::array<Pseudo, 20> kPseudo{{
      {PROC_SUPER_MAGIC, "proc"},     {SYSFS_MAGIC, "sysfs"},
      {CGROUP_SUPER_MAGIC, "cgroup"}, {CGROUP2_SUPER_MAGIC, "cgroup2"},
      {DEVPTS_SUPER_MAGIC, "devpts"}, {DEBUGFS_MAGIC, "debugfs"},
      {TRACEFS_MAGIC, "tracefs"},     {SECURITYFS_MAGIC, "securityfs"},
      {SELINUX_MAGIC, "selinuxfs"},   {SMACK_MAGIC, "smackfs"},
      {BPF_FS_MAGIC, "bpf"},          {EFIVARFS_MAGIC, "efivarfs"},
      {PSTOREFS_MAGIC, "pstore"},     {BINFMTFS_MAGIC, "binfmt_misc"},
      {0x19800202, "mqueue"},         {0x62656570, "configfs"},
      {0x65735543, "fusectl"},        {0x67596969, "rpc_pipefs"},
      {0x6e667364, "nfsd"},           {0x07655821, "resctrl"},
  }};
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return {};
  const auto magic = static_cast<std::uint32_t>(info.f_type);
  const auto* found =
      std::find_if(kPseudo.begin(), kPseudo.end(),
                   [&](const Pseudo& pseudo) { return pseudo.magic == magic; });
  return found == kPseudo.end() ? std::string_view() : found->name;
}

std::size_t OpenLevels() {
  static const std::size_t levels = [] {
    rlimit limit{};
    const bool few = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
                     limit.rlim_cur < kFewDescriptors;
    return few ? kOpenLevelsInNeed : kOpenLevels;
  }();
  return levels;
}

// Calls |open| until it gets a descriptor, or it is not for want of one that it
// fails. Sets errno.
template <typename Open>
Descriptor Patiently(Open open) {
  for (int i = 0;; ++i) {
    Descriptor fd(open());
    if (fd.ok() || (errno != EMFILE && errno != ENFILE) || i == kPatience) {
      return fd;
    }
    std::this_thread::sleep_for(kMoment);
  }
}

Descriptor OpenAt(int folder, const char* name, int flags) {
  return Patiently([=] { return ::openat(folder, name, flags); });
}

// What is left of a path that is longer than one call takes, and the folder
// that the rest is relative to.
struct PathTail {
  Descriptor folder;
  std::string rest;
};

// Passes through the leading folders of |path| until the rest fits one call.
// Fails with errno set.
std::optional<PathTail> Shorten(const std::string& path) {
  PathTail tail;
  std::string_view rest = path;
  while (rest.size() >= PATH_MAX) {
    const std::size_t cut = rest.rfind('/', PATH_MAX - 1);
    if (cut == std::string_view::npos || cut == 0) {
      errno = ENAMETOOLONG;
      return std::nullopt;
    }
    const std::string piece(rest.substr(0, cut));
    const int at = tail.folder.ok() ? tail.folder.get() : AT_FDCWD;
    tail.folder = OpenAt(at, piece.c_str(), kPassFolder);
    if (!tail.folder.ok()) return std::nullopt;
    rest.remove_prefix(cut);
    while (rest.starts_with('/')) rest.remove_prefix(1);
    if (rest.empty()) rest = ".";
  }
  tail.rest = rest;
  return tail;
}

Descriptor OpenPath(const std::string& path, int flags) {
  const std::optional<PathTail> tail = Shorten(path);
  if (!tail) return Descriptor();
  const int at = tail->folder.ok() ? tail->folder.get() : AT_FDCWD;
  return OpenAt(at, tail->rest.c_str(), flags);
}

bool IsAt(const std::string& path, const FileId& id) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && IdOf(info) == id;
}

// The kernel's own name for what |fd| is. It may be stale or from another
// namespace, so it counts only if it leads back to the same file. |path| is how
// we came here, for systems without /proc.
std::string RealPathOf(int fd, const FileId& id, const std::string& path) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  std::array<char, PATH_MAX> buffer;
  const ssize_t length = ::readlink(link.c_str(), buffer.data(), buffer.size());
  std::string real;
  if (length > 0 && static_cast<std::size_t>(length) < buffer.size()) {
    real.assign(buffer.data(), static_cast<std::size_t>(length));
  } else if (::realpath(path.c_str(), buffer.data()) != nullptr) {
    real = buffer.data();
  }
  if (!real.starts_with('/') || !IsAt(real, id)) real.clear();
  return real;
}

Result<ResolvedPath> ResolveDescriptor(const Descriptor& target,
                                       const std::string& path) {
  struct stat info {};
  if (!target.ok() || ::fstat(target.get(), &info) != 0) {
    return FromErrno(errno);
  }
  ResolvedPath resolved;
  resolved.facts = FactsOf(info);
  resolved.real_path = RealPathOf(target.get(), resolved.facts.id, path);
  resolved.pseudo_file_system = PseudoFileSystem(target.get());
  return resolved;
}

}  // namespace

Result<FileFacts> LookAtPath(const std::string& path) {
  const std::optional<PathTail> tail = Shorten(path);
  if (!tail) return FromErrno(errno);
  const int at = tail->folder.ok() ? tail->folder.get() : AT_FDCWD;
  struct stat info {};
  if (::fstatat(at, tail->rest.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return FromErrno(errno);
  }
  return FactsOf(info);
}

Result<ResolvedPath> ResolvePath(const std::string& path) {
  return ResolveDescriptor(OpenPath(path, O_PATH | O_CLOEXEC), path);
}

std::string NearestRealPath(const std::string& path) {
  std::string rest = path;
  while (!rest.empty()) {
    const Result<ResolvedPath> resolved = ResolvePath(rest);
    if (resolved.ok() && !resolved.value().real_path.empty()) {
      return resolved.value().real_path;
    }
    // Nothing as long as the limit can have a real path, but for links.
    std::size_t slash = rest.find_last_not_of('/');
    if (slash == std::string::npos) return {};
    slash = rest.rfind('/', std::min<std::size_t>(slash, PATH_MAX));
    if (slash == std::string::npos)
      return rest == "." ? "" : NearestRealPath(".");
    rest.resize(std::max<std::size_t>(slash, 1));
    if (rest == "/") return rest;
  }
  return {};
}

namespace {

class PosixWalker final : public DirectoryWalker {
 public:
  PosixWalker(std::string root, FileId id, int fd) {
    path_ = std::move(root);
    Level level;
    level.id = id;
    level.path_length = path_.size();
    level.fd = fd;
    levels_.push_back(std::move(level));
  }
  ~PosixWalker() override {
    for (const Level& level : levels_) {
      if (level.fd >= 0) ::close(level.fd);
    }
  }

  Result<bool> Read(DirectoryEntry& entry) override;
  void Remember(const DirectoryEntry& entry) override;
  Move Next() override;
  FileId id() const override { return levels_.back().id; }
  Result<ResolvedPath> Resolve(const DirectoryEntry& entry) const override;

 private:
  struct Level {
    FileId id;
    std::size_t path_length = 0;  ///< How much of path_ is this folder.
    int fd = -1;                  ///< -1: closed, can be had again.
    std::string pending;          ///< Names to visit, each with a NUL behind.
    std::size_t next_pending = 0;

    bool has_work() const { return next_pending < pending.size(); }
  };
  struct CloseStream {
    void operator()(DIR* dir) const { ::closedir(dir); }
  };

  Status StartReading();
  bool ReportLost();
  void ClimbTo(std::size_t target);
  int ClimbFrom(std::size_t from, std::size_t target) const;
  void DescendTo(std::size_t target);
  void Pop();
  bool Enter(const std::string& name);
  std::string NameOf(std::size_t level) const;
  void LimitDescriptors();

  std::vector<Level> levels_;  ///< From the root, which is always open.
  std::unique_ptr<DIR, CloseStream> stream_;
  /// Levels above this one were found to be gone and are to be reported.
  std::size_t last_good_ = 0;
};

Status PosixWalker::StartReading() {
  // A stream owns its descriptor, and the folder's is needed for longer.
  Descriptor copy = Patiently(
      [fd = levels_.back().fd] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 3); });
  if (!copy.ok()) return FromErrno(errno);
  DIR* dir = ::fdopendir(copy.get());
  if (dir == nullptr) return FromErrno(errno);
  copy.Release();
  stream_.reset(dir);
  return OkStatus();
}

Result<bool> PosixWalker::Read(DirectoryEntry& entry) {
  if (!stream_) {
    if (const Status started = StartReading(); !started.ok()) {
      return started.error();
    }
  }
  const dirent* found = nullptr;
  std::string_view name;
  do {
    errno = 0;
    found = ::readdir(stream_.get());
    if (found == nullptr) {
      path_.resize(levels_.back().path_length);
      if (errno != 0) return FromErrno(errno);
      return false;
    }
    name = found->d_name;
  } while (name == "." || name == "..");
  entry.name = name;
  entry.size = 0;
  entry.stamp.reset();
  entry.fault.reset();
  path_.resize(levels_.back().path_length);
  AppendName(name);
  switch (found->d_type) {
    case DT_DIR:
    case DT_LNK:
    case DT_FIFO:
    case DT_SOCK:
    case DT_CHR:
    case DT_BLK:
      entry.kind = KindOfMode(static_cast<mode_t>(DTTOIF(found->d_type)));
      return true;
    default:
      break;
  }
  struct stat info {};
  if (::fstatat(levels_.back().fd, found->d_name, &info, AT_SYMLINK_NOFOLLOW) ==
      0) {
    const FileFacts facts = FactsOf(info);
    entry.kind = facts.kind;
    entry.size = facts.size;
    entry.stamp = facts.stamp;
    return true;
  }
  // Gone since it was listed: still a file that was found, see discovery.h.
  entry.kind = EntryKind::kFile;
  if (errno != ENOENT) entry.fault = FromErrno(errno);
  return true;
}

void PosixWalker::Remember(const DirectoryEntry& entry) {
  std::string& pending = levels_.back().pending;
  pending.append(entry.name);
  pending.push_back('\0');
}

Result<ResolvedPath> PosixWalker::Resolve(const DirectoryEntry& entry) const {
  const std::string name(entry.name);
  const Descriptor target =
      OpenAt(levels_.back().fd, name.c_str(), O_PATH | O_CLOEXEC);
  return ResolveDescriptor(target, path_);
}

DirectoryWalker::Move PosixWalker::Next() {
  stream_.reset();
  pseudo_file_system_ = {};
  if (ReportLost()) return Move::kFailed;
  std::size_t target = levels_.size() - 1;
  while (target > 0 && !levels_[target].has_work()) --target;
  if (!levels_[target].has_work()) return Move::kDone;
  ClimbTo(target);
  if (ReportLost()) return Move::kFailed;

  Level& level = levels_.back();
  path_.resize(level.path_length);
  const std::string name = level.pending.c_str() + level.next_pending;
  level.next_pending += name.size() + 1;
  if (!level.has_work()) {
    level.pending = std::string();  // Frees it, unlike clear().
    level.next_pending = 0;
  }
  AppendName(name);
  return Enter(name) ? Move::kEntered : Move::kFailed;
}

bool PosixWalker::Enter(const std::string& name) {
  const Level& parent = levels_.back();
  Descriptor folder = OpenAt(parent.fd, name.c_str(), kReadFolder | O_NOFOLLOW);
  struct stat info {};
  if (!folder.ok() || ::fstat(folder.get(), &info) != 0) {
    error_ = FromErrno(errno);
    // It was there a moment ago, and it was a folder.
    if (error_.code == ErrorCode::kNotFound ||
        error_.code == ErrorCode::kLimitExceeded) {
      error_ = {ErrorCode::kChanged, "the folder vanished during the scan"};
    }
    return false;
  }
  Level level;
  level.id = IdOf(info);
  level.path_length = path_.size();
  level.fd = folder.get();
  if (level.id.device != parent.id.device) {
    pseudo_file_system_ = PseudoFileSystem(folder.get());
  }
  levels_.push_back(std::move(level));
  folder.Release();
  last_good_ = levels_.size() - 1;
  LimitDescriptors();
  return true;
}

void PosixWalker::LimitDescriptors() {
  if (levels_.size() < OpenLevels() + 2) return;
  Level& level = levels_[levels_.size() - 1 - OpenLevels()];
  if (level.fd >= 0) ::close(std::exchange(level.fd, -1));
}

void PosixWalker::Pop() {
  if (levels_.back().fd >= 0) ::close(levels_.back().fd);
  levels_.pop_back();
}

// Levels that were lost while there was work left in them are told of one by
// one; path_ and error_ are set for the one told of.
bool PosixWalker::ReportLost() {
  while (levels_.size() - 1 > last_good_) {
    const bool had_work = levels_.back().has_work();
    path_.resize(levels_.back().path_length);
    Pop();
    if (had_work) {
      error_ = {ErrorCode::kChanged,
                "the folder was moved or removed during the scan, not all of "
                "it was seen"};
      return true;
    }
  }
  return false;
}

// Makes |target| the last level, with an open descriptor, or leaves behind it
// levels that ReportLost() tells of.
void PosixWalker::ClimbTo(std::size_t target) {
  std::size_t from = levels_.size() - 1;
  while (from > target && levels_[from - 1].fd >= 0) --from;
  if (levels_[target].fd < 0) {
    levels_[target].fd = ClimbFrom(from, target);
  }
  while (levels_.size() - 1 > target) Pop();
  last_good_ = target;
  if (levels_[target].fd < 0) DescendTo(target);
}

// Climbs by ".." and returns a descriptor of |target|; -1 if what is found
// above a folder is no longer what it was entered from.
int PosixWalker::ClimbFrom(std::size_t from, std::size_t target) const {
  Descriptor at;
  for (std::size_t level = from; level > target; --level) {
    const int below = at.ok() ? at.get() : levels_[level].fd;
    Descriptor above = OpenAt(below, "..", kPassFolder);
    struct stat info {};
    if (!above.ok() || ::fstat(above.get(), &info) != 0 ||
        IdOf(info) != levels_[level - 1].id) {
      return -1;
    }
    at = std::move(above);
  }
  return at.Release();
}

// Goes down from the root by names to |target|, as far as everything is what it
// was, and opens the last level that is.
void PosixWalker::DescendTo(std::size_t target) {
  SCANENGINE_CHECK(levels_[0].fd >= 0);
  std::size_t good = 0;
  Descriptor at;
  while (good < target) {
    const int above = at.ok() ? at.get() : levels_[0].fd;
    const std::string name = NameOf(good + 1);
    Descriptor below = OpenAt(above, name.c_str(), kPassFolder | O_NOFOLLOW);
    struct stat info {};
    if (!below.ok() || ::fstat(below.get(), &info) != 0 ||
        IdOf(info) != levels_[good + 1].id) {
      break;
    }
    at = std::move(below);
    ++good;
  }
  last_good_ = good;
  if (good > 0 && levels_[good].fd < 0) levels_[good].fd = at.Release();
}

std::string PosixWalker::NameOf(std::size_t level) const {
  std::size_t start = levels_[level - 1].path_length;
  if (path_[start] == '/') ++start;  // But for the root "/".
  return path_.substr(start, levels_[level].path_length - start);
}

}  // namespace

Result<std::unique_ptr<DirectoryWalker>> DirectoryWalker::Open(
    const std::string& root) {
  Descriptor folder = OpenPath(root, kReadFolder);
  struct stat info {};
  if (!folder.ok() || ::fstat(folder.get(), &info) != 0) {
    return FromErrno(errno);
  }
  return std::unique_ptr<DirectoryWalker>(
      new PosixWalker(root, IdOf(info), folder.Release()));
}

}  // namespace scanengine
