#include "engine/run_journal.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>

#include "engine/journal_file.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kAutomaticAfter = 1'000;  // Files.
constexpr std::size_t kMostAutomatic = 20;        // Journals.
constexpr std::size_t kShownPathBytes = 300;

Error Invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, std::move(detail)};
}

Error Broken(const std::string& path, const Error& error) {
  return Error{ErrorCode::kJournal,
               fmt::format("the journal {}: {}",
                           Printable(path, kShownPathBytes), error.detail)};
}

RunId NewRunId() {
  std::random_device device;
  RunId id{};
  for (std::uint8_t& byte : id) byte = static_cast<std::uint8_t>(device());
  return id;
}

std::string TimeText(const char* format) {
  return fmt::format(fmt::runtime(format), fmt::gmtime(std::time(nullptr)));
}

// Discovery gave the outcome; no worker was asked.
bool IsByWalk(const FileOutcome& outcome) {
  return outcome.attempts == 0 && !outcome.cached;
}

// Makes room for one more. Those in use stay, and so does what goes with them.
void RemoveOldest(const std::string& folder) {
  const std::vector<std::string> names = JournalNames(folder);
  if (names.size() < kMostAutomatic) return;
  const std::size_t surplus = names.size() - kMostAutomatic + 1;
  for (std::size_t i = 0; i < surplus; ++i) {
    const std::string path = folder + '/' + names[i];
    const auto unused = OpenJournalFile(path, JournalAccess::kContinue);
    if (unused.ok()) RemoveJournal(path);
  }
}

}  // namespace

bool IsDecidedByBytes(OutcomeStatus status) {
  switch (status) {
    case OutcomeStatus::kScanned:
    case OutcomeStatus::kUnsupported:
    case OutcomeStatus::kNotAModel:
    case OutcomeStatus::kEncrypted:
    case OutcomeStatus::kLimit:
      return true;
    default:
      return false;
  }
}

void SettleFromJournal(Task& task, FileOutcome outcome) {
  task.earlier =
      EarlierRun{outcome.attempts, outcome.worker, outcome.in_process,
                 std::move(outcome.ended), outcome.place};
  task.stamp = outcome.stamp;
  task.settled = std::move(outcome.result);
}

RunJournal::RunJournal(const ScanOptions& options, Place place, Events events)
    : require_isolation_(options.require_isolation),
      place_(std::move(place)),
      events_(std::move(events)) {}

Result<std::unique_ptr<RunJournal>> RunJournal::Start(
    const ScanOptions& options, std::span<const std::byte> import_policy,
    const std::vector<FormatInfo>& formats, Events events) {
  const JournalOptions& wanted = options.journal;
  const bool resume = wanted.resume || wanted.resume_force;
  if (wanted.mode == JournalOptions::Mode::kNone) {
    if (resume) return Invalid("there is no journal to resume from");
    return std::unique_ptr<RunJournal>();
  }
  if (resume && options.scan_stdin) {
    return Invalid("standard input cannot be resumed: it is not there again");
  }
  JournalSession session = DescribeRun(options, import_policy, formats);
  session.run = NewRunId();
  session.started = TimeText("{:%Y-%m-%dT%H:%M:%SZ}");
  Place place{wanted.path, wanted.mode == JournalOptions::Mode::kAutomatic};
  if (place.automatic && resume) {
    place.path = NewestFor(session.roots_digest);
    if (place.path.empty()) {
      return Invalid("there is no journal of an earlier run over these paths" +
                     (JournalFolder().empty() ? "" : " in " + JournalFolder()));
    }
  } else if (place.automatic) {
    place.path = fmt::format("{}/{}-{}.journal", JournalFolder(),
                             TimeText("{:%Y%m%dT%H%M%SZ}"),
                             RunIdText(session.run).substr(0, 16));
  }
  std::unique_ptr<RunJournal> journal(
      new RunJournal(options, std::move(place), std::move(events)));
  const Status started =
      resume ? journal->Resume(std::move(session), wanted.resume_force)
             : journal->StartNew(session);
  if (!started.ok()) return started.error();
  return journal;
}

JournalWriter::Events RunJournal::WriterEvents() {
  JournalWriter::Events events;
  events.on_failure = [this] {
    events_.tell(
        {Notice::Kind::kJournal,
         fmt::format("the journal {} cannot be written: {}; the run stops. "
                     "What is in it is safe: once this is mended (is the disk "
                     "full?) --resume goes on from there",
                     Printable(place_.path, kShownPathBytes),
                     writer_->error()->detail)});
    events_.on_failure();
  };
  events.on_no_journal = [this](const Error& error) {
    events_.tell(
        {Notice::Kind::kJournal,
         fmt::format(
             "going on without a journal: cannot create {}: {}; "
             "--journal FILE puts it elsewhere, --no-journal needs none",
             Printable(place_.path, kShownPathBytes), error.detail)});
  };
  return events;
}

