#include "worker/containers/zip_reader.h"

#include <algorithm>
#include <array>
#include <utility>

namespace scanengine {
namespace {

constexpr std::size_t kMaxDirectories = 4;
// What is read at once for a local header: enough for nearly all.
constexpr std::size_t kLocalGuess = kZipLocalBytes + 226;

// Up to |size| bytes; fewer only at the end.
Result<std::vector<std::byte>> ReadUpTo(ByteSource& source,
                                        std::uint64_t offset,
                                        std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::size_t have = 0;
  while (have < size) {
    const auto got =
        source.ReadAt(offset + have, std::span(bytes).subspan(have));
    if (!got.ok()) return got.error();
    if (got.value() == 0) break;
    have += got.value();
  }
  bytes.resize(have);
  return bytes;
}

// Collects the readings of one archive.
class LayoutFinder {
 public:
  explicit LayoutFinder(ByteSource& source) : source_(source) {}

  Result<ZipLayout> Run() {
    const std::uint64_t size = source_.size();
    if (size == kUnknownSize || size < kZipEndBytes) return layout_;
    const std::uint64_t window =
        std::min<std::uint64_t>(size, kZipEndBytes + kZipMaxCommentBytes);
    const std::uint64_t base = size - window;
    const auto tail = ReadUpTo(source_, base, static_cast<std::size_t>(window));
    if (!tail.ok()) return tail.error();
    FindEndRecords(tail.value(), base, size);
    if (!status_.ok()) return status_.error();
    return std::move(layout_);
  }

 private:
  // From the last to the first: readers that search take the last one.
  void FindEndRecords(std::span<const std::byte> tail, std::uint64_t base,
                      std::uint64_t size) {
    if (tail.size() < kZipEndBytes) return;
    for (std::size_t at = tail.size() - kZipEndBytes + 1; at-- > 0;) {
      if (tail[at] != std::byte{'P'}) continue;
      const auto end = ParseZipEnd(tail.subspan(at, kZipEndBytes));
      if (!end) continue;
      const std::uint64_t offset = base + at;
      const std::uint64_t behind = offset + kZipEndBytes + end->comment_size;
      if (layout_.end_found && behind != size) continue;
      if (!layout_.end_found) {
        layout_.comment = {offset + kZipEndBytes, std::min(behind, size)};
      }
      layout_.end_found = true;
      AddEnd(*end, offset);
      if (!status_.ok()) return;
    }
  }

  void AddEnd(const ZipEnd& end, std::uint64_t offset) {
    layout_.end_records.push_back({offset, offset + kZipEndBytes});
    if (end.disk != 0 && end.disk != 0xffff) layout_.split = true;
    AddZip64(offset);
    AddReadings(end, offset);
    // A prefix-aware reader counts back from where the directory must end.
    if (zip64_offset_ != kUnknownSize) AddReadings(end, zip64_offset_);
  }

  // The zip64 records that belong to the end record at |end_offset|.
  void AddZip64(std::uint64_t end_offset) {
    zip64_offset_ = kUnknownSize;
    if (end_offset < kZip64LocatorBytes) return;
    const std::uint64_t locator_offset = end_offset - kZip64LocatorBytes;
    const auto locator = Read(locator_offset, kZip64LocatorBytes);
    if (ZipU32(locator) != kZip64LocatorSignature) return;
    layout_.end_records.push_back({locator_offset, end_offset});
    const std::uint64_t named =
        ZipU32(std::span(locator).subspan(8)) |
        std::uint64_t{ZipU32(std::span(locator).subspan(12))} << 32;
    AddZip64End(named, locator_offset);
    if (locator_offset >= kZip64EndBytes) {
      AddZip64End(locator_offset - kZip64EndBytes, locator_offset);
    }
  }

