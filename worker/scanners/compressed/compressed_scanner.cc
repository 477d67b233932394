// Files that are compressed as a whole by gzip, zlib, bzip2, xz, lzma or lz4:
// what is inside is scanned by its content, as the one member of a container.
// Compressed pickles are the joblib scanner's.
//
// Unpacking is bounded by the budgets of the scan and in memory. Broken
// streams, several streams and what lies behind them are reported:
// containers/compressed_file.h.

#include <array>
#include <string>

#include "worker/containers/compressed_file.h"
#include "worker/scanner.h"

namespace scanengine::compressed {
namespace {

Match Probe(const ProbeInput& input) {
  const auto compression = CompressionOf(input.head);
  if (!compression || !CanUnpack(*compression)) return Match::kNo;
  const bool weak_magic =
      *compression == Compression::kZlib || *compression == Compression::kLzma;
  if (!weak_magic || NameInside(input.name) != input.name) {
    return Match::kLikely;
  }
  return UnpacksWell(input.source, *compression) ? Match::kLikely : Match::kNo;
}

void Scan(ScanContext& context) {
  std::array<std::byte, kCompressionHeadBytes> head{};
  const auto got = context.source().ReadAt(0, head);
  if (!got.ok()) return;
  const auto compression =
      CompressionOf(std::span<const std::byte>(head).first(got.value()));
  if (!compression) return;
  UnpackedSource unpacked(context, context.source(), *compression);
  context.ScanMember(NameInside(context.name()), unpacked);
  FinishUnpacking(context, unpacked, context.source());
  context.AddAsset("compressed",
                   {{"compression", std::string(CompressionName(*compression))},
                    {"streams", std::to_string(unpacked.streams())}});
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"compressed",
                       ".gz .bz2 .xz .lzma .lz4 .z .tgz .tbz2 .txz",
                       "File compressed as a whole, its content scanned",
                       Probe,
                       Scan,
                       kCompressedRules};

}  // namespace scanengine::compressed
