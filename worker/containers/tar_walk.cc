#include "worker/containers/tar_walk.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "worker/byte_text.h"
#include "worker/containers/sparse_source.h"
#include "worker/containers/tar_format.h"
#include "worker/containers/tar_rules.h"
#include "worker/containers/zip_checks.h"
#include "worker/parsing/defect_reporter.h"
#include "worker/parsing/hostile_name.h"
#include "worker/parsing/pickle_file.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kMostExtension = 1 << 20;
// Further readings of one archive that are followed.
constexpr std::uint32_t kMostReadings = 4;
// Sizes from here on do not fit in a header; writers then give them in pax.
constexpr std::uint64_t kLargeSize = std::uint64_t{1} << 33;
constexpr std::size_t kStreamWindow = 4096;
constexpr std::size_t kMostSparseBlocks = 5000;

using PaxRecords = std::map<std::string, std::string, std::less<>>;

std::optional<std::string> Find(const PaxRecords& records,
                                std::string_view key) {
  const auto at = records.find(key);
  if (at == records.end()) return std::nullopt;
  return at->second;
}

// True if a link at |name| to |target| leaves the folder that is unpacked to.
bool LinkLeadsOut(const TarHeader& header) {
  if (header.type == '1') return !ZipPathLeadsOut(header.link).empty();
  if (header.link.starts_with('/') || header.link.starts_with('\\')) {
    return true;
  }
  int depth = 0;
  const std::size_t slash = header.name.rfind('/');
  std::string path =
      slash == std::string::npos ? "" : header.name.substr(0, slash + 1);
  path += header.link;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view step =
        std::string_view(path).substr(begin, end - begin);
    if (step == "..") {
      if (--depth < 0) return true;
    } else if (!step.empty() && step != ".") {
      ++depth;
    }
    begin = end + 1;
  }
  return false;
}

class TarWalker {
 public:
  TarWalker(ScanContext& context, const TarMemberScan& scan)
      : context_(context), source_(context.source()), scan_(scan) {}

  TarSummary Run();

 private:
  // A member with all that was said of it before.
  struct Member {
    TarHeader header;
    std::uint64_t at = 0;    // Of the header.
    std::uint64_t data = 0;  // Of the data.
    PaxRecords pax;
    // The size by the header if the one by pax is another.
    std::optional<std::uint64_t> other_size;
  };

  void Walk(std::uint64_t start);
  // Take what the block at the stream's offset is; false: the walk is over.
  bool Step(ByteStream& stream);
  void Damage(ByteStream& stream, std::span<const std::byte> block);
  void EndDamage(std::uint64_t end);
  bool ReadExtension(const TarHeader& header, std::uint64_t data);
  Member Describe(const TarHeader& header, std::uint64_t at);
  void JudgeSize(Member& member);
  void JudgeName(const Member& member);
  void JudgeLink(const Member& member);
  void ScanData(const std::string& name, std::uint64_t offset,
                std::uint64_t size);
  bool ScanSparse(Member& member, std::span<const std::byte> block);
  bool ReadPaxExtents(const Member& member, std::vector<TarExtent>& extents,
                      std::uint64_t& map_bytes);
  void TakeMember(Member& member, std::span<const std::byte> block,
                  ByteStream& stream);
  void Report(const Rule& rule, const Sighting& sighting) {
    Report(rule, rule.severity, sighting);
  }
  void Report(const Rule& rule, Severity severity, const Sighting& sighting) {
    reporters_.try_emplace(rule.id, context_, rule)
        .first->second.Report(severity, sighting);
  }

  ScanContext& context_;
  ByteSource& source_;
  const TarMemberScan& scan_;
  std::map<std::string_view, DefectReporter> reporters_;  // By rule id.
  TarSummary summary_;
  std::uint64_t headers_ = 0;
  std::unordered_set<std::uint64_t> names_;  // Hashes.

  // Of the reading that is being followed.
  PaxRecords global_;
  PaxRecords next_;
  std::optional<std::string> long_name_;
  std::optional<std::string> long_link_;
  bool ended_ = false;  // A block of zeros was seen.
  std::optional<std::uint64_t> damage_;
  std::vector<std::uint64_t> readings_;  // Offsets where others begin.
  std::uint32_t readings_done_ = 0;
};

