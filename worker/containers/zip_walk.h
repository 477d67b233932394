#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_WALK_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_WALK_H_

#include <cstdint>

#include "worker/byte_source.h"
#include "worker/containers/zip_sink.h"

namespace scanengine {

/// Counts of one archive.
struct ZipSummary {
  std::uint64_t members = 0;  ///< Listed, without folders.
  std::uint64_t folders = 0;
  std::uint64_t hidden = 0;  ///< Found outside of the directory.

  bool operator==(const ZipSummary&) const = default;
};

/// Hands every member of a zip archive to |sink|, in every way that some reader
/// would read it, and reports what is wrong with the archive under ZipRules().
///
/// Readers of zip archives disagree: torch (miniz) and Python go by the central
/// directory, each with checks of its own; streaming readers go by local
/// headers; some stop where others go on. Malicious archives live from that. So
/// all directories that an end record can mean are walked, a member whose
/// headers contradict each other is scanned both ways, members that no
/// directory lists are looked for, and no defect stops the walk.
///
/// Memory is bounded by limits().max_members (about 100 bytes each), time is
/// linear in the archive and in what is unpacked from it. What could not be
/// read (encryption, other methods than stored and deflate, limits) is marked
/// as incomplete.
ZipSummary WalkZip(ByteSource& source, ZipSink& sink);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_WALK_H_
