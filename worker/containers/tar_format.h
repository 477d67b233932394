#ifndef SCANENGINE_WORKER_CONTAINERS_TAR_FORMAT_H_
#define SCANENGINE_WORKER_CONTAINERS_TAR_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace scanengine {

// Headers of tar archives: POSIX.1-2001 (ustar and pax), GNU and the older v7.
// Where readers differ, as Python's tarfile has it, which torch uses.

inline constexpr std::size_t kTarBlock = 512;

/// |size| rounded up to whole blocks; saturates.
std::uint64_t TarBlocks(std::uint64_t size);

/// What one header block says.
struct TarHeader {
  std::string name;  ///< With the prefix of ustar.
  std::string link;  ///< Target of a link.
  std::uint64_t size = 0;
  char type = '0';
  bool ustar = false;  ///< Has the magic number of ustar or GNU.
  bool signed_checksum = false;

  bool IsFile() const {
    return type == '0' || type == '\0' || type == '7' || type == 'S';
  }
  bool IsLink() const { return type == '1' || type == '2'; }
  bool IsFolder() const { return type == '5'; }
  bool IsDevice() const { return type == '3' || type == '4' || type == '6'; }
  /// tarfile knows this type and takes no data to follow it.
  bool WithoutData() const { return IsLink() || IsFolder() || IsDevice(); }
  /// Says something of the next header: long names, pax.
  bool IsExtension() const {
    return type == 'L' || type == 'K' || type == 'x' || type == 'X' ||
           type == 'g';
  }
};

/// Reads a block; nothing if it is no header: too short, wrong checksum, or a
/// size that is no number.
std::optional<TarHeader> ParseTarHeader(std::span<const std::byte> block);

/// True if |block| is nothing but zeros.
bool IsTarEnd(std::span<const std::byte> block);

/// Records "length key=value\n" of a pax header; later ones win, but for those
/// of sparse format 0.0, which are joined by commas. |broken| is set if some
/// cannot be read.
std::map<std::string, std::string, std::less<>> ParsePax(std::string_view text,
                                                         bool* broken);

/// A decimal number; nothing if it is none or does not fit.
std::optional<std::uint64_t> TarDecimal(std::string_view text);

/// Bytes of a sparse file that are there.
struct TarExtent {
  std::uint64_t offset = 0;  ///< In the file.
  std::uint64_t size = 0;

  bool operator==(const TarExtent&) const = default;
};

/// Extents in a header of type S (|first|, at 386) or in the block after it.
/// |more| says whether another block follows. Nothing if they are broken.
std::optional<std::vector<TarExtent>> ParseSparseBlock(
    std::span<const std::byte> block, bool first, bool* more);
/// Size of the expanded file, from a header of type S.
std::optional<std::uint64_t> SparseRealSize(std::span<const std::byte> block);

/// Extents of numbers between commas (pax sparse formats 0.0 and 0.1).
std::optional<std::vector<TarExtent>> ParseSparseMap(std::string_view text);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_TAR_FORMAT_H_
