#include "worker/parsing/pickle_machine.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/pickle_builder.h"
#include "tests/support/pickle_events.h"

namespace scanengine {
namespace {

using Events = std::vector<std::string>;
using Problems = std::vector<PickleProblem>;
using Op = PickleOp;

const Events kSystem = {"import os.system", "call os.system('id')"};

std::string SystemCall() {
  return PickleBuilder()
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .bytes();
}

}  // namespace

TEST_CASE("PickleMachine: GLOBAL and REDUCE make an import and a call") {
  const PickleRun run = RunPickle(SystemCall() + ".");
  CHECK(run.events == kSystem);
  CHECK(run.problems.empty());
  CHECK(run.end == PickleEnd{SystemCall().size() + 1, true});
}

TEST_CASE("PickleMachine: a call result that is popped was still called") {
  CHECK(RunPickle(SystemCall() + "0N.").events == kSystem);
}

TEST_CASE("PickleMachine: OBJ calls, whatever becomes of the result") {
  const std::string pickle = PickleBuilder()
                                 .Mark()
                                 .Global("os", "system")
                                 .Text("id")
                                 .Op(Op::kObj)
                                 .Pop()
                                 .Op(Op::kNone)
                                 .Stop();
  CHECK(RunPickle(pickle).events == kSystem);
}

TEST_CASE("PickleMachine: INST imports and calls") {
  const std::string pickle =
      PickleBuilder(0).Raw("(S'id'\n").Inst("os", "system").Stop();
  CHECK(RunPickle(pickle).events == kSystem);
}

TEST_CASE("PickleMachine: NEWOBJ and NEWOBJ_EX call the class") {
  const std::string plain = PickleBuilder()
                                .Global("m", "C")
                                .Text("x")
                                .Tuple1()
                                .Op(Op::kNewObj)
                                .Stop();
  CHECK(RunPickle(plain).events == Events{"import m.C", "call m.C('x')"});
  const std::string keywords = PickleBuilder()
                                   .Global("m", "C")
                                   .EmptyTuple()
                                   .Op(Op::kEmptyDict)
                                   .Op(Op::kNewObjEx)
                                   .Stop();
  CHECK(RunPickle(keywords).events == Events{"import m.C", "call m.C()"});
}

TEST_CASE("PickleMachine: STACK_GLOBAL takes its names from memo and stack") {
  const std::string pickle = PickleBuilder()
                                 .Text("system")
                                 .Op(Op::kMemoize)
                                 .Pop()
                                 .Text("os")
                                 .Op(Op::kMemoize)
                                 .Get(0)
                                 .Op(Op::kStackGlobal)
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events == kSystem);
}

TEST_CASE("PickleMachine: MEMOIZE keeps the top of the stack after a POP") {
  const std::string pickle = PickleBuilder()
                                 .Text("system")
                                 .Text("harmless")
                                 .Pop()
                                 .Op(Op::kMemoize)
                                 .Pop()
                                 .Text("os")
                                 .Get(0)
                                 .Op(Op::kStackGlobal)
                                 .Stop();
  CHECK(RunPickle(pickle).events == Events{"import os.system"});
}

TEST_CASE("PickleMachine: an overwritten memo entry has its last value") {
  const std::string pickle = PickleBuilder()
                                 .Text("path")
                                 .Put(7)
                                 .Pop()
                                 .Text("system")
                                 .Put(7)
                                 .Pop()
                                 .Text("os")
                                 .Get(7)
                                 .Op(Op::kStackGlobal)
                                 .Stop();
  CHECK(RunPickle(pickle).events == Events{"import os.system"});
}

TEST_CASE("PickleMachine: an int in the memo does not hide a name") {
  const std::string pickle = PickleBuilder()
                                 .Int(5)
                                 .Put(0)
                                 .Pop()
                                 .StackGlobal("os", "system")
                                 .Put(0)
                                 .Pop()
                                 .Get(0)
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events == kSystem);
}

TEST_CASE("PickleMachine: huge and sparse memo indices work") {
  const std::string pickle = PickleBuilder()
                                 .Global("os", "system")
                                 .Op(Op::kLongBinPut)
                                 .Number(0xfffffffe, 4)
                                 .Pop()
                                 .Raw("g4294967294\n")
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events == kSystem);
}