TarSummary TarWalker::Run() {
  Walk(0);
  while (!readings_.empty()) {
    const std::uint64_t start = readings_.back();
    readings_.pop_back();
    if (++readings_done_ > kMostReadings) {
      context_.MarkIncomplete(OutcomeStatus::kLimit,
                              "the tar archive can be read in too many ways");
      break;
    }
    Walk(start);
  }
  for (auto& [id, reporter] : reporters_) reporter.Finish();
  return summary_;
}

void TarWalker::Walk(std::uint64_t start) {
  global_.clear();
  next_.clear();
  long_name_.reset();
  long_link_.reset();
  ended_ = false;
  damage_.reset();
  names_.clear();
  ByteStream stream(source_, start, kStreamWindow);
  while (context_.Checkpoint(stream.offset())) {
    if (!Step(stream)) break;
  }
  EndDamage(stream.offset());
  if (start == 0 && !ended_ && !context_.stopped()) {
    Report(kTarMalformed, Severity::kLow,
           {"the archive has no mark of its end", stream.offset()});
  }
}

bool TarWalker::Step(ByteStream& stream) {
  const auto window = stream.Peek(kTarBlock);
  if (window.empty()) return false;
  const std::vector<std::byte> block(window.begin(), window.end());
  const auto header = ParseTarHeader(block);
  if (!header) {
    Damage(stream, block);
    stream.Consume(block.size());
    return true;
  }
  const std::uint64_t at = stream.offset();
  EndDamage(at);
  stream.Consume(kTarBlock);
  if (++headers_ > context_.limits().max_members * 2) {
    context_.MarkIncomplete(OutcomeStatus::kLimit, "too many tar headers");
    return false;
  }
  if (header->IsExtension()) {
    if (!ReadExtension(*header, at + kTarBlock)) return false;
    return stream.Skip(TarBlocks(header->size)) != 0 || header->size == 0;
  }
  if (ended_) {
    ++summary_.hidden;
    Report(kTarHiddenMember, {"member " + QuoteZipName(header->name) +
                                  " stands behind the mark of the end",
                              at});
  }
  Member member = Describe(*header, at);
  TakeMember(member, block, stream);
  return !context_.stopped();
}

// Notes a block that is no header.
void TarWalker::Damage(ByteStream& stream, std::span<const std::byte> block) {
  if (!damage_ && IsTarEnd(block)) {
    ended_ = true;
    return;
  }
  if (damage_) return;
  damage_ = stream.offset();
  if (!ended_) {
    Report(kTarMalformed,
           {"there is no tar header where one should be", stream.offset()});
  }
}

void TarWalker::EndDamage(std::uint64_t end) {
  if (!damage_) return;
  Report(kTarTrailingData,
         {std::to_string(end - *damage_) + " bytes belong to no member",
          *damage_});
  SearchForPickles(context_, source_, *damage_, end);
  damage_.reset();
}

// Long names and pax records, for what follows.
bool TarWalker::ReadExtension(const TarHeader& header, std::uint64_t data) {
  if (header.size > kMostExtension) {
    Report(kTarMalformed, {"a header of type " + std::string(1, header.type) +
                               " has " + std::to_string(header.size) + " bytes",
                           data});
    context_.MarkIncomplete(OutcomeStatus::kLimit,
                            "a tar extension header is too large");
    return true;
  }
  const auto bytes =
      ReadExactly(source_, data, static_cast<std::size_t>(header.size));
  if (!bytes.ok()) {
    Report(kTarMalformed, {"an extension header is cut short", data});
    return false;
  }
  const std::string_view text = TextOf(bytes.value());
  if (header.type == 'L' || header.type == 'K') {
    auto& name = header.type == 'L' ? long_name_ : long_link_;
    name = std::string(text.substr(0, text.find('\0')));
    return true;
  }
  bool broken = false;
  PaxRecords records = ParsePax(text, &broken);
  if (broken) Report(kTarMalformed, {"a pax header is broken", data});
  PaxRecords& target = header.type == 'g' ? global_ : next_;
  for (auto& [key, value] : records) target[key] = std::move(value);
  return true;
}

