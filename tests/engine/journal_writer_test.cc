#include "engine/journal_writer.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/journal_fakes.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::Bytes;
using testing::ExampleOutcome;
using testing::ExampleSession;
using testing::FakeDisk;
using testing::FileOn;
using testing::ReadAll;
using testing::Reading;

std::unique_ptr<JournalWriter> NewWriter(FakeDisk& disk,
                                         JournalWriterOptions options = {},
                                         JournalWriter::Events events = {}) {
  return std::make_unique<JournalWriter>(
      ExampleSession(),
      [&disk]() -> Result<std::unique_ptr<JournalFile>> {
        return FileOn(disk);
      },
      options, std::move(events));
}

void ListAndRecord(JournalWriter& writer, FileOutcome& outcome) {
  writer.List(std::span(&outcome.path, 1));
  FileOutcome* const one = &outcome;
  writer.Record(std::span(&one, 1));
}

Bytes ContentOf(FakeDisk& disk) {
  const std::lock_guard lock(disk.mutex);
  return disk.content;
}

std::vector<std::string> PathsOf(const Reading& reading) {
  std::vector<std::string> paths;
  for (const FileOutcome& outcome : reading.Outcomes()) {
    paths.push_back(outcome.path);
  }
  return paths;
}

TEST_CASE("Journal writer: an outcome is in the file when Record() returns") {
  FakeDisk disk;
  const auto writer = NewWriter(disk);
  REQUIRE(writer->Begin().ok());
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    FileOutcome outcome = ExampleOutcome(i);
    ListAndRecord(*writer, outcome);
    expected.push_back(outcome.path);
    CHECK(outcome.place != 0);
    CHECK(PathsOf(ReadAll(ContentOf(disk))) == expected);
    const Result<FileOutcome> back = writer->ReadBack(outcome.place);
    REQUIRE(back.ok());
    CHECK(back.value().path == outcome.path);
  }
}

TEST_CASE("Journal writer: a batch is one write") {
  FakeDisk disk;
  const auto writer = NewWriter(disk, {.sync_interval = std::chrono::hours(1),
                                       .sync_records = 1'000'000});
  REQUIRE(writer->Begin().ok());
  std::vector<FileOutcome> outcomes;
  std::vector<FileOutcome*> batch;
  std::vector<std::string> paths;
  for (int i = 0; i < 64; ++i) outcomes.push_back(ExampleOutcome(i));
  for (FileOutcome& outcome : outcomes) {
    batch.push_back(&outcome);
    paths.push_back(outcome.path);
  }
  writer->List(paths);
  writer->Record(batch);
  const std::lock_guard lock(disk.mutex);
  CHECK(disk.log.size() == 2);  // The header, and all of these.
}

TEST_CASE("Journal writer: what is not final is not written") {
  FakeDisk disk;
  const auto writer = NewWriter(disk);
  REQUIRE(writer->Begin().ok());
  for (const OutcomeStatus status :
       {OutcomeStatus::kCancelled, OutcomeStatus::kNotRun}) {
    FileOutcome outcome = ExampleOutcome(0);
    outcome.result.status = status;
    ListAndRecord(*writer, outcome);
    CHECK(outcome.place == 0);
  }
  FileOutcome resumed = ExampleOutcome(1);
  resumed.place = 1234;  // There already.
  ListAndRecord(*writer, resumed);
  CHECK(ReadAll(ContentOf(disk)).Outcomes().empty());
}

TEST_CASE("Journal writer: the file begins when enough files are listed") {
  FakeDisk disk;
  const auto writer = NewWriter(disk, {.begin_after = 10});
  std::vector<FileOutcome> outcomes;
  for (int i = 0; i < 11; ++i) {
    CHECK_FALSE(writer->begun());
    outcomes.push_back(ExampleOutcome(i));
    ListAndRecord(*writer, outcomes.back());
  }
  CHECK(writer->begun());
  const Reading reading = ReadAll(ContentOf(disk));
  CHECK(reading.Outcomes().size() == 11);
  for (const FileOutcome& outcome : outcomes) {
    const Result<FileOutcome> back = writer->ReadBack(outcome.place);
    REQUIRE(back.ok());
    CHECK(back.value().path == outcome.path);
  }
}

