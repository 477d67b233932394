// What a scan keeps of what scanners report: merging, order, budgets, deadline.
// The scanner is the test's own.

#include "worker/file_scan.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipc/frame_codec.h"
#include "ipc/text.h"
#include "tests/support/byte_strings.h"
#include "tests/support/scripted_scanner.h"

namespace scanengine {
namespace {

using testing::BytesOf;

constexpr Rule kBad{"bad",      Severity::kHigh, "Bad",
                    "Because.", "Do not.",       "CWE-1"};
constexpr Rule kMild{"mild", Severity::kLow, "Mild", "Why.", "Look."};

/// Keeps what it was told.
class RecordingBoard final : public StatusBoardWriter {
 public:
  void BeginTask(std::uint64_t) override {}
  void EndTask() override {}
  void SetPhase(std::string_view phase) override { phases.emplace_back(phase); }
  void SetProgress(std::uint64_t offset, std::uint64_t bytes) override {
    last_offset = offset;
    last_bytes = bytes;
  }

  std::vector<std::string> phases;
  std::uint64_t last_offset = 0;
  std::uint64_t last_bytes = 0;
};

struct Setting {
  ScanLimits limits = {};
  std::uint64_t deadline_us = 0;
  std::function<bool()> cancelled = {};
  std::string content = "SCRIPT";
  std::string name = "a.script";
};

std::optional<RecordingBoard> last_board;

ScanReply Scan(const std::function<void(ScanContext&)>& script,
               const Setting& setting = {}) {
  testing::on_scan = script;
  last_board.emplace();
  ScanEnvironment environment;
  environment.limits = setting.limits;
  environment.board = &*last_board;
  environment.cancelled = setting.cancelled;
  TaskRequest task;
  task.id = 77;
  task.soft_deadline_us = setting.deadline_us;
  MemorySource source(BytesOf(setting.content));
  FileScan scan(environment, task);
  return scan.Run(source, setting.name);
}

Sighting At(std::uint64_t offset, std::string message = "seen",
            std::string evidence = "") {
  return {std::move(message), offset, std::move(evidence)};
}

std::vector<std::string> Messages(const ScanReply& reply) {
  std::vector<std::string> all;
  for (const Finding& finding : reply.findings) all.push_back(finding.message);
  return all;
}

TEST_CASE("File scan: a report becomes a finding with all that the rule says") {
  const ScanReply reply = Scan([](ScanContext& context) {
    context.Report(kBad, {"os.system", 12, "cos\nsystem", "CVE-2000-1"});
  });
  CHECK(reply.task == 77);
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.detail.empty());
  CHECK(reply.format == "scripted");
  CHECK(reply.bytes == 6);
  CHECK(reply.scanners == std::vector<std::string>{"scripted"});
  const Finding expected{
      "bad",      Severity::kHigh, "os.system",        "", 12, "cos\\nsystem",
      "Because.", "Do not.",       "CWE-1 CVE-2000-1", 1};
  CHECK(reply.findings == std::vector<Finding>{expected});
}

TEST_CASE(
    "File scan: identical findings are one, counted, at the first place") {
  const std::vector<std::uint64_t> offsets{30, 10, kNoOffset, 20};
  const ScanReply reply = Scan([&](ScanContext& context) {
    for (const std::uint64_t at : offsets) context.Report(kBad, At(at));
  });
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].count == 4);
  CHECK(reply.findings[0].offset == 10);
}

TEST_CASE("File scan: findings that differ in anything are kept apart") {
  const ScanReply reply = Scan([](ScanContext& context) {
    context.Report(kBad, At(1, "a"));
    context.Report(kBad, At(1, "b"));
    context.Report(kBad, At(1, "a", "evidence"));
    context.Report(kMild, At(1, "a"));
    context.Report(kBad, Severity::kCritical, At(1, "a"));
    MemorySource member(BytesOf("SCRIPT"));
    if (context.member().empty()) context.ScanMember("m", member);
  });
  CHECK(reply.findings.size() == 10);
  for (const Finding& finding : reply.findings) CHECK(finding.count == 1);
}

