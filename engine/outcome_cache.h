#ifndef SCANENGINE_ENGINE_OUTCOME_CACHE_H_
#define SCANENGINE_ENGINE_OUTCOME_CACHE_H_

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
#include <unordered_map>
#include <vector>

#include "engine/content_hash.h"
#include "engine/result_cache.h"
#include "engine/scan_engine.h"
#include "engine/task.h"
#include "engine/task_journal.h"

namespace scanengine {

/// What the outcome of a file depends on beside its bytes and its name.
struct CacheScope {
  /// Of everything that a person or a build decides: JournalSetting::kRules and
  /// BuildFeatures(), in any form that differs when they do.
  std::string rules;
  std::string worker_path;  ///< The program that parses; hashed.
};

struct OutcomeCacheTimes {
  /// The time that files are stamped with, in nanoseconds since 1970.
  std::function<std::int64_t()> now;
  /// How old stamps must be that are believed without reading the file.
  std::chrono::nanoseconds settled{2'000'000'000};
  /// The same on local file systems that stamp to the tick of the kernel (10 ms
  /// at most), for keeping an outcome by content.
  std::chrono::nanoseconds tick{100'000'000};
};

/// Outcomes of earlier runs, for files that are what they were.
///
/// An outcome is kept under two keys. By stamp: path, size, inode and times; as
/// git does, times are not believed that are younger than what they can tell
/// apart (2 s), since a write may follow that they do not show. By content:
/// SHA-256, size and last name of the path (detection may depend on it), which
/// finds copies, touched and moved files. Hashing large files costs more than
/// scanning them, which mostly looks at their tables: content is hashed only
/// where the scan took longer, and looked up only for sizes that were hashed.
/// Both keys also hold the rules, the build and the bytes of the worker
/// program; other rules find nothing.
///
/// Who may gain from a cache, and what is done about it:
///
/// - Who makes the files that are scanned. They must not make two contents that
///   pass for one (SHA-256), bring a cache along (cache_folder.h), or change a
///   file so that its stamp stays: change times are set by the kernel. An
///   outcome is kept only if the times were old when the scan began, so that
///   any write during or after it shows; by content only if the file has its
///   old stamp before and after it was hashed, on file systems that the kernel
///   stamps. A file system that lies (a server, FUSE, a forged image) can pass
///   off its own files, as it can without a cache, but no others.
/// - A file that took its worker over. What a worker says is kept only under
///   the path that it was given and under a hash that this process computes:
///   it cannot name a file that it was not given. About files that it was given
///   it can lie, here as in any report, and the lie then lasts as long as the
///   row; --isolation per-file closes that, and its runs never believe rows of
///   others. Files are read here, never parsed.
/// - What a process does to a file through a map of it shows in no time stamp
///   for as long as the page is dirty. Who may write to the tree while it is
///   scanned is not guarded against.
/// - Who may write to the folder of the cache may do anything; it belongs to
///   the user alone. Checksums are against accidents.
///
/// Kept is only what a file's bytes decide (see Keeps()), from an isolated
/// worker, at the first attempt. Open(), Find() and FindByContent() belong to
/// one thread, Record() to one; a thread of its own hashes and stores.
class OutcomeCache final : public OutcomeRecorder {
 public:
  OutcomeCache(std::unique_ptr<ResultCache> rows, CacheScope scope,
               OutcomeCacheTimes times = {});
  ~OutcomeCache() override;
  OutcomeCache(const OutcomeCache&) = delete;
  OutcomeCache& operator=(const OutcomeCache&) = delete;

  /// Before all others.
  void Open();

  enum class Answer {
    kSettled,  ///< |task| has its outcome.
    kUnknown,
    kMaybe,  ///< FindByContent() is worth reading the file.
  };
  /// Between these two, finding is cheaper.
  void BeginFinding() { rows_->BeginFinding(); }
  void EndFinding() { rows_->EndFinding(); }
  /// Looks for what is to be scanned; leaves other tasks alone.
  Answer Find(Task& task);
  /// After Find() said kMaybe: reads the whole file. True: settled.
  bool FindByContent(Task& task);

  // Never waits for the disk.
  void Record(std::span<FileOutcome* const> outcomes) override;

  /// Keeps what was recorded, within a few seconds, and ends the file.
  void End();

  /// True for outcomes that the next run may take over.
  static bool Keeps(const FileOutcome& outcome);

 private:
  // Of a file that is being scanned.
  struct Ticket {
    CacheKey by_stamp{};
    FileStamp stamp;
    bool settled = false;  ///< Its stamp can be believed.
  };
  struct Pending {
    Ticket ticket;
    std::string path;
    std::uint64_t duration_us = 0;
    std::vector<std::byte> reply;
  };
  // Rows on their way.
  struct Batch {
    std::vector<CacheRow> rows;
    std::vector<CacheKey> used;
    std::size_t bytes = 0;
  };

  CacheKey StampKey(const std::string& path) const;
  CacheKey SizeKey(std::uint64_t size) const;
  CacheKey ContentKey(const std::string& path, std::uint64_t size,
                      const Sha256& hash) const;
  bool IsOlder(const FileStamp& stamp, std::chrono::nanoseconds age) const;
  bool Settle(Task& task, std::span<const std::byte> reply);
  void MarkUsed(const CacheKey& key, const CachedValue& found);
  std::int64_t Hour() const { return times_.now() / 3'600'000'000'000; }

  void Keep(Pending pending, Batch& batch);
  void KeepByContent(const Pending& pending, Batch& batch);
  void Run();
  bool Flush(Batch& batch);

  const std::unique_ptr<ResultCache> rows_;
  const CacheScope scope_;
  OutcomeCacheTimes times_;
  std::string folder_;  // Relative paths begin here.
  Sha256 base_{};       // Of all that every key holds.

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<TaskId, Ticket> tickets_;
  std::vector<Pending> pending_;
  std::size_t pending_bytes_ = 0;
  Batch found_;  // What finding adds to what is to be stored.
  bool ending_ = false;
  std::chrono::steady_clock::time_point give_up_;  // Once ending_ is set.
  std::thread thread_;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_OUTCOME_CACHE_H_
