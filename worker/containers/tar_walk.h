#ifndef SCANENGINE_WORKER_CONTAINERS_TAR_WALK_H_
#define SCANENGINE_WORKER_CONTAINERS_TAR_WALK_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "worker/byte_source.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Counts of one archive.
struct TarSummary {
  std::uint64_t members = 0;  ///< Files.
  std::uint64_t folders = 0;
  std::uint64_t links = 0;
  std::uint64_t hidden = 0;  ///< Behind the end of the archive.

  bool operator==(const TarSummary&) const = default;
};

/// Scans a member in the caller's own way; false: as any other file. |name| is
/// what the archive says, any bytes. The member is what |archive| has from
/// |offset| to its end.
using TarMemberScan = std::function<bool(
    std::string_view name, ByteSource& archive, std::uint64_t offset)>;

/// Walks context.source() as a tar archive, scans every member and reports what
/// is wrong with the archive under kTarRules.
///
/// Readers of tar archives disagree about what is damaged or said twice. The
/// walk goes by Python's tarfile, does not stop at damage or at the mark of
/// the end, and follows the other reading, too, where a size is given in two
/// ways. Members of type sparse are scanned expanded and as they are packed.
///
/// Linear in the archive; memory is bounded by limits().max_members. What could
/// not be read is marked as incomplete.
TarSummary WalkTar(ScanContext& context, const TarMemberScan& scan);

/// True if |head| begins with a header block whose checksum is right.
bool StartsAsTar(std::span<const std::byte> head);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_TAR_WALK_H_
