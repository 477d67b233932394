#include "ipc/outcome.h"

#include <catch2/catch.hpp>
#include <set>

#include "ipc/text.h"

namespace scanengine {
namespace {

TEST_CASE("OutcomeStatus: names are those of the reports, each once") {
  std::set<std::string_view> names;
  for (int i = 0; i < kOutcomeStatusCount; ++i) {
    names.insert(OutcomeStatusName(static_cast<OutcomeStatus>(i)));
  }
  CHECK(names == std::set<std::string_view>{
                     "scanned", "unsupported", "not-a-model", "encrypted",
                     "limit", "unreadable", "changed", "skipped", "timed-out",
                     "crashed", "out-of-memory", "sandbox-violation",
                     "protocol", "cancelled", "not-run"});
}

TEST_CASE("OutcomeStatus: only these three do not make a run incomplete") {
  for (int i = 0; i < kOutcomeStatusCount; ++i) {
    const auto status = static_cast<OutcomeStatus>(i);
    const bool complete = status == OutcomeStatus::kScanned ||
                          status == OutcomeStatus::kNotAModel ||
                          status == OutcomeStatus::kSkipped;
    CAPTURE(OutcomeStatusName(status));
    CHECK(IsIncomplete(status) == !complete);
  }
}

TEST_CASE("OutcomeStatus: of two the one stays that says more was missed") {
  CHECK(WorseStatus(OutcomeStatus::kNotAModel, OutcomeStatus::kScanned) ==
        OutcomeStatus::kScanned);
  CHECK(WorseStatus(OutcomeStatus::kLimit, OutcomeStatus::kEncrypted) ==
        OutcomeStatus::kLimit);
  CHECK(WorseStatus(OutcomeStatus::kScanned, OutcomeStatus::kUnsupported) ==
        OutcomeStatus::kUnsupported);
}

TEST_CASE("Severity: names parse back, others do not") {
  for (int i = 0; i < 5; ++i) {
    const auto severity = static_cast<Severity>(i);
    CHECK(ParseSeverity(SeverityName(severity)) == severity);
  }
  CHECK_FALSE(ParseSeverity("High"));
  CHECK_FALSE(ParseSeverity(""));
}

TEST_CASE("Printable: nothing that fools a terminal gets through") {
  CHECK(Printable("plain \xc3\xa9 \xe2\x82\xac", 100) ==
        "plain \xc3\xa9 \xe2\x82\xac");
  CHECK(Printable("a\nb\tc\x1b[31m\x7f", 100) == "a\\nb\\tc\\x1b[31m\\x7f");
  CHECK(Printable("\xff\xfe", 100) == "\\xff\\xfe");
  CHECK(Printable("x\xe2\x80\xaetxt", 100) == "x\\u202etxt");
  CHECK(Printable("\xc0\x80", 100) == "\\xc0\\x80");           // Overlong.
  CHECK(Printable("\xed\xa0\x80", 100) == "\\xed\\xa0\\x80");  // Surrogate.
  CHECK(Printable(std::string(50, 'a'), 10) == "aaaaaaaaaa...");
  const std::string once = Printable("C:\\dir\n\xff", 100);
  CHECK(Printable(once, 100) == once);
}

TEST_CASE("HumanSize: units step at 1024") {
  CHECK(HumanSize(0) == "0 B");
  CHECK(HumanSize(1023) == "1023 B");
  CHECK(HumanSize(1536) == "1.5 KiB");
  CHECK(HumanSize(1ULL << 40) == "1.0 TiB");
}

}  // namespace
}  // namespace scanengine
