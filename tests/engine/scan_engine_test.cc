// Whole small scans through the public interface alone, with real workers.

#include "engine/scan_engine.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::TempDir;

constexpr const char* kEvil = "cos\nsystem\n(S'x'\ntR.";
constexpr const char* kHarmless = "(I1\nI2\nt.";

class RecordingObserver final : public ScanObserver {
 public:
  void OnFileFinished(const FileOutcome& outcome) override {
    const Entered entered(*this);
    if (on_file) on_file();
    ++count[outcome.path];
    outcomes[outcome.path] = outcome;
  }
  void OnProgress(const Progress& progress) override {
    const Entered entered(*this);
    last_progress = progress;
  }
  void OnNotice(const Notice& notice) override {
    const Entered entered(*this);
    notices.push_back(notice);
  }

  int NoticesOf(Notice::Kind kind) const {
    return static_cast<int>(
        std::count_if(notices.begin(), notices.end(),
                      [&](const Notice& n) { return n.kind == kind; }));
  }

  std::function<void()> on_file;
  std::map<std::string, FileOutcome> outcomes;
  std::map<std::string, int> count;
  std::vector<Notice> notices;
  Progress last_progress;
  std::atomic<bool> called_at_once{false};

 private:
  struct Entered {
    explicit Entered(RecordingObserver& o) : observer(o) {
      if (observer.inside_.exchange(true)) observer.called_at_once = true;
    }
    ~Entered() { observer.inside_ = false; }
    RecordingObserver& observer;
  };
  std::atomic<bool> inside_{false};
};

ScanOptions OptionsFor(const TempDir& folder) {
  ScanOptions options;
  options.paths = {folder.path()};
  options.workers = 2;
  options.worker_path = SCANENGINE_WORKER;
  return options;
}

/// Harmless and evil pickles, text, one too large, one link out.
void Fill(TempDir& folder, int files) {
  for (int i = 0; i < files; ++i) {
    const std::string name = "d" + std::to_string(i % 3) + "/f";
    folder.File(name + std::to_string(i) + ".pkl",
                i % 10 == 0 ? kEvil : kHarmless);
  }
  folder.File("README.md", "text\n");
  folder.File("empty.pt", "");
}

void CheckAddsUp(const RunSummary& summary, const RecordingObserver& observer) {
  for (const auto& [path, count] : observer.count) {
    CAPTURE(path);
    CHECK(count == 1);
  }
  RunSummary expected;
  std::set<std::string> scanners;
  for (const auto& [path, outcome] : observer.outcomes) {
    const ScanReply& result = outcome.result;
    ++expected.files;
    ++expected.by_status[static_cast<std::size_t>(result.status)];
    expected.bytes += result.bytes;
    for (const Finding& finding : result.findings) {
      const auto severity = static_cast<std::size_t>(finding.severity);
      ++expected.findings_by_severity[severity];
    }
    scanners.insert(result.scanners.begin(), result.scanners.end());
  }
  expected.scanners.assign(scanners.begin(), scanners.end());
  CHECK(summary.files == expected.files);
  CHECK(summary.by_status == expected.by_status);
  CHECK(summary.findings_by_severity == expected.findings_by_severity);
  CHECK(summary.bytes == expected.bytes);
  CHECK(summary.scanners == expected.scanners);
  CHECK_FALSE(observer.called_at_once);
}

/// What must not differ between ways to run.
std::vector<std::string> Canonical(const RecordingObserver& observer) {
  std::vector<std::string> lines;
  for (const auto& [path, outcome] : observer.outcomes) {
    const ScanReply& result = outcome.result;
    std::string line = path + " " +
                       std::string(OutcomeStatusName(result.status)) + " " +
                       result.format + " " + result.detail;
    for (const Finding& finding : result.findings) {
      line += " " + finding.rule_id + ":" + finding.message;
    }
    lines.push_back(line);
  }
  return lines;
}