Result<std::unique_ptr<JournalFile>> RunJournal::MakeAutomaticFile(
    const std::string& path) {
  const std::string folder = JournalFolder();
  if (folder.empty()) {
    return Error{ErrorCode::kNotFound, "there is no home folder"};
  }
  if (Status made = CreateFolders(folder); !made.ok()) return made.error();
  RemoveOldest(folder);
  return CreateJournalFile(path);
}

Status RunJournal::StartNew(const JournalSession& session) {
  const bool automatic = place_.automatic;
  JournalWriterOptions options;
  if (automatic) options.begin_after = kAutomaticAfter;
  writer_ = std::make_unique<JournalWriter>(
      session,
      [path = place_.path, automatic] {
        return automatic ? MakeAutomaticFile(path) : CreateJournalFile(path);
      },
      options, WriterEvents());
  if (automatic) return OkStatus();
  const Status begun = writer_->Begin();
  if (begun.ok()) return OkStatus();
  if (begun.error().code == ErrorCode::kInvalidArgument) {
    return Invalid(
        fmt::format("--journal: {} exists and is not empty; "
                    "--resume goes on with it",
                    Printable(place_.path, kShownPathBytes)));
  }
  return Broken(place_.path, begun.error());
}

std::string RunJournal::NewestFor(const std::string& roots_digest) {
  const std::string folder = JournalFolder();
  std::vector<std::string> names = JournalNames(folder);
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    std::string path = folder + '/' + *name;
    Result<std::unique_ptr<JournalFile>> file =
        OpenJournalFile(path, JournalAccess::kRead);
    if (!file.ok()) continue;
    const Result<JournalReader> reader = JournalReader::Open(*file.value());
    if (reader.ok() && reader.value().header().roots_digest == roots_digest) {
      return path;
    }
  }
  return {};
}

Status RunJournal::Resume(JournalSession session, bool force) {
  Result<std::unique_ptr<JournalFile>> opened =
      OpenJournalFile(place_.path, JournalAccess::kContinue);
  if (!opened.ok() && opened.error().code == ErrorCode::kNotFound) {
    return Invalid(fmt::format("--resume: there is no journal {}",
                               Printable(place_.path, kShownPathBytes)));
  }
  if (!opened.ok()) return Broken(place_.path, opened.error());
  std::unique_ptr<JournalFile> file = std::move(opened).value();
  if (file->size() == 0) {
    // The run ended before it had begun.
    file.reset();
    place_.automatic = false;
    return StartNew(session);
  }
  Result<JournalReader> reader = JournalReader::Open(*file);
  if (!reader.ok()) return Broken(place_.path, reader.error());
  index_.emplace(reader.value());
  const JournalTail tail = reader.value().tail();
  change_ = CompareSettings(index_->session(), session);
  if (change_.any() && !force) {
    return Invalid(fmt::format(
        "cannot resume from {}: {}; --resume-force keeps what still holds",
        Printable(place_.path, kShownPathBytes), change_.text));
  }
  if (tail.kind != JournalTail::Kind::kWhole) {
    const Status cut = file->Truncate(tail.place);
    if (!cut.ok()) return Broken(place_.path, cut.error());
  }
  session.run = index_->session().run;
  old_end_ = file->size();
  writer_ = std::make_unique<JournalWriter>(
      session, std::move(file), JournalWriterOptions{}, WriterEvents());
  const Status begun = writer_->Begin();
  if (!begun.ok()) return Broken(place_.path, begun.error());
  TellResumed(tail, change_);
  return OkStatus();
}

void RunJournal::TellResumed(const JournalTail& tail,
                             const SettingsChange& change) {
  const std::string path = Printable(place_.path, kShownPathBytes);
  events_.tell({Notice::Kind::kResumed,
                fmt::format("resuming from {}, which has {} outcomes", path,
                            index_->with_outcome())});
  if (change.any()) {
    events_.tell({Notice::Kind::kJournal,
                  fmt::format("{}: keeping only outcomes that still hold",
                              change.text)});
  }
  if (tail.kind == JournalTail::Kind::kTorn) {
    events_.tell({Notice::Kind::kResumed,
                  fmt::format("the journal {}; its last {} bytes are dropped",
                              tail.why, tail.dropped)});
  } else if (tail.kind == JournalTail::Kind::kDamaged) {
    events_.tell(
        {Notice::Kind::kJournal,
         fmt::format("the journal is damaged at byte {} ({}): what was behind "
                     "that, {} bytes, is lost and scanned again",
                     tail.place, tail.why, tail.dropped)});
  }
}

void RunJournal::OnFound(Task& task) {
  JournalIndex::Entry* const entry =
      index_ ? index_->Find(task.target) : nullptr;
  if (entry != nullptr && entry->seen == 0) {
    entry->seen = 1;
    if (entry->ended_program != 0) {
      task.ended_worker =
          ExitVerdict{OutcomeStatus::kCrashed, false, "the program ended",
                      "the program ended while it scanned this file without "
                      "isolation"};
    }
    const bool listed_once = entry->listed == 1;
    if (listed_once && entry->outcomes == 0) return;
    if (listed_once && entry->outcomes == 1 && TakeOver(task, entry->place)) {
      return;
    }
    writer_->Drop(task.target);
  }
  found_.push_back(task.target);
}

