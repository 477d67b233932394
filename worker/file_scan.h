#ifndef SCANENGINE_WORKER_FILE_SCAN_H_
#define SCANENGINE_WORKER_FILE_SCAN_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "ipc/import_policy.h"
#include "ipc/messages.h"
#include "ipc/outcome.h"
#include "ipc/status_board.h"
#include "worker/byte_source.h"
#include "worker/inspection_builder.h"
#include "worker/scan_context.h"

namespace scanengine {

struct Detection;

/// What does not change from task to task in one worker. Not owned.
struct ScanEnvironment {
  ImportPolicy imports;
  ScanLimits limits;
  StatusBoardWriter* board = nullptr;  ///< Never null while scanning.
  /// True when the run is being cancelled; asked now and then. May be empty.
  std::function<bool()> cancelled;
};

/// State of one task that all its members share: results, budgets, deadline.
/// Not thread-safe.
class FileScan {
 public:
  using Clock = std::chrono::steady_clock;

  FileScan(const ScanEnvironment& environment, const TaskRequest& task);

  /// Detects, scans and returns what was found. |source| is the whole file.
  ScanReply Run(ByteSource& source, std::string_view name);

  // For ScanContext.
  const ScanEnvironment& environment() const { return environment_; }
  void AddFinding(Finding finding);
  void AddAsset(Asset asset);
  void MarkIncomplete(OutcomeStatus status, std::string detail);
  void ScanSource(ByteSource& source, const std::string& name,
                  const std::string& member, std::uint32_t depth);
  bool CountMember();
  bool ChargeUnpacked(std::uint64_t out, std::uint64_t in);
  bool Checkpoint(std::uint64_t offset);
  /// Null if the task is no inspection.
  InspectionBuilder* inspection() {
    return inspection_ ? &*inspection_ : nullptr;
  }
  bool stopped() const { return stopped_; }
  void SetPhase(std::string_view phase);

  /// Ends the scan as |status|: reads fail with kStopped from here on and
  /// nothing more is recorded.
  void Stop(OutcomeStatus status, std::string detail);

 private:
  // Findings that agree in all of this are one: how far from critical, rule,
  // message, member, evidence. Ordered so that the mildest come last.
  using FindingKey =
      std::tuple<int, std::string, std::string, std::string, std::string>;

  static FindingKey KeyOf(const Finding& finding);

  void MarkWhatIsMissed(const Detection& found, const std::string& member,
                        bool top);
  void ReportTooDeep(const std::string& member);
  void RunScanners(const Detection& found, ByteSource& source,
                   const std::string& name, const std::string& member,
                   std::uint32_t depth);
  ScanReply Finish(ByteSource& source);

  const ScanEnvironment& environment_;
  TaskId task_;
  bool piped_;  // Standard input, not a file of a tree.
  Clock::time_point start_;
  Clock::time_point deadline_;
  std::uint32_t calls_ = 0;  // Checkpoints since the clock was read.
  bool stopped_ = false;
  OutcomeStatus status_ = OutcomeStatus::kNotAModel;
  std::string detail_;
  std::string format_;
  std::string phase_;
  std::uint64_t offset_ = 0;
  std::uint64_t members_ = 0;
  std::uint64_t unpacked_ = 0;
  std::uint64_t packed_ = 0;
  std::uint64_t dropped_findings_ = 0;
  bool budget_spent_ = false;
  bool members_spent_ = false;
  std::set<std::string, std::less<>> scanners_;
  std::map<FindingKey, Finding> findings_;
  std::vector<Asset> assets_;
  std::optional<InspectionBuilder> inspection_;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_FILE_SCAN_H_