TEST_CASE("File scan: the order of findings is not the order of reports") {
  using Step = std::function<void(ScanContext&)>;
  std::vector<Step> steps{
      [](ScanContext& c) { c.Report(kMild, At(1, "m1")); },
      [](ScanContext& c) { c.Report(kMild, At(0, "m0")); },
      [](ScanContext& c) { c.Report(kBad, At(5, "b5")); },
      [](ScanContext& c) { c.Report(kBad, At(kNoOffset, "no place")); },
      [](ScanContext& c) { c.Report(kBad, At(5, "same place, other")); },
      [](ScanContext& c) { c.Report(kBad, Severity::kCritical, At(9, "c")); },
      [](ScanContext& c) { c.Report(kMild, Severity::kHigh, At(5, "b5")); },
  };
  const auto run = [&](const std::vector<std::size_t>& order) {
    return Scan([&](ScanContext& context) {
      for (const std::size_t i : order) steps[i](context);
    });
  };
  std::vector<std::size_t> order{0, 1, 2, 3, 4, 5, 6};
  const ScanReply first = run(order);
  CHECK(Messages(first) == std::vector<std::string>{"c", "b5",
                                                    "same place, other", "b5",
                                                    "no place", "m0", "m1"});
  int tried = 0;
  while (std::next_permutation(order.begin(), order.end()) && ++tried < 800) {
    if (!(run(order).findings == first.findings)) FAIL("order matters");
  }
}

TEST_CASE("File scan: what is echoed is bounded and printable") {
  const std::string hostile =
      std::string("\x1b[2J\r\n\0\xff", 8) + "\u202e" + std::string(9'000, '\n');
  const ScanReply reply = Scan([&](ScanContext& context) {
    if (!context.member().empty()) {
      context.Report(kBad, {hostile, 1, hostile, hostile});
      context.AddAsset("f", {{hostile, hostile}});
      context.MarkIncomplete(OutcomeStatus::kEncrypted, hostile);
      return;
    }
    MemorySource member(BytesOf("SCRIPT"));
    context.ScanMember(hostile, member);
  });
  REQUIRE(reply.findings.size() == 1);
  REQUIRE(reply.assets.size() == 1);
  const Finding& finding = reply.findings[0];
  const Asset& asset = reply.assets[0];
  for (const std::string& text :
       {finding.message, finding.member, finding.evidence, finding.reference,
        asset.member, asset.facts.at(0).first, asset.facts.at(0).second,
        reply.detail}) {
    CAPTURE(text);
    CHECK_FALSE(text.empty());
    CHECK(text.size() < 1'100);
    CHECK(std::all_of(text.begin(), text.end(),
                      [](char c) { return c >= ' ' && c < 127; }));
  }
}

TEST_CASE("File scan: the largest possible reply fits one message") {
  Setting setting;
  setting.limits.max_findings = 1'500;  // The most that the engine takes.
  const std::string wide(5'000, 'w');
  const ScanReply reply = Scan(
      [&](ScanContext& context) {
        for (int i = 0; i < 2'000; ++i) {
          const std::string text = std::to_string(i) + wide;
          if (context.member().empty()) {
            MemorySource member(BytesOf("SCRIPT"));
            if (i == 0) context.ScanMember(wide, member);
            continue;
          }
          context.Report(kBad, {text, 1, wide, wide});
          context.AddAsset("f", std::vector(500, std::pair(wide, wide)));
        }
      },
      setting);
  CHECK(reply.findings.size() == 1'501);
  CHECK(reply.assets.size() == 256);
  // A megabyte of others may wait with it.
  CHECK(Encode(std::span(&reply, 1)).size() + (1U << 20) < kMaxPayloadBytes);
}

TEST_CASE(
    "File scan: more findings than are kept are counted and make a limit") {
  Setting setting;
  setting.limits.max_findings = 3;
  const ScanReply reply = Scan(
      [](ScanContext& context) {
        for (int i = 0; i < 10; ++i) {
          context.Report(kMild, At(static_cast<std::uint64_t>(i),
                                   "m" + std::to_string(i)));
          context.Report(kMild, At(0, "m0"));  // Known: merged even now.
        }
      },
      setting);
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(reply.detail == "more findings than are kept");
  CHECK(Messages(reply) ==
        std::vector<std::string>{"7 more findings are not listed", "m0", "m1",
                                 "m2"});
  CHECK(reply.findings[1].count == 11);
}

TEST_CASE("File scan: many mild findings do not hide a bad one") {
  Setting setting;
  setting.limits.max_findings = 3;
  const ScanReply reply = Scan(
      [](ScanContext& context) {
        for (std::uint64_t i = 0; i < 9; ++i) {
          context.Report(kMild, At(i, "m" + std::to_string(i)));
        }
        context.Report(kBad, At(9, "bad"));
        context.Report(kBad, Severity::kCritical, At(9, "critical"));
        context.Report(kMild, At(9, "mild again"));
      },
      setting);
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Messages(reply) ==
        std::vector<std::string>{"critical", "bad",
                                 "9 more findings are not listed", "m0"});
}

TEST_CASE("File scan: with no findings allowed silence is still not clean") {
  Setting setting;
  setting.limits.max_findings = 0;
  const ScanReply reply =
      Scan([](ScanContext& context) { context.Report(kBad, At(1)); }, setting);
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Messages(reply) ==
        std::vector<std::string>{"1 more findings are not listed"});
}

TEST_CASE("File scan: members past max_depth are a finding and a limit") {
  Setting setting;
  setting.limits.max_depth = 3;
  int deepest = 0;
  const std::function<void(ScanContext&)> nest = [&](ScanContext& context) {
    ++deepest;
    MemorySource member(BytesOf("SCRIPT"));
    context.ScanMember("m", member);
  };
  const ScanReply reply = Scan(nest, setting);
  CHECK(deepest == 4);  // The file and three inside.
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(reply.detail == "containers are nested too deep");
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].rule_id == "limit-reached");
  CHECK(reply.findings[0].member == "m!m!m!m");
}