TarWalker::Member TarWalker::Describe(const TarHeader& header,
                                      std::uint64_t at) {
  Member member{header, at, at + kTarBlock, global_, std::nullopt};
  for (auto& [key, value] : next_) member.pax[key] = std::move(value);
  next_.clear();
  if (long_name_) member.header.name = *std::exchange(long_name_, {});
  if (long_link_) member.header.link = *std::exchange(long_link_, {});
  if (auto name = Find(member.pax, "path")) member.header.name = *name;
  if (auto name = Find(member.pax, "GNU.sparse.name")) {
    member.header.name = *name;
  }
  if (auto link = Find(member.pax, "linkpath")) member.header.link = *link;
  return member;
}

void TarWalker::JudgeSize(Member& member) {
  TarHeader& header = member.header;
  const std::string quoted = "member " + QuoteZipName(header.name);
  if (header.WithoutData() && header.size != 0) {
    Report(kTarAmbiguous, Severity::kMedium,
           {quoted + " can have no data, but a size of " +
                std::to_string(header.size),
            member.at});
  }
  const auto text = Find(member.pax, "size");
  if (!text) return;
  const auto size = TarDecimal(*text);
  if (!size) {
    Report(kTarMalformed,
           {quoted + " has a pax size that is no number", member.at, *text});
    return;
  }
  if (*size == header.size) return;
  if (*size < kLargeSize) {
    Report(kTarAmbiguous, {quoted + " has " + std::to_string(*size) +
                               " bytes by its pax header, " +
                               std::to_string(header.size) + " by its own",
                           member.at});
    member.other_size = header.size;
    if (!header.WithoutData()) {
      readings_.push_back(member.data + TarBlocks(header.size));
    }
  }
  header.size = *size;
}

void TarWalker::JudgeName(const Member& member) {
  const std::string& name = member.header.name;
  const std::string quoted = "member " + QuoteZipName(name);
  const std::string_view out = ZipPathLeadsOut(name);
  if (!out.empty()) {
    Report(kTarPathTraversal,
           {quoted + ": " + std::string(out), member.at, name});
  } else if (name.empty()) {
    Report(kTarOddName, {"a member has an empty name", member.at});
  } else if (IsHostileName(name)) {
    Report(kTarOddName, {quoted + " has control characters", member.at});
  }
  if (!member.header.IsFile()) return;
  if (!names_.insert(std::hash<std::string>()(name)).second) {
    Report(kTarDuplicateName, {quoted + " is there more than once", member.at});
  }
}

void TarWalker::JudgeLink(const Member& member) {
  ++summary_.links;
  const bool out = LinkLeadsOut(member.header);
  Report(kTarLink, out ? Severity::kHigh : kTarLink.severity,
         {"member " + QuoteZipName(member.header.name) + " is a " +
              (member.header.type == '1' ? "hard" : "symbolic") + " link to " +
              QuoteZipName(member.header.link) +
              (out ? ", out of its folder" : ""),
          member.at, member.header.link});
}

void TarWalker::ScanData(const std::string& name, std::uint64_t offset,
                         std::uint64_t size) {
  if (size <= kUnknownSize - 1 - offset) {
    SubSource whole(source_, 0, offset + size);
    if (scan_ && scan_(name, whole, offset)) return;
  }
  SubSource data(source_, offset, size);
  context_.ScanMember(name, data);
}

// Extents of pax formats 0.x, in the records, or 1.0, before the data.
bool TarWalker::ReadPaxExtents(const Member& member,
                               std::vector<TarExtent>& extents,
                               std::uint64_t& map_bytes) {
  if (const auto map = Find(member.pax, "GNU.sparse.map")) {
    auto parsed = ParseSparseMap(*map);
    if (!parsed) return false;
    extents = std::move(*parsed);
    return true;
  }
  const std::uint64_t most = std::min(member.header.size, kMostExtension);
  const auto bytes =
      ReadExactly(source_, member.data, static_cast<std::size_t>(most));
  if (!bytes.ok()) return false;
  std::string_view text = TextOf(bytes.value());
  std::uint64_t taken = 0;
  const auto line = [&text, &taken]() -> std::optional<std::uint64_t> {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const auto number = TarDecimal(text.substr(0, end));
    text.remove_prefix(end + 1);
    taken += end + 1;
    return number;
  };
  const auto count = line();
  if (!count || *count > most) return false;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto offset = line();
    const auto size = line();
    if (!offset || !size) return false;
    if (*size != 0) extents.push_back({*offset, *size});
  }
  map_bytes = TarBlocks(taken);
  return map_bytes <= member.header.size;
}

