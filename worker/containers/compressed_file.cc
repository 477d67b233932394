#include "worker/containers/compressed_file.h"

#include "worker/parsing/pickle_file.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kMostProbeIn = 5 << 20;
constexpr std::uint64_t kMostProbeOut = 1 << 20;

/// What came of unpacking the beginning of a stream.
struct Trial {
  std::vector<std::byte> head;
  bool ended = false;  ///< Without an error.
};

Trial Try(ByteSource& packed, Compression compression, std::size_t size) {
  std::uint64_t taken = 0;
  std::uint64_t made = 0;
  UnpackedSource source(
      [&taken, &made](std::uint64_t out, std::uint64_t in) {
        taken += in;
        made += out;
        return taken < kMostProbeIn && made < kMostProbeOut;
      },
      packed, compression);
  Trial trial;
  trial.head.resize(size);
  std::size_t have = 0;
  while (have < size) {
    const auto got = source.ReadAt(have, std::span(trial.head).subspan(have));
    if (!got.ok()) break;
    trial.ended = got.value() == 0;
    if (trial.ended) break;
    have += got.value();
  }
  trial.head.resize(have);
  return trial;
}

}  // namespace

std::vector<std::byte> UnpackHead(ByteSource& packed, Compression compression,
                                  std::size_t size) {
  return Try(packed, compression, size).head;
}

bool UnpacksWell(ByteSource& packed, Compression compression) {
  constexpr std::size_t kEnough = 4096;
  const Trial trial = Try(packed, compression, kEnough);
  return trial.head.size() == kEnough || (trial.ended && !trial.head.empty());
}

void FinishUnpacking(ScanContext& context, UnpackedSource& unpacked,
                     ByteSource& packed, std::uint64_t base) {
  ByteStream stream(unpacked);
  stream.Skip(kUnknownSize);
  const Status& status = stream.status();
  if (!status.ok()) {
    const std::string& detail = status.error().detail;
    if (status.error().code == ErrorCode::kMalformed) {
      context.Report(kCompressedBroken, {detail});
      context.MarkIncomplete(OutcomeStatus::kUnreadable, detail);
    } else if (unpacked.memory_short()) {
      context.Report(kCompressedMemory, {detail});
      context.MarkIncomplete(OutcomeStatus::kLimit, detail);
    }
  }
  if (unpacked.streams() > 1) {
    context.Report(
        kCompressedStreams,
        {std::to_string(unpacked.streams()) + " streams" +
         (unpacked.padding() != 0 ? ", with zeros between or after them"
                                  : "")});
  }
  const std::uint64_t end = unpacked.packed_end();
  const std::uint64_t size = packed.size();
  if (end == kUnknownSize || size == kUnknownSize || end >= size) return;
  const bool blank = unpacked.padding() >= size - end;
  context.Report(
      kCompressedTrailing,
      blank ? Severity::kInfo : kCompressedTrailing.severity,
      {std::to_string(size - end) + " bytes after the compressed data" +
           (blank ? ", all zero" : ""),
       base + end});
  if (!blank) SearchForPickles(context, packed, end);
}

std::string NameInside(std::string_view name) {
  struct Row {
    std::string_view extension;
    std::string_view inside;
  };
  constexpr Row kRows[] = {
      {".gz", ""},      {".bz2", ""},      {".xz", ""},      {".lzma", ""},
      {".lz4", ""},     {".z", ""},        {".zlib", ""},    {".tgz", ".tar"},
      {".tbz", ".tar"}, {".tbz2", ".tar"}, {".txz", ".tar"}, {".tlz", ".tar"}};
  for (const Row& row : kRows) {
    if (name.size() > row.extension.size() && name.ends_with(row.extension)) {
      name.remove_suffix(row.extension.size());
      return std::string(name) + std::string(row.inside);
    }
  }
  return std::string(name);
}

}  // namespace scanengine
