#ifndef SCANENGINE_TESTS_SUPPORT_JOURNAL_FAKES_H_
#define SCANENGINE_TESTS_SUPPORT_JOURNAL_FAKES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/journal_file.h"
#include "engine/journal_format.h"
#include "engine/journal_reader.h"

namespace scanengine::testing {

using Bytes = std::vector<std::byte>;

/// What a disk was asked to do, and what is on it. Outlives its files.
struct FakeDisk {
  struct Operation {
    bool sync = false;
    std::uint64_t place = 0;
    Bytes written;
  };

  std::mutex mutex;
  Bytes content;
  std::vector<Operation> log;
  std::optional<std::uint64_t> room;  ///< Bytes that fit; nothing: no limit.
  bool tidy = true;  ///< A write that fails leaves nothing behind.
  bool sync_fails = false;
};

class FakeJournalFile final : public JournalFile {
 public:
  explicit FakeJournalFile(FakeDisk& disk) : disk_(disk) {}

  Status Append(std::span<const std::byte> bytes) override {
    const std::lock_guard lock(disk_.mutex);
    const std::size_t begin = disk_.content.size();
    std::size_t fits = bytes.size();
    if (disk_.room) {
      fits = static_cast<std::size_t>(std::min<std::uint64_t>(
          fits, *disk_.room - std::min<std::uint64_t>(*disk_.room, begin)));
    }
    const auto part = bytes.first(fits);
    const bool whole = fits == bytes.size();
    if (whole || !disk_.tidy) {
      disk_.content.insert(disk_.content.end(), part.begin(), part.end());
      disk_.log.push_back({false, begin, Bytes(part.begin(), part.end())});
    }
    if (!whole) return Error{ErrorCode::kIo, "No space left on device"};
    return OkStatus();
  }
  Status Sync() override {
    const std::lock_guard lock(disk_.mutex);
    if (disk_.sync_fails) return Error{ErrorCode::kIo, "Input/output error"};
    disk_.log.push_back({true, disk_.content.size(), {}});
    return OkStatus();
  }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    const std::lock_guard lock(disk_.mutex);
    if (offset >= disk_.content.size()) return std::size_t{0};
    const auto at = static_cast<std::size_t>(offset);
    const std::size_t size = std::min(out.size(), disk_.content.size() - at);
    std::copy_n(disk_.content.begin() + static_cast<std::ptrdiff_t>(at), size,
                out.begin());
    return size;
  }
  Status Truncate(std::uint64_t size) override {
    const std::lock_guard lock(disk_.mutex);
    disk_.content.resize(static_cast<std::size_t>(size));
    return OkStatus();
  }
  std::uint64_t size() const override {
    const std::lock_guard lock(disk_.mutex);
    return disk_.content.size();
  }

 private:
  FakeDisk& disk_;
};

inline std::unique_ptr<JournalFile> FileOn(FakeDisk& disk) {
  return std::make_unique<FakeJournalFile>(disk);
}

/// A file of these bytes.
inline std::unique_ptr<FakeDisk> DiskOf(Bytes content) {
  auto disk = std::make_unique<FakeDisk>();
  disk->content = std::move(content);
  return disk;
}

inline JournalSession ExampleSession(std::uint8_t seed = 1) {
  JournalSession session;
  for (std::size_t i = 0; i < session.run.size(); ++i) {
    session.run[i] = static_cast<std::uint8_t>(seed * 31 + i * 7);
  }
  session.started = "2026-01-31T12:34:56Z";
  session.roots = {"/models", std::string("/odd\n\xff", 6)};
  session.roots_digest = "abc";
  session.settings = {{JournalSetting::Kind::kRules, "version", "1"},
                      {JournalSetting::Kind::kEffort, "--timeout", "60000 ms"},
                      {JournalSetting::Kind::kSelection, "--include", ""}};
  return session;
}

/// Outcome number |i| of a run: of every shape, by turns.
inline FileOutcome ExampleOutcome(int i) {
  FileOutcome outcome;
  outcome.path = "models/f" + std::to_string(i) + ".pkl";
  if (i % 7 == 3) outcome.path += std::string("\0\xff\n", 3);
  outcome.attempts = 1 + i % 2;
  outcome.worker = i % 4;
  outcome.in_process = i % 5 == 0;
  outcome.result.status = static_cast<OutcomeStatus>(i % 13);
  outcome.result.format = "pickle";
  outcome.result.bytes = static_cast<std::uint64_t>(i) * 1000;
  outcome.result.scanners = {"pickle"};
  if (i % 4 != 1) {
    outcome.stamp = FileStamp{outcome.result.bytes, 77, -5 + i, 1'000'000};
  }
  if (i % 3 == 0) {
    Finding finding;
    finding.rule_id = "pickle-dangerous-import";
    finding.severity = Severity::kHigh;
    finding.message = "imports os.system";
    finding.offset = 2;
    finding.evidence = std::string(static_cast<std::size_t>(i % 90), 'e');
    outcome.result.findings.push_back(finding);
    outcome.result.assets.push_back({"member", "zip", 9, {{"a", "b"}}});
    outcome.ended = "SIGSEGV";
  }
  return outcome;
}

/// What a journal tells, record by record, and how it ends.
struct Reading {
  std::vector<std::pair<JournalRecordType, Bytes>> records;
  std::vector<std::uint64_t> places;
  std::optional<Error> refused;
  JournalTail tail;

  std::vector<FileOutcome> Outcomes() const {
    std::vector<FileOutcome> outcomes;
    for (const auto& [type, payload] : records) {
      if (type != JournalRecordType::kOutcome) continue;
      const Result<FileOutcome> outcome = DecodeOutcome(payload);
      if (outcome.ok()) outcomes.push_back(outcome.value());
    }
    return outcomes;
  }
};

inline Reading ReadAll(JournalFile& file) {
  Reading reading;
  Result<JournalReader> reader = JournalReader::Open(file);
  if (!reader.ok()) {
    reading.refused = reader.error();
    return reading;
  }
  while (const auto record = reader.value().Next()) {
    reading.records.emplace_back(
        record->type, Bytes(record->payload.begin(), record->payload.end()));
    reading.places.push_back(record->place);
  }
  reading.tail = reader.value().tail();
  return reading;
}

inline Reading ReadAll(const Bytes& content) {
  const std::unique_ptr<FakeDisk> disk = DiskOf(content);
  return ReadAll(*FileOn(*disk));
}

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_JOURNAL_FAKES_H_
