// What the machine has to do as CPython's unpicklers do; most of it was found
// by tests/differential.

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/pickle_builder.h"
#include "tests/support/pickle_events.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

using Events = std::vector<std::string>;
using Problems = std::vector<PickleProblem>;
using Op = PickleOp;

// A builder with an object of class m.C on the stack.
PickleBuilder Object() {
  PickleBuilder builder;
  builder.Global("m", "C").EmptyTuple().Reduce();
  return builder;
}

// Pushes {name: os.system}.
PickleBuilder& Plant(PickleBuilder& builder, std::string_view name) {
  return builder.Op(Op::kEmptyDict)
      .Text(name)
      .Global("os", "system")
      .Op(Op::kSetItem);
}

Events EventsOf(PickleBuilder& builder) {
  return RunPickle(builder.Stop()).events;
}

std::string LastEvent(PickleBuilder& builder) {
  const Events events = EventsOf(builder);
  return events.empty() ? std::string() : events.back();
}

std::size_t CountCalls(const Events& events, std::string_view callee) {
  std::size_t count = 0;
  for (const std::string& event : events) {
    if (event.starts_with("call " + std::string(callee) + "(")) ++count;
  }
  return count;
}

PickleRun RunPickleFromFile(std::string_view bytes) {
  MemorySource source(testing::BytesOf(bytes));
  RecordingPickleObserver observer;
  PickleMachine machine(source, 0, observer, {.drops_rest_of_frame = true});
  PickleRun run;
  run.end = machine.Run();
  run.events = std::move(observer.events);
  run.problems = std::move(observer.problems);
  return run;
}

}  // namespace

TEST_CASE("PickleMachine: a __setstate__ planted as a slot is called") {
  PickleBuilder pickle = Object();
  Plant(pickle.Op(Op::kNone), "__setstate__").Tuple2().Build();
  pickle.Text("id").Build();
  CHECK(LastEvent(pickle) == "call os.system('id')");
}

TEST_CASE("PickleMachine: of a state and its slots the slots win") {
  PickleBuilder pickle = Object();
  pickle.Op(Op::kEmptyDict)
      .Text("__setstate__")
      .Global("m", "harmless")
      .Op(Op::kSetItem);
  Plant(pickle, "__setstate__").Tuple2().Build().Text("id").Build();
  CHECK(LastEvent(pickle) == "call os.system('id')");
}

TEST_CASE("PickleMachine: a slot named __dict__ replaces the attributes") {
  PickleBuilder pickle = Object();
  pickle.Op(Op::kNone).Op(Op::kEmptyDict).Text("__dict__");
  Plant(pickle, "__setstate__").Op(Op::kSetItem).Tuple2().Build();
  const Events events = EventsOf(pickle.Text("id").Build());
  CHECK(CountCalls(events, "os.system") == 1);
  // The two dicts are one, which may have been changed since.
  CHECK(events.back().starts_with("call? "));
}

TEST_CASE("PickleMachine: attributes that were replaced may be gone") {
  PickleBuilder pickle;
  pickle.Global("m", "f").Op(Op::kNone).Op(Op::kEmptyDict);
  pickle.Text("__setstate__").Global("m", "g").Op(Op::kSetItem);
  pickle.Text("__dict__").Global("m", "h").Op(Op::kSetItem).Tuple2().Build();
  Plant(pickle, "__setstate__").Build().Text("id").Build();
  CHECK(CountCalls(EventsOf(pickle), "os.system") >= 1);
}

TEST_CASE("PickleMachine: BUILD copies a state that changes afterwards") {
  PickleBuilder pickle = Object();
  Plant(pickle, "__setstate__").Put(0).Build();
  pickle.Get(0)
      .Text("__setstate__")
      .Global("m", "harmless")
      .Op(Op::kSetItem)
      .Pop()
      .Text("id")
      .Build();
  CHECK(LastEvent(pickle) == "call os.system('id')");
}

TEST_CASE("PickleMachine: attributes that are planted on a function count") {
  PickleBuilder pickle;
  pickle.Global("numpy", "prod");
  Plant(pickle, "__setstate__").Build().Text("id").Build();
  CHECK(CountCalls(EventsOf(pickle), "os.system") == 1);
}

TEST_CASE("PickleMachine: both names of a module are the same function") {
  PickleBuilder pickle(2);
  pickle.Global("copy_reg", "f");
  Plant(pickle, "__setstate__").Build();
  pickle.Global("copyreg", "f")
      .Raw("X\x02")
      .Raw(std::string(3, '\0'))
      .Raw("id");
  pickle.Build();
  CHECK(CountCalls(EventsOf(pickle), "os.system") == 1);
}