TEST_CASE("Journal writer: a small run leaves no file and can be read back") {
  FakeDisk disk;
  const auto writer = NewWriter(disk, {.begin_after = 10});
  FileOutcome outcome = ExampleOutcome(3);
  ListAndRecord(*writer, outcome);
  writer->End({});
  CHECK(ContentOf(disk).empty());
  const Result<FileOutcome> back = writer->ReadBack(outcome.place);
  REQUIRE(back.ok());
  CHECK(back.value().path == outcome.path);
}

TEST_CASE("Journal writer: much in memory begins the file early") {
  FakeDisk disk;
  const auto writer =
      NewWriter(disk, {.begin_after = 1'000, .begin_after_bytes = 5'000});
  std::vector<FileOutcome> outcomes;
  for (int i = 0; i < 100; ++i) outcomes.push_back(ExampleOutcome(i));
  std::vector<FileOutcome*> batch;
  for (FileOutcome& outcome : outcomes) batch.push_back(&outcome);
  writer->Record(batch);
  CHECK(writer->begun());
  CHECK(ReadAll(ContentOf(disk)).Outcomes().size() == 100);
}

TEST_CASE("Journal writer: a file that cannot be made is told, once") {
  int told = 0;
  std::string why;
  JournalWriter writer(
      ExampleSession(),
      []() -> Result<std::unique_ptr<JournalFile>> {
        return Error{ErrorCode::kPermission, "Permission denied"};
      },
      {.begin_after = 2},
      {[] { FAIL("stops the run"); },
       [&](const Error& error) {
         ++told;
         why = error.detail;
       }});
  std::vector<FileOutcome> outcomes;
  for (int i = 0; i < 9; ++i) {
    outcomes.push_back(ExampleOutcome(i));
    ListAndRecord(writer, outcomes.back());
  }
  CHECK(told == 1);
  CHECK(why == "Permission denied");
  // Each either has a place that can be read or none.
  for (const FileOutcome& outcome : outcomes) {
    if (outcome.place == 0) continue;
    const Result<FileOutcome> back = writer.ReadBack(outcome.place);
    REQUIRE(back.ok());
    CHECK(back.value().path == outcome.path);
  }
  CHECK(outcomes.back().place == 0);
}

TEST_CASE("Journal writer: the end syncs all that was written") {
  FakeDisk disk;
  const auto writer = NewWriter(disk);
  REQUIRE(writer->Begin().ok());
  FileOutcome outcome = ExampleOutcome(0);
  ListAndRecord(*writer, outcome);
  writer->End({.complete = true, .files = 1});
  const std::lock_guard lock(disk.mutex);
  REQUIRE(disk.log.back().sync);
  CHECK(disk.log.back().place == disk.content.size());
}

TEST_CASE("Journal writer: syncs by itself") {
  const JournalWriterOptions by_time{.sync_interval =
                                         std::chrono::milliseconds(1)};
  const JournalWriterOptions by_count{.sync_interval = std::chrono::hours(1),
                                      .sync_records = 5};
  for (const JournalWriterOptions& options : {by_time, by_count}) {
    FakeDisk disk;
    const auto writer = NewWriter(disk, options);
    REQUIRE(writer->Begin().ok());
    for (int i = 0; i < 10; ++i) {
      FileOutcome outcome = ExampleOutcome(i);
      ListAndRecord(*writer, outcome);
    }
    const auto synced = [&] {
      const std::lock_guard lock(disk.mutex);
      return std::any_of(
          disk.log.begin(), disk.log.end(),
          [](const FakeDisk::Operation& done) { return done.sync; });
    };
    while (!synced()) std::this_thread::yield();
    SUCCEED();
  }
}

// The journal of a run that wrote and synced by turns, as the disk saw it.
std::vector<FakeDisk::Operation> LogOfARun(FakeDisk& disk) {
  const auto writer = NewWriter(
      disk, {.sync_interval = std::chrono::hours(1), .sync_records = 7});
  REQUIRE(writer->Begin().ok());
  for (int i = 0; i < 120; ++i) {
    FileOutcome outcome = ExampleOutcome(i);
    ListAndRecord(*writer, outcome);
    if (i % 10 != 9) continue;
    // Lets the other thread come to its sync.
    const auto syncs = [&] {
      const std::lock_guard lock(disk.mutex);
      return std::count_if(
          disk.log.begin(), disk.log.end(),
          [](const FakeDisk::Operation& done) { return done.sync; });
    };
    while (syncs() <= i / 30) std::this_thread::yield();
  }
  writer->End({});
  return disk.log;
}

