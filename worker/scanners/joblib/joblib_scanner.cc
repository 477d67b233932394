// joblib.dump(): a pickle with raw numpy arrays between its opcodes, plain or
// compressed as a whole by zlib (the default) or gzip.
//
// Looks for what the pickle scanner looks for. Both readings of the raw arrays
// are covered: joblib passes over them, a plain unpickler takes them for
// opcodes. Format: joblib/numpy_pickle.py and numpy_pickle_utils.py. bz2, xz,
// lzma and lz4 files are recognised elsewhere as unsupported. Unpacking is
// bounded by the budgets of the scan.

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/containers/inflate_source.h"
#include "worker/parsing/pickle_file.h"
#include "worker/scanner.h"

namespace scanengine::joblib {
namespace {

constexpr Rule kBrokenStream{
    "joblib-broken-stream", Severity::kMedium, "The compressed data are broken",
    "What follows the break could not be read; what came before was scanned.",
    "Get the file again from a source that you trust."};
constexpr Rule kTrailingData{"joblib-trailing-data", Severity::kLow,
                             "Bytes follow the compressed data",
                             "joblib ignores them; other programs may not.",
                             "Find out what wrote the file."};

constexpr const Rule* kOwnRules[] = {&kBrokenStream, &kTrailingData};

constexpr auto kRules = [] {
  std::array<const Rule*, std::size(kPickleRules) + std::size(kOwnRules)>
      rules{};
  std::size_t n = 0;
  for (const Rule* rule : kPickleRules) rules[n++] = rule;
  for (const Rule* rule : kOwnRules) rules[n++] = rule;
  return rules;
}();

std::optional<InflateFormat> FormatOf(std::span<const std::byte> head) {
  if (head.size() < 6) return std::nullopt;
  const auto first = std::to_integer<unsigned>(head[0]);
  const auto second = std::to_integer<unsigned>(head[1]);
  if (first == 0x1f && second == 0x8b) return InflateFormat::kGzip;
  const bool zlib = (first & 0x0fU) == 8 && first >> 4 <= 7 &&
                    (second & 0x20U) == 0 && (first * 256 + second) % 31 == 0;
  if (zlib) return InflateFormat::kZlib;
  return std::nullopt;
}

// What the compressed head unpacks to; no budget is charged for a look.
std::vector<std::byte> Unpacked(std::span<const std::byte> head,
                                InflateFormat format) {
  MemorySource packed(head);
  InflateSource source(
      [](std::uint64_t out, std::uint64_t) { return out < (1 << 20); }, packed,
      format);
  std::vector<std::byte> out(kProbeHeadBytes);
  std::size_t have = 0;
  while (have < out.size()) {
    const auto got = source.ReadAt(have, std::span(out).subspan(have));
    if (!got.ok() || got.value() == 0) break;
    have += got.value();
  }
  out.resize(have);
  return out;
}

Match Probe(const ProbeInput& input) {
  if (IsJoblibPickle(input.head, input.name)) return Match::kCertain;
  const auto format = FormatOf(input.head);
  if (!format) return Match::kNo;
  const auto head = Unpacked(input.head, *format);
  if (LooksLikePickle(head)) return Match::kCertain;
  // Whatever it is, joblib.load() would unpack it.
  const bool named = input.name.ends_with(".joblib");
  return named || LooksLikePickle(head, PickleDoubt::kLoose) ? Match::kLikely
                                                             : Match::kNo;
}

void ScanCompressed(ScanContext& context, InflateFormat format) {
  InflateSource source(context, context.source(), format);
  const PickleFileEnd end = ScanPickleFile(context, source);
  // Read on to the end: a break there is a break, too.
  ByteStream stream(source);
  stream.Skip(kUnknownSize);
  if (!stream.status().ok() &&
      stream.status().error().code == ErrorCode::kMalformed) {
    context.Report(kBrokenStream, {stream.status().error().detail});
  }
  const std::uint64_t packed_end = source.packed_end();
  const std::uint64_t size = context.source().size();
  if (packed_end != kUnknownSize && size != kUnknownSize && packed_end < size) {
    context.Report(kTrailingData, {std::to_string(size - packed_end) +
                                       " bytes after the compressed data",
                                   packed_end});
    SearchForPickles(context, context.source(), packed_end);
  }
  context.AddAsset(
      "joblib",
      {{"compression", format == InflateFormat::kGzip ? "gzip" : "zlib"},
       {"streams", std::to_string(end.streams)},
       {"arrays", std::to_string(end.arrays)}});
}

void Scan(ScanContext& context) {
  std::array<std::byte, 6> head{};
  const auto got = context.source().ReadAt(0, head);
  if (!got.ok()) return;
  if (const auto format =
          FormatOf(std::span<const std::byte>(head).first(got.value()))) {
    ScanCompressed(context, *format);
    return;
  }
  const PickleFileEnd end = ScanPickleFile(context, context.source());
  context.AddAsset("joblib", {{"compression", "none"},
                              {"streams", std::to_string(end.streams)},
                              {"arrays", std::to_string(end.arrays)}});
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"joblib",
                       ".joblib .pkl.z .pkl.gz .z",
                       "joblib pickle with numpy arrays, plain, zlib or gzip",
                       Probe,
                       Scan,
                       kRules};

}  // namespace scanengine::joblib