TEST_CASE("PickleMachine: STRING operands are decoded before they are names") {
  const std::string pickle = PickleBuilder(4)
                                 .Raw("S'\\x6fs'\n")
                                 .Raw("S\"sys\\164em\"\n")
                                 .Op(Op::kStackGlobal)
                                 .Raw("V\\u0069d\n")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events == kSystem);
}

TEST_CASE("PickleMachine: names of Python 2 are translated below protocol 3") {
  const auto pickle = [](std::uint8_t protocol) {
    return PickleBuilder(protocol).Global("__builtin__", "xrange").Stop();
  };
  CHECK(RunPickle(pickle(0)).events == Events{"import builtins.range"});
  CHECK(RunPickle(pickle(2)).events == Events{"import builtins.range"});
  CHECK(RunPickle(pickle(3)).events == Events{"import __builtin__.xrange"});
}

TEST_CASE("PickleMachine: getattr reaches an attribute of an import") {
  const std::string pickle = PickleBuilder()
                                 .Global("builtins", "getattr")
                                 .Global("torch", "serialization")
                                 .Text("os")
                                 .Tuple2()
                                 .Reduce()
                                 .Put(0)
                                 .Global("builtins", "getattr")
                                 .Get(0)
                                 .Text("system")
                                 .Tuple2()
                                 .Reduce()
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop();
  const Events events = RunPickle(pickle).events;
  CHECK(events.back() == "call torch.serialization.os.system('id')");
}

TEST_CASE("PickleMachine: attrgetter, partial and methodcaller are followed") {
  const std::string attrgetter = PickleBuilder()
                                     .Global("operator", "attrgetter")
                                     .Text("system")
                                     .Tuple1()
                                     .Reduce()
                                     .Global("builtins", "__import__")
                                     .Text("os")
                                     .Tuple1()
                                     .Reduce()
                                     .Tuple1()
                                     .Reduce()
                                     .Text("id")
                                     .Tuple1()
                                     .Reduce()
                                     .Stop();
  CHECK(RunPickle(attrgetter).events.back() == "call os.system('id')");
  const std::string partial = PickleBuilder()
                                  .Global("functools", "partial")
                                  .Global("os", "system")
                                  .Tuple1()
                                  .Reduce()
                                  .Text("id")
                                  .Tuple1()
                                  .Reduce()
                                  .Stop();
  CHECK(RunPickle(partial).events.back() == "call os.system('id')");
  const std::string methodcaller = PickleBuilder()
                                       .Global("_operator", "methodcaller")
                                       .Text("system")
                                       .Text("id")
                                       .Tuple2()
                                       .Reduce()
                                       .Global("importlib", "import_module")
                                       .Text("os")
                                       .Tuple1()
                                       .Reduce()
                                       .Tuple1()
                                       .Reduce()
                                       .Stop();
  CHECK(RunPickle(methodcaller).events.back() == "call os.system('id')");
}

TEST_CASE("PickleMachine: items of sys.modules are modules") {
  const std::string pickle = PickleBuilder()
                                 .Global("operator", "getitem")
                                 .Global("sys", "modules")
                                 .Text("os")
                                 .Tuple2()
                                 .Reduce()
                                 .Put(0)
                                 .Global("builtins", "getattr")
                                 .Get(0)
                                 .Text("system")
                                 .Tuple2()
                                 .Reduce()
                                 .EmptyTuple()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events.back() == "call os.system()");
}

TEST_CASE("PickleMachine: strings put together by calls are names") {
  const std::string joined = PickleBuilder()
                                 .Text("os")
                                 .Global("builtins", "str.join")
                                 .Text("")
                                 .Mark()
                                 .Text("sys")
                                 .Text("tem")
                                 .Op(Op::kList)
                                 .Tuple2()
                                 .Reduce()
                                 .Op(Op::kStackGlobal)
                                 .Stop();
  CHECK(RunPickle(joined).events.back() == "import os.system");
  const std::string decoded = PickleBuilder()
                                  .Text("os")
                                  .Global("codecs", "decode")
                                  .Text("flfgrz")
                                  .Text("rot13")
                                  .Tuple2()
                                  .Reduce()
                                  .Op(Op::kStackGlobal)
                                  .Stop();
  // The result of codecs.decode on text is text again.
  CHECK(RunPickle(decoded).events.back() == "import os.system");
}

