// Attributes that libraries look up on any object, given to one by BUILD: in
// each form that a state has, and when there are too many to keep.

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/pickle_builder.h"
#include "tests/support/pickle_events.h"

namespace scanengine {
namespace {

using Lines = std::vector<std::string>;

std::string Text(std::string_view text) {
  return PickleBuilder(0).Text(text).bytes();
}

const std::string kCallable = "cm\nf\n";
const std::string kOrdered = "ccollections\nOrderedDict\n)R";
const std::string kReduce = Text("__reduce__") + kCallable;
const std::string kClass = Text("__class__") + kCallable;
const std::string kUnseen = " = ...";

// Hooks that an object of m.C has after BUILD took what |state| pushes.
Lines HooksOf(const std::string& state, const std::string& before = {}) {
  Lines lines = RunPickle(before + "cm\nC\n)R" + state + "b.").events;
  std::erase_if(lines, [](const std::string& line) {
    return !line.starts_with("hook m.C().");
  });
  for (std::string& line : lines) line.erase(0, 11);
  return lines;
}

// More entries than are kept of a dict, all of which may matter.
std::string Many(std::string_view opening, std::string_view between = "") {
  std::string bytes;
  for (std::size_t i = 0; i < PickleArena::kMaxKeptAlive; ++i) {
    bytes += opening;
    bytes += Text("k" + std::to_string(i)) + "cm\nD\n";
    bytes += between;
  }
  return bytes;
}

// Fills the arena with values that stay in the memo.
std::string NoRoom() {
  std::string bytes = "K\x01\x94";
  for (std::size_t i = 0; i < PickleArena::kMaxNodes + 5000; ++i) {
    bytes += "\x85\x94";
  }
  return bytes;
}

}  // namespace

TEST_CASE("Pickle hooks: all forms of a state plant them") {
  const Lines reduce = {"__reduce__ = m.f"};
  CHECK(HooksOf("}(" + kReduce + "u") == reduce);
  CHECK(HooksOf("}" + kReduce + "s") == reduce);
  CHECK(HooksOf("(" + kReduce + "d") == reduce);
  CHECK(HooksOf("}(" + kReduce + "uN\x86") == reduce);
  CHECK(HooksOf("N}(" + kReduce + "u\x86") == reduce);
  // A class of its own may take what object does not.
  CHECK(HooksOf("}(" + kReduce + "uNN\x87") == reduce);
  // Python 2's strings may be names, too.
  CHECK(HooksOf("}(S'__reduce__'\n" + kCallable + "u") == reduce);
  CHECK(HooksOf("}(" + Text("__array_interface__") + "}u") ==
        Lines{"__array_interface__ = {}"});
}

TEST_CASE("Pickle hooks: a __class__ works in slots alone") {
  const Lines set = {"__class__ = m.f"};
  CHECK(HooksOf("}(" + kClass + "u").empty());
  CHECK(HooksOf("}(" + kClass + "uN\x86").empty());
  CHECK(HooksOf("N}(" + kClass + "u\x86") == set);
  CHECK(HooksOf("N" + kOrdered + "(" + kClass + "u\x86") == set);
}

TEST_CASE("Pickle hooks: dicts of other types plant them") {
  const Lines reduce = {"__reduce__ = m.f"};
  CHECK(HooksOf(kOrdered + "(" + kReduce + "u") == reduce);
  CHECK(HooksOf(kOrdered + kReduce + "s") == reduce);
  CHECK(HooksOf("ccollections\ndefaultdict\n)R(" + kReduce + "u") == reduce);
  const std::string ordered = "ccollections\nOrderedDict\n";
  CHECK(HooksOf(ordered + "](" + kReduce + "\x86" + "e\x85R") == reduce);
  CHECK(HooksOf(ordered + "](](" + kReduce + "ee\x85R") == reduce);
  CHECK(HooksOf(ordered + "\x8f(" + kReduce + "\x86\x90\x85R") == reduce);
  CHECK(HooksOf(ordered + "}(" + kReduce + "u\x85R") == reduce);
  // Not what only looks like one.
  CHECK(HooksOf("](" + kReduce + "e").empty());
  CHECK(HooksOf("}(" + Text("x") + kReduce + "\x86u").empty());
}

TEST_CASE("Pickle hooks: __dict__ in slots stands for all of them") {
  CHECK(HooksOf("N}(" + Text("__dict__") + "}(" + kReduce + "uu\x86") ==
        Lines{"__dict__ = {'__reduce__': m.f}", "__reduce__ = m.f"});
  CHECK(HooksOf("N}(" + Text("__dict__") + "}u\x86") == Lines{"__dict__ = {}"});
  CHECK(HooksOf("}(" + Text("__dict__") + "}(" + kReduce + "uu").empty());
}

TEST_CASE("Pickle hooks: among more entries than are kept") {
  const Lines unseen = {"__reduce__" + kUnseen};
  CHECK(HooksOf("}(" + Many("") + kReduce + "u") == unseen);
  CHECK(HooksOf("(" + Many("") + kReduce + "d") == unseen);
  CHECK(HooksOf("}(" + Many("") + kReduce + "uN\x86") == unseen);
  CHECK(HooksOf("ccollections\nOrderedDict\n](" + Many("", "\x86") + kReduce +
                "\x86" + "e\x85R") == unseen);
  CHECK(HooksOf("N}(" + Many("") + kClass + "u\x86") ==
        Lines{"__class__" + kUnseen});
  // What cannot work as one, as in a vocabulary.
  const std::string words =
      Text("__reduce__") + "K\x01" + Text("__array__") + "](K\x01K\x02" + "e";
  CHECK(HooksOf("}(" + Many("") + words + "u").empty());
  // Nor in a state that is whole.
  CHECK(HooksOf("}(" + Text("x") + "K\x01u", "}(" + Many("") + kReduce + "u0")
            .empty());
}

TEST_CASE("Pickle hooks: when there is no room for a state") {
  const std::string full = NoRoom();
  for (const std::string& state :
       {"}(" + kReduce + "u", "}" + kReduce + "s", "(" + kReduce + "d",
        "}(" + kReduce + "uN\x86", "N}(" + kReduce + "u\x86",
        kOrdered + "(" + kReduce + "u",
        "ccollections\nOrderedDict\n](" + kReduce + "\x86" + "e\x85R"}) {
    CAPTURE(state);
    const Lines lines = RunPickle(full + "cm\nC\n)R" + state + "b.").events;
    CHECK(std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
      return line.starts_with("hook ") && line.find("__reduce__") < line.size();
    }));
  }
  for (const std::string& state :
       {"}(" + Text("__reduce__") + "K\x01u",
        "}(" + Text("__array__") + "](K\x01" + "eu", "}(" + kClass + "u"}) {
    CAPTURE(state);
    const Lines lines = RunPickle(full + "cm\nC\n)R" + state + "b.").events;
    CHECK(std::none_of(lines.begin(), lines.end(), [](const auto& line) {
      return line.starts_with("hook ");
    }));
  }
}

TEST_CASE("Pickle hooks: what is not followed is said") {
  std::string bytes = "}(" + Many("") + kReduce + "u\x94" + "0cm\nC\n)R";
  for (int i = 0; i < 3000; ++i) bytes += std::string("h\0b", 3);
  const PickleRun run = RunPickle(bytes + ".");
  CHECK(std::count(run.problems.begin(), run.problems.end(),
                   PickleProblem::kLimit) == 1);
}

// Dicts with keys that are tuples, as statistics have them, and many objects.
TEST_CASE("Pickle hooks: a large pickle without any is followed to its end") {
  std::string bytes = NoRoom() + "cm\nC\n\x94" + "0}(";
  for (char i = 0; i < 100; ++i) bytes += std::string("K\1K") + i + "\x86K" + i;
  bytes += "u0";
  const std::string object = "cm\nC\n)R}(" + Text("x") + "K\x01ub0";
  for (int i = 0; i < 60'000; ++i) bytes += object;
  const PickleRun run = RunPickle(bytes + "N.");
  CHECK(run.end.complete);
  CHECK(run.problems.empty());
  CHECK(
      std::none_of(run.events.begin(), run.events.end(),
                   [](const auto& line) { return line.starts_with("hook "); }));
}

}  // namespace scanengine