  void AddZip64End(std::uint64_t offset, std::uint64_t limit) {
    if (offset >= limit || limit - offset < kZip64EndBytes) return;
    const ZipRange range{offset, offset + kZip64EndBytes};
    auto& known = layout_.end_records;
    if (std::find(known.begin(), known.end(), range) != known.end()) return;
    const auto record = Read(offset, kZip64EndBytes);
    const auto end = ParseZip64End(record);
    if (!end) return;
    known.push_back(range);
    zip64_offset_ = offset;
    AddReadings(*end, offset);
  }

  // The directory by offset, then by size back from |end_offset|.
  void AddReadings(const ZipEnd& end, std::uint64_t end_offset) {
    if (end.entries != 0) layout_.claims_entries = true;
    AddDirectory(end, end.directory_offset, end_offset);
    if (end.directory_size <= end_offset) {
      AddDirectory(end, end_offset - end.directory_size, end_offset);
    }
  }

  void AddDirectory(const ZipEnd& end, std::uint64_t offset,
                    std::uint64_t limit) {
    if (offset >= limit) return;
    const std::uint64_t shift = offset - end.directory_offset;
    for (ZipDirectory& known : layout_.directories) {
      if (known.offset != offset || known.shift != shift) continue;
      known.limit = std::max(known.limit, limit);
      return;
    }
    if (ZipU32(Read(offset, 4)) != kZipCentralSignature) return;
    if (layout_.directories.size() == kMaxDirectories) {
      layout_.more_directories = true;
      return;
    }
    layout_.directories.push_back(
        {offset, limit, end.entries, end.directory_size, shift});
  }

  std::vector<std::byte> Read(std::uint64_t offset, std::size_t size) {
    if (!status_.ok()) return {};
    auto bytes = ReadUpTo(source_, offset, size);
    if (bytes.ok()) return std::move(bytes).value();
    status_ = bytes.error();
    return {};
  }

  ByteSource& source_;
  ZipLayout layout_;
  // Of the zip64 end record that goes with the end record in hand.
  std::uint64_t zip64_offset_ = kUnknownSize;
  Status status_ = OkStatus();
};

}  // namespace

Result<ZipLayout> ReadZipLayout(ByteSource& source) {
  return LayoutFinder(source).Run();
}

ZipDirectoryReader::ZipDirectoryReader(ByteSource& source,
                                       const ZipDirectory& directory)
    : stream_(source, directory.offset), limit_(directory.limit) {}

std::optional<ZipEntry> ZipDirectoryReader::Next() {
  if (broken_) return std::nullopt;
  const std::uint64_t offset = stream_.offset();
  if (offset >= limit_ || ZipU32(stream_.Peek(4)) != kZipCentralSignature) {
    return std::nullopt;
  }
  const auto fixed = stream_.Peek(kZipCentralBytes);
  const std::size_t size =
      kZipCentralBytes +
      (fixed.size() < kZipCentralBytes ? 0 : CentralTail(fixed).total());
  auto entry = limit_ - offset < size ? std::nullopt
                                      : ParseZipCentral(stream_.Peek(size));
  if (!entry) {
    broken_ = true;
    return std::nullopt;
  }
  entry->record_offset = offset;
  stream_.Consume(size);
  ++entries_;
  return entry;
}

Result<std::optional<ZipLocal>> ReadZipLocal(ByteSource& source,
                                             std::uint64_t offset) {
  auto record = ReadUpTo(source, offset, kLocalGuess);
  if (!record.ok()) return record.error();
  std::vector<std::byte> bytes = std::move(record).value();
  if (bytes.size() < kZipLocalBytes || ZipU32(bytes) != kZipLocalSignature) {
    return std::optional<ZipLocal>();
  }
  const std::size_t size = kZipLocalBytes + LocalTail(bytes).total();
  if (size > bytes.size()) {
    auto whole = ReadUpTo(source, offset, size);
    if (!whole.ok()) return whole.error();
    bytes = std::move(whole).value();
  }
  auto local = ParseZipLocal(bytes);
  if (local) {
    local->offset = offset;
    local->data_offset = offset + size;
  }
  return local;
}

}  // namespace scanengine
