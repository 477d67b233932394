#include "worker/containers/zip_format.h"

#include <zlib.h>

#include "ipc/byte_reader.h"

namespace scanengine {
namespace {

constexpr std::uint16_t kZip64Field = 0x0001;
constexpr std::uint16_t kUnicodePathField = 0x7075;
constexpr std::uint32_t kInZip64 = 0xffffffff;

std::uint32_t CrcOf(std::string_view text) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

void ReadUnicodePath(ByteReader field, ZipFields& fields) {
  const std::uint8_t version = field.U8();
  const std::uint32_t crc = field.U32();
  const std::string_view path = field.Text(field.remaining());
  if (version == 1 && crc == CrcOf(fields.name)) fields.unicode_name = path;
}

// |offset| and |disk| are null for a local header, which has neither.
void ReadZip64(ByteReader field, ZipFields& fields, std::uint64_t* offset,
               std::uint32_t* disk) {
  // Only what the fixed part leaves to this field is in it, in this order.
  if (fields.size == kInZip64) fields.size = field.U64();
  if (fields.packed_size == kInZip64) fields.packed_size = field.U64();
  if (offset != nullptr && *offset == kInZip64) *offset = field.U64();
  if (disk != nullptr && *disk == 0xffff) *disk = field.U32();
  if (!field.ok()) fields.bad_extra = true;
}

void ReadExtra(std::span<const std::byte> extra, ZipFields& fields,
               std::uint64_t* offset, std::uint32_t* disk) {
  ByteReader reader(extra);
  bool zip64 = false;
  // Fewer than four bytes at the end are padding to every reader.
  while (reader.remaining() >= 4) {
    const std::uint16_t id = reader.U16();
    const std::uint16_t size = reader.U16();
    const auto body = reader.Bytes(size);
    if (!reader.ok()) {
      fields.bad_extra = true;
      return;
    }
    if (id == kZip64Field) {
      if (zip64) {
        fields.second_zip64 = true;
      } else {
        ReadZip64(ByteReader(body), fields, offset, disk);
      }
      zip64 = true;
    } else if (id == kUnicodePathField) {
      ReadUnicodePath(ByteReader(body), fields);
    }
  }
}

}  // namespace

std::string ZipMethodName(std::uint16_t method) {
  switch (method) {
    case kZipStored:
      return "stored";
    case 1:
      return "shrink";
    case 6:
      return "implode";
    case kZipDeflated:
      return "deflate";
    case 9:
      return "deflate64";
    case 12:
      return "bzip2";
    case 14:
      return "lzma";
    case 20:
    case 93:
      return "zstd";
    case 95:
      return "xz";
    case 98:
      return "ppmd";
    case kZipAes:
      return "AES encryption";
    default:
      return "method " + std::to_string(method);
  }
}

std::uint32_t ZipU32(std::span<const std::byte> bytes) {
  return ByteReader(bytes).U32();
}

ZipTailLengths CentralTail(std::span<const std::byte> fixed) {
  ByteReader reader(fixed);
  reader.Skip(28);
  ZipTailLengths tail;
  tail.name = reader.U16();
  tail.extra = reader.U16();
  tail.comment = reader.U16();
  return tail;
}

ZipTailLengths LocalTail(std::span<const std::byte> fixed) {
  ByteReader reader(fixed);
  reader.Skip(26);
  ZipTailLengths tail;
  tail.name = reader.U16();
  tail.extra = reader.U16();
  return tail;
}

std::optional<ZipEntry> ParseZipCentral(std::span<const std::byte> record) {
  ByteReader reader(record);
  if (reader.U32() != kZipCentralSignature) return std::nullopt;
  ZipEntry entry;
  entry.made_by = reader.U16();
  reader.Skip(2);  // Version needed: no reader cares.
  entry.flags = reader.U16();
  entry.method = reader.U16();
  reader.Skip(4);  // Time and date.
  entry.crc = reader.U32();
  entry.packed_size = reader.U32();
  entry.size = reader.U32();
  const std::uint16_t name_size = reader.U16();
  const std::uint16_t extra_size = reader.U16();
  const std::uint16_t comment_size = reader.U16();
  entry.disk = reader.U16();
  reader.Skip(2);  // Internal attributes.
  entry.external_attributes = reader.U32();
  entry.header_offset = reader.U32();
  entry.name = reader.Text(name_size);
  const auto extra = reader.Bytes(extra_size);
  reader.Skip(comment_size);
  if (!reader.ok()) return std::nullopt;
  ReadExtra(extra, entry, &entry.header_offset, &entry.disk);
  return entry;
}

std::optional<ZipLocal> ParseZipLocal(std::span<const std::byte> record) {
  ByteReader reader(record);
  if (reader.U32() != kZipLocalSignature) return std::nullopt;
  ZipLocal local;
  reader.Skip(2);
  local.flags = reader.U16();
  local.method = reader.U16();
  reader.Skip(4);
  local.crc = reader.U32();
  local.packed_size = reader.U32();
  local.size = reader.U32();
  const std::uint16_t name_size = reader.U16();
  const std::uint16_t extra_size = reader.U16();
  local.name = reader.Text(name_size);
  const auto extra = reader.Bytes(extra_size);
  if (!reader.ok()) return std::nullopt;
  ReadExtra(extra, local, nullptr, nullptr);
  return local;
}

std::optional<ZipEnd> ParseZipEnd(std::span<const std::byte> record) {
  ByteReader reader(record);
  if (reader.U32() != kZipEndSignature) return std::nullopt;
  ZipEnd end;
  end.disk = reader.U16();
  end.directory_disk = reader.U16();
  end.disk_entries = reader.U16();
  end.entries = reader.U16();
  end.directory_size = reader.U32();
  end.directory_offset = reader.U32();
  end.comment_size = reader.U16();
  if (!reader.ok()) return std::nullopt;
  return end;
}

std::optional<ZipEnd> ParseZip64End(std::span<const std::byte> record) {
  ByteReader reader(record);
  if (reader.U32() != kZip64EndSignature) return std::nullopt;
  reader.Skip(8 + 2 + 2);  // Size of the record, versions.
  ZipEnd end;
  end.disk = reader.U32();
  end.directory_disk = reader.U32();
  end.disk_entries = reader.U64();
  end.entries = reader.U64();
  end.directory_size = reader.U64();
  end.directory_offset = reader.U64();
  if (!reader.ok()) return std::nullopt;
  return end;
}

}  // namespace scanengine
