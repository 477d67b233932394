// Runs every row of tests/fixtures/samples.tsv through the scanners.

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/support/scan_bytes.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

struct Sample {
  std::string name;
  std::string kind;
  std::string least;
  std::string file;
  std::string bytes;
};

std::vector<std::string> SplitAtTabs(const std::string& line) {
  std::vector<std::string> columns(1);
  for (const char c : line) {
    if (c == '\t') {
      columns.emplace_back();
    } else {
      columns.back() += c;
    }
  }
  return columns;
}

std::vector<Sample> Samples() {
  std::ifstream lines(SCANENGINE_FIXTURES "/samples.tsv");
  std::vector<Sample> samples;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    const auto columns = SplitAtTabs(line);
    REQUIRE(columns.size() == 6);
    const auto bytes = DecodeBase64(columns[5]);
    REQUIRE(bytes);
    samples.push_back({columns[0], columns[1], columns[2], columns[4], *bytes});
  }
  return samples;
}

std::optional<Severity> Worst(const ScanReply& reply) {
  const auto worst =
      std::max_element(reply.findings.begin(), reply.findings.end(),
                       [](const Finding& a, const Finding& b) {
                         return a.severity < b.severity;
                       });
  if (worst == reply.findings.end()) return std::nullopt;
  return worst->severity;
}

bool IsAsExpected(const std::string& least, std::optional<Severity> worst) {
  if (least == "benign") return !worst || *worst < Severity::kMedium;
  static const std::map<std::string, Severity> kNamed = {
      {"critical", Severity::kCritical},
      {"high", Severity::kHigh},
      {"medium", Severity::kMedium}};
  return worst && *worst >= kNamed.at(least);
}

std::string Describe(const ScanReply& reply) {
  std::string text = reply.format + ":";
  for (const Finding& finding : reply.findings) {
    text += " [" + finding.rule_id + ": " + finding.message + "]";
  }
  return text;
}

}  // namespace

TEST_CASE("Pickle samples: each is found, or passes, as its label says") {
  std::map<std::string, int> kinds;
  for (const Sample& sample : Samples()) {
    ++kinds[sample.least == "benign" ? "benign" : "hostile"];
    const ScanReply reply = ScanBytes(sample.bytes, sample.file);
    INFO(sample.name << " should be " << sample.least << "; "
                     << Describe(reply));
    CHECK(IsAsExpected(sample.least, Worst(reply)));
  }
  CHECK(kinds["hostile"] >= 600);
  CHECK(kinds["benign"] >= 100);
}

}  // namespace scanengine
