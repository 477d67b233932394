#include "engine/journal_verify.h"

#include <fmt/format.h>

#include <utility>

#include "engine/journal_index.h"

namespace scanengine {
namespace {

void Note(JournalPaths& paths, std::string_view path) {
  ++paths.count;
  if (paths.shown.size() < JournalPaths::kMostShown) {
    paths.shown.emplace_back(path);
  }
}

// Second reading: the index knows by now what is to be said of each path.
class Tally {
 public:
  Tally(JournalIndex& index, JournalCheck& check)
      : index_(index), check_(check) {}

  void OnListed(const JournalRecord& record) {
    // It could be read when the index was made.
    static_cast<void>(DecodeListed(record.payload, [&](std::string_view path) {
      if (!index_.Counts(path, record.place)) return;
      ++check_.listed;
      JournalIndex::Entry* const entry = index_.Find(path);
      if (entry == nullptr || entry->seen != 0) return;
      entry->seen = 1;
      if (entry->outcomes < entry->listed) {
        Note(check_.without_outcome, path);
      } else if (entry->outcomes > entry->listed) {
        Note(check_.with_several, path);
      }
    }));
  }

  bool OnOutcome(const JournalRecord& record) {
    const Result<FileOutcome> decoded = DecodeOutcome(record.payload);
    if (!decoded.ok()) return false;
    const FileOutcome& outcome = decoded.value();
    if (!index_.Counts(outcome.path, record.place)) return true;
    const JournalIndex::Entry* const entry = index_.Find(outcome.path);
    if (entry != nullptr && entry->listed == 0) {
      Note(check_.not_listed, outcome.path);
    }
    JournalEnd& found = check_.found;
    ++found.files;
    ++found.by_status[static_cast<std::size_t>(outcome.result.status)];
    for (const Finding& finding : outcome.result.findings) {
      ++found.findings_by_severity[static_cast<std::size_t>(finding.severity)];
    }
    found.bytes += outcome.result.bytes;
    return true;
  }

 private:
  JournalIndex& index_;
  JournalCheck& check_;
};

void Compare(JournalCheck& check) {
  if (!check.end) return;
  const auto same = [&](std::string_view what, std::uint64_t written,
                        std::uint64_t found) {
    if (written == found) return;
    check.differences.push_back(
        fmt::format("{}: {} written, {} found", what, written, found));
  };
  const JournalEnd& end = *check.end;
  for (std::size_t i = 0; i < end.by_status.size(); ++i) {
    const auto status = static_cast<OutcomeStatus>(i);
    if (!IsFinal(status)) continue;
    same(OutcomeStatusName(status), end.by_status[i], check.found.by_status[i]);
  }
  for (std::size_t i = 0; i < end.findings_by_severity.size(); ++i) {
    same(fmt::format("findings, {}", SeverityName(static_cast<Severity>(i))),
         end.findings_by_severity[i], check.found.findings_by_severity[i]);
  }
  if (!end.complete) return;  // Files that have no outcome yet count there.
  same("files", end.files, check.found.files);
  same("bytes", end.bytes, check.found.bytes);
}

}  // namespace

JournalCheck::Verdict JournalCheck::verdict() const {
  if (tail.kind == JournalTail::Kind::kDamaged || with_several.count > 0 ||
      not_listed.count > 0) {
    return Verdict::kWrong;
  }
  // A session that was stopped does not come by all that earlier ones found.
  if (end && end->complete && !differences.empty()) return Verdict::kWrong;
  const bool whole = tail.kind == JournalTail::Kind::kWhole && end &&
                     end->complete && without_outcome.count == 0;
  return whole ? Verdict::kFine : Verdict::kIncomplete;
}

Result<JournalCheck> CheckJournal(JournalFile& file) {
  JournalCheck check;
  Result<JournalReader> first = JournalReader::Open(file);
  if (!first.ok()) return first.error();
  JournalIndex index(first.value());
  check.session = index.session();
  check.sessions = index.sessions();
  check.end = index.end();
  check.tail = first.value().tail();

  Result<JournalReader> second = JournalReader::Open(file);
  if (!second.ok()) return second.error();
  Tally tally(index, check);
  while (const auto record = second.value().Next()) {
    // A run may be writing to it: what was not there is left for later.
    if (record->place >= check.tail.place) break;
    if (record->type == JournalRecordType::kListed) {
      tally.OnListed(*record);
    } else if (record->type == JournalRecordType::kOutcome &&
               !tally.OnOutcome(*record)) {
      second.value().Reject(*record, "an outcome makes no sense");
      check.tail = second.value().tail();
      check.end.reset();
    }
  }
  Compare(check);
  return check;
}

}  // namespace scanengine