TEST_CASE("File scan: members past max_members are a finding and a limit") {
  Setting setting;
  setting.limits.max_members = 3;
  int scanned = 0;
  const ScanReply reply = Scan(
      [&](ScanContext& context) {
        if (!context.member().empty()) {
          ++scanned;
          return;
        }
        for (int i = 0; i < 5; ++i) {
          MemorySource member(BytesOf("SCRIPT"));
          context.ScanMember("m", member);
        }
      },
      setting);
  CHECK(scanned == 3);
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Messages(reply) == std::vector<std::string>{
                               "not scanned to the end: more than 3 members"});
}

TEST_CASE("File scan: as many members as are allowed are no limit") {
  Setting setting;
  setting.limits.max_members = 1;
  setting.limits.max_depth = 1;
  const ScanReply reply = Scan(
      [](ScanContext& context) {
        MemorySource member(BytesOf("SCRIPT"));
        if (context.member().empty()) context.ScanMember("m", member);
      },
      setting);
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
}

TEST_CASE("File scan: unpacking past max_unpacked is a finding and a limit") {
  Setting setting;
  setting.limits.max_unpacked = 1'000;
  std::vector<bool> may;
  const ScanReply reply = Scan(
      [&](ScanContext& context) {
        may.push_back(context.ChargeUnpacked(1'000, 1'000));
        may.push_back(context.ChargeUnpacked(1, 1));
        may.push_back(context.ChargeUnpacked(0, 0));
      },
      setting);
  CHECK(may == std::vector<bool>{true, false, false});
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Messages(reply) ==
        std::vector<std::string>{
            "not scanned to the end: unpacks to more than 1000 B"});
}