TEST_CASE("PickleMachine: attributes of persistent objects count") {
  PickleBuilder pickle;
  pickle.Raw("P1\n");
  Plant(pickle, "__setstate__").Build().Text("id").Build();
  CHECK(LastEvent(pickle) == "call os.system('id')");
}

TEST_CASE("PickleMachine: the items of an OrderedDict are a state") {
  PickleBuilder pickle = Object();
  pickle.Global("collections", "OrderedDict")
      .EmptyTuple()
      .Reduce()
      .Text("__setstate__")
      .Global("os", "system")
      .Op(Op::kSetItem)
      .Build()
      .Text("id")
      .Build();
  CHECK(LastEvent(pickle) == "call os.system('id')");
}

TEST_CASE("PickleMachine: a state of unknown content may hold anything") {
  PickleBuilder pickle = Object();
  pickle.Global("m", "state").Text("x").Tuple1().Reduce().Build();
  CHECK(CountCalls(EventsOf(pickle), "m.state") == 1);
  CHECK(LastEvent(pickle.Text("id").Build()).starts_with("call? "));
}

TEST_CASE("PickleMachine: one BUILD of an unknown state calls nothing") {
  PickleBuilder pickle = Object();
  pickle.Global("m", "state").Text("x").Tuple1().Reduce().Build();
  CHECK(EventsOf(pickle) == Events{"import m.C", "call m.C()", "import m.state",
                                   "call m.state('x')"});
}

TEST_CASE("PickleMachine: ADDITEMS calls a planted add for each item") {
  PickleBuilder pickle = Object();
  Plant(pickle, "add").Build().Mark().Text("a").Text("b").Op(Op::kAddItems);
  const Events events = EventsOf(pickle);
  CHECK(CountCalls(events, "os.system") == 2);
  CHECK(events.back() == "call os.system('b')");
}

TEST_CASE("PickleMachine: APPENDS calls a planted append for each item") {
  PickleBuilder pickle = Object();
  Plant(pickle, "append").Build().Mark().Text("a").Text("b").Op(Op::kAppends);
  const Events events = EventsOf(pickle);
  CHECK(CountCalls(events, "os.system") == 2);
  CHECK(events.back() == "call os.system('b')");
}

TEST_CASE("PickleMachine: APPEND calls extend in C and append in Python") {
  PickleBuilder pickle = Object();
  Plant(pickle, "append").Build();
  pickle.Op(Op::kEmptyDict)
      .Text("extend")
      .Global("m", "f")
      .Op(Op::kSetItem)
      .Build();
  const Events events = EventsOf(pickle.Text("id").Op(Op::kAppend));
  CHECK(CountCalls(events, "os.system") == 1);
  CHECK(CountCalls(events, "m.f") == 1);
}

TEST_CASE("PickleMachine: the Python unpickler calls a planted __new__") {
  PickleBuilder pickle = Object();
  Plant(pickle, "__new__").Build().Text("x").Tuple1().Op(Op::kNewObj);
  CHECK(CountCalls(EventsOf(pickle), "os.system") == 1);
}

TEST_CASE("PickleMachine: calls of what a persistent object made are known") {
  PickleBuilder pickle;
  pickle.Raw("P1\n").EmptyTuple().Reduce().EmptyTuple().Reduce();
  CHECK(EventsOf(pickle) == Events{"call? <a persistent object>()",
                                   "call? <a persistent object>()()"});
}

TEST_CASE("PickleMachine: a file that ends within a name still imports it") {
  const PickleRun global = RunPickle("cos\nsystemX");
  CHECK(global.events == Events{"import os.system"});
  CHECK(global.problems ==
        Problems{PickleProblem::kReadersDiffer, PickleProblem::kTruncated});
  const PickleRun inst = RunPickle("(S'id'\nios\nsystemX");
  CHECK(inst.events == Events{"import os.system", "call os.system('id')"});
  CHECK(RunPickle("cosX").events == Events{"import os"});
}

TEST_CASE("PickleMachine: INST without a mark has imported its class") {
  const PickleRun run = RunPickle("ios\nsystem\n.");
  CHECK(run.events == Events{"import os.system"});
  CHECK(run.problems ==
        Problems{PickleProblem::kReadersDiffer, PickleProblem::kUnderflow});
}

TEST_CASE("PickleMachine: memo indices have no limit in Python") {
  const PickleRun run = RunPickle(
      "cos\nsystem\np99999999999999999999\n0g0099999999999999999999\n"
      "(S'id'\ntR.");
  CHECK(run.events == Events{"import os.system", "call os.system('id')"});
  CHECK(run.end.complete);
}

