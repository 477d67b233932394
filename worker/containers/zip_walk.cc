#include "worker/containers/zip_walk.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "worker/containers/zip_checks.h"
#include "worker/containers/zip_gaps.h"
#include "worker/containers/zip_member.h"
#include "worker/containers/zip_reader.h"
#include "worker/containers/zip_rules.h"

namespace scanengine {
namespace {

// Longest target of a symbolic link that is looked at.
constexpr std::size_t kLinkTargetBytes = 4096;

class ZipWalker {
 public:
  ZipWalker(ByteSource& archive, ZipSink& sink)
      : archive_(archive),
        sink_(sink),
        reporter_(sink),
        members_(archive, sink, reporter_) {}

  ZipSummary Run();

 private:
  void JudgeLayout(const ZipLayout& layout);
  void WalkDirectory(const ZipDirectory& directory);
  void JudgeDirectory(const ZipDirectory& directory,
                      const ZipDirectoryReader& reader);
  bool Visit(const ZipEntry& entry, std::uint64_t shift);
  void ScanEntry(const ZipEntry& entry, const ZipLocal& local);
  void CheckLink(const ZipEntry& entry, const ZipData& data);
  void CheckOverlap(std::size_t first, const ZipRange& directory);
  void ScanGaps(const ZipLayout& layout);
  void Malformed(std::string message, std::uint64_t offset = kNoOffset) {
    reporter_.Report(kZipMalformed, {std::move(message), offset});
  }

