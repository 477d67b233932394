#ifndef SCANENGINE_WORKER_CONTAINERS_DECODER_H_
#define SCANENGINE_WORKER_CONTAINERS_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace scanengine {

/// How a stream of bytes is packed.
enum class Compression : std::uint8_t {
  kDeflate,  ///< RFC 1951 alone, as in zip members.
  kZlib,     ///< RFC 1950.
  kGzip,     ///< RFC 1952.
  kBzip2,
  kXz,    ///< The .xz file format.
  kLzma,  ///< "LZMA alone", the .lzma file format.
  kLz4,   ///< LZ4 frame format.
};

/// Unpacks one stream, from its first byte to its last.
///
/// What libraries for compressed data have in common. Memory is bounded, at
/// most about 80 MiB (lzma with its largest dictionary). Not thread-safe.
class Decoder {
 public:
  enum class Outcome : std::uint8_t {
    kGoesOn,  ///< Neither failed nor ended; may want more input or room.
    kEnd,     ///< The stream ended; what follows is not part of it.
    kBroken,  ///< Final.
    kLimit,   ///< Wants more memory than it may have. Final.
  };
  struct Step {
    std::size_t in = 0;   ///< Bytes taken.
    std::size_t out = 0;  ///< Bytes made.
    Outcome outcome = Outcome::kGoesOn;
    std::string detail = {};  ///< What is broken, if that can be told.
  };

  virtual ~Decoder() = default;

  /// Unpacks from |in| into |out|, as much as goes. Empty |in|: there is no
  /// more. Both hold at most 2^31 bytes.
  virtual Step Decode(std::span<const std::byte> in,
                      std::span<std::byte> out) = 0;

  /// A decoder that goes on where this one stands; null if that cannot be had.
  virtual std::unique_ptr<Decoder> Copy() { return nullptr; }
};

/// "gzip"; the names of --list-formats.
std::string_view CompressionName(Compression compression);

/// Null if the library for it was left out of this build, or memory is short.
std::unique_ptr<Decoder> MakeDecoder(Compression compression);

/// False if the library for it was left out of this build.
bool CanUnpack(Compression compression);

/// True if |format| is the name of a compression whose library was left out.
bool IsLeftOut(std::string_view format);
/// True if |format| is the name of a compression that this build unpacks.
bool IsUnpacked(std::string_view format);

/// What |head| is packed by, judged by magic numbers and, where these are weak
/// (zlib, lzma), by all fields of the header; never kDeflate. A guess: whether
/// it unpacks has to be seen.
std::optional<Compression> CompressionOf(std::span<const std::byte> head);

/// True if |head|, which follows the end of a stream, begins another one that
/// readers of the first go on with (or may).
bool ContinuesStream(Compression first, std::span<const std::byte> head);

/// Bytes that CompressionOf() and ContinuesStream() look at.
inline constexpr std::size_t kCompressionHeadBytes = 13;

// One for each library, in its own source file.
std::unique_ptr<Decoder> MakeDeflateDecoder(Compression compression);
std::unique_ptr<Decoder> MakeBzip2Decoder();
std::unique_ptr<Decoder> MakeLzmaDecoder(Compression compression);
std::unique_ptr<Decoder> MakeLz4Decoder();
extern const bool kHasBzip2;
extern const bool kHasLzma;
extern const bool kHasLz4;

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_DECODER_H_