TEST_CASE("PickleMachine: SETITEM replaces the item of a list") {
  PickleBuilder pickle;
  pickle.Global("operator", "getitem")
      .Op(Op::kEmptyList)
      .Global("m", "harmless")
      .Op(Op::kAppend)
      .Int(-1)
      .Global("os", "system")
      .Op(Op::kSetItem)
      .Int(0)
      .Tuple2()
      .Reduce()
      .Text("id")
      .Tuple1()
      .Reduce();
  CHECK(LastEvent(pickle) == "call os.system('id')");
}

TEST_CASE("PickleMachine: items that were left out do not move the others") {
  PickleBuilder pickle;
  pickle.Global("operator", "getitem").Mark();
  const int dull = static_cast<int>(PickleArena::kMaxKept) + 1;
  for (int i = 0; i < dull; ++i) pickle.Int(i);
  pickle.Global("os", "system").Global("m", "harmless").Op(Op::kList);
  pickle.Int(dull).Tuple2().Reduce().Text("id").Tuple1().Reduce();
  CHECK(LastEvent(pickle).starts_with("call? "));
}

TEST_CASE("PickleMachine: line ends within names do not confuse them") {
  PickleBuilder pickle;
  pickle.StackGlobal("a\nb", "c").Pop().StackGlobal("a", "b\nc");
  CHECK(EventsOf(pickle) == Events{"import a\nb.c", "import a.b\nc"});
}

TEST_CASE("PickleMachine: an extension code is looked up once") {
  PickleBuilder pickle;
  pickle.Op(Op::kExt1).Byte(7).Pop().Op(Op::kExt2).Number(7, 2);
  CHECK(EventsOf(pickle).size() == 1);
}

TEST_CASE("PickleMachine: the C unpickler drops what is left of a frame") {
  // From bytes the text is "ab\nos". From a file "ab" is dropped and the text
  // is what follows the frame.
  const std::string head = PickleBuilder(4)
                               .Op(Op::kFrame)
                               .Number(4, 8)
                               .Op(Op::kShortBinUnicode)
                               .Byte(2)
                               .Raw("ab")
                               .bytes();
  const std::string crossing = PickleBuilder(4)
                                   .Op(Op::kFrame)
                                   .Number(3, 8)
                                   .Op(Op::kShortBinUnicode)
                                   .Byte(5)
                                   .Raw("abcde")
                                   .Raw("0cos\nsystem\n.")
                                   .bytes();
  CHECK(RunPickle(head + "0N.").problems.empty());
  CHECK(RunPickle(crossing).events == Events{"import os.system"});
  CHECK(RunPickle(crossing).problems == Problems{PickleProblem::kFrame});
  // Behind the frame: "bcde0", then "cos\nsystem\n.".
  const PickleRun run = RunPickleFromFile(crossing);
  CHECK(run.events == Events{"import os.system"});
  CHECK(run.end.complete);
}

TEST_CASE("PickleMachine: a dropped frame end brings other opcodes to light") {
  // The text has 27 bytes: from bytes "aaa" is part of it, from a file "ccc".
  const std::string pickle = PickleBuilder(4)
                                 .Op(Op::kFrame)
                                 .Number(5, 8)
                                 .Op(Op::kShortBinUnicode)
                                 .Byte(27)
                                 .Raw("aaa")
                                 .Raw(std::string(24, 'b'))
                                 .Raw("ccc0cos\nsystem\n.")
                                 .bytes();
  const PickleRun from_file = RunPickleFromFile(pickle);
  CHECK(from_file.events == Events{"import os.system"});
  CHECK(from_file.end.complete);
  CHECK(RunPickle(pickle).events == Events{"import cc0cos.system"});
}

TEST_CASE("PickleMachine: bytes are read across the end of a frame") {
  const std::string pickle = PickleBuilder(4)
                                 .Op(Op::kFrame)
                                 .Number(3, 8)
                                 .Op(Op::kShortBinBytes)
                                 .Byte(5)
                                 .Raw("abcde")
                                 .Raw("0cos\nsystem\n.")
                                 .bytes();
  const PickleRun run = RunPickleFromFile(pickle);
  CHECK(run.events == Events{"import os.system"});
  CHECK(run.end.complete);
}