TEST_CASE("Scan engine: each file has one outcome, and the summary adds up") {
  TempDir folder;
  Fill(folder, 60);
  RecordingObserver observer;
  ScanEngine engine(OptionsFor(folder));
  const Result<RunSummary> run = engine.Run(observer);
  REQUIRE(run.ok());
  const RunSummary& summary = run.value();
  CheckAddsUp(summary, observer);
  CHECK(summary.files == 62);
  CHECK(summary.findings_by_severity[4] == 6);
  CHECK_FALSE(summary.stopped);
  CHECK_FALSE(summary.degraded);
  CHECK(summary.isolation == IsolationMode::kProcess);
  CHECK(summary.crashes == 0);
  CHECK(summary.retries == 0);
  CHECK(summary.fallbacks == 0);
  CHECK(summary.worker_count >= 1);
  CHECK(summary.worker_count <= 2);
  const FileOutcome& evil = observer.outcomes.at(folder / "d0/f0.pkl");
  CHECK(evil.result.status == OutcomeStatus::kScanned);
  CHECK(evil.result.format == "pickle");
  CHECK(evil.attempts == 1);
  CHECK(evil.worker >= 1);
  CHECK_FALSE(evil.in_process);
  CHECK(evil.ended.empty());
  REQUIRE_FALSE(evil.result.findings.empty());
  CHECK(evil.result.findings[0].severity == Severity::kCritical);
}

TEST_CASE("Scan engine: every way to run tells the same of the files") {
  TempDir folder;
  Fill(folder, 30);
  std::vector<std::vector<std::string>> reports;
  for (const IsolationMode mode :
       {IsolationMode::kProcess, IsolationMode::kPerFile,
        IsolationMode::kInProcess}) {
    for (const int workers : {1, 3}) {
      RecordingObserver observer;
      ScanOptions options = OptionsFor(folder);
      options.isolation = mode;
      options.workers = workers;
      ScanEngine engine(options);
      const Result<RunSummary> run = engine.Run(observer);
      REQUIRE(run.ok());
      CAPTURE(IsolationModeName(mode), workers);
      CheckAddsUp(run.value(), observer);
      CHECK(run.value().isolation == mode);
      CHECK_FALSE(run.value().degraded);
      const bool in_process = mode == IsolationMode::kInProcess;
      for (const auto& [path, outcome] : observer.outcomes) {
        CHECK(outcome.in_process == in_process);
      }
      if (mode == IsolationMode::kPerFile) {
        CHECK(run.value().workers_started >= 32);
      }
      reports.push_back(Canonical(observer));
    }
  }
  for (const auto& report : reports) CHECK(report == reports[0]);
}

TEST_CASE("Scan engine: nothing to scan is a run without files") {
  TempDir folder;
  RecordingObserver observer;
  ScanEngine engine(OptionsFor(folder));
  const Result<RunSummary> run = engine.Run(observer);
  REQUIRE(run.ok());
  CHECK(run.value().files == 0);
  CHECK(run.value().workers_started == 0);
  CHECK(observer.outcomes.empty());
}

TEST_CASE("Scan engine: a path that is not there is an outcome") {
  TempDir folder;
  RecordingObserver observer;
  ScanOptions options = OptionsFor(folder);
  options.paths = {folder / "missing"};
  ScanEngine engine(options);
  const Result<RunSummary> run = engine.Run(observer);
  REQUIRE(run.ok());
  CheckAddsUp(run.value(), observer);
  REQUIRE(observer.outcomes.size() == 1);
  const FileOutcome& outcome = observer.outcomes.begin()->second;
  CHECK(IsIncomplete(outcome.result.status));
  CHECK(outcome.attempts == 0);
}

TEST_CASE("Scan engine: options that make no sense are named") {
  struct Row {
    const char* text;
    std::function<void(ScanOptions&)> spoil;
  };
  const std::vector<Row> rows{
      {"the number of workers is negative",
       [](ScanOptions& o) { o.workers = -1; }},
      {"the number of retries is negative",
       [](ScanOptions& o) { o.retries = -1; }},
      {"the time limit is negative",
       [](ScanOptions& o) { o.timeout = std::chrono::milliseconds(-1); }},
      {"the time limit is longer than a year",
       [](ScanOptions& o) { o.timeout = std::chrono::milliseconds::max(); }},
      {"recycle_after is negative",
       [](ScanOptions& o) { o.recycle_after = -1; }},
      {"max_ratio is 0", [](ScanOptions& o) { o.limits.max_ratio = 0; }},
      {"max_findings is larger than a reply can carry",
       [](ScanOptions& o) { o.limits.max_findings = 1'501; }},
      {"isolation is required and in-process scanning asked for",
       [](ScanOptions& o) {
         o.isolation = IsolationMode::kInProcess;
         o.require_isolation = true;
       }},
      {"a sandbox is required and in-process scanning asked for",
       [](ScanOptions& o) {
         o.isolation = IsolationMode::kInProcess;
         o.require_sandbox = true;
       }},
      {"a sandbox is required and switched off",
       [](ScanOptions& o) {
         o.sandbox = false;
         o.require_sandbox = true;
       }},
  };
  TempDir folder;
  folder.File("a.pkl", kEvil);
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.text) {
      ScanOptions options = OptionsFor(folder);
      row.spoil(options);
      RecordingObserver observer;
      ScanEngine engine(options);
      const Result<RunSummary> run = engine.Run(observer);
      REQUIRE_FALSE(run.ok());
      CHECK(run.error().code == ErrorCode::kInvalidArgument);
      CHECK(run.error().detail == row.text);
      CHECK(observer.outcomes.empty());
      CHECK(observer.notices.empty());
    }
  }
}

