#ifndef SCANENGINE_ENGINE_SCAN_ENGINE_H_
#define SCANENGINE_ENGINE_SCAN_ENGINE_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/file_stamp.h"
#include "ipc/finding.h"
#include "ipc/messages.h"
#include "ipc/outcome.h"
#include "ipc/result.h"

/// The library. An embedder needs this header only.

namespace scanengine {

/// Where files are parsed.
enum class IsolationMode {
  kProcess,    ///< Workers, each of which scans many files.
  kPerFile,    ///< A new worker for every file.
  kInProcess,  ///< In the caller's process, one after the other: no protection.
};

/// "process", "per-file", "in-process".
std::string_view IsolationModeName(IsolationMode mode);

/// One user policy file: its name for messages, and its text.
struct PolicyFile {
  std::string name;
  std::string text;
};

/// What is done with each file.
enum class FileTask {
  kScan,
  kInspect,  ///< Scanned, and taken apart into FileOutcome::result.inspection.
};

/// The record of a run that survives whatever ends it. The program itself uses
/// kAutomatic; a library does not write where nobody told it to.
struct JournalOptions {
  enum class Mode {
    kNone,
    /// In the user's state folder, from the 1,001st file on.
    kAutomatic,
    kFile,  ///< At |path|, from the start; nothing may be there.
  };
  Mode mode = Mode::kNone;
  std::string path;
  /// Go on with the journal at |path|, or the newest one that kAutomatic left
  /// for the same paths: what has an outcome there and did not change since is
  /// not scanned again. Refused if other options would be used than before.
  bool resume = false;
  bool resume_force = false;  ///< Then keep those outcomes that still hold.
};

/// Outcomes of earlier runs, for files that did not change since; used by runs
/// with the same rules (policy, limits, isolation) and the same build.
struct CacheOptions {
  /// Empty: no cache. Must be the user's own and not in what is scanned.
  std::string folder;
  /// Of the cache, bytes; what was not used for longest leaves.
  std::uint64_t max_bytes = 256ULL << 20;
};

/// What to scan and how. The defaults are those of the program.
struct ScanOptions {
  std::vector<std::string> paths;  ///< Files and folders; folders are walked.
  std::vector<std::string> files;  ///< Single files, never walked or filtered.
  bool scan_stdin = false;         ///< Also scan standard input, as "-".

  int workers = 0;  ///< Worker processes; 0: as many as there are cores.
  IsolationMode isolation = IsolationMode::kProcess;
  bool require_isolation = false;  ///< Never fall back to in-process.
  bool sandbox = true;
  bool require_sandbox = false;  ///< A sandbox that lacks a part is an error.
  std::string worker_path;       ///< Empty: beside this program.

  /// Per file; grows by a second for each 50 MB of it.
  std::chrono::milliseconds timeout{60'000};
  int retries = 1;  ///< Further attempts for a file that ended its worker.
  std::uint64_t memory_limit = 0;  ///< All workers, bytes; 0: 80 % of free.
  std::uint64_t worker_memory = 2ULL << 30;  ///< Each, bytes; 0: no limit.
  std::uint64_t max_file_size = 0;  ///< Bytes; larger is kLimit. 0: none.
  int recycle_after = 20'000;       ///< Tasks a worker may do; 0: no limit.

  /// Globs on the path below the root, and on the name if they have no slash.
  /// Nothing in include: everything. Exclude wins.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  bool follow_symlinks = false;

  FileTask task = FileTask::kScan;
  InspectOptions inspect;  ///< For kInspect.

  std::vector<PolicyFile> policies;  ///< Extend the built-in tables.
  bool strict_imports = false;       ///< Imports that are not vetted are high.
  ScanLimits limits;
  JournalOptions journal;
  CacheOptions cache;
};

/// What became of one file. There is exactly one for each file found.
struct FileOutcome {
  std::string path;  ///< Bytes as given or found; not always UTF-8.
  ScanReply result;  ///< result.task is not meaningful here.