TEST_CASE("PickleMachine: what cannot be resolved is reported when called") {
  const std::string pickle = PickleBuilder()
                                 .Global("m", "names")
                                 .EmptyTuple()
                                 .Reduce()
                                 .Text("system")
                                 .Op(Op::kStackGlobal)
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events ==
        Events{"import m.names", "call m.names()",
               "import ? m.names() . 'system'",
               "call? <an import under a name that is not known>('id')"});
}

TEST_CASE("PickleMachine: a planted __setstate__ is called by the next BUILD") {
  const std::string pickle = PickleBuilder()
                                 .Global("m", "C")
                                 .EmptyTuple()
                                 .Op(Op::kNewObj)
                                 .Op(Op::kEmptyDict)
                                 .Text("__setstate__")
                                 .Global("os", "system")
                                 .Op(Op::kSetItem)
                                 .Build()
                                 .Text("id")
                                 .Build()
                                 .Stop();
  CHECK(RunPickle(pickle).events.back() == "call os.system('id')");
}

TEST_CASE("PickleMachine: a planted append is called by APPEND") {
  const std::string pickle = PickleBuilder()
                                 .Global("m", "C")
                                 .EmptyTuple()
                                 .Op(Op::kNewObj)
                                 .Op(Op::kEmptyDict)
                                 .Text("append")
                                 .Global("os", "system")
                                 .Op(Op::kSetItem)
                                 .Build()
                                 .Text("id")
                                 .Op(Op::kAppend)
                                 .Stop();
  CHECK(RunPickle(pickle).events.back() == "call os.system('id')");
}

TEST_CASE("PickleMachine: BUILD on a partial replaces what it calls") {
  const std::string pickle = PickleBuilder(2)
                                 .Global("functools", "partial")
                                 .Global("builtins", "str")
                                 .Tuple1()
                                 .Op(Op::kNewObj)
                                 .Mark()
                                 .Global("os", "system")
                                 .Text("id")
                                 .Tuple1()
                                 .Op(Op::kEmptyDict)
                                 .Op(Op::kNone)
                                 .Tuple()
                                 .Build()
                                 .EmptyTuple()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events.back() == "call os.system('id')");
}

TEST_CASE("PickleMachine: a name that is an attribute is not known") {
  const std::string pickle = PickleBuilder()
                                 .StackGlobal("numpy", "prod.a")
                                 .StackGlobal("numpy", "prod.b")
                                 .Op(Op::kStackGlobal)
                                 .EmptyTuple()
                                 .Reduce()
                                 .Stop();
  CHECK(RunPickle(pickle).events.back() ==
        "call? <an import under a name that is not known>()");
}

TEST_CASE("PickleMachine: writing into an import is told") {
  const std::string pickle = PickleBuilder()
                                 .Global("numpy", "prod")
                                 .Op(Op::kEmptyDict)
                                 .Text("a")
                                 .Text("b")
                                 .Op(Op::kSetItem)
                                 .Build()
                                 .Stop();
  CHECK(RunPickle(pickle).events ==
        Events{"import numpy.prod", "write numpy.prod <- {'a': 'b'}"});
}

TEST_CASE("PickleMachine: extension codes are unknown unless registered") {
  const std::string unknown =
      PickleBuilder(2).Op(Op::kExt1).Byte(9).EmptyTuple().Reduce().Stop();
  CHECK(RunPickle(unknown).events ==
        Events{"import ? extension code 9",
               "call? <an entry of the extension registry>()"});
  const std::string registered = PickleBuilder(2)
                                     .Global("copyreg", "add_extension")
                                     .Mark()
                                     .Text("os")
                                     .Text("system")
                                     .Int(300)
                                     .Tuple()
                                     .Reduce()
                                     .Pop()
                                     .Op(Op::kExt2)
                                     .Number(300, 2)
                                     .Text("id")
                                     .Tuple1()
                                     .Reduce()
                                     .Stop();
  CHECK(RunPickle(registered).events.back() == "call os.system('id')");
}