TEST_CASE("Scan engine: a policy that does not parse names file and line") {
  TempDir folder;
  folder.File("a.pkl", kEvil);
  for (const IsolationMode mode :
       {IsolationMode::kProcess, IsolationMode::kInProcess}) {
    ScanOptions options = OptionsFor(folder);
    options.isolation = mode;
    options.policies = {{"mine.policy", "utter nonsense here\n"}};
    RecordingObserver observer;
    ScanEngine engine(options);
    const Result<RunSummary> run = engine.Run(observer);
    REQUIRE_FALSE(run.ok());
    CHECK(run.error().code == ErrorCode::kInvalidArgument);
    CHECK(run.error().detail.find("mine.policy:1") != std::string::npos);
    CHECK(observer.outcomes.empty());
  }
}

TEST_CASE("Scan engine: without a worker program it degrades and says so") {
  TempDir folder;
  Fill(folder, 5);
  ScanOptions options = OptionsFor(folder);
  options.worker_path = folder / "no-such-worker";
  RecordingObserver observer;
  ScanEngine engine(options);
  const Result<RunSummary> run = engine.Run(observer);
  REQUIRE(run.ok());
  CheckAddsUp(run.value(), observer);
  CHECK(run.value().degraded);
  CHECK(run.value().degraded_reason.find("no-such-worker") !=
        std::string::npos);
  CHECK(run.value().fallbacks == 7);
  CHECK(observer.NoticesOf(Notice::Kind::kDegraded) == 1);
  for (const auto& [path, outcome] : observer.outcomes) {
    CHECK(outcome.in_process);
  }
}

TEST_CASE("Scan engine: required isolation that cannot be had scans nothing") {
  TempDir folder;
  Fill(folder, 5);
  ScanOptions options = OptionsFor(folder);
  options.worker_path = folder / "no-such-worker";
  options.require_isolation = true;
  RecordingObserver observer;
  ScanEngine engine(options);
  const Result<RunSummary> run = engine.Run(observer);
  REQUIRE(run.ok());
  CheckAddsUp(run.value(), observer);
  CHECK(run.value().files == 7);
  CHECK(run.value().fallbacks == 0);
  for (const auto& [path, outcome] : observer.outcomes) {
    CHECK(outcome.result.status == OutcomeStatus::kNotRun);
    CHECK_FALSE(outcome.in_process);
    CHECK(outcome.result.detail.find("no-such-worker") != std::string::npos);
  }
}

TEST_CASE("Scan engine: a stop before the run leaves every file cancelled") {
  TempDir folder;
  Fill(folder, 40);
  for (const int requests : {1, 2, 5}) {
    for (const IsolationMode mode :
         {IsolationMode::kProcess, IsolationMode::kInProcess}) {
      CAPTURE(requests, IsolationModeName(mode));
      ScanOptions options = OptionsFor(folder);
      options.isolation = mode;
      RecordingObserver observer;
      ScanEngine engine(options);
      for (int i = 0; i < requests; ++i) engine.RequestStop();
      const Result<RunSummary> run = engine.Run(observer);
      REQUIRE(run.ok());
      CHECK(run.value().stopped);
      CheckAddsUp(run.value(), observer);
      for (const auto& [path, outcome] : observer.outcomes) {
        CHECK(outcome.result.status == OutcomeStatus::kCancelled);
      }
    }
  }
}

