#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_READER_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_READER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/byte_source.h"
#include "worker/containers/zip_format.h"

namespace scanengine {

/// [begin, end) of a source.
struct ZipRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  bool operator==(const ZipRange&) const = default;
};

/// Where some reader takes the central directory to be.
struct ZipDirectory {
  std::uint64_t offset = 0;   ///< Of the first record.
  std::uint64_t limit = 0;    ///< No record reaches beyond this.
  std::uint64_t entries = 0;  ///< As claimed.
  std::uint64_t size = 0;     ///< As claimed, in bytes.
  /// To be added to the offsets of local headers; wraps when negative.
  std::uint64_t shift = 0;
};

/// What the end of an archive says, in every way that readers understand it.
///
/// Readers differ in three points. The archive may have several end records:
/// Python and miniz take the last in the file, others the one whose comment
/// ends the file. An end record locates the directory twice, by its offset
/// (miniz) and by its size, counted back from the end record (Python, which
/// then shifts every other offset by the difference). And a zip64 record may
/// contradict the plain one. A well-formed archive has one directory here.
struct ZipLayout {
  bool end_found = false;  ///< There is an end record, if only a wrong one.
  std::vector<ZipDirectory> directories;  ///< Distinct; most usual first.
  bool more_directories = false;          ///< There were more than are kept.
  bool claims_entries = false;            ///< Some end record counts members.
  bool split = false;                     ///< Claims to be one part of several.
  std::vector<ZipRange> end_records;      ///< Bytes of the records themselves.
  ZipRange comment;  ///< Behind the last end record in the file.
};

/// Looks at the last 64 KiB and at what the end records there refer to. Fails
/// only if the source does; an archive without an end is no failure.
Result<ZipLayout> ReadZipLayout(ByteSource& source);

/// Walks a central directory from front to back in bounded memory.
///
/// Goes on as long as there are records, whatever count or size is claimed: a
/// reader that trusts the one sees others than a reader that trusts the other.
class ZipDirectoryReader {
 public:
  ZipDirectoryReader(ByteSource& source, const ZipDirectory& directory);

  /// The next record, or nothing at the end of the directory.
  std::optional<ZipEntry> Next();

  /// Behind the last record that was read.
  std::uint64_t offset() const { return stream_.offset(); }
  std::uint64_t entries() const { return entries_; }
  /// A record was cut short. Only known after the end.
  bool broken() const { return broken_; }
  /// Why the source could not be read, or OK.
  const Status& status() const { return stream_.status(); }

 private:
  ByteStream stream_;
  std::uint64_t limit_;
  std::uint64_t entries_ = 0;
  bool broken_ = false;
};

/// The local header at |offset|; nothing if there is none.
Result<std::optional<ZipLocal>> ReadZipLocal(ByteSource& source,
                                             std::uint64_t offset);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_READER_H_
