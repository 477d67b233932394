#ifndef SCANENGINE_ENGINE_DIRECTORY_WALKER_H_
#define SCANENGINE_ENGINE_DIRECTORY_WALKER_H_

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/file_stamp.h"
#include "ipc/result.h"

/// What discovery needs of the operating system, and no more. Nothing here
/// opens anything but folders: a FIFO or a device is looked at, never opened.

namespace scanengine {

enum class EntryKind : std::uint8_t {
  kFile,
  kFolder,
  kLink,
  kFifo,
  kSocket,
  kCharacterDevice,
  kBlockDevice,
  kOther,
};

/// Tells files and folders apart whatever their names; stays the same for as
/// long as they exist.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

struct FileFacts {
  EntryKind kind = EntryKind::kOther;
  std::uint64_t size = 0;  ///< Bytes; of files only.
  FileId id;
  FileStamp stamp;
};

/// Where a path leads once all links are followed.
struct ResolvedPath {
  FileFacts facts;
  /// Absolute and free of links. Empty if it cannot be told, most often because
  /// it is longer than the system can say.
  std::string real_path;
  /// "proc", "sysfs", ...: it lies on a file system that holds no files.
  std::string_view pseudo_file_system;
};

/// Looks at |path| itself: a link is a link. Paths may be longer than the
/// system's limit.
///
/// Both fail with kNotFound (missing, or a link that leads nowhere),
/// kPermission, kLimitExceeded (link loop) or kIo.
Result<FileFacts> LookAtPath(const std::string& path);

/// Looks at what |path| leads to.
Result<ResolvedPath> ResolvePath(const std::string& path);

/// The real path of |path|, or of the nearest folder above it that has one;
/// empty if there is none. For paths that are too long to be resolved.
std::string NearestRealPath(const std::string& path);

/// One entry of a folder.
struct DirectoryEntry {
  std::string_view name;  ///< Until the next call to the walker.
  EntryKind kind = EntryKind::kOther;
  std::uint64_t size = 0;  ///< Bytes; of files only, 0 if it has vanished.
  std::optional<FileStamp> stamp;  ///< Of files that could be looked at.
  /// Set if the entry cannot be looked at although it is there.
  std::optional<Error> fault;
};

/// Walks one tree: reads a folder's entries, remembers the folders among them
/// that are worth a visit, and goes to the next of those, deepest first.
///
/// Keeps a handful of open folders whatever the depth, and never leaves the
/// tree: links are not followed, and every way back up is checked against what
/// was there on the way down. On POSIX it works relative to descriptors, so
/// that neither the depth nor the length of paths has a limit; on Windows paths
/// have 32,767 characters. Memory: the names remembered in the folders on the
/// way from the root to the current one.
class DirectoryWalker {
 public:
  /// Opens the folder |root| (a link is followed) and makes it the current one.
  /// Fails like LookAtPath().
  static Result<std::unique_ptr<DirectoryWalker>> Open(const std::string& root);

  virtual ~DirectoryWalker() = default;
  DirectoryWalker(const DirectoryWalker&) = delete;
  DirectoryWalker& operator=(const DirectoryWalker&) = delete;

  /// Reads the next entry of the current folder into |entry|; false at its end.
  /// Entries come in the system's order. After a failure the rest of the folder
  /// cannot be read; folders remembered so far can still be visited.
  virtual Result<bool> Read(DirectoryEntry& entry) = 0;

  /// Remembers a folder that Read() has just given.
  virtual void Remember(const DirectoryEntry& entry) = 0;

  enum class Move {
    kEntered,  ///< path() is the new current folder.
    kFailed,   ///< path() could not be entered or returned to: see error().
    kDone,     ///< Nothing left to visit.
  };
  /// Ends the reading of the current folder and goes to the next remembered
  /// one. After kFailed there may be more.
  virtual Move Next() = 0;

  /// Root as given, "/" and the path below it: of the entry that was read last,
  /// or of the folder that Next() told of.
  const std::string& path() const { return path_; }
  /// Why Next() failed; kChanged if the folder was moved or removed meanwhile.
  const Error& error() const { return error_; }
  /// The current folder.
  virtual FileId id() const = 0;
  /// Name of the pseudo file system whose topmost folder the current folder is,
  /// unless it is the root; else empty.
  std::string_view pseudo_file_system() const { return pseudo_file_system_; }

  /// Follows the link that Read() has just given.
  virtual Result<ResolvedPath> Resolve(const DirectoryEntry& entry) const = 0;

 protected:
  DirectoryWalker() = default;
  void AppendName(std::string_view name) {
    if (!path_.ends_with('/')) path_ += '/';
    path_ += name;
  }

  std::string path_;
  std::string_view pseudo_file_system_;
  Error error_{ErrorCode::kIo, ""};
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_DIRECTORY_WALKER_H_