// After a power cut: all up to |synced|, and of the writes behind it those
// whose bit is set in |kept|; what lies between them is zeros.
Bytes AfterPowerCut(const std::vector<FakeDisk::Operation>& log,
                    std::size_t synced, std::size_t until, std::uint64_t kept) {
  Bytes content;
  for (std::size_t i = 0; i < until; ++i) {
    if (log[i].sync) continue;
    if (i >= synced && (kept >> ((i - synced) % 64) & 1) == 0) continue;
    const auto at = static_cast<std::size_t>(log[i].place);
    if (content.size() < at + log[i].written.size()) {
      content.resize(at + log[i].written.size());
    }
    std::copy(log[i].written.begin(), log[i].written.end(),
              content.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return content;
}

TEST_CASE("Journal writer: a power cut leaves what was synced, and a prefix") {
  FakeDisk disk;
  const std::vector<FakeDisk::Operation> log = LogOfARun(disk);
  const std::vector<std::string> all = PathsOf(ReadAll(disk.content));
  REQUIRE(all.size() == 120);
  std::size_t synced = 0;
  for (std::size_t until = 1; until <= log.size(); ++until) {
    if (log[until - 1].sync) synced = until;
    const std::size_t at_least =
        PathsOf(ReadAll(AfterPowerCut(log, synced, synced, 0))).size();
    for (const std::uint64_t kept :
         {std::uint64_t{0}, ~std::uint64_t{0},
          std::uint64_t{0xAAAAAAAAAAAAAAAA}, std::uint64_t{0x5555555555555555},
          std::uint64_t{0x123456789ABCDEF1}, ~std::uint64_t{1},
          ~std::uint64_t{4}}) {
      const Reading reading = ReadAll(AfterPowerCut(log, synced, until, kept));
      if (synced == 0 && reading.refused) continue;
      REQUIRE_FALSE(reading.refused);
      const std::vector<std::string> paths = PathsOf(reading);
      REQUIRE(paths.size() >= at_least);
      REQUIRE(paths.size() <= all.size());
      REQUIRE(std::equal(paths.begin(), paths.end(), all.begin()));
    }
  }
}

TEST_CASE("Journal writer: a full disk stops the run and keeps the rest") {
  for (std::uint64_t room = 0; room <= 20'000; room += 512) {
    for (const bool tidy : {true, false}) {
      CAPTURE(room, tidy);
      FakeDisk disk;
      disk.room = room;
      disk.tidy = tidy;
      std::atomic<int> stops = 0;
      const auto writer = NewWriter(disk, {}, {[&] { ++stops; }, nullptr});
      if (!writer->Begin().ok()) {
        CHECK(writer->error()->detail == "No space left on device");
        CHECK(stops == 0);
        continue;
      }
      std::vector<std::string> recorded;
      for (int i = 0; i < 200; ++i) {
        FileOutcome outcome = ExampleOutcome(i);
        ListAndRecord(*writer, outcome);
        if (outcome.place == 0) continue;
        recorded.push_back(outcome.path);
        REQUIRE(writer->ReadBack(outcome.place).ok());
      }
      REQUIRE(stops == 1);
      REQUIRE(writer->error());
      writer->End({});
      const Reading reading = ReadAll(ContentOf(disk));
      REQUIRE(PathsOf(reading) == recorded);
      REQUIRE(reading.tail.kind != JournalTail::Kind::kDamaged);

      // Space is freed: it goes on behind the last record that is right.
      disk.room.reset();
      auto file = FileOn(disk);
      REQUIRE(file->Truncate(reading.tail.place).ok());
      JournalWriter more(ExampleSession(), std::move(file), {}, {});
      FileOutcome outcome = ExampleOutcome(500);
      ListAndRecord(more, outcome);
      recorded.push_back(outcome.path);
      more.End({});
      REQUIRE(PathsOf(ReadAll(ContentOf(disk))) == recorded);
    }
  }
}

TEST_CASE("Journal writer: a failed sync stops the run") {
  FakeDisk disk;
  disk.sync_fails = true;
  std::atomic<int> stops = 0;
  const auto writer =
      NewWriter(disk, {.sync_interval = std::chrono::milliseconds(1)},
                {[&] { ++stops; }, nullptr});
  REQUIRE(writer->Begin().ok());
  while (stops == 0) std::this_thread::yield();
  CHECK(writer->error()->detail == "Input/output error");
  FileOutcome outcome = ExampleOutcome(1);
  ListAndRecord(*writer, outcome);
  CHECK(outcome.place == 0);
  CHECK(stops == 1);
}

TEST_CASE("Journal writer: several threads lose nothing") {
  FakeDisk disk;
  const auto writer = NewWriter(
      disk, {.sync_interval = std::chrono::milliseconds(1), .sync_records = 3});
  REQUIRE(writer->Begin().ok());
  std::thread lister([&] {
    for (int i = 0; i < 500; ++i) {
      const std::string path = "listed" + std::to_string(i);
      writer->List(std::span(&path, 1));
    }
  });
  std::thread starter([&] {
    for (int i = 0; i < 500; ++i) writer->BeginInProcess("started");
  });
  for (int i = 0; i < 500; ++i) {
    FileOutcome outcome = ExampleOutcome(i);
    FileOutcome* const one = &outcome;
    writer->Record(std::span(&one, 1));
    CHECK(writer->ReadBack(outcome.place).ok());
  }
  lister.join();
  starter.join();
  writer->End({});
  const Reading reading = ReadAll(ContentOf(disk));
  std::size_t listed = 0;
  std::size_t started = 0;
  for (const auto& [type, payload] : reading.records) {
    if (type == JournalRecordType::kListed) {
      CHECK(DecodeListed(payload, [&](std::string_view) { ++listed; }).ok());
    }
    started += type == JournalRecordType::kInProcessStart ? 1 : 0;
  }
  CHECK(listed == 500);
  CHECK(started == 500);
  CHECK(reading.Outcomes().size() == 500);
  CHECK(reading.tail.kind == JournalTail::Kind::kWhole);
}

TEST_CASE("Journal file: is made, locked, refused and gone on with") {
  const testing::TempDir dir;
  const std::string path = dir / "a.journal";
  {
    Result<std::unique_ptr<JournalFile>> file = CreateJournalFile(path);
    REQUIRE(file.ok());
    CHECK(OpenJournalFile(path, JournalAccess::kContinue).error().code ==
          ErrorCode::kChanged);
    CHECK(CreateJournalFile(path).error().code == ErrorCode::kChanged);
    CHECK(OpenJournalFile(path, JournalAccess::kRead).ok());
    const JournalBuffer buffer(ExampleSession());
    CHECK(file.value()->Append(buffer.bytes()).ok());
    CHECK(file.value()->Sync().ok());
    CHECK(ReadAll(*file.value()).tail.kind == JournalTail::Kind::kWhole);
  }
  CHECK(CreateJournalFile(path).error().code == ErrorCode::kInvalidArgument);
  Result<std::unique_ptr<JournalFile>> again =
      OpenJournalFile(path, JournalAccess::kContinue);
  REQUIRE(again.ok());
  const std::uint64_t size = again.value()->size();
  CHECK(again.value()->Truncate(size - 1).ok());
  CHECK(again.value()->size() == size - 1);
  CHECK(JournalNames(dir.path()) == std::vector<std::string>{"a.journal"});
  CHECK(RemoveJournal(path));
  again.value().reset();  // Windows keeps the file for as long as it is open.
  CHECK(OpenJournalFile(path, JournalAccess::kRead).error().code ==
        ErrorCode::kNotFound);
  CHECK(OpenJournalFile(dir.path(), JournalAccess::kRead).error().code ==
        ErrorCode::kUnsupported);
}

TEST_CASE("Journal file: folders are made for their owner") {
  testing::TempDir dir;
  CHECK(CreateFolders(dir / "a/b/c").ok());
  CHECK(CreateFolders(dir / "a/b/c").ok());
  dir.File("file");
  CHECK_FALSE(CreateFolders(dir / "file/below").ok());
}

}  // namespace
}  // namespace scanengine
