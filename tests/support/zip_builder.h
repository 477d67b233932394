#ifndef SCANENGINE_TESTS_SUPPORT_ZIP_BUILDER_H_
#define SCANENGINE_TESTS_SUPPORT_ZIP_BUILDER_H_

#include <zlib.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/deflate.h"

namespace scanengine::testing {

inline std::uint32_t Crc32(std::string_view text) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

/// Little-endian numbers and text, one after the other.
class Bytes {
 public:
  Bytes& U16(std::uint64_t value) { return Number(value, 2); }
  Bytes& U32(std::uint64_t value) { return Number(value, 4); }
  Bytes& U64(std::uint64_t value) { return Number(value, 8); }
  Bytes& Text(std::string_view text) {
    text_ += text;
    return *this;
  }
  std::string Take() { return std::move(text_); }

 private:
  Bytes& Number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) {
      text_ += static_cast<char>(value >> (8 * i) & 0xff);
    }
    return *this;
  }
  std::string text_;
};

/// What one of a member's two headers says. Left out: the truth.
struct ZipHeaderLies {
  std::optional<std::string> name = {};
  std::optional<std::uint16_t> flags = {};
  std::optional<std::uint16_t> method = {};
  std::optional<std::uint32_t> crc = {};
  std::optional<std::uint32_t> packed_size = {};
  std::optional<std::uint32_t> size = {};
  std::string extra = {};
};

struct ZipItem {
  std::string name = {};
  std::string data = {};
  std::uint16_t method = 0;  ///< 8 packs the data; others leave them.
  std::uint16_t flags = 0;
  std::optional<std::string> packed = {};  ///< Instead of what |data| packs to.
  ZipHeaderLies local = {};
  ZipHeaderLies central = {};
  /// Sizes and checksum only behind the data, as streaming writers do.
  bool descriptor = false;
  bool listed = true;  ///< In the central directory.
  std::uint32_t external_attributes = 0;
  std::optional<std::uint32_t> header_offset =
      {};                ///< Instead of the true one.
  std::string gap = {};  ///< Bytes before the header.
};

/// Writes zip archives, and can write any field wrong on purpose.
struct ZipBuilder {
  std::vector<ZipItem> items = {};
  std::string prefix = {};  ///< Before the archive; offsets do not count it.
  std::string before_directory = {};
  std::string before_end = {};
  std::string comment = {};
  std::string trailing = {};
  bool zip64 = false;  ///< zip64 end records; the plain one has sentinels.
  std::optional<std::uint16_t> entries = {};
  std::optional<std::uint32_t> directory_size = {};
  std::optional<std::uint32_t> directory_offset = {};
  std::optional<std::uint16_t> comment_size = {};

  std::string Build() const {
    std::string archive;
    std::string directory;
    std::uint64_t count = 0;
    for (const ZipItem& item : items) {
      archive += item.gap;
      const std::uint64_t offset = archive.size();
      const std::string packed = item.packed ? *item.packed
                                 : item.method == 8
                                     ? Deflate(item.data, kRawBits)
                                     : item.data;
      archive += Local(item, packed.size());
      archive += packed;
      if (item.descriptor) {
        archive += Bytes()
                       .Text("PK\x07\x08")
                       .U32(Crc32(item.data))
                       .U32(packed.size())
                       .U32(item.data.size())
                       .Take();
      }
      if (!item.listed) continue;
      directory += Central(item, packed.size(), offset);
      ++count;
    }
    archive += before_directory;
    const std::uint64_t offset = archive.size();
    archive += directory + before_end;
    return prefix + archive +
           End(count, directory.size(), offset, archive.size()) + comment +
           trailing;
  }

 private:
  static Bytes Common(const ZipItem& item, const ZipHeaderLies& lies,
                      std::uint64_t packed_size, bool later) {
    const std::uint16_t flags =
        static_cast<std::uint16_t>(item.flags | (item.descriptor ? 8 : 0));
    Bytes out;
    out.U16(20).U16(lies.flags.value_or(flags));
    out.U16(lies.method.value_or(item.method)).U32(0);
    out.U32(lies.crc.value_or(later ? 0 : Crc32(item.data)));
    const auto packed = static_cast<std::uint32_t>(later ? 0 : packed_size);
    const auto size = static_cast<std::uint32_t>(later ? 0 : item.data.size());
    out.U32(lies.packed_size.value_or(packed)).U32(lies.size.value_or(size));
    out.U16(lies.name.value_or(item.name).size()).U16(lies.extra.size());
    return out;
  }

  static std::string Local(const ZipItem& item, std::uint64_t packed_size) {
    return Bytes()
        .Text("PK\x03\x04")
        .Text(Common(item, item.local, packed_size, item.descriptor).Take())
        .Text(item.local.name.value_or(item.name))
        .Text(item.local.extra)
        .Take();
  }

  static std::string Central(const ZipItem& item, std::uint64_t packed_size,
                             std::uint64_t offset) {
    return Bytes()
        .Text("PK\x01\x02")
        .U16(0x031e)  // Made on Unix.
        .Text(Common(item, item.central, packed_size, false).Take())
        .U16(0)
        .U16(0)
        .U16(0)
        .U32(item.external_attributes)
        .U32(item.header_offset.value_or(static_cast<std::uint32_t>(offset)))
        .Text(item.central.name.value_or(item.name))
        .Text(item.central.extra)
        .Take();
  }

  std::string End(std::uint64_t count, std::uint64_t size, std::uint64_t offset,
                  std::uint64_t here) const {
    Bytes out;
    if (zip64) {
      out.Text("PK\x06\x06").U64(44).U16(45).U16(45).U32(0).U32(0);
      out.U64(count).U64(count).U64(size).U64(offset);
      out.Text("PK\x06\x07").U32(0).U64(here).U32(1);
      count = 0xffff;
      size = offset = 0xffffffff;
    }
    count = entries.value_or(static_cast<std::uint16_t>(count));
    out.Text("PK\x05\x06").U16(0).U16(0).U16(count).U16(count);
    out.U32(directory_size.value_or(static_cast<std::uint32_t>(size)));
    out.U32(directory_offset.value_or(static_cast<std::uint32_t>(offset)));
    out.U16(comment_size.value_or(static_cast<std::uint16_t>(comment.size())));
    return out.Take();
  }
};

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_ZIP_BUILDER_H_
