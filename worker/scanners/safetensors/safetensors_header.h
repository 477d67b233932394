#ifndef SCANENGINE_WORKER_SCANNERS_SAFETENSORS_SAFETENSORS_HEADER_H_
#define SCANENGINE_WORKER_SCANNERS_SAFETENSORS_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "worker/byte_source.h"

namespace scanengine::safetensors {

/// One entry of the header. Sizes have not been compared with anything yet.
struct TensorEntry {
  std::string_view name;
  std::uint64_t place = 0;  ///< Where in the file the entry starts.
  std::string_view dtype;
  std::uint64_t elements = 0;  ///< Product of the shape; 1 for a scalar.
  std::span<const std::uint64_t> shape;  ///< At most the first kMaxShape.
  bool overflow = false;                 ///< The product does not fit.
  std::uint64_t begin = 0;  ///< data_offsets, relative to the buffer.
  std::uint64_t end = 0;
};

inline constexpr std::size_t kMaxShape = 16;

/// What a header holds, in its order. Views are valid during the call only.
/// Every function returns false to end the parse.
class HeaderSink {
 public:
  virtual ~HeaderSink() = default;
  virtual bool OnTensor(const TensorEntry& entry) = 0;
  virtual bool OnMetadata(std::string_view key, std::string_view value,
                          std::uint64_t place) = 0;
  /// Something that is not as the format wants it; the parse goes on.
  virtual bool OnDefect(std::string message, std::uint64_t place) = 0;
  /// Asked for every piece of the file that is read.
  virtual bool OnProgress(std::uint64_t place) = 0;
};

enum class HeaderEnd {
  kComplete,     ///< All of it was valid JSON.
  kInvalidJson,  ///< It is not; the rest was not read.
  kTruncated,    ///< The file ended first.
  kTooLong,      ///< A string or number is longer than kMaxTokenBytes.
  kStopped,      ///< The sink ended it, or the source failed.
};

/// Longest string that is read. Training tools put megabytes of statistics into
/// one value of the metadata, so this is far above what names need.
inline constexpr std::uint64_t kMaxTokenBytes = 16 << 20;

/// Reads the |length| bytes of JSON at the front of |stream|, as the format's
/// specification describes them (huggingface/safetensors, README "Format").
/// Memory does not grow with the number of entries.
HeaderEnd ParseHeader(ByteStream& stream, std::uint64_t length,
                      HeaderSink& sink);

}  // namespace scanengine::safetensors

#endif  // SCANENGINE_WORKER_SCANNERS_SAFETENSORS_SAFETENSORS_HEADER_H_