bool RunJournal::StillHolds(const FileOutcome& outcome) const {
  if (change_.rules) return false;
  if (change_.effort && !IsDecidedByBytes(outcome.result.status)) return false;
  return !(require_isolation_ && outcome.in_process);
}

bool RunJournal::TakeOver(Task& task, std::uint64_t place) {
  Result<FileOutcome> read = writer_->ReadBack(place);
  if (!read.ok() || read.value().path != task.target) return false;
  FileOutcome& outcome = read.value();
  if (task.settled) {
    // The walk knows best; if it says the same there is nothing to record.
    const bool same = IsByWalk(outcome) &&
                      outcome.result.status == task.settled->status &&
                      outcome.result.detail == task.settled->detail &&
                      outcome.result.bytes == task.settled->bytes;
    if (!same) return false;
  } else if (IsByWalk(outcome) || !StillHolds(outcome) || !task.stamp ||
             outcome.stamp != task.stamp) {
    return false;
  }
  SettleFromJournal(task, std::move(outcome));
  return true;
}

void RunJournal::OnHandOn() {
  if (found_.empty()) return;
  writer_->List(found_);
  found_.clear();
}

std::optional<TaskJournal::Missing> RunJournal::NextMissing() {
  if (!index_) return std::nullopt;
  if (!missing_reader_) {
    bool any = false;
    index_->ForEach([&](const JournalIndex::Entry& entry) {
      any = any || (entry.seen == 0 && entry.listed + entry.outcomes > 0);
    });
    if (!any) return std::nullopt;
    Result<JournalReader> reader = JournalReader::Open(writer_->file());
    if (!reader.ok()) return std::nullopt;
    missing_reader_ = std::move(reader).value();
  }
  while (true) {
    if (!missing_.empty()) {
      Missing missing;
      missing.file.path = std::move(missing_.back());
      missing_.pop_back();
      return missing;
    }
    const auto record = missing_reader_->Next();
    if (!record || record->place >= old_end_) return std::nullopt;
    if (record->type == JournalRecordType::kListed) {
      if (!ListMissing(*record)) return std::nullopt;
    } else if (record->type == JournalRecordType::kOutcome) {
      if (auto missing = MissingOutcome(*record)) return missing;
    }
  }
}

bool RunJournal::ListMissing(const JournalRecord& record) {
  return DecodeListed(record.payload,
                      [this](std::string_view path) {
                        JournalIndex::Entry* const entry = index_->Find(path);
                        if (entry == nullptr || entry->seen != 0 ||
                            entry->listed == 0 || entry->outcomes != 0) {
                          return;
                        }
                        entry->seen = 1;
                        if (change_.selection) {
                          writer_->Drop(path);
                        } else {
                          missing_.emplace_back(path);
                        }
                      })
      .ok();
}

std::optional<TaskJournal::Missing> RunJournal::MissingOutcome(
    const JournalRecord& record) {
  const Result<OutcomeHead> head = DecodeOutcomeHead(record.payload);
  if (!head.ok()) return std::nullopt;
  const std::string path(head.value().path);
  JournalIndex::Entry* const entry = index_->Find(path);
  if (entry == nullptr || entry->seen != 0 || entry->place != record.place) {
    return std::nullopt;
  }
  entry->seen = 1;
  Result<FileOutcome> outcome = DecodeOutcome(record.payload);
  if (!outcome.ok()) {
    // As if it had never been there: the file is dealt with anew.
    writer_->Drop(path);
    missing_.push_back(path);
    found_.push_back(path);
    return std::nullopt;
  }
  if (change_.selection || IsByWalk(outcome.value()) ||
      !StillHolds(outcome.value()) || entry->listed != 1 ||
      entry->outcomes != 1) {
    writer_->Drop(path);
    return std::nullopt;
  }
  outcome.value().place = record.place;
  Missing missing;
  missing.file.path = path;
  missing.file.size = outcome.value().result.bytes;
  missing.outcome = std::move(outcome).value();
  return missing;
}

void RunJournal::End(RunSummary& summary) {
  const auto count = [&](OutcomeStatus status) {
    return summary.by_status[static_cast<std::size_t>(status)];
  };
  JournalEnd end;
  complete_ = !summary.stopped && count(OutcomeStatus::kCancelled) == 0 &&
              count(OutcomeStatus::kNotRun) == 0;
  end.complete = complete_;
  end.files = summary.files;
  end.by_status = summary.by_status;
  end.findings_by_severity = summary.findings_by_severity;
  end.bytes = summary.bytes;
  writer_->End(end);
  if (!writer_->begun()) return;
  summary.journal = place_.path;
  summary.journal_error = writer_->error();
}

void RunJournal::Forget() {
  if (place_.automatic && complete_ && writer_->begun() && !writer_->error()) {
    RemoveJournal(place_.path);
  }
}

}  // namespace scanengine
