#ifndef SCANENGINE_IPC_OUTCOME_H_
#define SCANENGINE_IPC_OUTCOME_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/finding.h"
#include "ipc/inspection.h"

namespace scanengine {

using TaskId = std::uint64_t;

/// How one task ended: the one list for the whole program. Values go over the
/// wire; append only.
enum class OutcomeStatus : std::uint8_t {
  kScanned = 0,            ///< Read to the end and understood.
  kUnsupported = 1,        ///< A model or archive whose format has no scanner.
  kNotAModel = 2,          ///< No model loader reads it.
  kEncrypted = 3,          ///< Some of it cannot be read without a password.
  kLimit = 4,              ///< A budget ended the scan before the end.
  kUnreadable = 5,         ///< Could not be opened or read.
  kChanged = 6,            ///< Changed, shrank or vanished during the scan.
  kSkipped = 7,            ///< Left out on purpose (device, link, filter).
  kTimedOut = 8,           ///< Deadline passed.
  kCrashed = 9,            ///< Ended its worker by a signal or a bad exit.
  kOutOfMemory = 10,       ///< Needed more memory than a worker may have.
  kSandboxViolation = 11,  ///< Its worker did what the sandbox forbids.
  kProtocol = 12,          ///< Its worker sent what the protocol forbids.
  kCancelled = 13,         ///< The user stopped the run before it was done.
  kNotRun = 14,            ///< No worker could be had.
};
inline constexpr int kOutcomeStatusCount = 15;

/// "scanned", "not-a-model", "timed-out", ...: the spelling in every report.
std::string_view OutcomeStatusName(OutcomeStatus status);

/// True if a file with this status counts as not scanned to its end: the run's
/// exit code is then at least 2. kNotAModel and kSkipped are not.
bool IsIncomplete(OutcomeStatus status);

/// Which of two statuses a file keeps that earned both (a container with one
/// encrypted and one over-large member): the one that says more was missed.
OutcomeStatus WorseStatus(OutcomeStatus a, OutcomeStatus b);

/// What a worker says of one task.
///
/// The part above "run" depends on the file's bytes and the configuration only
/// and goes into the canonical report; the rest may differ between runs.
struct ScanReply {
  TaskId task = 0;
  OutcomeStatus status = OutcomeStatus::kScanned;
  std::string detail;       ///< Fragment that explains a status; may be empty.
  std::string format;       ///< "pickle", "pytorch-zip", ...; empty if unknown.
  std::uint64_t bytes = 0;  ///< Size of the file when it was opened.
  std::vector<std::string> scanners;  ///< Sorted, without duplicates.
  std::vector<Finding> findings;      ///< Worst first, then by place.
  std::vector<Asset> assets;
  Inspection inspection;  ///< Tasks of kind "inspect" only.
  // run
  std::uint64_t duration_us = 0;
  std::uint64_t peak_memory = 0;  ///< Bytes, of the worker process so far.

  bool operator==(const ScanReply&) const = default;
};

/// Bytes that |reply| takes in a message, or a little more.
std::size_t WireSize(const ScanReply& reply);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_OUTCOME_H_
