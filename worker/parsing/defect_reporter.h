#ifndef SCANENGINE_WORKER_PARSING_DEFECT_REPORTER_H_
#define SCANENGINE_WORKER_PARSING_DEFECT_REPORTER_H_

#include <cstdint>

#include "ipc/finding.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Reports what a parser finds under one rule: the first kMaxListed one by one,
/// the rest as one finding with their number. A file of a million broken
/// entries then costs a few lines of report instead of all of its findings.
/// Not thread-safe; |context| must outlive it.
class DefectReporter {
 public:
  static constexpr std::uint64_t kMaxListed = 16;

  DefectReporter(ScanContext& context, const Rule& rule)
      : context_(context), rule_(rule) {}

  void Report(const Sighting& sighting);
  void Report(Severity severity, const Sighting& sighting);

  /// Tells how many were not listed. Call once, after the last Report().
  void Finish();

  std::uint64_t count() const { return count_; }

 private:
  ScanContext& context_;
  const Rule& rule_;
  std::uint64_t count_ = 0;
  Severity worst_unlisted_ = Severity::kInfo;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_DEFECT_REPORTER_H_
