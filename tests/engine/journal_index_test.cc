#include "engine/journal_index.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "engine/journal_verify.h"
#include "tests/support/journal_fakes.h"

namespace scanengine {
namespace {

using testing::Bytes;
using testing::DiskOf;
using testing::ExampleSession;
using testing::FileOn;

FileOutcome Outcome(const std::string& path, OutcomeStatus status) {
  FileOutcome outcome;
  outcome.path = path;
  outcome.attempts = 1;
  outcome.result.status = status;
  outcome.result.bytes = 10;
  return outcome;
}

// A journal that is being written, for one expression a record.
class Script {
 public:
  Script& List(const std::vector<std::string>& paths) {
    buffer_.AddListed(paths);
    return *this;
  }
  Script& Done(const std::string& path,
               OutcomeStatus status = OutcomeStatus::kScanned) {
    places.push_back(buffer_.AddOutcome(Outcome(path, status)).value());
    return *this;
  }
  Script& Drop(const std::string& path) {
    buffer_.AddDropped(path);
    return *this;
  }
  Script& Start(const std::string& path) {
    buffer_.AddInProcessStart(path);
    return *this;
  }
  Script& Session(const JournalSession& session = ExampleSession()) {
    buffer_.AddSession(session);
    return *this;
  }
  Script& End(JournalEnd end) {
    buffer_.AddEnd(end);
    return *this;
  }
  Bytes content() const {
    return {buffer_.bytes().begin(), buffer_.bytes().end()};
  }

  std::vector<std::uint64_t> places;