  // How this run came to it; may differ from run to run.
  int attempts = 0;         ///< 0 if no worker was given the file.
  int worker = 0;           ///< Number of the worker, from 1; 0 if none.
  bool in_process = false;  ///< Scanned without isolation.
  std::string ended;        ///< How its last worker ended: "SIGSEGV"; or empty.
  bool resumed = false;     ///< Taken over from the journal; not scanned now.
  bool cached = false;      ///< Taken from the result cache; not scanned now.
  /// Of the file when it was found, before it was scanned; nothing if it was
  /// not found as a file.
  std::optional<FileStamp> stamp;
  /// Of its record in the journal, for ScanEngine::ReadBack(); 0: none.
  std::uint64_t place = 0;
};

/// One worker, for a live display.
struct WorkerView {
  int number = 0;
  std::string path;  ///< Of the file that it is in; empty if idle.
  std::string phase;
  std::chrono::milliseconds busy{0};
};

/// State of the run, sent a few times a second.
struct Progress {
  std::uint64_t found = 0;  ///< Files discovered so far.
  std::uint64_t done = 0;
  std::uint64_t findings = 0;
  std::uint64_t bytes_found = 0;
  std::uint64_t bytes_done = 0;
  bool discovering = true;  ///< |found| is still growing.
  std::chrono::milliseconds elapsed{0};
  std::vector<WorkerView> workers;
};

/// Something that people should know and that belongs to no file.
struct Notice {
  enum class Kind {
    kDegraded,        ///< The engine fell back to in-process scanning.
    kSandboxPartial,  ///< The system lacks part of the sandbox.
    kWorkerLost,      ///< A worker ended unexpectedly.
    kFewerWorkers,    ///< Not all workers could be started.
    kReadRights,      ///< Workers may read more than the roots.
    kStopping,        ///< The run was asked to stop.
    kResumed,         ///< What was taken over from a journal.
    kJournal,         ///< Something is wrong with the journal.
    kCache,           ///< Something is wrong with the result cache.
  };
  Kind kind;
  std::string text;
};

/// Receives what happens. Called from one thread at a time, not the caller's;
/// all calls have returned before ScanEngine::Run() does. A slow observer slows
/// the run down and loses nothing.
class ScanObserver {
 public:
  virtual ~ScanObserver() = default;
  virtual void OnFileFinished(const FileOutcome& outcome) = 0;
  virtual void OnProgress(const Progress&) {}
  virtual void OnNotice(const Notice&) {}
};

/// Totals of a run.
struct RunSummary {
  std::uint64_t files = 0;
  std::array<std::uint64_t, kOutcomeStatusCount> by_status{};
  std::array<std::uint64_t, 5> findings_by_severity{};  ///< Distinct per file.
  std::uint64_t bytes = 0;
  std::vector<std::string> scanners;  ///< Sorted.
  bool stopped = false;               ///< Cancelled: the report is partial.
  std::uint64_t resumed = 0;  ///< Of |files|, taken over from the journal.
  std::uint64_t cached = 0;   ///< Of |files|, taken from the result cache.
  std::uint64_t scanned = 0;  ///< Of |files|, given to a worker in this run.
  std::string cache;          ///< Its folder; empty if there is none.
  std::string journal;        ///< Its file; empty if there is none.
  /// Why the journal could not be written any more, which stopped the run.
  std::optional<Error> journal_error;

  IsolationMode isolation = IsolationMode::kProcess;
  bool degraded = false;
  std::string degraded_reason;
  /// Why there were fewer workers than wanted, at least for a time; or empty.
  std::string fewer_workers_reason;
  int worker_count = 0;  ///< Most workers alive at once.
  std::uint64_t workers_started = 0;
  std::uint64_t crashes = 0;      ///< Workers that ended unexpectedly.
  std::uint64_t respawns = 0;     ///< Workers started in place of lost ones.
  std::uint64_t retries = 0;      ///< Attempts beyond the first.
  std::uint64_t timeouts = 0;     ///< Attempts that ran into a deadline.
  std::uint64_t fallbacks = 0;    ///< Files scanned in-process by degradation.
  std::uint64_t recycled = 0;     ///< Workers replaced on purpose.
  std::uint64_t peak_memory = 0;  ///< Bytes, largest sum over the workers.
  std::chrono::microseconds serialising{0};  ///< Encoding, decoding messages.
  std::chrono::microseconds wall{0};
  std::chrono::microseconds cpu{0};  ///< User and system, workers included.
  std::vector<std::string> sandbox_active;
  std::vector<std::string> sandbox_missing;
};

/// Runs one scan. Not thread-safe but for RequestStop().
class ScanEngine {
 public:
  explicit ScanEngine(ScanOptions options);
  ~ScanEngine();
  ScanEngine(const ScanEngine&) = delete;
  ScanEngine& operator=(const ScanEngine&) = delete;

  /// Scans everything and returns when every file has its outcome. What
  /// happens to a file is never an error here; if isolation is required and
  /// cannot be had, all that is left ends as kNotRun. Fails, before any file is
  /// scanned, with kInvalidArgument (a policy does not parse, a number makes no
  /// sense, a journal is there or not there or of another run), kJournal (it
  /// cannot be used) or kUnsupported (the sandbox is required and incomplete).
  /// Call it once.
  Result<RunSummary> Run(ScanObserver& observer);

  /// The outcome at FileOutcome::place, which is not 0; also after Run().
  /// Thread-safe. Fails if the journal is not what was written.
  Result<FileOutcome> ReadBack(std::uint64_t place);

  /// Removes a journal of kAutomatic whose run is complete: its report is where
  /// it should be. Call it after Run().
  void ForgetJournal();

  /// First call: hands out no more, lets running files finish. Second: ends
  /// them. Thread-safe; may be called before and during Run().
  void RequestStop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Scans one file in this process, without a supervisor: for a debugger.
Result<FileOutcome> ScanOneInProcess(const std::string& path,
                                     const ScanOptions& options);

/// One line of --list-formats.
struct FormatInfo {
  std::string name;
  std::string extensions;  ///< Blank-separated.
  std::string summary;
  bool supported = true;  ///< False: recognised, reported as unsupported.
};
std::vector<FormatInfo> ListFormats();

/// "0.1.0".
std::string_view VersionText();
/// What this build has, a line each: "Boost 1.81", "sandbox: Landlock,
/// seccomp".
std::vector<std::string> BuildFeatures();

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_SCAN_ENGINE_H_
