#ifndef SCANENGINE_WORKER_PARSING_PICKLE_FILE_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "worker/parsing/pickle_scan.h"
#include "worker/scan_context.h"

namespace scanengine {

/// What the streams of a file turned out to be.
struct PickleFileEnd {
  std::uint32_t streams = 0;  ///< Pickles found, broken ones too.
  std::uint64_t arrays = 0;   ///< Raw arrays between opcodes (joblib).
};

/// Scans a source that is one pickle after another: the pickle format.
///
/// Covers what loaders and attackers put around them: garbage or line ends
/// before the first (reported), several streams, data after STOP that is no
/// pickle (reported, and searched for further pickles), a stream that breaks
/// off (what follows is searched too), joblib's raw arrays between opcodes.
PickleFileEnd ScanPickleFile(ScanContext& context, ByteSource& source);

/// Searches [offset, end) of |source| for pickles: loaders that skip, or that
/// start elsewhere, would run them. Reports only what is dangerous, since
/// chance bytes look like pickles now and then. Returns the offset of the
/// first one found.
std::optional<std::uint64_t> SearchForPickles(ScanContext& context,
                                              ByteSource& source,
                                              std::uint64_t offset,
                                              std::uint64_t end = kUnknownSize);

/// Offset of the first pickle in |head| if it follows blank lines, comments or
/// (kLoose only) any other bytes; nothing if there is none.
std::optional<std::size_t> FindPickleStart(std::span<const std::byte> head,
                                           PickleDoubt doubt);

/// True if |head| is a pickle of joblib.dump: it names joblib's array wrapper,
/// or |name| ends in .joblib.
bool IsJoblibPickle(std::span<const std::byte> head, std::string_view name);

/// True for the first bytes of torch.save() before 1.6: a pickle of torch's
/// magic number.
bool IsLegacyTorch(std::span<const std::byte> head);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_FILE_H_
