// A million outcomes through a journal and a report, in little memory.

#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/report.h"
#include "cli/report_writer.h"
#include "engine/journal_verify.h"
#include "engine/journal_writer.h"
#include "tests/support/journal_fakes.h"
#include "tests/support/temp_dir.h"

namespace scanengine::cli {
namespace {

using scanengine::testing::ExampleSession;
using scanengine::testing::TempDir;

constexpr int kFiles = 1'000'000;
constexpr int kBatch = 256;
constexpr std::uint64_t kMostKiB = 256U << 10;

// Largest memory that this process has had, in KiB.
std::uint64_t PeakMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  }
  FAIL("the system does not tell the peak of memory");
  return 0;
}

// Scattered, so that neither order is the other.
std::string PathOf(int i) {
  const auto scattered = static_cast<std::uint64_t>(i) * 7'919 % kFiles;
  return "models/repository-" + std::to_string(scattered / 1000) +
         "/snapshots/main/weights-" + std::to_string(1'000'000 + scattered) +
         ".safetensors";
}

FileOutcome OutcomeOf(int i) {
  FileOutcome outcome;
  outcome.path = PathOf(i);
  outcome.attempts = 1;
  outcome.worker = 1 + i % 2;
  outcome.stamp = FileStamp{100, static_cast<std::uint64_t>(i), 5, 6};
  outcome.result.format = "safetensors";
  outcome.result.scanners = {"safetensors"};
  outcome.result.bytes = 100;
  outcome.result.assets.push_back(
      {"", "safetensors", 100, {{"tensors", "12"}, {"dtypes", "F32"}}});
  if (i % 100 == 0) {
    Finding finding;
    finding.rule_id = "safetensors-gap";
    finding.severity = Severity::kMedium;
    finding.message = "bytes that no tensor covers";
    finding.offset = static_cast<std::uint64_t>(i);
    outcome.result.findings.push_back(finding);
  }
  return outcome;
}

// Counts, and checks the order, of what it is given.
class CheckingSink final : public ByteSink {
 public:
  Status Write(std::string_view bytes) override {
    for (const char byte : bytes) {
      if (byte != '\n') {
        line_ += byte;
        continue;
      }
      if (line_.starts_with("{\"path\":")) {
        ++files;
        ordered = ordered && last_ < line_;
        last_ = line_;
      }
      line_.clear();
    }
    return OkStatus();
  }
  Status Commit() override { return OkStatus(); }

  int files = 0;
  bool ordered = true;

 private:
  std::string line_;
  std::string last_;
};

TEST_CASE("Report: a million outcomes take less than 256 MiB") {
  TempDir dir;
  const std::string path = dir / "journal";
  JournalWriter writer(ExampleSession(),
                       [&path] { return CreateJournalFile(path); }, {}, {});
  REQUIRE(writer.Begin().ok());
  auto owned = std::make_unique<CheckingSink>();
  CheckingSink& sink = *owned;
  ReportWriter out(std::move(owned));
  ReportOptions options;
  options.format = ReportFormat::kJson;
  options.canonical = true;
  options.read_back = [&writer](std::uint64_t place) {
    return writer.ReadBack(place);
  };
  const std::unique_ptr<Report> report = NewReport(options, out);

  JournalEnd end{.complete = true, .files = kFiles};
  for (int first = 0; first < kFiles; first += kBatch) {
    std::vector<FileOutcome> outcomes;
    std::vector<FileOutcome*> batch;
    std::vector<std::string> paths;
    for (int i = first; i < std::min(first + kBatch, kFiles); ++i) {
      outcomes.push_back(OutcomeOf(i));
      paths.push_back(outcomes.back().path);
      end.findings_by_severity[2] += outcomes.back().result.findings.size();
    }
    for (FileOutcome& outcome : outcomes) batch.push_back(&outcome);
    writer.List(paths);
    writer.Record(batch);
    for (const FileOutcome& outcome : outcomes) {
      if (outcome.place == 0) FAIL("not recorded");
      report->Add(outcome);
    }
  }
  RunSummary summary;
  summary.files = kFiles;
  REQUIRE(report->Finish(summary).ok());
  REQUIRE(out.Commit().ok());
  CHECK(sink.files == kFiles);
  CHECK(sink.ordered);
  const std::uint64_t with_report = PeakMemory();
  end.by_status[0] = kFiles;
  end.bytes = std::uint64_t{100} * kFiles;
  writer.End(end);
  CHECK_FALSE(writer.error());

  auto file = OpenJournalFile(path, JournalAccess::kRead);
  REQUIRE(file.ok());
  const Result<JournalCheck> check = CheckJournal(*file.value());
  REQUIRE(check.ok());
  CHECK(check.value().verdict() == JournalCheck::Verdict::kFine);
  CHECK(check.value().listed == kFiles);
  CAPTURE(with_report, file.value()->size());
  CHECK(PeakMemory() < kMostKiB);
  WARN("peak memory " << with_report / 1024 << " MiB, with verify "
                      << PeakMemory() / 1024 << " MiB, journal "
                      << (file.value()->size() >> 20) << " MiB");
}

}  // namespace
}  // namespace scanengine::cli
