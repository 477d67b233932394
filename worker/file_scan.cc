#include "worker/file_scan.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "ipc/check.h"
#include "ipc/frame_codec.h"
#include "ipc/text.h"
#include "worker/containers/decoder.h"
#include "worker/format_detector.h"
#include "worker/recognised_formats.h"
#include "worker/scanner.h"

namespace scanengine {
namespace {

constexpr std::size_t kMaxAssets = 256;
constexpr std::uint32_t kClockEvery = 64;  // Checkpoints per look at the clock.
constexpr std::uint32_t kMaxCount = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kRatioFreeBytes = 64ULL << 20;

constexpr Rule kLimitReached{
    "limit-reached", Severity::kMedium, "Part of the file was not scanned",
    "What lies beyond a limit was not looked at, and attackers hide things "
    "behind limits.",
    "Raise the limit and scan the file again, or do not trust it."};
constexpr Rule kPolyglot{
    "polyglot",
    Severity::kMedium,
    "The file is valid in several formats",
    "Different programs will read different content from it; scanners that "
    "look at one format miss what is in the other.",
    "Find out why one file carries two formats before you load it.",
    "CWE-436"};
constexpr Rule kEmptyFile{
    "empty-file", Severity::kMedium, "What should be a model has no content",
    "No loader can read it; a download or a copy has most likely failed.",
    "Get the file again from its source."};

Finding MakeFinding(const Rule& rule, std::string message,
                    const std::string& member) {
  Finding finding;
  finding.rule_id = rule.id;
  finding.severity = rule.severity;
  finding.message = std::move(message);
  finding.member = Printable(member, 1024);
  finding.why = rule.why;
  finding.advice = rule.advice;
  finding.reference = rule.reference;
  return finding;
}

// What is counted may be what a file claims: it must not wrap around.
std::uint64_t SumOrMost(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return b > kMost - a ? kMost : a + b;
}

// What a message with |reply| leaves for an inspection.
std::size_t RoomFor(const ScanReply& reply) {
  constexpr std::size_t kReplyBytes = std::size_t{kMaxPayloadBytes} / 8 * 7;
  const std::size_t used = WireSize(reply);
  return std::min(kMaxInspectionBytes,
                  kReplyBytes - std::min(kReplyBytes, used));
}

// Empty if nothing is missed: no model loader reads such a file.
std::string WhyNotScanned(const Detection& found) {
  if (IsLeftOut(found.recognised)) {
    return found.recognised + " is not supported in this build";
  }
  if (!found.recognised.empty())
    return found.recognised + " is not supported yet";
  return found.not_a_model ? "" : "content is of no known format";
}

}  // namespace

FileScan::FileScan(const ScanEnvironment& environment, const TaskRequest& task)
    : environment_(environment),
      task_(task.id),
      piped_(task.inherited_fd >= 0),
      start_(Clock::now()),
      deadline_(task.soft_deadline_us == 0
                    ? Clock::time_point::max()
                    : start_ +
                          std::chrono::microseconds(task.soft_deadline_us)) {
  SCANENGINE_CHECK(environment.board != nullptr);
  if (task.kind == kInspectTask) inspection_.emplace(task.inspect);
}

ScanReply FileScan::Run(ByteSource& source, std::string_view name) {
  ScanSource(source, std::string(name), "", 0);
  return Finish(source);
}

void FileScan::ScanSource(ByteSource& source, const std::string& name,
                          const std::string& member, std::uint32_t depth) {
  if (stopped_) return;
  if (depth > environment_.limits.max_depth) {
    ReportTooDeep(member);
    return;
  }
  SetPhase("detect format");
  const Result<Detection> detection = DetectFormat(source, name);
  if (!detection.ok()) {
    if (detection.error().code != ErrorCode::kStopped) {
      const bool limit = detection.error().code == ErrorCode::kLimitExceeded;
      MarkIncomplete(limit ? OutcomeStatus::kLimit : OutcomeStatus::kUnreadable,
                     detection.error().detail);
    }
    return;
  }
  const Detection& found = detection.value();
  const bool top = depth == 0;
  if (found.empty && (NameClaimsModel(name) || (top && piped_))) {
    AddFinding(MakeFinding(
        kEmptyFile, top && piped_ ? "the input is empty" : "the file is empty",
        member));
  }
  if (top) {
    format_ = found.scanners.empty()
                  ? found.recognised
                  : std::string(found.scanners.front()->name);
  }
  MarkWhatIsMissed(found, member, top);
  if (found.scanners.empty()) return;
  status_ = WorseStatus(status_, OutcomeStatus::kScanned);
  RunScanners(found, source, name, member, depth);
}

void FileScan::MarkWhatIsMissed(const Detection& found,
                                const std::string& member, bool top) {
  // A search that also takes the file does not see what is packed in it.
  if (!found.scanners.empty() && !IsLeftOut(found.recognised)) return;
  const std::string why = WhyNotScanned(found);
  if (why.empty()) return;
  MarkIncomplete(OutcomeStatus::kUnsupported,
                 top ? why : Printable(member, 256) + ": " + why);
}

void FileScan::ReportTooDeep(const std::string& member) {
  MarkIncomplete(OutcomeStatus::kLimit, "containers are nested too deep");
  AddFinding(MakeFinding(kLimitReached,
                         "not scanned: containers are nested more than " +
                             std::to_string(environment_.limits.max_depth) +
                             " deep",
                         member));
}

void FileScan::RunScanners(const Detection& found, ByteSource& source,
                           const std::string& name, const std::string& member,
                           std::uint32_t depth) {
  if (found.scanners.size() > 1) {
    std::string names;
    for (const Scanner* scanner : found.scanners) {
      names += (names.empty() ? "" : " and ") + std::string(scanner->name);
    }
    AddFinding(MakeFinding(kPolyglot, "both " + names, member));
  }
  for (const Scanner* scanner : found.scanners) {
    if (stopped_) return;
    scanners_.insert(std::string(scanner->name));
    SetPhase(scanner->name);
    ScanContext context(*this, source, name, member, depth);
    scanner->scan(context);
    context.EndTable(scanner->name);
  }
}

FileScan::FindingKey FileScan::KeyOf(const Finding& finding) {
  const int mildness = static_cast<int>(Severity::kCritical) -
                       static_cast<int>(finding.severity);
  return {mildness, finding.rule_id, finding.message, finding.member,
          finding.evidence};
}

void FileScan::AddFinding(Finding finding) {
  if (stopped_) return;
  FindingKey key = KeyOf(finding);
  const auto at = findings_.find(key);
  if (at != findings_.end()) {
    Finding& known = at->second;
    known.offset = std::min(known.offset, finding.offset);
    if (known.count != kMaxCount) ++known.count;
    return;
  }
  if (findings_.size() >= environment_.limits.max_findings) {
    ++dropped_findings_;
    // Or else a file could hide the worst behind many that are mild.
    const bool worse = !findings_.empty() &&
                       finding.severity > findings_.rbegin()->second.severity;
    if (!worse) return;
    findings_.erase(std::prev(findings_.end()));
  }
  findings_.emplace(std::move(key), std::move(finding));
}

void FileScan::AddAsset(Asset asset) {
  if (stopped_ || assets_.size() >= kMaxAssets) return;
  assets_.push_back(std::move(asset));
}

void FileScan::MarkIncomplete(OutcomeStatus status, std::string detail) {
  if (stopped_) return;
  const OutcomeStatus worse = WorseStatus(status_, status);
  if (worse == status_) return;  // The first detail of a status stays.
  status_ = worse;
  detail_ = std::move(detail);
}

void FileScan::Stop(OutcomeStatus status, std::string detail) {
  if (stopped_) return;
  status_ = status;
  detail_ = std::move(detail);
  stopped_ = true;
}

bool FileScan::CountMember() {
  if (stopped_ || members_spent_) return false;
  if (++members_ <= environment_.limits.max_members) return true;
  members_spent_ = true;
  const std::string text = "more than " +
                           std::to_string(environment_.limits.max_members) +
                           " members";
  MarkIncomplete(OutcomeStatus::kLimit, text);
  AddFinding(MakeFinding(kLimitReached, "not scanned to the end: " + text, ""));
  return false;
}

bool FileScan::ChargeUnpacked(std::uint64_t out, std::uint64_t in) {
  if (stopped_ || budget_spent_) return false;
  unpacked_ = SumOrMost(unpacked_, out);
  packed_ = SumOrMost(packed_, in);
  const ScanLimits& limits = environment_.limits;
  std::string text;
  if (unpacked_ > limits.max_unpacked) {
    text = "unpacks to more than " + HumanSize(limits.max_unpacked);
  } else if (unpacked_ > kRatioFreeBytes &&
             unpacked_ / limits.max_ratio > packed_) {
    text = "unpacks to more than " + std::to_string(limits.max_ratio) +
           " times its size";
  } else {
    return true;
  }
  budget_spent_ = true;
  MarkIncomplete(OutcomeStatus::kLimit, text);
  AddFinding(MakeFinding(kLimitReached, "not scanned to the end: " + text, ""));
  return false;
}

bool FileScan::Checkpoint(std::uint64_t offset) {
  if (stopped_) return false;
  offset_ = offset;
  environment_.board->SetProgress(offset, unpacked_);
  if (++calls_ % kClockEvery != 0) return true;
  if (environment_.cancelled && environment_.cancelled()) {
    Stop(OutcomeStatus::kCancelled, "the run was stopped");
  } else if (Clock::now() >= deadline_) {
    Stop(OutcomeStatus::kTimedOut, "deadline passed in " + phase_ +
                                       " at offset " + std::to_string(offset_));
  }
  return !stopped_;
}

void FileScan::SetPhase(std::string_view phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  environment_.board->SetPhase(phase);
}

ScanReply FileScan::Finish(ByteSource& source) {
  if (dropped_findings_ != 0 && !stopped_) {
    MarkIncomplete(OutcomeStatus::kLimit, "more findings than are kept");
    Finding finding = MakeFinding(
        kLimitReached,
        std::to_string(dropped_findings_) + " more findings are not listed",
        "");
    FindingKey key = KeyOf(finding);
    findings_.emplace(std::move(key), std::move(finding));
  }
  ScanReply reply;
  reply.task = task_;
  reply.status = status_;
  reply.detail = std::move(detail_);
  reply.format = format_;
  reply.bytes = source.size() == kUnknownSize ? 0 : source.size();
  reply.scanners.assign(scanners_.begin(), scanners_.end());
  for (auto& [key, finding] : findings_) {
    reply.findings.push_back(std::move(finding));
  }
  std::stable_sort(reply.findings.begin(), reply.findings.end(),
                   [](const Finding& a, const Finding& b) {
                     if (a.severity != b.severity) {
                       return a.severity > b.severity;
                     }
                     return std::tie(a.member, a.offset, a.rule_id) <
                            std::tie(b.member, b.offset, b.rule_id);
                   });
  reply.assets = std::move(assets_);
  if (inspection_) reply.inspection = inspection_->Take(RoomFor(reply));
  reply.duration_us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() -
                                                            start_)
          .count());
  return reply;
}

}  // namespace scanengine
