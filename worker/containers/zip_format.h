#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_FORMAT_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// The records of a zip archive, as bytes say them. Specification: APPNOTE.TXT
// 6.3.10 (PKWARE), section 4.3 for the records and 4.5 for the extra fields;
// Info-ZIP's extrafld.txt for the Unicode path field.
//
// Parsing only: nothing here reads a source or judges what it finds.

namespace scanengine {

inline constexpr std::uint32_t kZipLocalSignature = 0x04034b50;
inline constexpr std::uint32_t kZipCentralSignature = 0x02014b50;
inline constexpr std::uint32_t kZipEndSignature = 0x06054b50;
inline constexpr std::uint32_t kZip64EndSignature = 0x06064b50;
inline constexpr std::uint32_t kZip64LocatorSignature = 0x07064b50;
/// Of a data descriptor; at offset 0 it marks a split archive.
inline constexpr std::uint32_t kZipDescriptorSignature = 0x08074b50;
/// Split archive that turned out to need one part only.
inline constexpr std::uint32_t kZipOnePartSignature = 0x30304b50;

inline constexpr std::size_t kZipLocalBytes = 30;
inline constexpr std::size_t kZipCentralBytes = 46;
inline constexpr std::size_t kZipEndBytes = 22;
inline constexpr std::size_t kZip64EndBytes = 56;
inline constexpr std::size_t kZip64LocatorBytes = 20;
inline constexpr std::size_t kZipMaxCommentBytes = 0xffff;

inline constexpr std::uint16_t kZipFlagEncrypted = 1 << 0;
inline constexpr std::uint16_t kZipFlagDescriptor = 1 << 3;
inline constexpr std::uint16_t kZipFlagPatch = 1 << 5;
inline constexpr std::uint16_t kZipFlagStrong = 1 << 6;
inline constexpr std::uint16_t kZipFlagUtf8 = 1 << 11;
inline constexpr std::uint16_t kZipFlagMasked = 1 << 13;
/// Flags that make a reader refuse or decrypt.
inline constexpr std::uint16_t kZipFlagsOfEncryption =
    kZipFlagEncrypted | kZipFlagPatch | kZipFlagStrong | kZipFlagMasked;

inline constexpr std::uint16_t kZipStored = 0;
inline constexpr std::uint16_t kZipDeflated = 8;
inline constexpr std::uint16_t kZipAes = 99;

/// "deflate64", "bzip2", ...; "method 42" for what has no name.
std::string ZipMethodName(std::uint16_t method);

/// Little-endian number at |bytes|[0..4); 0 if there are fewer.
std::uint32_t ZipU32(std::span<const std::byte> bytes);

/// What a local header and a central record both say about a member.
struct ZipFields {
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed_size = 0;  ///< zip64 values already put in place.
  std::uint64_t size = 0;
  std::string name;  ///< Bytes as they are, at most 65,535.
  /// From an Info-ZIP Unicode path field whose checksum fits |name|.
  std::string unicode_name;
  bool bad_extra = false;     ///< Extra fields run over their end.
  bool second_zip64 = false;  ///< More than one zip64 field.
};

/// One record of the central directory.
struct ZipEntry : ZipFields {
  std::uint64_t record_offset = 0;  ///< Of this record, in the source.
  std::uint64_t header_offset = 0;  ///< Of the local header, as written.
  std::uint16_t made_by = 0;
  std::uint32_t disk = 0;
  std::uint32_t external_attributes = 0;

  /// File type bits of Unix say symbolic link.
  bool IsSymlink() const {
    return (external_attributes >> 16 & 0170000) == 0120000;
  }
  bool IsFolder() const { return !name.empty() && name.back() == '/'; }
};

/// The header before a member's data.
struct ZipLocal : ZipFields {
  std::uint64_t offset = 0;       ///< Of the header, in the source.
  std::uint64_t data_offset = 0;  ///< Of the data.
};

/// Lengths of the variable parts behind a fixed part.
struct ZipTailLengths {
  std::size_t name = 0;
  std::size_t extra = 0;
  std::size_t comment = 0;
  std::size_t total() const { return name + extra + comment; }
};

/// |fixed| holds at least kZipCentralBytes.
ZipTailLengths CentralTail(std::span<const std::byte> fixed);
/// |fixed| holds at least kZipLocalBytes.
ZipTailLengths LocalTail(std::span<const std::byte> fixed);

/// Parses a whole record: the fixed part and CentralTail().total() bytes.
/// Nothing if the signature is wrong or bytes are missing.
std::optional<ZipEntry> ParseZipCentral(std::span<const std::byte> record);
/// The same for a local header, without a comment.
std::optional<ZipLocal> ParseZipLocal(std::span<const std::byte> record);

/// End of central directory record, of either kind.
struct ZipEnd {
  std::uint32_t disk = 0;
  std::uint32_t directory_disk = 0;
  std::uint64_t disk_entries = 0;
  std::uint64_t entries = 0;
  std::uint64_t directory_size = 0;
  std::uint64_t directory_offset = 0;
  std::uint16_t comment_size = 0;  ///< 0 for zip64.
};

std::optional<ZipEnd> ParseZipEnd(std::span<const std::byte> record);
std::optional<ZipEnd> ParseZip64End(std::span<const std::byte> record);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_FORMAT_H_
