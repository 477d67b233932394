#ifndef SCANENGINE_TESTS_SUPPORT_RECORDING_ZIP_SINK_H_
#define SCANENGINE_TESTS_SUPPORT_RECORDING_ZIP_SINK_H_

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/byte_strings.h"
#include "worker/containers/zip_sink.h"
#include "worker/containers/zip_walk.h"

namespace scanengine::testing {

/// Keeps what a walk says. Reads every member to its end, or only its head.
class RecordingZipSink final : public ZipSink {
 public:
  using Member = std::pair<std::string, std::string>;

  void Report(const Rule& rule, Severity severity, Sighting sighting) override {
    rules.emplace_back(rule.id);
    severities.push_back(severity);
    messages.push_back(std::move(sighting.message));
  }
  void MarkIncomplete(OutcomeStatus status, std::string) override {
    incomplete.push_back(status);
  }
  void ScanMember(std::string_view name, ByteSource& member) override {
    if (read_members) {
      members.emplace_back(name, ReadAll(member));
      return;
    }
    // As a probe does.
    std::string head(4096, '\0');
    const auto got = member.ReadAt(
        0, std::as_writable_bytes(std::span(head.data(), head.size())));
    head.resize(got.ok() ? got.value() : 0);
    members.emplace_back(name, std::move(head));
  }
  void ScanOutside(std::string_view, std::uint64_t offset,
                   ByteSource& bytes) override {
    outside.emplace_back(std::to_string(offset), ReadAll(bytes));
  }
  bool ChargeUnpacked(std::uint64_t out, std::uint64_t in) override {
    unpacked += out;
    packed += in;
    return unpacked <= max_unpacked;
  }
  bool Checkpoint(std::uint64_t) override { return true; }
  const ScanLimits& limits() const override { return scan_limits; }

  /// How often a rule was reported.
  std::size_t Count(const Rule& rule) const {
    return static_cast<std::size_t>(
        std::count(rules.begin(), rules.end(), rule.id));
  }

  std::vector<std::string> rules;
  std::vector<Severity> severities;
  std::vector<std::string> messages;
  std::vector<OutcomeStatus> incomplete;
  std::vector<Member> members;
  std::vector<Member> outside;
  std::uint64_t unpacked = 0;
  std::uint64_t packed = 0;

  bool read_members = true;
  std::uint64_t max_unpacked = ~std::uint64_t{0};
  ScanLimits scan_limits;
};

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_RECORDING_ZIP_SINK_H_