// Scans a sparse member expanded, too. False if its map is broken.
bool TarWalker::ScanSparse(Member& member, std::span<const std::byte> block) {
  std::vector<TarExtent> extents;
  std::optional<std::uint64_t> size;
  std::uint64_t map_bytes = 0;
  if (member.header.type == 'S') {
    size = SparseRealSize(block);
    bool more = false;
    auto some = ParseSparseBlock(block, true, &more);
    std::size_t blocks = 0;
    while (some) {
      extents.insert(extents.end(), some->begin(), some->end());
      if (!more) break;
      const auto next = ReadExactly(source_, member.data, kTarBlock);
      if (!next.ok() || ++blocks > kMostSparseBlocks) return false;
      member.data += kTarBlock;
      some = ParseSparseBlock(next.value(), false, &more);
    }
    if (!some) return false;
  } else {
    auto text = Find(member.pax, "GNU.sparse.realsize");
    if (!text) text = Find(member.pax, "GNU.sparse.size");
    if (text) size = TarDecimal(*text);
    if (!ReadPaxExtents(member, extents, map_bytes)) return false;
  }
  if (!size || !SparseSource::AreInOrder(extents, *size)) return false;
  SubSource packed(source_, member.data + map_bytes,
                   member.header.size - map_bytes);
  SparseSource expanded(packed, extents, *size,
                        [this](std::uint64_t out, std::uint64_t in) {
                          return context_.ChargeUnpacked(out, in);
                        });
  context_.ScanMember(member.header.name, expanded);
  return true;
}

void TarWalker::TakeMember(Member& member, std::span<const std::byte> block,
                           ByteStream& stream) {
  const TarHeader& header = member.header;
  JudgeSize(member);
  JudgeName(member);
  if (header.IsLink()) JudgeLink(member);
  if (header.IsFolder()) ++summary_.folders;
  if (header.IsDevice()) {
    Report(kTarSpecialFile,
           {"member " + QuoteZipName(header.name) + " is a device or a pipe",
            member.at});
  }
  if (header.WithoutData()) return;
  ++summary_.members;
  std::string name = header.name;
  const bool sparse =
      header.type == 'S' || member.pax.lower_bound("GNU.sparse.") !=
                                member.pax.lower_bound("GNU.sparse/");
  if (sparse) {
    Report(kTarSparse, {"member " + QuoteZipName(name), member.at});
    if (!ScanSparse(member, block)) {
      Report(kTarMalformed, {"member " + QuoteZipName(name) +
                                 " has a broken map of its extents",
                             member.at});
      context_.MarkIncomplete(OutcomeStatus::kUnsupported,
                              "a sparse file cannot be put together");
    }
    name += " (packed)";
  }
  ScanData(name, member.data, header.size);
  if (member.other_size) {
    ScanData(name + " (by its own header)", member.data, *member.other_size);
  }
  const std::uint64_t wanted =
      std::max(header.size, header.size + (member.data - stream.offset()));
  const std::uint64_t there = stream.Skip(TarBlocks(wanted));
  if (there < wanted && !context_.stopped()) {
    Report(kTarMalformed,
           {"member " + QuoteZipName(name) + " claims " +
                std::to_string(header.size) + " bytes, more than there are",
            member.at});
  }
}

}  // namespace

TarSummary WalkTar(ScanContext& context, const TarMemberScan& scan) {
  return TarWalker(context, scan).Run();
}

bool StartsAsTar(std::span<const std::byte> head) {
  return head.size() >= kTarBlock &&
         ParseTarHeader(head.first(kTarBlock)).has_value();
}

}  // namespace scanengine
