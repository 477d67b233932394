#ifndef SCANENGINE_WORKER_SCANNER_H_
#define SCANENGINE_WORKER_SCANNER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ipc/finding.h"
#include "worker/byte_source.h"
#include "worker/scan_context.h"

namespace scanengine {

/// How sure a scanner is that bytes are its format.
///
/// Every scanner that is certain runs (a polyglot is several formats to
/// several loaders); if none is, the first likely one; if none, the first with
/// a hint.
enum class Match {
  kNo,
  kHint,     ///< Only the name speaks for it.
  kLikely,   ///< Weak magic, or structure that could be chance.
  kCertain,  ///< Strong magic or checked structure.
};

/// First bytes that every probe gets.
inline constexpr std::size_t kProbeHeadBytes = 4096;

/// What a probe may look at.
struct ProbeInput {
  std::span<const std::byte> head;  ///< First kProbeHeadBytes, or all.
  std::string_view name;            ///< File or member name; only a hint.
  ByteSource& source;               ///< For formats that are read from the end.
};

/// One file format. A scanner is a constant: two functions and what describes
/// them. Scanners depend on ipc/, on this folder, on parsing/ and containers/,
/// never on each other.
struct Scanner {
  std::string_view name;        ///< Stable; the format in reports.
  std::string_view extensions;  ///< Blank-separated, with dots: ".pkl .pickle".
  std::string_view summary;     ///< For --list-formats; no final period.

  /// Judges from a few bytes; must not report anything.
  Match (*probe)(const ProbeInput& input);

  /// Scans context.source() from its first to its last byte and reports to
  /// |context|. Returns when done or when context.stopped().
  void (*scan)(ScanContext& context);

  /// Every rule that scan() may report under, for documentation.
  std::span<const Rule* const> rules;
};

/// Every scanner built in, in the order of worker/scanners/CMakeLists.txt.
std::span<const Scanner* const> AllScanners();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SCANNER_H_