  ByteSource& archive_;
  ZipSink& sink_;
  ZipReporter reporter_;
  ZipMemberScanner members_;
  ZipSummary summary_;
  std::uint64_t records_ = 0;
  bool recovering_ = false;  // The directory does not tell the whole.
  std::vector<ZipSpan> spans_;
  std::unordered_set<std::uint64_t> names_;  // Hashes, of one directory.
  // Offset, packed size, method and hash of the name of what was scanned. The
  // first three are exact: no crafted collision keeps bytes from being scanned.
  std::set<std::array<std::uint64_t, 4>> done_;
};

ZipSummary ZipWalker::Run() {
  const auto layout = ReadZipLayout(archive_);
  if (!layout.ok()) return summary_;
  JudgeLayout(layout.value());
  for (const ZipRange& range : layout.value().end_records) {
    spans_.push_back({range});
  }
  for (const ZipDirectory& directory : layout.value().directories) {
    WalkDirectory(directory);
  }
  ScanGaps(layout.value());
  reporter_.Finish();
  return summary_;
}

void ZipWalker::JudgeLayout(const ZipLayout& layout) {
  if (!layout.end_found) {
    recovering_ = true;
    Malformed("the archive has no end record: it was cut short");
  } else if (layout.directories.empty() && layout.claims_entries) {
    recovering_ = true;
    Malformed("the central directory is not where the end record says",
              layout.end_records.front().begin);
  }
  if (layout.directories.size() > 1) {
    reporter_.Report(kZipAmbiguousEnd,
                     {"the archive ends in a way that can mean " +
                          std::to_string(layout.directories.size()) +
                          " different central directories; all were scanned",
                      layout.end_records.front().begin});
  }
  if (layout.more_directories) {
    sink_.MarkIncomplete(OutcomeStatus::kLimit, "too many central directories");
  }
  if (layout.split) Malformed("claims to be one part of a split archive");
}

void ZipWalker::WalkDirectory(const ZipDirectory& directory) {
  names_.clear();
  const std::size_t first = spans_.size();
  ZipDirectoryReader reader(archive_, directory);
  while (const auto entry = reader.Next()) {
    if (++records_ > sink_.limits().max_members) {
      sink_.MarkIncomplete(OutcomeStatus::kLimit,
                           "more than " +
                               std::to_string(sink_.limits().max_members) +
                               " members");
      // What was not walked is no gap.
      spans_.push_back({{0, archive_.size()}});
      return;
    }
    if (!Visit(*entry, directory.shift)) return;
  }
  if (!reader.status().ok()) return;
  JudgeDirectory(directory, reader);
  CheckOverlap(first, {directory.offset, reader.offset()});
  spans_.push_back({{directory.offset, reader.offset()}});
}

void ZipWalker::JudgeDirectory(const ZipDirectory& directory,
                               const ZipDirectoryReader& reader) {
  const std::uint64_t walked = reader.offset() - directory.offset;
  if (reader.broken() || walked < directory.size) {
    recovering_ = true;
    Malformed("the central directory breaks off after " +
                  std::to_string(reader.entries()) + " members",
              reader.offset());
  } else if (walked > directory.size) {
    reporter_.Report(kZipAmbiguousEnd,
                     {"the central directory goes on for " +
                          std::to_string(walked - directory.size) +
                          " bytes more than the end record says",
                      directory.offset + directory.size});
  }
  // Old writers count modulo 65,536.
  if (reader.entries() != directory.entries &&
      (reader.entries() & 0xffff) != directory.entries) {
    reporter_.Report(
        kZipAmbiguousEnd,
        {"the end record counts " + std::to_string(directory.entries) +
             " members, the central directory lists " +
             std::to_string(reader.entries()),
         directory.offset});
  }
}

// False if reading failed.
bool ZipWalker::Visit(const ZipEntry& entry, std::uint64_t shift) {
  if (!sink_.Checkpoint(entry.record_offset)) return false;
  const std::string quoted = "member " + QuoteZipName(entry.name);
  CheckZipName(entry, reporter_);
  if (!names_.insert(std::hash<std::string>()(entry.name)).second) {
    reporter_.Report(kZipDuplicateName, {quoted + " is listed more than once",
                                         entry.record_offset});
  }
  if (entry.bad_extra) {
    Malformed(quoted + " has broken extra fields", entry.record_offset);
  }
  if (entry.second_zip64) {
    reporter_.Report(
        kZipHeaderMismatch,
        {quoted + " gives its zip64 sizes twice", entry.record_offset});
  }
  const std::uint64_t offset = entry.header_offset + shift;
  const auto local = ReadZipLocal(archive_, offset);
  if (!local.ok()) return false;
  if (!local.value()) {
    ++summary_.members;
    recovering_ = true;
    Malformed(quoted + " has no local header where the directory says",
              entry.record_offset);
    sink_.MarkIncomplete(OutcomeStatus::kUnsupported,
                         quoted + " cannot be found in the archive");
    return true;
  }
  ScanEntry(entry, *local.value());
  return true;
}

void ZipWalker::ScanEntry(const ZipEntry& entry, const ZipLocal& local) {
  const ZipDifference difference = CompareZipHeaders(entry, local, reporter_);
  const std::uint64_t rest =
      archive_.size() - std::min(archive_.size(), local.data_offset);
  if (entry.packed_size > rest) {
    Malformed("member " + QuoteZipName(entry.name) +
                  " reaches beyond the end of the file",
              local.offset);
  }
  ZipSpan span;
  span.range = {local.offset,
                local.data_offset + std::min(entry.packed_size, rest)};
  span.descriptor = (local.flags & kZipFlagDescriptor) != 0;
  span.crc = entry.crc;
  span.packed_size = entry.packed_size;
  span.size = entry.size;
  spans_.push_back(span);

  const ZipData central = ZipData::Of(entry, local.data_offset);
  // An empty deflate stream has two bytes.
  if (entry.IsFolder() && entry.size == 0 && entry.packed_size <= 2 &&
      !difference.data) {
    ++summary_.folders;
    return;
  }
  ++summary_.members;
  if (entry.IsSymlink()) CheckLink(entry, central);
  if (!done_
           .insert({local.offset, entry.packed_size, entry.method,
                    std::hash<std::string>()(entry.name)})
           .second) {
    return;
  }
  const ZipDataResult result = members_.Scan(entry.name, central);

  // What a reader gets that goes by the local header.
  ZipData own = ZipData::Of(local, local.data_offset);
  if (span.descriptor && local.packed_size == 0) {
    if (!difference.name && local.method == entry.method && !result.broken) {
      return;
    }
    own.open_ended = true;
    own.size = kUnknownSize;
    own.packed_size = local.method == kZipDeflated ? rest : entry.packed_size;
  } else if (!difference.name && !difference.data) {
    return;
  }
  const std::string note =
      difference.name ? local.name : entry.name + " (by its own header)";
  members_.Scan(note, own);
}

void ZipWalker::CheckLink(const ZipEntry& entry, const ZipData& data) {
  const std::string target = members_.Head(data, kLinkTargetBytes);
  const std::string_view out = ZipPathLeadsOut(target);
  reporter_.Report(kZipSymlink,
                   out.empty() ? kZipSymlink.severity : Severity::kHigh,
                   {"member " + QuoteZipName(entry.name) +
                        " is a symbolic link to " + QuoteZipName(target),
                    entry.record_offset, target});
}

// Members of one directory, from spans_[first] on, must not share bytes with
// each other or with the directory.
void ZipWalker::CheckOverlap(std::size_t first, const ZipRange& directory) {
  std::vector<ZipRange> ranges{directory};
  ranges.reserve(spans_.size() - first);
  for (std::size_t i = first; i < spans_.size(); ++i) {
    ranges.push_back(spans_[i].range);
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const ZipRange& a, const ZipRange& b) {
              return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
            });
  std::uint64_t end = 0;
  for (const ZipRange& range : ranges) {
    if (range.begin < end) {
      reporter_.Report(kZipOverlap,
                       {"what begins at " + std::to_string(range.begin) +
                            " lies in the bytes of another member",
                        range.begin});
    }
    end = std::max(end, range.end);
  }
}

void ZipWalker::ScanGaps(const ZipLayout& layout) {
  std::sort(
      spans_.begin(), spans_.end(), [](const ZipSpan& a, const ZipSpan& b) {
        return a.range.begin != b.range.begin ? a.range.begin < b.range.begin
                                              : a.range.end < b.range.end;
      });
  ZipGapScanner gaps(archive_, sink_, reporter_, members_,
                     {recovering_, layout.comment});
  std::uint64_t at = 0;
  const ZipSpan* before = nullptr;
  for (const ZipSpan& span : spans_) {
    if (span.range.begin > at) {
      if (!sink_.Checkpoint(at)) return;
      gaps.Scan({at, span.range.begin}, before);
    }
    if (span.range.end >= at) {
      at = span.range.end;
      before = &span;
    }
  }
  if (at < archive_.size()) gaps.Scan({at, archive_.size()}, before);
  summary_.hidden = gaps.found();
}

// Size of a source that does not know it, or may lie about it.
Result<std::uint64_t> Measure(ByteSource& source) {
  if (source.random_access() && source.size() != kUnknownSize) {
    return source.size();
  }
  ByteStream stream(source);
  while (true) {
    const auto window = stream.Window();
    if (window.empty()) break;
    stream.Consume(window.size());
  }
  // A stream that breaks off is an archive that was cut short.
  if (!stream.status().ok() &&
      stream.status().error().code != ErrorCode::kMalformed) {
    return stream.status().error();
  }
  return stream.offset();
}

// A window of a source that is as long as it really is.
class MeasuredSource final : public ByteSource {
 public:
  MeasuredSource(ByteSource& base, std::uint64_t size)
      : base_(base), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    if (offset >= size_) return std::size_t{0};
    const std::uint64_t rest = size_ - offset;
    if (out.size() > rest) out = out.first(static_cast<std::size_t>(rest));
    return base_.ReadAt(offset, out);
  }
  std::uint64_t NextData(std::uint64_t offset) override {
    return std::min(size_, base_.NextData(offset));
  }
  bool random_access() const override { return base_.random_access(); }

 private:
  ByteSource& base_;
  std::uint64_t size_;
};

}  // namespace

ZipSummary WalkZip(ByteSource& source, ZipSink& sink) {
  const auto size = Measure(source);
  if (!size.ok()) return {};
  MeasuredSource archive(source, size.value());
  return ZipWalker(archive, sink).Run();
}

}  // namespace scanengine
