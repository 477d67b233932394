#ifndef SCANENGINE_WORKER_PARSING_PICKLE_NESTED_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_NESTED_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "worker/byte_source.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Strings shorter than this are not searched for pickles: the least harmful
/// call does not fit.
inline constexpr std::size_t kLeastPicklePayload = 12;

/// Pickles inside strings inside pickles are followed so deep.
inline constexpr std::uint32_t kMaxNestedPickles = 8;
/// Encodings of one string around each other.
inline constexpr std::uint32_t kMaxEncodings = 12;

/// Quick test whether a string may hold a pickle or Python code: raw, as
/// Latin-1 text, base64, hex, or compressed. Most strings fail at the first
/// byte.
bool MayHoldPickle(std::string_view head);

/// A string in a pickle, to be searched.
struct PicklePayload {
  ByteSource& source;        ///< Where it is read from if not |decoded|.
  std::uint64_t offset = 0;  ///< In |source|.
  std::uint64_t size = 0;
  std::string_view head;  ///< First bytes; all of them if |decoded|.
  bool decoded = false;
  std::uint64_t report_offset = 0;  ///< For findings.
  std::uint32_t depth = 0;          ///< Pickles around it.
  std::uint32_t encodings = 0;      ///< That were undone.
};

/// Looks for a pickle or a code object in |payload|, undoes what it is encoded
/// by (base64, hex, Latin-1 and all compressions, in any order), scans it and
/// reports what is in it at the payload's offset.
void ScanNestedPickle(ScanContext& context, const PicklePayload& payload);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_NESTED_H_
