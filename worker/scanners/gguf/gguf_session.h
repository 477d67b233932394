#ifndef SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_SESSION_H_
#define SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "worker/byte_source.h"
#include "worker/parsing/defect_reporter.h"
#include "worker/scan_context.h"
#include "worker/scanners/gguf/gguf_reader.h"
#include "worker/scanners/gguf/gguf_rules.h"

namespace scanengine::gguf {

/// What the parts of one scan share: where they read and where they report.
struct Session {
  explicit Session(ScanContext& scan_context);

  /// Reads the name of a key or tensor (|what|) and judges it; empty if it is
  /// longer than any name may be.
  std::string ReadName(std::string_view what);

  /// False, with a finding, once |count| entries are more than are looked at.
  bool WithinEntries(std::uint64_t count, std::string_view what);

  /// Reports that the rest is not looked at.
  void ReachLimit(std::string message, std::uint64_t offset = kNoOffset);

  /// |hashes| are those of all names of one kind.
  void ReportDuplicates(std::vector<std::size_t>& hashes,
                        std::string_view what);

  /// Ends the lists of defects. Call once, at the end.
  void Finish();

  ScanContext& context;
  ByteStream stream;
  Reader reader;
  DefectReporter malformed;
  DefectReporter counts;
  DefectReporter bounds;
  DefectReporter overlaps;
  DefectReporter types;
  DefectReporter names;
  /// False once something was met behind which nothing can be read.
  bool whole = true;
};

}  // namespace scanengine::gguf

#endif  // SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_SESSION_H_
