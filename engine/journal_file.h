#ifndef SCANENGINE_ENGINE_JOURNAL_FILE_H_
#define SCANENGINE_ENGINE_JOURNAL_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ipc/result.h"

namespace scanengine {

/// The file below a journal. Sync() and ReadAt() may be called from other
/// threads while one thread appends. All fail with kIo and the system's words.
class JournalFile {
 public:
  virtual ~JournalFile() = default;

  /// Writes all of |bytes| at the end. If it fails, what was written of them is
  /// taken away again as far as the system lets us.
  virtual Status Append(std::span<const std::byte> bytes) = 0;
  /// What was appended before the call survives a power cut afterwards.
  virtual Status Sync() = 0;
  /// Reads up to |out.size()| bytes; fewer only at the end of the file.
  virtual Result<std::size_t> ReadAt(std::uint64_t offset,
                                     std::span<std::byte> out) = 0;
  virtual Status Truncate(std::uint64_t size) = 0;
  virtual std::uint64_t size() const = 0;
};

/// A new journal, readable by its owner only, whose name survives a power cut.
/// An empty file of that name is used. Locked until it is destroyed or the
/// process ends, however. Fails with kInvalidArgument if there is something at
/// |path|, else like OpenJournalFile().
Result<std::unique_ptr<JournalFile>> CreateJournalFile(const std::string& path);

enum class JournalAccess {
  kRead,      ///< No lock: whoever writes it goes on.
  kContinue,  ///< Locked, to be appended to.
};
/// Fails with kNotFound, kPermission, kIo, with kUnsupported if it is no
/// regular file, and with kChanged if another process holds the lock.
Result<std::unique_ptr<JournalFile>> OpenJournalFile(const std::string& path,
                                                     JournalAccess access);

/// Folder for this user's journals, "$XDG_STATE_HOME/scanengine" or
/// "~/.local/state/scanengine"; empty if there is no home. Not created.
std::string JournalFolder();
/// Creates |path| and what lacks above it, for its owner only.
Status CreateFolders(const std::string& path);
/// Names in |folder| that end with ".journal", sorted; none if there is none.
std::vector<std::string> JournalNames(const std::string& folder);
/// False if it is still there.
bool RemoveJournal(const std::string& path);
/// |path| from the root on, without "." and "..", links unresolved.
std::string AbsolutePath(const std::string& path);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_JOURNAL_FILE_H_
