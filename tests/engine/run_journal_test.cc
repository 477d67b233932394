// The engine with a journal: runs that are stopped, cut off and gone on with.
// In-process, so that it needs no worker.

#include "engine/run_journal.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/journal_file.h"
#include "engine/journal_verify.h"
#include "engine/scan_engine.h"
#include "tests/support/journal_fakes.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

const std::string kGood("\x80\x02K\x01.", 5);
const std::string kEvil =
    "\x80\x02"
    "cos\nsystem\nX\x02" +
    std::string(3, '\0') + "id\x85R.";

class Recorder final : public ScanObserver {
 public:
  void OnFileFinished(const FileOutcome& outcome) override {
    ++count;
    outcomes[outcome.path] = outcome;
    if (on_file) on_file(outcome);
  }
  void OnNotice(const Notice& notice) override { notices.push_back(notice); }

  bool Told(Notice::Kind kind, std::string_view part) const {
    for (const Notice& notice : notices) {
      if (notice.kind == kind && notice.text.find(part) != std::string::npos) {
        return true;
      }
    }
    return false;
  }
  int Resumed() const {
    int n = 0;
    for (const auto& [path, outcome] : outcomes) n += outcome.resumed ? 1 : 0;
    return n;
  }

  int count = 0;
  std::map<std::string, FileOutcome> outcomes;
  std::vector<Notice> notices;
  std::function<void(const FileOutcome&)> on_file;
};

// A tree, a journal, and runs over the one with the other.
struct Fixture {
  Fixture() {
    for (int i = 0; i < 40; ++i) {
      dir.File("tree/f" + std::to_string(i), i % 10 == 0 ? kEvil : kGood);
    }
    options.paths = {dir / "tree"};
    options.isolation = IsolationMode::kInProcess;
    options.journal.mode = JournalOptions::Mode::kFile;
    options.journal.path = journal;
  }

  std::string In(const std::string& name) const {
    return dir.path() + "/tree/" + name;
  }
  Result<RunSummary> Run(Recorder& recorder) const {
    ScanEngine engine(options);
    return engine.Run(recorder);
  }
  RunSummary RunWell(Recorder& recorder) const {
    const Result<RunSummary> summary = Run(recorder);
    if (!summary.ok()) FAIL(summary.error().detail);
    return summary.value();
  }
  JournalCheck Check() const {
    auto file = OpenJournalFile(journal, JournalAccess::kRead);
    REQUIRE(file.ok());
    Result<JournalCheck> check = CheckJournal(*file.value());
    REQUIRE(check.ok());
    return check.value();
  }
  // A run that is killed before outcome number |n|, from 0, is recorded.
  // Returns the file that it was scanning.
  std::string RunUntilKilled(int n) const {
    Recorder recorder;
    RunWell(recorder);
    testing::Reading reading;
    {
      auto file = OpenJournalFile(journal, JournalAccess::kRead);
      REQUIRE(file.ok());
      reading = testing::ReadAll(*file.value());
    }
    std::string started;
    for (std::size_t i = 0; i < reading.records.size(); ++i) {
      const auto& [type, payload] = reading.records[i];
      if (type == JournalRecordType::kInProcessStart) {
        started = DecodePath(payload);
      }
      if (type != JournalRecordType::kOutcome || n-- > 0) continue;
      fs::resize_file(journal, reading.places[i]);
      return started;
    }
    FAIL("there are fewer outcomes");
    return {};
  }
  // A run that is stopped in good order after |n| outcomes.
  void RunUntilStopped(int n) const {
    RunUntilKilled(n);
    auto file = OpenJournalFile(journal, JournalAccess::kContinue);
    REQUIRE(file.ok());
    Result<JournalReader> reader = JournalReader::Open(*file.value());
    REQUIRE(reader.ok());
    JournalBuffer buffer(reader.value().header().run, file.value()->size());
    buffer.AddEnd({});
    REQUIRE(file.value()->Append(buffer.bytes()).ok());
  }
  void CutOff(std::uint64_t bytes) const {
    fs::resize_file(journal, fs::file_size(journal) - bytes);
  }

