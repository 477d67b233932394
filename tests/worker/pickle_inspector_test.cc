// What a task of kind "inspect" tells of pickles, compared as a whole.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"

namespace scanengine {
namespace {

using namespace std::string_view_literals;
using Texts = std::vector<std::string>;

ScanReply Inspect(std::string_view bytes, InspectOptions options = {}) {
  MemorySource source(std::as_bytes(std::span(bytes)));
  NullBoard board;
  ScanEnvironment environment;
  environment.imports = TestPolicy();
  environment.board = &board;
  TaskRequest task;
  task.kind = kInspectTask;
  task.inspect = std::move(options);
  return FileScan(environment, task).Run(source, "x.pkl");
}

InspectionSection Only(std::string_view bytes) {
  const ScanReply reply = Inspect(bytes);
  REQUIRE(reply.inspection.sections.size() == 1);
  return reply.inspection.sections[0];
}

// A line for each step: "@12 v1 = text | verdict | outcome | <within | chain".
Texts Steps(const InspectionSection& section) {
  Texts lines;
  for (const InspectedStep& step : section.steps) {
    std::string line = std::string(StepActionText(step.action)) + " ";
    if (step.value != 0) line += "v" + std::to_string(step.value) + " = ";
    line += step.text;
    if (!step.outcome.empty()) line += " -> " + step.outcome;
    if (step.within != 0) line += " in v" + std::to_string(step.within);
    if (step.verdict != NameVerdict::kNone) {
      line += " " + std::string(NameVerdictText(step.verdict));
    }
    for (const std::uint32_t value : step.chain) {
      line += " <v" + std::to_string(value);
    }
    lines.push_back(line);
  }
  return lines;
}

Texts Outline(const InspectionSection& section) {
  Texts lines;
  for (const InspectedLine& line : section.outline) {
    lines.push_back(std::string(line.depth, '.') + line.text);
  }
  return lines;
}

PickleBuilder Proto(std::uint8_t version = 4) { return PickleBuilder(version); }

TEST_CASE("Inspector: a call is told as a whole") {
  const std::string bytes =
      Proto(2).Global("os", "system").Text("id").Tuple1().Reduce().Stop();
  InspectionSection expected;
  expected.kind = "pickle";
  expected.number = 1;
  expected.end = bytes.size();
  expected.facts = {{"protocol", "2"}, {"opcodes", "6"}, {"end", "complete"}};
  const InspectionSection section = Only(bytes);
  REQUIRE(section.imports.size() == 1);
  InspectedImport import = section.imports[0];
  CHECK_FALSE(import.effect.empty());
  import.effect.clear();
  import.reference.clear();
  CHECK(import == InspectedImport{"os.system", "", NameVerdict::kDangerous,
                                  "process", "", "", 2, 1, 1, false});
  expected.imports = section.imports;
  expected.steps = {{18,
                     StepAction::kCall,
                     NameVerdict::kDangerous,
                     1,
                     0,
                     "os.system('id')",
                     "",
                     {}}};
  expected.outline = {{0, "v1 = os.system(...)"}};
  CHECK(section == expected);
}

TEST_CASE("Inspector: a scan tells nothing of the kind") {
  const std::string bytes = Proto().Int(1).Stop();
  CHECK(ScanBytes(bytes, "x.pkl").inspection == Inspection());
}

TEST_CASE("Inspector: findings are those of a scan") {
  const std::string bytes =
      Proto(2).Global("os", "system").Text("id").Tuple1().Reduce().Stop();
  ScanReply inspected = Inspect(bytes);
  ScanReply scanned = ScanBytes(bytes, "x.pkl");
  inspected.inspection = {};
  inspected.duration_us = scanned.duration_us = 0;
  CHECK(inspected == scanned);
}

TEST_CASE("Inspector: the chain that led to a call is named") {
  // partial(os.system)("id"), with partial kept in the memo meanwhile.
  const std::string bytes = Proto()
                                .StackGlobal("functools", "partial")
                                .StackGlobal("os", "system")
                                .Tuple1()
                                .Reduce()
                                .Put(0)
                                .Pop()
                                .StackGlobal("builtins", "map")
                                .Get(0)
                                .Text("id")
                                .Tuple1()
                                .Tuple2()
                                .Reduce()
                                .Stop();
  CHECK(
      Steps(Only(bytes)) ==
      Texts{"call v1 = functools.partial(os.system) vetted",
            "call v2 = builtins.map(v1, ('id',)) dangerous <v1",
            "call v3 = os.system(<an item that is not known>) in v2 dangerous "
            "<v1 <v2"});
}

TEST_CASE("Inspector: what can be worked out is the outcome of a call") {
  const std::string bytes = Proto()
                                .StackGlobal("builtins", "getattr")
                                .StackGlobal("os", "path")
                                .Text("sys")
                                .Tuple2()
                                .Reduce()
                                .Stop();
  const InspectionSection section = Only(bytes);
  REQUIRE(section.steps.size() == 1);
  CHECK(section.steps[0].text == "builtins.getattr(os.path, 'sys')");
  CHECK(section.steps[0].outcome == "os.path.sys");
  CHECK(Outline(section) == Texts{"os.path.sys"});
}

TEST_CASE("Inspector: state, items, persistent ids and writes are steps") {
  const std::string bytes = Proto()
                                .StackGlobal("collections", "OrderedDict")
                                .EmptyTuple()
                                .Reduce()
                                .Text("k")
                                .Int(1)
                                .Op(PickleOp::kSetItem)
                                .Op(PickleOp::kEmptyDict)
                                .Build()
                                .Text("7")
                                .Op(PickleOp::kBinPersId)
                                .StackGlobal("some.module", "Thing")
                                .Op(PickleOp::kEmptyDict)
                                .Text("a")
                                .Int(2)
                                .Op(PickleOp::kSetItem)
                                .Build()
                                .Op(PickleOp::kTuple3)
                                .Stop();
  const InspectionSection section = Only(bytes);
  CHECK(Steps(section) ==
        Texts{"call v1 = collections.OrderedDict() vetted",
              "items v1.__setitem__('k', 1) <v1",
              "state v1.__setstate__({}) vetted <v1",
              "persistent persistent_load('7')",
              "modify some.module.Thing.__dict__.update({'a': 2}) unvetted"});
  CHECK(Outline(section) ==
        Texts{"tuple, 3 items", ".v1 = collections.OrderedDict(...), 1 entry",
              "..'k': 1", "..state: {}", ".<a persistent object>",
              ".some.module.Thing"});
}

TEST_CASE("Inspector: what ran before an error is told, and the error") {
  const InspectionSection section = Only(Proto(4)
                                             .Text("os")
                                             .Text("system")
                                             .Op(PickleOp::kStackGlobal)
                                             .Text("id")
                                             .Tuple1()
                                             .Reduce()
                                             .bytes());
  CHECK(Steps(section) == Texts{"call v1 = os.system('id') dangerous",
                                "problem ends before its STOP opcode"});
  CHECK(section.facts.back() ==
        std::pair<std::string, std::string>(
            "end", "ends before its STOP opcode at offset 21"));
  CHECK(section.outline.empty());
}

TEST_CASE("Inspector: names and texts cannot drive a terminal") {
  const InspectionSection section = Only(Proto()
                                             .StackGlobal("m\x1b[2J", "n\ng")
                                             .Text("\x1b]0;title\x07")
                                             .Tuple1()
                                             .Reduce()
                                             .Stop());
  CHECK(section.imports[0].name == "m\\x1b[2J.n\\ng");
  CHECK(Steps(section) ==
        Texts{"call v1 = m\\x1b[2J.n\\ng('\\x1b]0;title\\x07') unvetted"});
  CHECK(Outline(section) == Texts{"v1 = m\\x1b[2J.n\\ng(...)"});
}

TEST_CASE("Inspector: a pickle in a string is a section below") {
  const std::string inner =
      Proto().StackGlobal("os", "system").Text("id").Tuple1().Reduce().Stop();
  const ScanReply reply = Inspect(Proto().Bytes(inner).Stop());
  REQUIRE(reply.inspection.sections.size() == 2);
  const InspectionSection& section = reply.inspection.sections[1];
  CHECK(section.parent == 1);
  CHECK(section.parent_offset == 4);
  CHECK(section.begin == 0);
  CHECK(section.end == inner.size());
  CHECK(Steps(section) == Texts{"call v1 = os.system('id') dangerous"});
}

TEST_CASE("Inspector: streams one after the other are numbered") {
  const std::string one = Proto().Int(1).Stop();
  const ScanReply reply = Inspect(one + one);
  REQUIRE(reply.inspection.sections.size() == 2);
  CHECK(reply.inspection.sections[1].number == 2);
  CHECK(reply.inspection.sections[1].begin == one.size());
  CHECK(Outline(reply.inspection.sections[1]) == Texts{"1"});
}

TEST_CASE("Inspector: long lists share lines and say what is left out") {
  PickleBuilder builder = Proto();
  builder.Op(PickleOp::kEmptyList).Mark();
  for (int i = 0; i < 100; ++i) builder.Int(i);
  builder.Op(PickleOp::kAppends);
  CHECK(Outline(Only(builder.Stop())) ==
        Texts{"list, 100 items",
              ".0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "
              "18, 19, 20",
              ".21, 22, 23", ".... 76 more"});
}

TEST_CASE("Inspector: depth, cycles and shared values do not multiply") {
  SECTION("a list in a list, 100,000 deep") {
    std::string bytes = Proto().bytes();
    bytes += std::string(100'000, ']') + std::string(99'999, 'a') + ".";
    const Texts outline = Outline(Only(bytes));
    REQUIRE(outline.size() == 25);
    CHECK(outline.back() ==
          std::string(24, '.') + "list, 1 item (not shown: too deep)");
  }
  SECTION("a list that holds itself") {
    const std::string bytes = Proto()
                                  .Op(PickleOp::kEmptyList)
                                  .Put(0)
                                  .Get(0)
                                  .Op(PickleOp::kAppend)
                                  .Stop();
    CHECK(Outline(Only(bytes)) ==
          Texts{"list, 1 item", ".list, 1 item (shown above)"});
  }
  SECTION("forty doublings") {
    std::string bytes = Proto().Op(PickleOp::kEmptyList).bytes();
    for (int i = 0; i < 40; ++i) bytes += "2\x86";
    CHECK(Outline(Only(bytes + ".")).size() < 100);
  }
}

TEST_CASE("Inspector: a million calls are bounded, and it says so") {
  std::string bytes = Proto().Global("a", "B").Put(0).Pop().bytes();
  for (int i = 0; i < 250'000; ++i) bytes += "h\0)R0"sv;
  const ScanReply reply = Inspect(bytes + "N.");
  CHECK(reply.inspection.truncated);
  REQUIRE(reply.inspection.sections.size() == 1);
  const InspectionSection& section = reply.inspection.sections[0];
  CHECK(section.steps.size() == 20'000);
  CHECK(section.dropped == 230'000);
  CHECK(section.imports.at(0).calls == 250'000);
  CHECK(Outline(section) == Texts{"None"});
  CHECK(WireSize(reply) < kMaxInspectionBytes + (1 << 20));
}

TEST_CASE("Inspector: opcodes are listed on request, broken ones too") {
  const std::string bytes =
      Proto(2).Global("os", "system").Text("id").Byte(0xff).bytes();
  const ScanReply reply = Inspect(bytes, {.member = "", .opcodes = true});
  REQUIRE_FALSE(reply.inspection.sections.empty());
  CHECK(reply.inspection.sections[0].opcodes ==
        std::vector<InspectedOpcode>{{0, "PROTO", "2"},
                                     {2, "GLOBAL", "os system"},
                                     {13, "SHORT_BINUNICODE", "2 bytes 'id'"},
                                     {17, "?", "byte 255 is no opcode"}});
  CHECK(Inspect(bytes).inspection.sections[0].opcodes.empty());
}

TEST_CASE("Inspector: only members that are asked for are told") {
  const std::string bytes = Proto().Int(1).Stop();
  CHECK(Inspect(bytes, {.member = "*.pkl", .opcodes = false}).inspection ==
        Inspection());
  CHECK(Inspect(bytes, {.member = "*", .opcodes = false})
            .inspection.sections.size() == 1);
}

}  // namespace
}  // namespace scanengine
