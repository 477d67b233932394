#ifndef SCANENGINE_ENGINE_RUN_JOURNAL_H_
#define SCANENGINE_ENGINE_RUN_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/journal_index.h"
#include "engine/journal_settings.h"
#include "engine/journal_writer.h"
#include "engine/scan_engine.h"
#include "engine/task_journal.h"

namespace scanengine {

/// The journal of one run of the engine, new or gone on with.
///
/// Outcomes are never taken over for a file that the walk does not find as it
/// was when it was scanned. A file that the walk does not find at all keeps the
/// outcome that it had; one that had none is handed out all the same, so that
/// it ends as a file does that vanishes during a scan.
class RunJournal final : public TaskJournal, public OutcomeRecorder {
 public:
  struct Events {
    std::function<void()> on_failure;  ///< Stop the run.
    std::function<void(Notice)> tell;
  };

  /// Null if |options| want none. Fails with kInvalidArgument if what they want
  /// makes no sense, else with kJournal.
  static Result<std::unique_ptr<RunJournal>> Start(
      const ScanOptions& options, std::span<const std::byte> import_policy,
      const std::vector<FormatInfo>& formats, Events events);

  // TaskJournal, on the walking thread.
  void OnFound(Task& task) override;
  void OnHandOn() override;
  std::optional<Missing> NextMissing() override;

  // On the delivering thread.
  void Record(std::span<FileOutcome* const> outcomes) override {
    writer_->Record(outcomes);
  }
  /// On the thread that scans in-process; only one file at a time.
  void BeginInProcess(std::string_view path) { writer_->BeginInProcess(path); }

  /// The run has ended with |summary|, whose fields on the journal are set.
  void End(RunSummary& summary);
  /// The run has ended before it came to anything. No event follows.
  void Abandon() { writer_->Close(); }

  Result<FileOutcome> ReadBack(std::uint64_t place) {
    return writer_->ReadBack(place);
  }
  void Forget();

 private:
  struct Place {
    std::string path;
    bool automatic = false;
  };

  RunJournal(const ScanOptions& options, Place place, Events events);

  static Result<std::unique_ptr<JournalFile>> MakeAutomaticFile(
      const std::string& path);
  static std::string NewestFor(const std::string& roots_digest);
  Status StartNew(const JournalSession& session);
  Status Resume(JournalSession session, bool force);
  void TellResumed(const JournalTail& tail, const SettingsChange& change);
  JournalWriter::Events WriterEvents();

  bool TakeOver(Task& task, std::uint64_t place);
  bool StillHolds(const FileOutcome& outcome) const;
  std::optional<Missing> MissingOutcome(const JournalRecord& record);
  bool ListMissing(const JournalRecord& record);

  const bool require_isolation_;
  Place place_;
  const Events events_;
  std::unique_ptr<JournalWriter> writer_;
  bool complete_ = false;
  std::vector<std::string> found_;  ///< Not yet listed.

  // Of earlier sessions; only if the run goes on.
  std::optional<JournalIndex> index_;
  SettingsChange change_;
  std::uint64_t old_end_ = 0;  ///< Where this session begins.
  std::optional<JournalReader> missing_reader_;
  std::vector<std::string> missing_;  ///< Listed and not found, last first.
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_RUN_JOURNAL_H_
