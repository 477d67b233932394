// joblib.dump(): a pickle with raw numpy arrays between its opcodes, plain or
// compressed as a whole by zlib (the default), gzip, bzip2, xz, lzma or lz4.
// Plain pickles that are compressed (.pkl.gz, .pkl.bz2, .pkl.xz) are read in
// the same way.
//
// Looks for what the pickle scanner looks for. Both readings of the raw arrays
// are covered: joblib passes over them, a plain unpickler takes them for
// opcodes. Format: joblib/numpy_pickle.py, numpy_pickle_utils.py, compressor.py
// and, for files before joblib 0.10, numpy_pickle_compat.py. Unpacking is
// bounded by the budgets of the scan.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/containers/compressed_file.h"
#include "worker/parsing/pickle_file.h"
#include "worker/scanner.h"

namespace scanengine::joblib {
namespace {

constexpr auto kRules = [] {
  std::array<const Rule*, std::size(kPickleRules) + std::size(kCompressedRules)>
      rules{};
  std::size_t n = 0;
  for (const Rule* rule : kPickleRules) rules[n++] = rule;
  for (const Rule* rule : kCompressedRules) rules[n++] = rule;
  return rules;
}();

/// A compressed stream in a file.
struct Packed {
  Compression compression;
  std::uint64_t offset;  ///< Bytes before it.
};

// Before 0.10 joblib wrote "ZF", the size unpacked as Python's hex() has it
// (19 characters, one more by Python 2), and a zlib stream.
std::optional<Packed> FindPacked(std::span<const std::byte> head) {
  if (head.size() >= 2 && head[0] == std::byte{'Z'} &&
      head[1] == std::byte{'F'}) {
    for (const std::size_t offset : {std::size_t{21}, std::size_t{22}}) {
      if (head.size() <= offset) break;
      if (CompressionOf(head.subspan(offset)) == Compression::kZlib) {
        return Packed{Compression::kZlib, offset};
      }
    }
    return std::nullopt;
  }
  const auto compression = CompressionOf(head);
  if (!compression || !CanUnpack(*compression)) return std::nullopt;
  return Packed{*compression, 0};
}

bool HasName(std::string_view name) {
  for (const std::string_view extension : {".joblib", ".pkl", ".pickle"}) {
    if (name.ends_with(extension)) return true;
  }
  return false;
}

Match Probe(const ProbeInput& input) {
  if (IsJoblibPickle(input.head, input.name)) return Match::kCertain;
  const auto packed = FindPacked(input.head);
  if (!packed) return Match::kNo;
  SubSource rest(input.source, packed->offset, kUnknownSize);
  const auto head = UnpackHead(rest, packed->compression, kProbeHeadBytes);
  if (IsLegacyTorch(head)) return Match::kNo;
  if (LooksLikePickle(head)) return Match::kCertain;
  // Protocol 0 and the like, or what joblib.load() would unpack whatever it is.
  const bool named = HasName(NameInside(input.name));
  if (named && LooksLikePickle(head, PickleDoubt::kLoose)) {
    return Match::kLikely;
  }
  if (packed->offset != 0) return Match::kLikely;
  return input.name.ends_with(".joblib") && head.empty() ? Match::kLikely
                                                         : Match::kNo;
}

void ScanCompressed(ScanContext& context, const Packed& packed) {
  SubSource rest(context.source(), packed.offset, kUnknownSize);
  UnpackedSource source(context, rest, packed.compression);
  const PickleFileEnd end = ScanPickleFile(context, source);
  FinishUnpacking(context, source, rest, packed.offset);
  context.AddAsset(
      "joblib",
      {{"compression", std::string(CompressionName(packed.compression))},
       {"streams", std::to_string(end.streams)},
       {"arrays", std::to_string(end.arrays)}});
}

void Scan(ScanContext& context) {
  std::array<std::byte, 64> head{};
  const auto got = context.source().ReadAt(0, head);
  if (!got.ok()) return;
  if (const auto packed =
          FindPacked(std::span<const std::byte>(head).first(got.value()))) {
    ScanCompressed(context, *packed);
    return;
  }
  const PickleFileEnd end = ScanPickleFile(context, context.source());
  context.AddAsset("joblib", {{"compression", "none"},
                              {"streams", std::to_string(end.streams)},
                              {"arrays", std::to_string(end.arrays)}});
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{
    "joblib",
    ".joblib .pkl.z .pkl.gz .pkl.bz2 .pkl.xz .pkl.lzma .pkl.lz4",
    "joblib pickle with numpy arrays, plain or compressed",
    Probe,
    Scan,
    kRules};

}  // namespace scanengine::joblib
