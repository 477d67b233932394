#ifndef SCANENGINE_WORKER_PARSING_UNCLAIMED_BYTES_H_
#define SCANENGINE_WORKER_PARSING_UNCLAIMED_BYTES_H_

#include <cstdint>
#include <string_view>

#include "ipc/finding.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Bytes that a format's own structure accounts for nowhere.
extern const Rule kUnclaimedBytes;

/// Reports [offset, offset + size) of context.source() as bytes that belong to
/// no part of the format, and scans them as a member called |where| ("trailing
/// bytes") if they are of a format that a scanner knows. Low if they are few
/// and all zero, which is padding; else medium. Does nothing if |size| is 0.
void ScanUnclaimed(ScanContext& context, std::uint64_t offset,
                   std::uint64_t size, std::string_view where);

/// The same for bytes that a format leaves for alignment: fine as long as they
/// are all zero or too few to hold anything.
void ScanPadding(ScanContext& context, std::uint64_t offset, std::uint64_t size,
                 std::string_view where);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_UNCLAIMED_BYTES_H_
