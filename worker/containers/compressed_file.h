#ifndef SCANENGINE_WORKER_CONTAINERS_COMPRESSED_FILE_H_
#define SCANENGINE_WORKER_CONTAINERS_COMPRESSED_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/finding.h"
#include "worker/containers/decoder.h"
#include "worker/containers/unpacked_source.h"
#include "worker/scan_context.h"

namespace scanengine {

// What files that are compressed as a whole have in common.

inline constexpr Rule kCompressedBroken{
    "compressed-broken-stream", Severity::kMedium,
    "The compressed data are broken",
    "What follows the break could not be read; what came before was scanned.",
    "Get the file again from a source that you trust."};
inline constexpr Rule kCompressedMemory{
    "compressed-memory",
    Severity::kMedium,
    "Unpacking the file takes too much memory",
    "It asks for a dictionary that no usual tool makes. It was not unpacked.",
    "Do not load this file unless you know what wrote it.",
    "CWE-409"};
inline constexpr Rule kCompressedTrailing{
    "compressed-trailing-data", Severity::kLow,
    "Bytes follow the compressed data",
    "Most readers ignore them; other programs may not.",
    "Find out what wrote the file."};
inline constexpr Rule kCompressedStreams{
    "compressed-several-streams", Severity::kInfo,
    "The file is made of several compressed streams",
    "Some readers stop after the first, others go on; all were scanned.",
    "See the other findings, if there are any."};

/// What FinishUnpacking() may report.
inline constexpr const Rule* kCompressedRules[] = {
    &kCompressedBroken, &kCompressedMemory, &kCompressedTrailing,
    &kCompressedStreams};

/// Up to |size| bytes that |packed| unpacks to, for a probe: charged to no
/// budget, with a bound of its own (5 MiB in, since a bzip2 or lz4 block comes
/// out only when it is whole).
std::vector<std::byte> UnpackHead(ByteSource& packed, Compression compression,
                                  std::size_t size);

/// True if |packed| unpacks to its end, or to some KiB, without an error: what
/// chance bytes under a weak magic number do not do.
bool UnpacksWell(ByteSource& packed, Compression compression);

/// To be called when what |unpacked| holds has been scanned. Reads on to its
/// end, since a break there is a break, too; reports that, several streams and
/// what lies behind them, and searches the latter for pickles. |packed| is the
/// source below, which begins at |base| of the file.
void FinishUnpacking(ScanContext& context, UnpackedSource& unpacked,
                     ByteSource& packed, std::uint64_t base = 0);

/// |name| without the extension of a compressed file: "a.tar" for "a.tar.gz"
/// and "a.tgz", |name| itself if there is none.
std::string NameInside(std::string_view name);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_COMPRESSED_FILE_H_
