#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/scan_bytes.h"
#include "worker/parsing/checked_math.h"
#include "worker/parsing/defect_reporter.h"
#include "worker/parsing/extent_map.h"
#include "worker/parsing/hostile_name.h"
#include "worker/parsing/unclaimed_bytes.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

struct Survey {
  std::vector<Extent> outside;
  std::vector<Extent> overlaps;
  std::vector<Extent> gaps;

  bool operator==(const Survey&) const = default;
};

Survey Check(std::vector<Extent> extents, std::uint64_t size) {
  ExtentMap map;
  for (const Extent extent : extents) map.Add(extent);
  Survey survey;
  const auto into = [](std::vector<Extent>& list) {
    return [&list](Extent extent) {
      list.push_back(extent);
      return true;
    };
  };
  map.Check(size,
            {into(survey.outside), into(survey.overlaps), into(survey.gaps)});
  return survey;
}

constexpr Rule kTestRule{"test-rule", Severity::kMedium, "t", "w", "a"};

/// Findings that |scan| makes over |bytes|, without detection.
template <typename Function>
ScanReply ScanWith(std::string_view bytes, Function scan) {
  NullBoard board;
  ScanEnvironment environment;
  environment.board = &board;
  FileScan file(environment, TaskRequest{});
  MemorySource source(std::as_bytes(std::span(bytes)));
  ScanContext context(file, source, "x", "", 0);
  scan(context);
  MemorySource nothing({});
  return file.Run(nothing, "x");
}

}  // namespace

TEST_CASE("CheckedMath: results that do not fit are nothing") {
  CHECK(CheckedMultiply(0, kMax) == 0U);
  CHECK(CheckedMultiply(kMax, 1) == kMax);
  CHECK(CheckedMultiply(kMax, 2) == std::nullopt);
  CHECK(CheckedMultiply(1ULL << 32, 1ULL << 32) == std::nullopt);
  CHECK(CheckedAdd(kMax, 0) == kMax);
  CHECK(CheckedAdd(kMax, 1) == std::nullopt);
}

TEST_CASE("ExtentMap: extents side by side in any order leave nothing") {
  CHECK(Check({{8, 16}, {0, 8}}, 16) == Survey{});
  CHECK(Check({}, 0) == Survey{});
}

TEST_CASE("ExtentMap: empty extents are fine wherever they are") {
  CHECK(Check({{0, 8}, {8, 8}, {0, 0}, {4, 4}}, 8) == Survey{});
}

TEST_CASE("ExtentMap: gaps are told, also at both ends") {
  const Survey survey = Check({{4, 8}, {10, 12}}, 16);
  CHECK(survey == Survey{{}, {}, {{0, 4}, {8, 10}, {12, 16}}});
  CHECK(Check({}, 5) == Survey{{}, {}, {{0, 5}}});
}

TEST_CASE("ExtentMap: overlaps are told, also of one inside another") {
  CHECK(Check({{0, 8}, {4, 12}}, 12) == Survey{{}, {{4, 12}}, {}});
  CHECK(Check({{0, 12}, {4, 8}}, 12) == Survey{{}, {{4, 8}}, {}});
  CHECK(Check({{0, 4}, {0, 4}}, 4) == Survey{{}, {{0, 4}}, {}});
}

TEST_CASE("ExtentMap: extents beyond the region are told") {
  CHECK(Check({{0, 9}}, 8) == Survey{{{0, 9}}, {}, {}});
  CHECK(Check({{kMax - 1, kMax}}, 8) ==
        Survey{{{kMax - 1, kMax}}, {}, {{0, 8}}});
  CHECK(Check({{0, 8}, {9, 9}}, 8) == Survey{{{9, 9}}, {}, {}});
}

TEST_CASE("ExtentMap: a visitor that returns false ends the check") {
  ExtentMap map;
  map.Add({2, 3});
  map.Add({5, 6});
  int gaps = 0;
  const auto stop = [&](Extent) {
    ++gaps;
    return false;
  };
  map.Check(8, {stop, stop, stop});
  CHECK(gaps == 1);
}

TEST_CASE("IsHostileName: parent steps and control characters are") {
  for (const std::string_view name :
       {"../x", "a/../b", "..\\x", "a\\..\\b", "a\nb", "a\x7f"}) {
    CAPTURE(name);
    CHECK(IsHostileName(name));
  }
  CHECK(IsHostileName(std::string_view("a\0b", 3)));
  for (const std::string_view name :
       {"", "..", "a..b", "a/..b", "/encoder/layer.0", "transformer.h.0.w",
        "\xc3\xa9"}) {
    CAPTURE(name);
    CHECK_FALSE(IsHostileName(name));
  }
}

TEST_CASE("DefectReporter: past the limit defects are counted only") {
  const ScanReply reply = ScanWith("", [](ScanContext& context) {
    DefectReporter reporter(context, kTestRule);
    for (int i = 0; i < 100; ++i) {
      reporter.Report({.message = "defect " + std::to_string(i)});
    }
    reporter.Report(Severity::kHigh, {.message = "the worst comes last"});
    reporter.Finish();
    CHECK(reporter.count() == 101);
  });
  REQUIRE(reply.findings.size() == DefectReporter::kMaxListed + 1);
  CHECK(reply.findings.front().severity == Severity::kHigh);
  CHECK(reply.findings.front().message ==
        "85 more of this kind are not listed");
}

TEST_CASE("ScanUnclaimed: zeros are low, other bytes medium") {
  const std::string zeros(100, '\0');
  const ScanReply padding = ScanWith(zeros, [](ScanContext& context) {
    ScanUnclaimed(context, 10, 50, "gap");
  });
  REQUIRE(padding.findings.size() == 1);
  CHECK(padding.findings[0].severity == Severity::kLow);
  CHECK(padding.findings[0].offset == 10);

  const std::string junk(100, '\xfa');
  const ScanReply other = ScanWith(junk, [](ScanContext& context) {
    ScanUnclaimed(context, 10, 50, "gap");
  });
  REQUIRE(other.findings.size() == 1);
  CHECK(other.findings[0].severity == Severity::kMedium);
  CHECK(other.findings[0].message == "gap: 50 B that nothing refers to");
}

TEST_CASE("ScanUnclaimed: a format without a scanner is named") {
  const std::string bytes = "\x89HDF\r\n\x1a\n" + std::string(8, '\0');
  const ScanReply reply = ScanWith(bytes, [](ScanContext& context) {
    ScanUnclaimed(context, 0, 16, "trailing bytes");
  });
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].message ==
        "trailing bytes: 16 B that nothing refers to, of format hdf5");
}

TEST_CASE("ScanUnclaimed: nothing is not reported") {
  const ScanReply reply = ScanWith(
      "abc", [](ScanContext& context) { ScanUnclaimed(context, 1, 0, "gap"); });
  CHECK(reply.findings.empty());
}

TEST_CASE("ScanPadding: only what could hold something is reported") {
  const std::string zeros(4096, '\0');
  const std::string junk(4096, '\xfa');
  const auto scan = [](std::uint64_t size) {
    return [size](ScanContext& context) {
      ScanPadding(context, 0, size, "padding");
    };
  };
  CHECK(ScanWith(zeros, scan(4096)).findings.empty());
  CHECK(ScanWith(junk, scan(31)).findings.empty());
  CHECK(ScanWith(junk, scan(4096)).findings.size() == 1);
}

}  // namespace scanengine