TEST_CASE("PickleMachine: what raises at run time is noted and passed") {
  const auto problems = [](std::string_view opcodes) {
    return RunPickle("\x80\x04" + std::string(opcodes) + ".").problems;
  };
  const Problems raises{PickleProblem::kRaises};
  const Problems differ{PickleProblem::kReadersDiffer};
  const Problems unhashable{PickleProblem::kUnhashable};
  CHECK(problems("K\x01K\x02"
                 "a") == raises);
  CHECK(problems("NK\x02K\x03s") == raises);
  CHECK(problems("]K\x05Ns") == raises);
  CHECK(problems("K\x01\x98") == raises);
  CHECK(problems("Vid\n\x98") == raises);
  CHECK(problems("S'id'\n\x98") == differ);
  CHECK(problems("C\x02id\x98").empty());
  CHECK(problems("N(K\x01\x90") == raises);
  CHECK(problems("]}K\x01K\x01sb") == raises);
  CHECK(problems("cm\nC\nNR") == raises);
  CHECK(problems("cm\nC\n]R") == differ);
  CHECK(problems("N(e") == differ);
  CHECK(problems("]}b") == differ);
  CHECK(problems("}]\x85Ns") == unhashable);
  CHECK(problems("(]\x91") == unhashable);
  CHECK(problems("cm\nC\n)R(K\x01K\x02u(K\x01\x90(K\x01"
                 "e")
            .empty());
}

TEST_CASE("ParsePickleInt: reads what strtol or Python's int reads") {
  const auto value = [](std::string_view line) {
    const auto number = ParsePickleInt(line);
    return number ? number->value : PickleValue::None();
  };
  const auto differ = [](std::string_view line) {
    return ParsePickleInt(line)->readers_differ;
  };
  CHECK(value("010") == PickleValue::Int(8));
  CHECK(differ("010"));
  CHECK(value("0x1F") == PickleValue::Int(31));
  CHECK_FALSE(differ("0x1F"));
  CHECK(value(" -12\t") == PickleValue::Int(-12));
  CHECK(value("1_000") == PickleValue::Int(1000));
  CHECK(value(std::string_view("5\0junk", 6)) == PickleValue::Int(5));
  CHECK(differ(std::string_view("5\0junk", 6)));
  CHECK(value("01") == PickleValue::Bool(true));
  CHECK(value("99999999999999999999").Is(PickleKind::kBigInt));
  for (const std::string_view bad :
       {"", "x", "1__0", "_1", "1_", "08", "-", "0x", "1L", "+-1", "1 2"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParsePickleInt(bad));
  }
}

TEST_CASE("ParsePickleFloat: reads what either unpickler reads") {
  for (const std::string_view good :
       {"1.5", "-.5", "5.", "1e10", "nan", "-Infinity", "1E-3"}) {
    CAPTURE(good);
    REQUIRE(ParsePickleFloat(good));
    CHECK_FALSE(ParsePickleFloat(good)->readers_differ);
  }
  for (const std::string_view one : {" 1.0", "1_0.5", "1e999"}) {
    CAPTURE(one);
    REQUIRE(ParsePickleFloat(one));
    CHECK(ParsePickleFloat(one)->readers_differ);
  }
  for (const std::string_view bad :
       {"", ".", "1e", "infin", "--1", "0x1p3", "1__0", "e5"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParsePickleFloat(bad));
  }
}

TEST_CASE("ParsePickleIndex: is decimal, however long") {
  CHECK(ParsePickleIndex(" 0012 ")->index == 12);
  CHECK(ParsePickleIndex("4294967295")->index == 0xffffffff);
  CHECK(ParsePickleIndex("4294967296")->digits == "4294967296");
  CHECK(ParsePickleIndex("00123456789012345678901")->digits ==
        "123456789012345678901");
  for (const std::string_view bad :
       {"-1", "0x1", "", "1.0", "-99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParsePickleIndex(bad));
  }
}

TEST_CASE(
    "DecodePickleUnicode: of two backslashes the second escapes nothing") {
  CHECK(DecodePickleUnicode("\\u006fs") == "os");
  CHECK(DecodePickleUnicode("\\\\u006fs") == "\\\\u006fs");
  CHECK(DecodePickleUnicode("a\\") == "a\\");
  CHECK_FALSE(DecodePickleUnicode("\\u12"));
  CHECK_FALSE(DecodePickleUnicode("\\U00110000"));
}

TEST_CASE("DecodePickleString: refuses escapes that Python refuses") {
  CHECK(DecodePickleString("'\\x6f\\163\\q'")->text == "os\\q");
  CHECK(DecodePickleString(" 'a'")->padded);
  CHECK_FALSE(DecodePickleString("'\\x4'"));
  CHECK_FALSE(DecodePickleString("'a\\'"));
  CHECK_FALSE(DecodePickleString("'a\""));
}

}  // namespace scanengine