  TempDir dir;
  const std::string journal = dir / "journal";
  ScanOptions options;
};

void CheckSameFindings(const Recorder& a, const Recorder& b) {
  REQUIRE(a.outcomes.size() == b.outcomes.size());
  for (const auto& [path, outcome] : a.outcomes) {
    const ScanReply& other = b.outcomes.at(path).result;
    CHECK(outcome.result.status == other.status);
    CHECK(outcome.result.findings == other.findings);
    CHECK(outcome.result.assets == other.assets);
    CHECK(outcome.result.bytes == other.bytes);
  }
}

TEST_CASE_METHOD(Fixture, "Run journal: a complete run is fine") {
  Recorder recorder;
  const RunSummary summary = RunWell(recorder);
  CHECK(summary.journal == journal);
  CHECK(summary.files == 40);
  CHECK(summary.resumed == 0);
  CHECK_FALSE(summary.journal_error);
  const JournalCheck check = Check();
  CHECK(check.verdict() == JournalCheck::Verdict::kFine);
  CHECK(check.listed == 40);
}

TEST_CASE_METHOD(Fixture, "Run journal: outcomes can be read back") {
  ScanEngine engine(options);
  Recorder recorder;
  REQUIRE(engine.Run(recorder).ok());
  for (const auto& [path, outcome] : recorder.outcomes) {
    REQUIRE(outcome.place != 0);
    const Result<FileOutcome> back = engine.ReadBack(outcome.place);
    REQUIRE(back.ok());
    CHECK(back.value().path == path);
    CHECK(back.value().result == outcome.result);
    CHECK(back.value().stamp == outcome.stamp);
  }
}

TEST_CASE_METHOD(Fixture, "Run journal: a stopped run is gone on with") {
  RunUntilStopped(10);
  CHECK(Check().verdict() == JournalCheck::Verdict::kIncomplete);
  const std::uint64_t had = Check().found.files;
  CHECK(had == 10);

  options.journal.resume = true;
  Recorder resumed;
  const RunSummary summary = RunWell(resumed);
  CHECK(summary.resumed == had);
  CHECK(resumed.Resumed() == static_cast<int>(had));
  CHECK(summary.files == 40);
  CHECK(resumed.count == 40);
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
  CHECK(Check().sessions == 2);

  options.journal = {};
  Recorder calm;
  const RunSummary undisturbed = RunWell(calm);
  CheckSameFindings(resumed, calm);
  CHECK(undisturbed.by_status == summary.by_status);
  CHECK(undisturbed.findings_by_severity == summary.findings_by_severity);
  CHECK(undisturbed.bytes == summary.bytes);
  CHECK(undisturbed.scanners == summary.scanners);
}

TEST_CASE_METHOD(Fixture, "Run journal: a torn end is dropped and told") {
  RunUntilStopped(10);
  CutOff(3);
  options.journal.resume = true;
  Recorder recorder;
  RunWell(recorder);
  CHECK(recorder.count == 40);
  CHECK(recorder.Told(Notice::Kind::kResumed, "dropped"));
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
}

