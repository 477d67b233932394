#ifndef SCANENGINE_ENGINE_JOURNAL_WRITER_H_
#define SCANENGINE_ENGINE_JOURNAL_WRITER_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/journal_file.h"
#include "engine/journal_format.h"
#include "ipc/result.h"

namespace scanengine {

struct JournalWriterOptions {
  /// A record is on its way to the disk after this time or so many more.
  std::chrono::milliseconds sync_interval{100};
  std::uint64_t sync_records = 1'000;
  /// A new journal's file is created when more files were listed than this.
  /// Until then its records are kept in memory, or until they are too large.
  std::uint64_t begin_after = 0;
  std::size_t begin_after_bytes = 4U << 20;
};

/// Appends to one journal. Thread-safe.
///
/// What Record() and BeginInProcess() return for is in the file: it survives
/// the end of this process, however that comes. A thread makes it survive a
/// power cut a little later. Records stand in the file in the order of the
/// calls.
///
/// The first failure to write or sync ends the writing: the file then holds
/// what was written before, and nothing is added to it.
class JournalWriter {
 public:
  using MakeFile = std::function<Result<std::unique_ptr<JournalFile>>()>;
  struct Events {
    /// The journal cannot be written any more: stop the run. Any thread.
    std::function<void()> on_failure;
    /// A file that was to be created later could not be: the run goes on
    /// without a journal. Any thread.
    std::function<void(const Error&)> on_no_journal;
  };

  /// A new journal, in the file that |make| gives when it begins.
  JournalWriter(const JournalSession& header, MakeFile make,
                JournalWriterOptions options, Events events);
  /// Goes on with the journal of |session.run| in |file|, at its end.
  JournalWriter(const JournalSession& session,
                std::unique_ptr<JournalFile> file, JournalWriterOptions options,
                Events events);
  /// Syncs; writes no end.
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// Creates the file of a new journal now.
  Status Begin();

  /// These become part of the file with the next outcome at the latest.
  void List(std::span<const std::string> paths);
  void Drop(std::string_view path);

  /// Writes those that are final and not yet there, in one go, and sets their
  /// place. Those that could not be written have none.
  void Record(std::span<FileOutcome* const> outcomes);
  void BeginInProcess(std::string_view path);

  /// Writes |end| if there is a file, and syncs. The last call but ReadBack().
  void End(const JournalEnd& end);
  /// Ends the writing without an end. No event follows.
  void Close();

  /// The outcome at a place that Record() gave, or that was there before.
  Result<FileOutcome> ReadBack(std::uint64_t place);

  /// Why writing ended, once it has.
  std::optional<Error> error() const;
  /// True if there is a file.
  bool begun() const;
  /// REQUIRES: begun(). For reading only.
  JournalFile& file() { return *file_; }

 private:
  enum class State {
    kWaiting,  ///< All records are in buffer_.
    kOpen,
    kNone,    ///< There will be no file; buffer_ keeps what was recorded.
    kFailed,  ///< Nothing more is added to the file.
  };

  // All with mutex_ held.
  bool Keeps() const {
    return state_ == State::kWaiting || state_ == State::kOpen;
  }
  void BeginIfDue();
  void Open();
  void Write();
  void WakeIfDue();
  void Fail(const Error& error);

  void Tell();
  void SyncLoop();

  const JournalWriterOptions options_;
  const Events events_;
  const RunId run_;
  MakeFile make_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kWaiting;
  std::unique_ptr<JournalFile> file_;
  JournalBuffer buffer_;
  std::uint64_t listed_ = 0;
  std::uint64_t unsynced_ = 0;  // Records written since the last sync began.
  std::optional<Error> error_;
  bool told_ = false;
  bool idle_ = false;  // The thread waits for something to sync.
  bool ending_ = false;
  std::thread thread_;  // Runs while there is a file.
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_JOURNAL_WRITER_H_
