#ifndef SCANENGINE_WORKER_PARSING_PICKLE_LISTING_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_LISTING_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "worker/byte_source.h"
#include "worker/inspection_builder.h"

namespace scanengine {

/// Ranges of a stream that hold no opcodes (arrays of joblib), in order.
using PickleGaps = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

/// Lists the opcodes of [begin, end) with their operands, like pickletools.dis
/// but of broken streams, too. Ends at the first byte that is no opcode, and
/// when |inspection| has no more room: returns how many opcodes were left out,
/// as far as that is known (1 if not). Linear.
std::uint64_t ListPickle(ByteSource& source, std::uint64_t begin,
                         std::uint64_t end, const PickleGaps& gaps,
                         InspectionBuilder& inspection,
                         std::vector<InspectedOpcode>* out);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_LISTING_H_