TEST_CASE("Scan engine: a stop from the observer ends the run in order") {
  TempDir folder(TempDir::Place::kMemory);
  Fill(folder, 3'000);
  const int requests = GENERATE(1, 2);
  RecordingObserver observer;
  ScanEngine engine(OptionsFor(folder));
  int seen = 0;
  observer.on_file = [&] {
    if (++seen != 5) return;
    for (int i = 0; i < requests; ++i) engine.RequestStop();
  };
  const Result<RunSummary> run = engine.Run(observer);
  REQUIRE(run.ok());
  CHECK(run.value().stopped);
  CheckAddsUp(run.value(), observer);
  for (const auto& [path, outcome] : observer.outcomes) {
    const OutcomeStatus status = outcome.result.status;
    const bool fine = status == OutcomeStatus::kScanned ||
                      status == OutcomeStatus::kNotAModel ||
                      status == OutcomeStatus::kCancelled;
    CAPTURE(path, OutcomeStatusName(status), outcome.result.detail);
    CHECK(fine);
  }
}

TEST_CASE("Scan engine: an observer that stands still costs no file its time") {
  TempDir folder(TempDir::Place::kMemory);
  Fill(folder, 12'000);
  ScanOptions options = OptionsFor(folder);
  // Far less than the observer holds things up.
  options.timeout = std::chrono::milliseconds(500);
  RecordingObserver observer;
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  observer.on_file = [&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open; });
  };
  ScanEngine engine(options);
  std::thread opener([&] {
    // No figure hangs on this: a wrong program has time to go wrong.
    std::this_thread::sleep_for(std::chrono::milliseconds(2'500));
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  });
  const Result<RunSummary> run = engine.Run(observer);
  opener.join();
  REQUIRE(run.ok());
  CheckAddsUp(run.value(), observer);
  CHECK(run.value().files == 12'002);
  CHECK(run.value().timeouts == 0);
  CHECK(run.value().crashes == 0);
  CHECK(run.value().retries == 0);
  CHECK(run.value()
            .by_status[static_cast<std::size_t>(OutcomeStatus::kTimedOut)] ==
        0);
}

TEST_CASE("Scan engine: too large a file is a limit, never scanned") {
  TempDir folder;
  folder.File("large.pkl", std::string(kEvil) + std::string(1'000, '.'));
  folder.File("small.pkl", kHarmless);
  ScanOptions options = OptionsFor(folder);
  options.max_file_size = 100;
  RecordingObserver observer;
  ScanEngine engine(options);
  const Result<RunSummary> run = engine.Run(observer);
  REQUIRE(run.ok());
  CheckAddsUp(run.value(), observer);
  const FileOutcome& large = observer.outcomes.at(folder / "large.pkl");
  CHECK(large.result.status == OutcomeStatus::kLimit);
  CHECK(large.attempts == 0);
  CHECK(observer.outcomes.at(folder / "small.pkl").result.status ==
        OutcomeStatus::kScanned);
}

TEST_CASE("Scan engine: the sandbox is in force and can be switched off") {
  TempDir folder;
  folder.File("a.pkl", kEvil);
  for (const bool sandbox : {true, false}) {
    ScanOptions options = OptionsFor(folder);
    options.sandbox = sandbox;
    RecordingObserver observer;
    ScanEngine engine(options);
    const Result<RunSummary> run = engine.Run(observer);
    REQUIRE(run.ok());
    const auto& active = run.value().sandbox_active;
    // Not seccomp, which a sanitizer build goes without.
    const bool confined =
        std::any_of(active.begin(), active.end(), [](const std::string& part) {
          return part.starts_with("no-new-privs") ||
                 part == "no-privileges";  // Windows.
        });
    CHECK(confined == sandbox);
    CHECK(observer.outcomes.at(folder / "a.pkl").result.status ==
          OutcomeStatus::kScanned);
  }
}

TEST_CASE("Scan engine: an engine that never runs goes without a trace") {
  TempDir folder;
  ScanEngine engine(OptionsFor(folder));
  engine.RequestStop();
}

TEST_CASE("Scan one in process: tells of one file, or of a bad policy") {
  TempDir folder;
  const std::string path = folder.File("a.pkl", kEvil);
  const Result<FileOutcome> outcome = ScanOneInProcess(path, {});
  REQUIRE(outcome.ok());
  CHECK(outcome.value().path == path);
  CHECK(outcome.value().in_process);
  CHECK(outcome.value().result.status == OutcomeStatus::kScanned);
  CHECK_FALSE(outcome.value().result.findings.empty());
  CHECK(ScanOneInProcess(folder / "none", {}).value().result.status ==
        OutcomeStatus::kChanged);
  ScanOptions options;
  options.policies = {{"p", "nonsense\n"}};
  CHECK(ScanOneInProcess(path, options).error().code ==
        ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace scanengine