TEST_CASE("File scan: unpacking past max_ratio is a finding and a limit") {
  Setting setting;
  setting.limits.max_ratio = 10;
  constexpr std::uint64_t kFree = 64ULL << 20;
  std::vector<bool> may;
  const ScanReply reply = Scan(
      [&](ScanContext& context) {
        may.push_back(context.ChargeUnpacked(kFree, 1));  // Not asked yet.
        may.push_back(context.ChargeUnpacked(1, kFree / 10));
        may.push_back(context.ChargeUnpacked(1'000, 0));
      },
      setting);
  CHECK(may == std::vector<bool>{true, true, false});
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Messages(reply) ==
        std::vector<std::string>{
            "not scanned to the end: unpacks to more than 10 times its size"});
}

TEST_CASE("File scan: claims of any size do not wrap the budgets around") {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  std::vector<bool> may;
  const ScanReply reply = Scan([&](ScanContext& context) {
    may.push_back(context.ChargeUnpacked(1, 1));
    may.push_back(context.ChargeUnpacked(kMost, kMost));
    may.push_back(context.ChargeUnpacked(1, 1));
  });
  CHECK(may == std::vector<bool>{true, false, false});
  CHECK(reply.status == OutcomeStatus::kLimit);
}

TEST_CASE("File scan: no mark of incompleteness is ever lost") {
  const std::array bad{OutcomeStatus::kUnsupported, OutcomeStatus::kEncrypted,
                       OutcomeStatus::kLimit,       OutcomeStatus::kUnreadable,
                       OutcomeStatus::kChanged,     OutcomeStatus::kTimedOut,
                       OutcomeStatus::kOutOfMemory, OutcomeStatus::kCancelled};
  for (const OutcomeStatus status : bad) {
    for (const bool in_member : {false, true}) {
      const ScanReply reply = Scan([&](ScanContext& context) {
        const bool here = context.member() == (in_member ? "first" : "");
        if (here) context.MarkIncomplete(status, "why");
        if (!context.member().empty()) return;
        // Members that are scanned to their end do not make up for it.
        for (const char* name : {"first", "second"}) {
          MemorySource member(BytesOf("SCRIPT"));
          context.ScanMember(name, member);
        }
        context.MarkIncomplete(OutcomeStatus::kScanned, "fine");
        context.MarkIncomplete(OutcomeStatus::kNotAModel, "fine");
        context.MarkIncomplete(OutcomeStatus::kSkipped, "fine");
      });
      CAPTURE(OutcomeStatusName(status), in_member);
      CHECK(reply.status == status);
      CHECK(reply.detail == (in_member ? "first: why" : "why"));
      CHECK(IsIncomplete(reply.status));
    }
  }
}

TEST_CASE("File scan: the worst status wins, its first text stays") {
  const ScanReply reply = Scan([](ScanContext& context) {
    context.MarkIncomplete(OutcomeStatus::kUnsupported, "one");
    context.MarkIncomplete(OutcomeStatus::kLimit, "two");
    context.MarkIncomplete(OutcomeStatus::kEncrypted, "three");
    context.MarkIncomplete(OutcomeStatus::kLimit, "four");
  });
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(reply.detail == "two");
}

TEST_CASE("File scan: members that nobody understands count, text does not") {
  const auto scan = [](std::string_view content) {
    return Scan([=](ScanContext& context) {
      MemorySource member(BytesOf(content));
      context.ScanMember("dir/m", member);
    });
  };
  const ScanReply unknown = scan(std::string_view("\x01\x02\xfe\x00\x99", 5));
  CHECK(unknown.status == OutcomeStatus::kUnsupported);
  CHECK(unknown.detail == "dir/m: content is of no known format");
  CHECK(unknown.format == "scripted");
  CHECK(scan("plain text\n").status == OutcomeStatus::kScanned);
}

TEST_CASE("File scan: a member that cannot be read is never passed over") {
  class Failing final : public ByteSource {
   public:
    std::uint64_t size() const override { return 100; }
    Result<std::size_t> ReadAt(std::uint64_t, std::span<std::byte>) override {
      return Error{ErrorCode::kMalformed, "broken stream"};
    }
  };
  const ScanReply reply = Scan([](ScanContext& context) {
    Failing member;
    context.ScanMember("m", member);
  });
  CHECK(IsIncomplete(reply.status));
  CHECK_FALSE(reply.detail.empty());
}

TEST_CASE("File scan: a file of two formats is a finding by itself") {
  Setting setting;
  setting.content = "SCRIPT+";
  const ScanReply reply = Scan([](ScanContext&) {}, setting);
  CHECK(Messages(reply) ==
        std::vector<std::string>{"both scripted and second"});
  CHECK(reply.scanners == std::vector<std::string>{"scripted", "second"});
  CHECK(reply.format == "scripted");
}

TEST_CASE("File scan: an empty file is a finding only if it claims a model") {
  Setting setting;
  setting.content = "";
  setting.name = "model.pt";
  const ScanReply claimed = Scan([](ScanContext&) {}, setting);
  CHECK(Messages(claimed) == std::vector<std::string>{"the file is empty"});
  setting.name = "__init__.py";
  const ScanReply plain = Scan([](ScanContext&) {}, setting);
  CHECK(plain.findings.empty());
  CHECK(plain.status == OutcomeStatus::kNotAModel);
}

void SpinUntilStopped(ScanContext& context) {
  context.SetPhase("spinning");
  std::uint64_t at = 0;
  while (context.Checkpoint(at)) ++at;
}

TEST_CASE("File scan: a deadline ends it, names phase and offset") {
  Setting setting;
  setting.deadline_us = 1;
  const ScanReply reply = Scan(
      [](ScanContext& context) {
        context.Report(kBad, At(1, "before"));
        SpinUntilStopped(context);
        // Nothing counts after the end.
        CHECK(context.stopped());
        CHECK_FALSE(context.Checkpoint(0));
        CHECK_FALSE(context.ChargeUnpacked(0, 0));
        context.Report(kBad, At(1, "after"));
        context.AddAsset("after", {});
        context.MarkIncomplete(OutcomeStatus::kProtocol, "after");
        MemorySource member(BytesOf("SCRIPT"));
        context.ScanMember("after", member);
      },
      setting);
  CHECK(reply.status == OutcomeStatus::kTimedOut);
  CHECK(reply.detail.starts_with("deadline passed in spinning at offset "));
  CHECK(Messages(reply) == std::vector<std::string>{"before"});
  CHECK(reply.assets.empty());
}

TEST_CASE("File scan: a deadline in a member ends the whole file") {
  Setting setting;
  setting.deadline_us = 1;
  int scanned = 0;
  const ScanReply reply = Scan(
      [&](ScanContext& context) {
        ++scanned;
        if (!context.member().empty()) {
          SpinUntilStopped(context);
          return;
        }
        for (int i = 0; i < 3; ++i) {
          MemorySource member(BytesOf("SCRIPT"));
          context.ScanMember("m", member);
        }
      },
      setting);
  CHECK(scanned == 2);
  CHECK(reply.status == OutcomeStatus::kTimedOut);
}

TEST_CASE("File scan: without a deadline time does not end it") {
  const ScanReply reply = Scan([](ScanContext& context) {
    for (std::uint64_t i = 0; i < 10'000; ++i) CHECK(context.Checkpoint(i));
  });
  CHECK(reply.status == OutcomeStatus::kScanned);
}

TEST_CASE("File scan: a run that is cancelled ends it") {
  Setting setting;
  int asked = 0;
  setting.cancelled = [&] { return ++asked == 3; };
  const ScanReply reply = Scan(SpinUntilStopped, setting);
  CHECK(reply.status == OutcomeStatus::kCancelled);
  CHECK(reply.detail == "the run was stopped");
  CHECK(asked == 3);
}

TEST_CASE("File scan: the board shows phase, place and bytes unpacked") {
  Scan([](ScanContext& context) {
    context.SetPhase("one");
    context.SetPhase("one");  // Said once.
    context.SetPhase("two");
    CHECK(context.ChargeUnpacked(500, 50));
    CHECK(context.Checkpoint(123));
  });
  CHECK(last_board->phases ==
        std::vector<std::string>{"detect format", "scripted", "one", "two"});
  CHECK(last_board->last_offset == 123);
  CHECK(last_board->last_bytes == 500);
}

TEST_CASE("File scan: assets and their facts are bounded") {
  const ScanReply reply = Scan([](ScanContext& context) {
    for (int i = 0; i < 1'000; ++i) {
      context.AddAsset(
          "f", std::vector(
                   100, std::pair<std::string, std::string>("key", "value")));
    }
  });
  CHECK(reply.assets.size() == 256);
  CHECK(reply.assets[0].facts.size() == 64);
  CHECK(reply.assets[0].bytes == 6);
  CHECK(reply.assets[0].format == "f");
}

}  // namespace
}  // namespace scanengine