 private:
  JournalBuffer buffer_{ExampleSession()};
};

// Both must outlive the index that is made of them.
struct OpenScript {
  explicit OpenScript(const Script& script)
      : disk(DiskOf(script.content())), file(FileOn(*disk)) {
    Result<JournalReader> reader = JournalReader::Open(*file);
    REQUIRE(reader.ok());
    index.emplace(reader.value());
    tail = reader.value().tail();
  }
  std::unique_ptr<testing::FakeDisk> disk;
  std::unique_ptr<JournalFile> file;
  std::optional<JournalIndex> index;
  JournalTail tail;
};

JournalCheck Check(const Bytes& content) {
  const auto disk = DiskOf(content);
  const auto file = FileOn(*disk);
  Result<JournalCheck> check = CheckJournal(*file);
  REQUIRE(check.ok());
  return check.value();
}

JournalEnd EndOf(std::uint64_t scanned, bool complete = true) {
  JournalEnd end;
  end.complete = complete;
  end.files = scanned;
  end.by_status[0] = scanned;
  end.bytes = 10 * scanned;
  return end;
}

TEST_CASE("SipHash: equals the published values") {
  const SipHashKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string bytes;
  CHECK(SipHash(key, bytes) == 0x726fdb47dd0e0e31);
  for (char i = 0; i < 15; ++i) bytes += i;
  CHECK(SipHash(key, bytes) == 0xa129ca6149be45e5);
}

TEST_CASE("Journal index: knows each path's state") {
  Script script;
  script.List({"a", "b", "c", "d"}).Done("a").Done("c").Drop("c").Done("d");
  OpenScript open(script);
  JournalIndex& index = *open.index;
  REQUIRE(index.Find("a"));
  CHECK(index.Find("a")->listed == 1);
  CHECK(index.Find("a")->outcomes == 1);
  CHECK(index.Find("a")->place == script.places[0]);
  CHECK(index.Find("b")->outcomes == 0);
  CHECK(index.Find("c")->listed == 0);
  CHECK(index.Find("c")->outcomes == 0);
  CHECK(index.Find("d")->outcomes == 1);
  CHECK_FALSE(index.Find("e"));
  CHECK(index.with_outcome() == 2);
  CHECK_FALSE(index.end());
  CHECK_FALSE(index.Counts("c", script.places[1]));
  CHECK(index.Counts("a", script.places[0]));
  CHECK(index.Counts("c", ~std::uint64_t{0}));
}

TEST_CASE("Journal index: holds many paths") {
  Script script;
  std::vector<std::string> paths;
  for (int i = 0; i < 20'000; ++i) paths.push_back("p" + std::to_string(i));
  script.List(paths);
  for (int i = 0; i < 20'000; i += 2) script.Done("p" + std::to_string(i));
  OpenScript open(script);
  int wrong = 0;
  for (int i = 0; i < 20'000; ++i) {
    const JournalIndex::Entry* const entry =
        open.index->Find("p" + std::to_string(i));
    if (entry == nullptr || entry->listed != 1 ||
        entry->outcomes != (i % 2 == 0 ? 1 : 0)) {
      ++wrong;
    }
  }
  CHECK(wrong == 0);
  CHECK_FALSE(open.index->Find("p20000"));
}

TEST_CASE(
    "Journal index: the last start without an outcome ended the program") {
  const auto ended = [](const Script& script, const char* path) {
    OpenScript open(script);
    const JournalIndex::Entry* const entry = open.index->Find(path);
    return entry != nullptr && entry->ended_program == 1;
  };
  Script cut;
  cut.List({"a", "b"}).Start("a").Start("b");
  CHECK_FALSE(ended(cut, "a"));  // Done with, or "b" had not begun.
  CHECK(ended(cut, "b"));

  Script done;
  done.Start("a").Done("a");
  CHECK_FALSE(ended(done, "a"));

  Script other;
  other.Start("a").Done("b");  // One that the walk settled meanwhile.
  CHECK(ended(other, "a"));

  Script stopped;
  stopped.Start("a").End({});
  CHECK_FALSE(ended(stopped, "a"));

  Script resumed;
  resumed.Start("a").Session().Start("b").Done("b").End({});
  CHECK(ended(resumed, "a"));
  CHECK_FALSE(ended(resumed, "b"));

  // The end of the file is torn off, and with it perhaps the outcome.
  const auto torn_ended = [](Bytes content, const char* path) {
    content.push_back(std::byte{7});
    const auto disk = DiskOf(std::move(content));
    const auto file = FileOn(*disk);
    Result<JournalReader> reader = JournalReader::Open(*file);
    REQUIRE(reader.ok());
    JournalIndex index(reader.value());
    return index.Find(path)->ended_program == 1;
  };
  CHECK_FALSE(torn_ended(cut.content(), "b"));

  Script dropped;
  dropped.Start("a").Session().Drop("a");
  CHECK(ended(dropped, "a"));
}

TEST_CASE("Journal index: a record that makes no sense ends the journal") {
  JournalSession other = ExampleSession();
  other.run[0] ^= 1;
  Script script;
  script.List({"a"}).Done("a").Session(other).Done("b");
  OpenScript open(script);
  CHECK(open.tail.kind == JournalTail::Kind::kDamaged);
  CHECK_FALSE(open.index->Find("b"));
  CHECK(open.index->Find("a")->outcomes == 1);
}

TEST_CASE("Journal check: a run that came to its end is fine") {
  Script script;
  script.List({"a", "b"}).Done("a").Done("b").End(EndOf(2));
  const JournalCheck check = Check(script.content());
  CHECK(check.verdict() == JournalCheck::Verdict::kFine);
  CHECK(check.listed == 2);
  CHECK(check.found.files == 2);
  CHECK(check.sessions == 1);
  CHECK(check.differences.empty());
}

TEST_CASE("Journal check: a resumed run that came to its end is fine") {
  Script script;
  script.List({"a", "b"}).Done("a").Session().Drop("a").List({"a", "c"});
  script.Done("a").Done("b").Done("c").End(EndOf(3));
  const JournalCheck check = Check(script.content());
  CHECK(check.verdict() == JournalCheck::Verdict::kFine);
  CHECK(check.listed == 3);
  CHECK(check.found.files == 3);
  CHECK(check.sessions == 2);
}

TEST_CASE("Journal check: files without an outcome are named") {
  Script script;
  script.List({"a", "b", "c"}).Done("b");
  const JournalCheck check = Check(script.content());
  CHECK(check.verdict() == JournalCheck::Verdict::kIncomplete);
  CHECK(check.without_outcome.count == 2);
  CHECK(check.without_outcome.shown == std::vector<std::string>{"a", "c"});
}

TEST_CASE("Journal check: an end is asked for, and a complete one") {
  Script script;
  script.List({"a"}).Done("a");
  CHECK(Check(script.content()).verdict() ==
        JournalCheck::Verdict::kIncomplete);
  script.End(EndOf(1, false));
  CHECK(Check(script.content()).verdict() ==
        JournalCheck::Verdict::kIncomplete);
  script.Session().End(EndOf(1));
  CHECK(Check(script.content()).verdict() == JournalCheck::Verdict::kFine);
}

TEST_CASE("Journal check: a second outcome is wrong") {
  Script script;
  script.List({"a"}).Done("a").Done("a").End(EndOf(1));
  const JournalCheck check = Check(script.content());
  CHECK(check.verdict() == JournalCheck::Verdict::kWrong);
  CHECK(check.with_several.shown == std::vector<std::string>{"a"});
}

TEST_CASE("Journal check: an outcome of a file that is not listed is wrong") {
  Script script;
  script.List({"a"}).Done("a").Done("z").End(EndOf(2));
  const JournalCheck check = Check(script.content());
  CHECK(check.verdict() == JournalCheck::Verdict::kWrong);
  CHECK(check.not_listed.shown == std::vector<std::string>{"z"});
}

TEST_CASE("Journal check: totals that do not add up are wrong") {
  Script script;
  script.List({"a", "b"}).Done("a").Done("b", OutcomeStatus::kLimit);
  JournalEnd end = EndOf(2);
  end.findings_by_severity[4] = 1;
  script.End(end);
  const JournalCheck check = Check(script.content());
  CHECK(check.verdict() == JournalCheck::Verdict::kWrong);
  CHECK(check.differences ==
        std::vector<std::string>{"scanned: 2 written, 1 found",
                                 "limit: 0 written, 1 found",
                                 "findings, critical: 1 written, 0 found"});
}

TEST_CASE("Journal check: tells damage from a torn end") {
  Script script;
  script.List({"a", "b"}).Done("a").Done("b").End(EndOf(2));
  Bytes content = script.content();
  content[static_cast<std::size_t>(script.places[0]) + 30] ^= std::byte{4};
  const JournalCheck damaged = Check(content);
  CHECK(damaged.verdict() == JournalCheck::Verdict::kWrong);
  CHECK(damaged.tail.place == script.places[0]);

  content = script.content();
  content.pop_back();
  const JournalCheck torn = Check(content);
  CHECK(torn.verdict() == JournalCheck::Verdict::kIncomplete);
  CHECK(torn.found.files == 2);
}

}  // namespace
}  // namespace scanengine
