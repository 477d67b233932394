#ifndef SCANENGINE_IPC_FILE_STAMP_H_
#define SCANENGINE_IPC_FILE_STAMP_H_

#include <cstdint>

namespace scanengine {

/// What the file system says of a file's content without reading it. Two equal
/// stamps of one path: nobody wrote to the file, replaced it or changed its
/// rights in between, as far as the system tells.
///
/// No device number: that of a network or memory file system may change with
/// every mount.
struct FileStamp {
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;  ///< Since 1970; of the content.
  std::int64_t changed_ns = 0;   ///< Of content, rights, name or links.

  bool operator==(const FileStamp&) const = default;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_FILE_STAMP_H_
