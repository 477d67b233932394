#ifndef SCANENGINE_TESTS_SUPPORT_SCAN_BYTES_H_
#define SCANENGINE_TESTS_SUPPORT_SCAN_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/import_policy.h"
#include "ipc/messages.h"
#include "ipc/outcome.h"
#include "ipc/status_board.h"
#include "tests/support/byte_strings.h"
#include "worker/byte_source.h"
#include "worker/file_scan.h"

namespace scanengine {

/// A board that keeps nothing.
class NullBoard final : public StatusBoardWriter {
 public:
  void BeginTask(std::uint64_t) override {}
  void EndTask() override {}
  void SetPhase(std::string_view) override {}
  void SetProgress(std::uint64_t, std::uint64_t) override {}
};

/// Does not tell its size, as a compressed stream does not.
class UnsizedSource final : public ByteSource {
 public:
  explicit UnsizedSource(ByteSource& base) : base_(base) {}
  std::uint64_t size() const override { return kUnknownSize; }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    return base_.ReadAt(offset, out);
  }

 private:
  ByteSource& base_;
};

/// The policy tables that come with the program, checked once: that takes
/// longer than most scans.
inline ImportPolicy TestPolicy() {
  static const ImportPolicy policy =
      ImportPolicy::FromBytes(BuiltInPolicyBytes()).value();
  return policy;
}

/// Detects and scans |source| as a file called |name|, the way a worker does.
inline ScanReply ScanSourceAs(ByteSource& source, std::string_view name,
                              const ScanLimits& limits = {}) {
  NullBoard board;
  ScanEnvironment environment;
  environment.imports = TestPolicy();
  environment.limits = limits;
  environment.board = &board;
  FileScan scan(environment, TaskRequest{});
  return scan.Run(source, name);
}

inline ScanReply ScanBytes(std::string_view bytes, std::string_view name,
                           const ScanLimits& limits = {}) {
  MemorySource source(std::as_bytes(std::span(bytes)));
  return ScanSourceAs(source, name, limits);
}

/// Rule ids of the findings, each once, sorted.
inline std::vector<std::string> RuleIds(const ScanReply& reply) {
  std::vector<std::string> ids;
  for (const Finding& finding : reply.findings) ids.push_back(finding.rule_id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

/// Severity of the worst finding; info if there is none.
inline Severity WorstSeverity(const ScanReply& reply) {
  return reply.findings.empty() ? Severity::kInfo
                                : reply.findings.front().severity;
}

/// True if nothing in |reply| keeps a reader from taking the file as harmless:
/// scanned to its end, no finding at medium or above.
inline bool IsClean(const ScanReply& reply) {
  return reply.status == OutcomeStatus::kScanned &&
         WorstSeverity(reply) < Severity::kMedium;
}

namespace testing {
using scanengine::NullBoard;
using scanengine::ScanBytes;
}  // namespace testing

}  // namespace scanengine

#endif  // SCANENGINE_TESTS_SUPPORT_SCAN_BYTES_H_
