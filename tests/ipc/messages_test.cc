#include "ipc/messages.h"

#include <catch2/catch.hpp>
#include <cstring>

namespace scanengine {
namespace {

using Bytes = std::vector<std::byte>;

SupervisorHello FullSupervisorHello() {
  SupervisorHello hello;
  hello.build_id = "1.2.3";
  hello.supervisor_pid = 4711;
  hello.sandbox.read_roots = {"/a", "/b/\xff"};
  hello.sandbox.memory_limit = 1ULL << 40;
  hello.limits.max_depth = 3;
  return hello;
}

WorkerHello FullWorkerHello() {
  WorkerHello hello;
  hello.build_id = "1.2.3";
  hello.pid = 4712;
  hello.sandbox_active = {"seccomp"};
  hello.sandbox_missing = {"landlock: not in this kernel", ""};
  return hello;
}

std::vector<TaskRequest> FullTasks() {
  TaskRequest a;
  a.id = 1;
  a.path = std::string("/odd\n\xfe\0name", 11);
  a.soft_deadline_us = 60'000'000;
  TaskRequest b;
  b.id = ~TaskId{0};
  b.kind = "other";
  b.inherited_fd = 7;
  b.inspect = {"*.pkl", true};
  return {a, b};
}

std::vector<ScanReply> FullReplies() {
  ScanReply reply;
  reply.task = 9;
  reply.status = OutcomeStatus::kLimit;
  reply.detail = "too deep";
  reply.format = "zip";
  reply.bytes = 123;
  reply.scanners = {"pickle", "zip"};
  Finding finding;
  finding.rule_id = "r";
  finding.severity = Severity::kHigh;
  finding.message = "m";
  finding.member = "a!b";
  finding.offset = 5;
  finding.evidence = "e";
  finding.why = "w";
  finding.advice = "a";
  finding.reference = "CWE-1";
  finding.count = 3;
  reply.findings = {finding, Finding()};
  Asset asset;
  asset.member = "x";
  asset.format = "npy";
  asset.bytes = 7;
  asset.facts = {{"shape", "(1,)"}};
  reply.assets = {asset};
  InspectionSection section;
  section.member = "a!b";
  section.kind = "pickle";
  section.number = 1;
  section.parent = 2;
  section.parent_offset = 3;
  section.begin = 4;
  section.end = 5;
  section.facts = {{"protocol", "4"}};
  section.imports = {{"os.system", "nt.system", NameVerdict::kDangerous,
                      "process", "runs", "CVE-1", 6, 7, 8, true}};
  section.steps = {{9,
                    StepAction::kModify,
                    NameVerdict::kVetted,
                    10,
                    11,
                    "f()",
                    "1",
                    {12, 13}}};
  section.outline = {{14, "list"}};
  section.opcodes = {{15, "PROTO", "4"}};
  section.dropped = 16;
  reply.inspection.sections = {section, InspectionSection()};
  reply.inspection.truncated = true;
  reply.duration_us = 11;
  reply.peak_memory = 12;
  return {reply, ScanReply()};
}

// Every prefix fails, every change of a byte does so or decodes; no surprise.
template <typename Decode>
void CheckRobust(const Bytes& good, Decode decode) {
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode(std::span(good).first(size)).ok());
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      Bytes bad = good;
      bad[at] ^= static_cast<std::byte>(flip);
      (void)decode(bad).ok();
    }
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode(longer).ok());
}

TEST_CASE("Messages: each comes out as it went in") {
  CHECK(DecodeSupervisorHello(Encode(FullSupervisorHello())).value() ==
        FullSupervisorHello());
  CHECK(DecodeWorkerHello(Encode(FullWorkerHello())).value() ==
        FullWorkerHello());
  CHECK(DecodeTasks(Encode(FullTasks())).value() == FullTasks());
  CHECK(DecodeReplies(Encode(FullReplies())).value() == FullReplies());
  CHECK(DecodeTasks(Encode(std::vector<TaskRequest>())).value().empty());
}

TEST_CASE("Messages: cut, changed and overlong ones are refused or harmless") {
  CheckRobust(Encode(FullSupervisorHello()), DecodeSupervisorHello);
  CheckRobust(Encode(FullWorkerHello()), DecodeWorkerHello);
  CheckRobust(Encode(FullTasks()), DecodeTasks);
  CheckRobust(Encode(FullReplies()), DecodeReplies);
}

TEST_CASE("Messages: a Hello of another version tells version and build") {
  WorkerHello hello = FullWorkerHello();
  hello.protocol_version = kProtocolVersion + 1;
  Bytes bytes = Encode(hello);
  bytes.resize(bytes.size() - 5);  // What follows may be of any layout.
  const auto decoded = DecodeWorkerHello(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded.value().protocol_version == kProtocolVersion + 1);
  CHECK(decoded.value().build_id == "1.2.3");
  CHECK(decoded.value().pid == 0);
  CHECK(decoded.value().sandbox_active.empty());
}

TEST_CASE(
    "Messages: a count is never trusted beyond the bytes that are there") {
  // Four bytes that claim four billion elements.
  const Bytes lie(4, std::byte{0xff});
  const auto tasks = DecodeTasks(lie);
  REQUIRE_FALSE(tasks.ok());
  CHECK(tasks.error().code == ErrorCode::kMalformed);
  CHECK_FALSE(DecodeReplies(lie).ok());
  // A million empty elements claimed, backed by a million bytes: fails at the
  // first that is not there, not after allocating a million structures.
  Bytes padded(1 << 20);
  const std::uint32_t count = (1 << 20) - 4;
  std::memcpy(padded.data(), &count, sizeof(count));
  CHECK_FALSE(DecodeReplies(padded).ok());
}

TEST_CASE("Messages: enumerators out of range are refused") {
  ScanReply reply;
  Bytes bytes = Encode(std::span(&reply, 1));
  const std::size_t status = 4 + 8;
  bytes[status] = std::byte{kOutcomeStatusCount - 1};
  CHECK(DecodeReplies(bytes).ok());
  bytes[status] = std::byte{kOutcomeStatusCount};
  CHECK_FALSE(DecodeReplies(bytes).ok());
}

}  // namespace
}  // namespace scanengine