TEST_CASE_METHOD(Fixture, "Run journal: damage is told and scanned again") {
  Recorder first;
  RunWell(first);
  {
    std::fstream file(journal, std::ios::in | std::ios::out | std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    // In a path: a length that grew beyond the end reads as a torn tail.
    const std::size_t at = text.find("/tree/f", text.size() / 2);
    REQUIRE(at != std::string::npos);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('!');
  }
  CHECK(Check().verdict() == JournalCheck::Verdict::kWrong);
  options.journal.resume = true;
  Recorder recorder;
  const RunSummary summary = RunWell(recorder);
  CHECK(recorder.Told(Notice::Kind::kJournal, "damaged at byte"));
  CHECK(summary.resumed < 40);
  CHECK(summary.resumed > 0);
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
  CheckSameFindings(first, recorder);
}

TEST_CASE_METHOD(Fixture, "Run journal: a changed file is scanned again") {
  Recorder first;
  RunWell(first);
  dir.File("tree/f1", kEvil);
  dir.File("tree/new", kGood);
  options.journal.resume = true;
  Recorder recorder;
  const RunSummary summary = RunWell(recorder);
  CHECK(summary.resumed == 39);
  CHECK(summary.files == 41);
  CHECK_FALSE(recorder.outcomes.at(In("f1")).resumed);
  CHECK_FALSE(recorder.outcomes.at(In("f1")).result.findings.empty());
  CHECK(recorder.outcomes.contains(In("new")));
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
  CHECK(Check().listed == 41);
}

TEST_CASE_METHOD(Fixture, "Run journal: what was scanned and has gone stays") {
  Recorder first;
  RunWell(first);
  fs::remove(In("f0"));
  options.journal.resume = true;
  Recorder recorder;
  const RunSummary summary = RunWell(recorder);
  CHECK(summary.resumed == 40);
  CheckSameFindings(first, recorder);
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
}

TEST_CASE_METHOD(Fixture, "Run journal: what was listed and has gone is told") {
  // The first outcome's file was listed before it, whatever else was.
  RunUntilStopped(0);
  const JournalCheck before = Check();
  REQUIRE(before.without_outcome.count > 0);
  const std::string gone = before.without_outcome.shown[0];
  fs::remove(gone);
  options.journal.resume = true;
  Recorder recorder;
  RunWell(recorder);
  CHECK(recorder.count == 40);
  REQUIRE(recorder.outcomes.contains(gone));
  CHECK(IsIncomplete(recorder.outcomes.at(gone).result.status));
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
}

TEST_CASE_METHOD(Fixture,
                 "Run journal: what the walk settles is settled anew") {
  dir.Link("tree/link", "/nowhere/at/all");
  dir.Link("tree/other", "/nowhere/else");
  Recorder first;
  RunWell(first);
  fs::remove(In("link"));
  dir.File("tree/link", kGood);
  fs::remove(In("other"));
  options.journal.resume = true;
  Recorder recorder;
  const RunSummary summary = RunWell(recorder);
  CHECK(recorder.outcomes.at(In("link")).result.status ==
        OutcomeStatus::kScanned);
  CHECK_FALSE(recorder.outcomes.contains(In("other")));
  CHECK(summary.files == 41);
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
}

TEST_CASE_METHOD(Fixture,
                 "Run journal: resuming a complete run scans nothing") {
  Recorder first;
  RunWell(first);
  options.journal.resume = true;
  for (int i = 0; i < 3; ++i) {
    Recorder recorder;
    CHECK(RunWell(recorder).resumed == 40);
    CheckSameFindings(first, recorder);
    CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
  }
}

TEST_CASE_METHOD(Fixture, "Run journal: another configuration is refused") {
  RunUntilStopped(10);
  options.journal.resume = true;
  const auto refused = [this] {
    Recorder recorder;
    const Result<RunSummary> summary = Run(recorder);
    REQUIRE_FALSE(summary.ok());
    CHECK(summary.error().code == ErrorCode::kInvalidArgument);
    CHECK(recorder.count == 0);
    return summary.error().detail;
  };
  const std::uint64_t size = fs::file_size(journal);
  const ScanOptions same = options;
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  options.timeout = std::chrono::seconds(1);
  CHECK(has(refused(), "--timeout was 60000 ms and is 1000 ms"));
  options = same;
  options.retries = 5;
  CHECK(has(refused(), "--retries was 1 and is 5"));
  options = same;
  options.exclude = {"*.txt"};
  CHECK(has(refused(), "--exclude was empty and is *.txt"));
  options = same;
  options.policies = {{"mine", "vetted\tmy.models\tNet\n"}};
  CHECK(has(refused(), "the import policy was"));
  options = same;
  options.limits.max_depth = 3;
  CHECK(has(refused(), "limits was depth 8"));
  options = same;
  options.paths.push_back("/elsewhere");
  CHECK(has(refused(), "PATH was"));
  options = same;
  options.scan_stdin = true;
  CHECK(has(refused(), "standard input"));
  CHECK(fs::file_size(journal) == size);
}

TEST_CASE_METHOD(Fixture, "Run journal: force keeps what still holds") {
  Recorder first;
  RunWell(first);
  options.journal.resume_force = true;
  SECTION("what bytes alone decide holds whatever the time limit") {
    options.timeout = std::chrono::seconds(50);
    Recorder recorder;
    CHECK(RunWell(recorder).resumed == 40);
  }
  SECTION("nothing holds under other rules") {
    options.limits.max_depth = 3;
    Recorder recorder;
    const RunSummary summary = RunWell(recorder);
    CHECK(summary.resumed == 0);
    CHECK(summary.files == 40);
  }
  SECTION("files that are not asked for any more are left out") {
    options.exclude = {"f1*"};
    Recorder recorder;
    const RunSummary summary = RunWell(recorder);
    CHECK(summary.files == 29);
    CHECK(summary.resumed == 29);
  }
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
  // The new configuration is what counts from now on.
  options.journal.resume_force = false;
  options.journal.resume = true;
  Recorder again;
  const RunSummary summary = RunWell(again);
  CHECK(summary.resumed == summary.files);
}

TEST_CASE_METHOD(Fixture,
                 "Run journal: in-process outcomes are no isolated ones") {
  Recorder first;
  RunWell(first);
  options.isolation = IsolationMode::kProcess;
  options.journal.resume = true;
  Recorder recorder;
  CHECK_FALSE(Run(recorder).ok());
}

TEST_CASE_METHOD(Fixture, "Run journal: what ended the program is not risked") {
  const std::string culprit = RunUntilKilled(5);
  options.journal.resume = true;
  Recorder recorder;
  RunWell(recorder);
  const FileOutcome& outcome = recorder.outcomes.at(culprit);
  CHECK(outcome.result.status == OutcomeStatus::kCrashed);
  CHECK(outcome.result.detail.find("the program ended") != std::string::npos);
  CHECK(recorder.count == 40);
  // All others were scanned.
  int crashed = 0;
  for (const auto& [path, each] : recorder.outcomes) {
    crashed += each.result.status == OutcomeStatus::kCrashed ? 1 : 0;
  }
  CHECK(crashed == 1);
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
}

TEST_CASE_METHOD(Fixture,
                 "Run journal: files are named before they are risked") {
  Recorder recorder;
  RunWell(recorder);
  auto file = OpenJournalFile(journal, JournalAccess::kRead);
  REQUIRE(file.ok());
  int starts = 0;
  for (const auto& [type, payload] : testing::ReadAll(*file.value()).records) {
    starts += type == JournalRecordType::kInProcessStart ? 1 : 0;
  }
  CHECK(starts == 40);
}

TEST_CASE_METHOD(Fixture, "Run journal: what is there is never overwritten") {
  dir.File("journal", "precious");
  Recorder recorder;
  Result<RunSummary> summary = Run(recorder);
  REQUIRE_FALSE(summary.ok());
  CHECK(summary.error().code == ErrorCode::kInvalidArgument);
  options.journal.resume = true;
  summary = Run(recorder);
  REQUIRE_FALSE(summary.ok());
  CHECK(summary.error().code == ErrorCode::kJournal);
  CHECK(fs::file_size(journal) == 8);
}

TEST_CASE_METHOD(Fixture, "Run journal: one that is in use is refused") {
  RunUntilStopped(10);
  const auto held = OpenJournalFile(journal, JournalAccess::kContinue);
  REQUIRE(held.ok());
  options.journal.resume = true;
  Recorder recorder;
  const Result<RunSummary> summary = Run(recorder);
  REQUIRE_FALSE(summary.ok());
  CHECK(summary.error().code == ErrorCode::kJournal);
  CHECK(summary.error().detail.find("another scan") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "Run journal: none is no journal to resume from") {
  options.journal.resume = true;
  Recorder recorder;
  Result<RunSummary> summary = Run(recorder);
  REQUIRE_FALSE(summary.ok());
  CHECK(summary.error().code == ErrorCode::kInvalidArgument);
  // One that was cut off before its first byte.
  dir.File("journal", "");
  summary = Run(recorder);
  REQUIRE(summary.ok());
  CHECK(summary.value().files == 40);
  CHECK(Check().verdict() == JournalCheck::Verdict::kFine);
}

}  // namespace
}  // namespace scanengine
