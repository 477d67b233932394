#ifndef SCANENGINE_WORKER_SCAN_CONTEXT_H_
#define SCANENGINE_WORKER_SCAN_CONTEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/finding.h"
#include "ipc/import_policy.h"
#include "ipc/messages.h"
#include "ipc/outcome.h"
#include "worker/byte_source.h"

namespace scanengine {

class FileScan;
class InspectionBuilder;

/// Details of one finding; what is left out stays empty.
struct Sighting {
  std::string message;
  std::uint64_t offset = kNoOffset;
  std::string evidence = {};
  std::string reference = {};  ///< Added to the rule's own.
};

/// What a scanner sees while it scans one file, or one member of a container:
/// the bytes, the tables, and where to report. One lives for each nested
/// member; all of a file share budgets and results (FileScan). Not
/// thread-safe; valid during the scan function only.
class ScanContext {
 public:
  ScanContext(FileScan& file, ByteSource& source, std::string name,
              std::string member, std::uint32_t depth);

  ByteSource& source() { return source_; }
  /// Name of the file or member, without folders. A hint, never trusted.
  std::string_view name() const { return name_; }
  /// Chain of members from the file to here, "inner.zip!data.pkl"; empty for
  /// the file itself.
  const std::string& member() const { return member_; }

  const ImportPolicy& imports() const;
  const ScanLimits& limits() const;

  /// Reports at the rule's severity, or at |severity|. Identical findings are
  /// merged; past limits().max_findings they are counted only, but for those
  /// that are worse than one that is kept: they take its place. Message and
  /// evidence are bounded and made printable here. Ignored once stopped().
  void Report(const Rule& rule, const Sighting& sighting);
  void Report(const Rule& rule, Severity severity, const Sighting& sighting);

  /// Adds a fact sheet about this file or member. Facts are bounded here.
  void AddAsset(std::string_view format,
                std::vector<std::pair<std::string, std::string>> facts);

  /// What an inspection tells of this file or member; null if nothing is to
  /// be told: the task is another one, or the member is not asked for.
  InspectionBuilder* inspection() const;

  /// Adds a line to the table that an inspection shows of this file or member:
  /// a tensor, a key, a member. Bounded here. Make no text for it unless
  /// inspection() is not null.
  void Tell(std::string_view text, std::uint16_t depth = 0);
  /// Ends the table; for the caller of a scanner, whose name is |kind|.
  void EndTable(std::string_view kind);

  /// Says that part of the file was not scanned; the worst status over all
  /// members becomes the file's. Also report a finding for it where a rule
  /// exists. |detail| reads after "limit: ".
  void MarkIncomplete(OutcomeStatus status, std::string detail);

  /// Detects the format of a member and scans it in place, under the same
  /// budgets. Past limits().max_depth or max_members it is reported as not
  /// scanned instead.
  void ScanMember(std::string_view name, ByteSource& member);

  /// Counts |out| bytes that were unpacked from |in| bytes of a container.
  /// False if a budget is exhausted: then the scan is marked kLimit with a
  /// finding, and the caller unpacks no more. Sources over compressed data
  /// call it for every block.
  bool ChargeUnpacked(std::uint64_t out, std::uint64_t in);

  /// Call it in every loop that is not bounded by a few thousand steps; cheap.
  /// |offset| goes to the status board. False: the deadline passed or the run
  /// was cancelled; return soon, results are no longer taken.
  bool Checkpoint(std::uint64_t offset);
  bool stopped() const;

  /// Names what is being done, for the status board and the text of a
  /// time-out: "pickle opcodes". At most 31 characters.
  void SetPhase(std::string_view phase);

 private:
  FileScan& file_;
  ByteSource& source_;
  std::string name_;
  std::string member_;
  std::uint32_t depth_;
  std::vector<InspectedLine> told_;
  std::uint64_t untold_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SCAN_CONTEXT_H_
