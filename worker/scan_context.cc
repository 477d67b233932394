#include "worker/scan_context.h"

#include "ipc/text.h"
#include "worker/file_scan.h"
#include "worker/inspection_builder.h"

namespace scanengine {
namespace {

constexpr std::size_t kMaxMessageBytes = 512;
constexpr std::size_t kMaxEvidenceBytes = 512;
constexpr std::size_t kMaxFactBytes = 256;
constexpr std::size_t kMaxFacts = 64;
constexpr std::size_t kMaxMemberBytes = 1024;
constexpr std::size_t kMaxLineBytes = 512;

}  // namespace

ScanContext::ScanContext(FileScan& file, ByteSource& source, std::string name,
                         std::string member, std::uint32_t depth)
    : file_(file),
      source_(source),
      name_(std::move(name)),
      member_(std::move(member)),
      depth_(depth) {}

const ImportPolicy& ScanContext::imports() const {
  return file_.environment().imports;
}
const ScanLimits& ScanContext::limits() const {
  return file_.environment().limits;
}

InspectionBuilder* ScanContext::inspection() const {
  InspectionBuilder* const all = file_.inspection();
  return all != nullptr && all->Wants(member_) ? all : nullptr;
}

void ScanContext::Report(const Rule& rule, const Sighting& sighting) {
  Report(rule, rule.severity, sighting);
}

void ScanContext::Report(const Rule& rule, Severity severity,
                         const Sighting& sighting) {
  Finding finding;
  finding.rule_id = rule.id;
  finding.severity = severity;
  finding.message = Printable(sighting.message, kMaxMessageBytes);
  finding.member = Printable(member_, kMaxMemberBytes);
  finding.offset = sighting.offset;
  finding.evidence = Printable(sighting.evidence, kMaxEvidenceBytes);
  finding.why = rule.why;
  finding.advice = rule.advice;
  finding.reference = rule.reference;
  if (!sighting.reference.empty()) {
    if (!finding.reference.empty()) finding.reference += ' ';
    finding.reference += Printable(sighting.reference, kMaxMessageBytes);
  }
  file_.AddFinding(std::move(finding));
}

void ScanContext::AddAsset(
    std::string_view format,
    std::vector<std::pair<std::string, std::string>> facts) {
  Asset asset;
  asset.member = Printable(member_, kMaxMemberBytes);
  asset.format = format;
  asset.bytes = source_.size() == kUnknownSize ? 0 : source_.size();
  if (facts.size() > kMaxFacts) facts.resize(kMaxFacts);
  for (auto& [key, value] : facts) {
    asset.facts.emplace_back(Printable(key, kMaxFactBytes),
                             Printable(value, kMaxFactBytes));
  }
  file_.AddAsset(std::move(asset));
}

void ScanContext::Tell(std::string_view text, std::uint16_t depth) {
  InspectionBuilder* const inspection = this->inspection();
  if (inspection == nullptr) return;
  InspectedLine line{depth, Printable(text, kMaxLineBytes)};
  if (inspection->Charge(WireSize(line), InspectionBuilder::Room::kSummary)) {
    told_.push_back(std::move(line));
  } else {
    ++untold_;
  }
}

void ScanContext::EndTable(std::string_view kind) {
  if (told_.empty() && untold_ == 0) return;
  InspectionBuilder* const inspection = this->inspection();
  if (inspection == nullptr || !inspection->Open(member_, kind)) return;
  InspectionSection section;
  section.outline = std::move(told_);
  section.dropped = untold_;
  inspection->Close(std::move(section));
}

void ScanContext::MarkIncomplete(OutcomeStatus status, std::string detail) {
  if (!member_.empty()) detail = Printable(member_, 256) + ": " + detail;
  file_.MarkIncomplete(status, Printable(detail, kMaxMessageBytes));
}

void ScanContext::ScanMember(std::string_view name, ByteSource& member) {
  if (!file_.CountMember()) return;
  if (inspection() != nullptr) {
    Tell(std::string(name) + ", " +
         (member.size() == kUnknownSize ? "unknown size"
                                        : HumanSize(member.size())));
  }
  const std::string chain =
      member_.empty() ? std::string(name) : member_ + "!" + std::string(name);
  const std::size_t slash = name.find_last_of("/\\");
  const std::string leaf(
      slash == std::string_view::npos ? name : name.substr(slash + 1));
  file_.ScanSource(member, leaf, chain, depth_ + 1);
}

bool ScanContext::ChargeUnpacked(std::uint64_t out, std::uint64_t in) {
  return file_.ChargeUnpacked(out, in);
}
bool ScanContext::Checkpoint(std::uint64_t offset) {
  return file_.Checkpoint(offset);
}
bool ScanContext::stopped() const { return file_.stopped(); }
void ScanContext::SetPhase(std::string_view phase) { file_.SetPhase(phase); }

}  // namespace scanengine
