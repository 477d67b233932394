#include "worker/containers/zip_gaps.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ipc/byte_reader.h"
#include "worker/containers/zip_rules.h"

namespace scanengine {
namespace {

constexpr std::size_t kSearchBytes = 64 << 10;

bool IsLocal(std::uint32_t signature) {
  return signature == kZipLocalSignature;
}
// What can follow the data of a member whose length nothing tells.
bool IsAnyRecord(std::uint32_t signature) {
  return signature == kZipLocalSignature || signature == kZipCentralSignature ||
         signature == kZipDescriptorSignature ||
         signature == kZipEndSignature || signature == kZip64EndSignature;
}

// Moves |stream| to the next signature that |wanted| takes, or to |limit|.
// Returns where it is then, which is short of |limit| if reading failed.
std::uint64_t FindSignature(ByteStream& stream, std::uint64_t limit,
                            bool (*wanted)(std::uint32_t)) {
  while (true) {
    stream.SkipHole();
    if (stream.offset() >= limit) break;
    const auto want = static_cast<std::size_t>(
        std::min<std::uint64_t>(kSearchBytes, limit - stream.offset()));
    const auto window = stream.Peek(want);
    if (window.empty()) break;
    std::size_t at = 0;
    while (at + 4 <= window.size()) {
      const void* hit =
          std::memchr(window.data() + at, 'P', window.size() - at - 3);
      if (hit == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const std::byte*>(hit) -
                                    window.data());
      if (wanted(ZipU32(window.subspan(at)))) {
        stream.Consume(at);
        return stream.offset();
      }
      ++at;
    }
    // A signature may begin in the last three bytes.
    const bool last = window.size() < want || want == limit - stream.offset();
    stream.Consume(last ? window.size() : window.size() - 3);
  }
  return stream.offset();
}

}  // namespace

ZipGapScanner::ZipGapScanner(ByteSource& archive, ZipSink& sink,
                             ZipReporter& reporter, ZipMemberScanner& members,
                             const Options& options)
    : archive_(archive),
      sink_(sink),
      reporter_(reporter),
      members_(members),
      options_(options) {}

void ZipGapScanner::Scan(const ZipRange& gap, const ZipSpan* before) {
  std::uint64_t at = gap.begin;
  if (before != nullptr && before->descriptor) {
    at += SkipDescriptor(gap, *before);
  }
  if (at >= gap.end) return;
  ByteStream stream(archive_, at, kSearchBytes);
  if (at == 0) {
    const std::uint32_t marker = ZipU32(stream.Peek(4));
    if (marker == kZipDescriptorSignature || marker == kZipOnePartSignature) {
      at = 4;
      stream.Consume(4);
    }
  }
  while (at < gap.end) {
    const std::uint64_t found = FindSignature(stream, gap.end, IsLocal);
    if (!stream.status().ok()) return;
    Loose({at, std::min(found, gap.end)});
    if (found >= gap.end) return;
    if (found_ >= sink_.limits().max_members) {
      sink_.MarkIncomplete(OutcomeStatus::kLimit,
                           "too many members that are not listed");
      return;
    }
    at = std::max(ScanHidden(found, gap.end), found + 4);
    if (!sink_.Checkpoint(at)) return;
    stream.Skip(at - stream.offset());
  }
}

// Bytes of the data descriptor that follows |before|; 0 if there is none.
std::uint64_t ZipGapScanner::SkipDescriptor(const ZipRange& gap,
                                            const ZipSpan& before) {
  std::array<std::byte, 24> buffer;
  const auto room = static_cast<std::size_t>(
      std::min<std::uint64_t>(buffer.size(), gap.end - gap.begin));
  const auto got = archive_.ReadAt(gap.begin, std::span(buffer).first(room));
  if (!got.ok()) return 0;
  const auto bytes = std::span(buffer).first(got.value());
  const bool marked = ZipU32(bytes) == kZipDescriptorSignature;
  const std::size_t start = marked ? 4 : 0;
  for (const std::size_t width : {std::size_t{4}, std::size_t{8}}) {
    if (bytes.size() < start + 4 + 2 * width) continue;
    ByteReader reader(bytes.subspan(start));
    const std::uint32_t crc = reader.U32();
    const std::uint64_t packed = width == 4 ? reader.U32() : reader.U64();
    const std::uint64_t size = width == 4 ? reader.U32() : reader.U64();
    if (crc == before.crc && packed == before.packed_size &&
        size == before.size) {
      return start + 4 + 2 * width;
    }
  }
  if (!marked) return 0;
  reporter_.Report(kZipHeaderMismatch,
                   {"a data descriptor contradicts the directory", gap.begin});
  return std::min<std::uint64_t>(16, bytes.size());
}

// Scans the member whose local header is at |offset|. Returns where the search
// goes on.
std::uint64_t ZipGapScanner::ScanHidden(std::uint64_t offset,
                                        std::uint64_t limit) {
  const auto header = ReadZipLocal(archive_, offset);
  if (!header.ok() || !header.value()) return offset + 4;
  const ZipLocal& local = *header.value();
  ++found_;
  if (!options_.recovering) {
    reporter_.Report(kZipHiddenMember, {"member " + QuoteZipName(local.name) +
                                            " is not in the directory",
                                        offset});
  }
  if (local.data_offset >= archive_.size()) return limit;
  ZipData data = ZipData::Of(local, local.data_offset);
  const bool known =
      (local.flags & kZipFlagDescriptor) == 0 || local.packed_size != 0;
  if (known) {
    const std::uint64_t rest = archive_.size() - local.data_offset;
    if (data.packed_size > rest && options_.recovering) {
      // The archive was cut here, which has been said.
      data.open_ended = true;
    }
    data.packed_size = std::min(data.packed_size, rest);
    if (local.packed_size != 0) members_.Scan(local.name, data);
    return std::min(limit, local.data_offset + data.packed_size);
  }
  if (local.data_offset >= limit) return limit;
  data.open_ended = true;
  data.size = kUnknownSize;
  if (local.method == kZipStored) {
    ByteStream stream(archive_, local.data_offset, kSearchBytes);
    const std::uint64_t end = FindSignature(stream, limit, IsAnyRecord);
    data.packed_size = std::min(end, limit) - local.data_offset;
    if (data.packed_size != 0) members_.Scan(local.name, data);
    return local.data_offset + data.packed_size;
  }
  data.packed_size = archive_.size() - local.data_offset;
  const ZipDataResult result = members_.Scan(local.name, data);
  return result.packed_end == kUnknownSize
             ? local.data_offset
             : std::min(limit, local.data_offset + result.packed_end);
}

// Bytes that belong to no member.
void ZipGapScanner::Loose(ZipRange range) {
  if (range.begin >= options_.comment.begin) {
    range.begin = std::max(range.begin, options_.comment.end);
  }
  if (range.begin >= range.end || AllZero(range)) return;
  const bool first = range.begin <= 4;
  const bool last = range.end == archive_.size() && !options_.recovering;
  const std::uint64_t size = range.end - range.begin;
  if (!first && !last) {
    if (options_.recovering) return;
    reporter_.Report(
        kZipHiddenData,
        {std::to_string(size) + " bytes belong to no member", range.begin});
    return;
  }
  const std::string_view what =
      first ? "(data before the archive)" : "(data after the archive)";
  reporter_.Report(kZipOutsideData,
                   {std::to_string(size) + " bytes " +
                        (first ? "before" : "after") + " the archive",
                    range.begin});
  SubSource bytes(archive_, range.begin, size);
  sink_.ScanOutside(what, range.begin, bytes);
}

bool ZipGapScanner::AllZero(const ZipRange& range) {
  ByteStream stream(archive_, range.begin, kSearchBytes);
  while (true) {
    stream.SkipHole();
    if (stream.offset() >= range.end) break;
    const auto window = stream.Window();
    if (window.empty()) return true;
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(window.size(), range.end - stream.offset()));
    const auto part = window.first(size);
    if (std::any_of(part.begin(), part.end(),
                    [](std::byte b) { return b != std::byte{0}; })) {
      return false;
    }
    stream.Consume(size);
  }
  return true;
}

}  // namespace scanengine