TEST_CASE("PickleMachine: what ran before an error is kept") {
  const auto problem_after = [](std::string_view tail) {
    const PickleRun run = RunPickle(SystemCall() + std::string(tail));
    CHECK(run.events == kSystem);
    CHECK_FALSE(run.end.complete);
    REQUIRE(run.problems.size() == 1);
    return run.problems[0];
  };
  CHECK(problem_after("") == PickleProblem::kTruncated);
  CHECK(problem_after("\xff") == PickleProblem::kBadOpcode);
  CHECK(problem_after("R") == PickleProblem::kUnderflow);
  CHECK(problem_after("t") == PickleProblem::kUnderflow);
  CHECK(problem_after("h\x09") == PickleProblem::kMemoMiss);
  CHECK(problem_after("\x80\x06") == PickleProblem::kBadProtocol);
  CHECK(problem_after("Ix\n") == PickleProblem::kBadOperand);
  CHECK(problem_after("\x8b\xff\xff\xff\xff") == PickleProblem::kBadOperand);
  CHECK(problem_after("X\xff\xff\xff\x7f") == PickleProblem::kTruncated);
  CHECK(problem_after("S'unquoted\n") == PickleProblem::kBadOperand);
}

TEST_CASE("PickleMachine: frames that lie are noted and change nothing") {
  const auto framed = [](std::uint64_t size) {
    return PickleBuilder()
        .Op(Op::kFrame)
        .Number(size, 8)
        .Raw(SystemCall().substr(2))
        .Stop();
  };
  const std::uint64_t right = SystemCall().size() - 2 + 1;
  CHECK(RunPickle(framed(right)).problems.empty());
  for (const std::uint64_t wrong : {right - 4, right + 3, ~std::uint64_t{0}}) {
    const PickleRun run = RunPickle(framed(wrong));
    CHECK(run.events == kSystem);
    CHECK(run.problems == Problems{PickleProblem::kFrame});
    CHECK(run.end.complete);
  }
}

TEST_CASE("PickleMachine: bombs end in bounded memory and time") {
  // Doubling by the memo: 2^60 elements if it were built.
  PickleBuilder doubling;
  doubling.Op(Op::kEmptyTuple);
  for (int i = 0; i < 60; ++i) doubling.Op(Op::kDup).Tuple2();
  CHECK(RunPickle(doubling.Stop()).end.complete);

  const std::string marks(PickleMachine::kMaxMarks + 1, '(');
  CHECK(RunPickle(marks).problems == Problems{PickleProblem::kLimit});

  const std::string stack(PickleMachine::kMaxStack + 1, 'N');
  CHECK(RunPickle(stack).problems == Problems{PickleProblem::kLimit});

  std::string long4("\x8b\xff\xff\xff\x7f", 5);
  CHECK(RunPickle(long4).problems == Problems{PickleProblem::kTruncated});
}

TEST_CASE("PickleMachine: a flood of objects does not hide what follows") {
  PickleBuilder flood;
  flood.Op(Op::kEmptyList);
  std::string bytes = flood.bytes();
  // More tuples than the arena holds, each in the memo.
  for (std::size_t i = 0; i < PickleArena::kMaxNodes + 5000; ++i) {
    bytes +=
        "K\x01\x85\x94"
        "0";
  }
  const PickleRun run = RunPickle(bytes + SystemCall().substr(2) + ".");
  CHECK(run.end.complete);
  REQUIRE(run.events.size() == 2);
  CHECK(run.events[0] == "import os.system");
  CHECK(run.events[1].starts_with("call os.system("));
}

TEST_CASE("PickleMachine: garbage is collected and strings stay readable") {
  std::string bytes = PickleBuilder().Op(Op::kEmptyList).bytes();
  for (std::size_t i = 0; i < 3 * PickleArena::kMaxNodes; ++i) {
    bytes +=
        "\x8c\x04"
        "dust"
        "0";
  }
  CHECK(RunPickle(bytes + SystemCall().substr(2) + ".").events == kSystem);
}

TEST_CASE("PickleMachine: every prefix of a pickle ends without a crash") {
  const std::string pickle = PickleBuilder()
                                 .Op(Op::kFrame)
                                 .Number(70, 8)
                                 .StackGlobal("collections", "OrderedDict")
                                 .EmptyTuple()
                                 .Reduce()
                                 .Mark()
                                 .Text("k")
                                 .Int(1)
                                 .Op(Op::kSetItems)
                                 .Raw("I12\nL5L\nF1.5\n")
                                 .Stop();
  for (std::size_t size = 0; size < pickle.size(); ++size) {
    CHECK_FALSE(RunPickle(pickle.substr(0, size)).end.complete);
  }
}

}  // namespace scanengine
