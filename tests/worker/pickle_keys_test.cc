// Keys and attributes that may be one or two: Python 2's strings are str or
// bytes as the loader likes, and a class may take one state and not the other.

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/pickle_builder.h"
#include "tests/support/pickle_events.h"

namespace scanengine {
namespace {

using Events = std::vector<std::string>;
using Op = PickleOp;

// The opcodes of a key: as Python 2 wrote it, in each of its three ways.
std::vector<std::string> OldTexts(std::string_view text) {
  return {
      PickleBuilder(0).Raw("S'").Raw(text).Raw("'\n").bytes(),
      PickleBuilder(0)
          .Op(Op::kShortBinString)
          .Number(text.size(), 1)
          .Raw(text)
          .bytes(),
      PickleBuilder(0)
          .Op(Op::kBinString)
          .Number(text.size(), 4)
          .Raw(text)
          .bytes(),
  };
}

std::string NewText(std::string_view text) {
  return PickleBuilder(0).Text(text).bytes();
}

std::string Name(std::string_view module, std::string_view name) {
  return PickleBuilder(0).Global(module, name).bytes();
}

std::string Dict(const std::vector<std::string>& parts) {
  std::string bytes = "}(";
  for (const std::string& part : parts) bytes += part;
  return bytes + "u";
}

// An object of class m.C; |rest| changes it.
Events EventsOfObject(const std::string& rest) {
  PickleBuilder builder;
  builder.Global("m", "C").EmptyTuple().Reduce().Raw(rest);
  return RunPickle(builder.Stop()).events;
}

bool Has(const Events& events, std::string_view event) {
  return std::find(events.begin(), events.end(), event) != events.end();
}

// What calling item 'f' of |dict| does.
std::string LastOfItem(const std::string& dict,
                       const std::string& key = NewText("f")) {
  PickleBuilder builder;
  builder.Global("operator", "getitem").Raw(dict).Raw(key);
  builder.Tuple2().Reduce().Text("id").Tuple1().Reduce();
  return RunPickle(builder.Stop()).events.back();
}

const std::string kSystem = Name("os", "system");
const std::string kHarmless = Name("m", "f");

// What a pickle does that fills the arena with |before|, values that stay in
// the memo, and goes on with |rest|. Names m.C and m.f are entries 0 and 1.
Events EventsWithoutRoom(const std::string& before, const std::string& rest) {
  std::string bytes = PickleBuilder().bytes() + Name("m", "C") + "\x94" + "0" +
                      kHarmless + "\x94" + "0" + before;
  for (std::size_t i = 0; i < PickleArena::kMaxNodes + 5000; ++i) {
    bytes +=
        "K\x01\x85\x94"
        "0";
  }
  return RunPickle(bytes + rest + "N.").events;
}

std::string Recall(char index) { return std::string("h") + index; }

}  // namespace

TEST_CASE("Pickle keys: both values of an attribute of two encodings count") {
  for (const std::string& old : OldTexts("append")) {
    for (const bool first : {false, true}) {
      const std::string fresh = NewText("append");
      const Events events = EventsOfObject(
          Dict(first ? std::vector{old, kSystem, fresh, kHarmless}
                     : std::vector{fresh, kSystem, old, kHarmless}) +
          "b" + NewText("id") + "a");
      CHECK(Has(events, "call os.system('id')"));
      CHECK(Has(events, "call m.f('id')"));
    }
  }
}

TEST_CASE("Pickle keys: a later state does not hide a planted attribute") {
  const std::string plant = NewText("append");
  const Events events =
      EventsOfObject(Dict({plant, kSystem}) + "b" + Dict({plant, kHarmless}) +
                     "b" + NewText("id") + "a");
  CHECK(Has(events, "call os.system('id')"));
  CHECK(Has(events, "call m.f('id')"));
}

TEST_CASE("Pickle keys: a planted __setstate__ may be none") {
  // With bytes for Python 2's strings the second state is set by default.
  for (const std::string& old : OldTexts("__setstate__")) {
    const Events events = EventsOfObject(Dict({old, kHarmless}) + "b" +
                                         Dict({NewText("append"), kSystem}) +
                                         "b" + NewText("id") + "a");
    CHECK(Has(events, "call os.system('id')"));
  }
}

TEST_CASE("Pickle keys: APPENDS calls a planted extend, or append") {
  for (const std::string& old : OldTexts("extend")) {
    const Events events =
        EventsOfObject(Dict({old, kHarmless, NewText("append"), kSystem}) +
                       "b(" + NewText("id") + "e");
    CHECK(Has(events, "call m.f(['id'])"));
    CHECK(Has(events, "call os.system('id')"));
  }
}

TEST_CASE("Pickle keys: many values of one attribute end as an unknown one") {
  std::string states;
  for (int i = 0; i < 20; ++i) {
    states += Dict({NewText("append"), Name("m", "f" + std::to_string(i))});
    states += "b";
  }
  const Events events = EventsOfObject(states + NewText("id") + "a");
  CHECK(Has(events, "call? <an attribute that is not known>('id')"));
}

TEST_CASE(
    "Pickle keys: a partial with a __setstate__ of its own is not known") {
  PickleBuilder pickle;
  pickle.Global("functools", "partial").Global("os", "system").Tuple1();
  pickle.Reduce();
  const std::string state = "(" + kHarmless + ")}";
  const std::string plant = Dict({NewText("__setstate__"), kHarmless});
  pickle.Raw("(" + kSystem + ")}" + plant + "tb" + state + "Ntb)R");
  const Events events = RunPickle(pickle.Stop()).events;
  REQUIRE(events.size() > 2);
  CHECK(events.back().starts_with("call-result functools.partial("));
}

TEST_CASE("Pickle keys: an item of two encodings is not known") {
  for (const std::string& old : OldTexts("f")) {
    const std::string fresh = NewText("f");
    const std::string unknown = "call? <an item that is not known>('id')";
    CHECK(LastOfItem(Dict({old, kSystem, fresh, kHarmless})) ==
          "call m.f('id')");
    CHECK(LastOfItem(Dict({fresh, kSystem, old, kHarmless})) == unknown);
    CHECK(LastOfItem(Dict({old, kSystem})) == unknown);
    CHECK(LastOfItem(Dict({old, kHarmless, old, kSystem}), old) ==
          "call os.system('id')");
    CHECK(LastOfItem(Dict({fresh, kSystem}), old) == unknown);
  }
}

TEST_CASE("Pickle keys: a key of bytes is no key of text") {
  const std::string bytes = PickleBuilder(0).Bytes("f").bytes();
  const std::string fresh = NewText("f");
  const std::string both = Dict({fresh, kHarmless, bytes, kSystem});
  CHECK(LastOfItem(both) == "call m.f('id')");
  CHECK(LastOfItem(both, bytes) == "call os.system('id')");
}

TEST_CASE("Pickle keys: the encoding decides what letters a key has") {
  // One byte is the same letter as two, in Latin-1.
  const std::string old = "U\x01\xe9";
  const std::string fresh = NewText("\xc3\xa9");
  CHECK(LastOfItem(Dict({fresh, kHarmless, old, kSystem}), fresh) ==
        "call? <an item that is not known>('id')");
}

TEST_CASE("Pickle keys: a key that a call returned may be any") {
  const std::string unknown = Name("m", "names") + ")R";
  CHECK(LastOfItem(Dict({NewText("f"), kHarmless, unknown, kSystem})) ==
        "call? <an item that is not known>('id')");
}

TEST_CASE("Pickle keys: a name in a memo that is full can be called") {
  std::string bytes = PickleBuilder().bytes();
  const std::size_t many = PickleMemo::kMaxDense + PickleMemo::kMaxSparse;
  for (std::size_t i = 0; i < many; ++i)
    bytes +=
        "N\x94"
        "0";
  const auto index = static_cast<std::uint32_t>(many);
  bytes += kHarmless + "\x94" + "0";
  const std::string call =
      PickleBuilder(0).Op(Op::kLongBinGet).Number(index, 4).bytes() + ")R0";
  CHECK(RunPickle(bytes + call + call + "N.").events ==
        Events{"import m.f", "call m.f()", "call m.f()"});
}

TEST_CASE("Pickle keys: objects that there is no room for are no alarm") {
  const std::string object = Recall(0) + ")\x81\x94";
  const std::string state = Dict({NewText("x"), "K\x01", NewText("y"), "]"});
  // A list, a dict and an array as numpy has it, each of them filled.
  std::string rest;
  for (int i = 0; i < 5; ++i) {
    rest += object + state + "b0";
    rest += object + "(K\x01K\x01\x85\x88" + NewText("raw") + "tb0";
    rest +=
        "](K\x01K\x02"
        "e0" +
        Dict({"Vname\n", "N"}) + "0";
  }
  const Events events = EventsWithoutRoom("", rest);
  CHECK(events.size() == 12);
  for (const std::string& event : events)
    CHECK_FALSE(event.starts_with("call?"));
}

TEST_CASE("Pickle keys: what copyreg makes without room is told") {
  // As protocols 0 and 1 write objects, each with a tuple of its own.
  const std::string object = Name("copyreg", "_reconstructor") + "(" +
                             Recall(0) + Name("builtins", "object") +
                             "Nt\x94R0";
  const Events events = EventsWithoutRoom("", object + object);
  CHECK(std::count(events.begin(), events.end(), "call m.C()") == 2);
  for (const std::string& event : events)
    CHECK_FALSE(event.starts_with("call?"));
  CHECK(EventsWithoutRoom("", Name("builtins", "map") + "(" + kSystem + "](" +
                                  NewText("id") + "etR0")
            .back()
            .starts_with("call os.system("));
}

TEST_CASE("Pickle keys: names that there is no room for twice are told") {
  // More tuples than are shared, none like another but for the class.
  std::string rest;
  for (int i = 0; i < 5000; ++i) {
    rest += Name("copyreg", "_reconstructor") + "(" + Recall(0) + Recall(1) +
            PickleBuilder(0).Int(i).bytes() + "tR0";
  }
  for (const std::string& event : EventsWithoutRoom("", rest))
    CHECK_FALSE(event.starts_with("call?"));
}

TEST_CASE("Pickle keys: a memo full of one number keeps no garbage alive") {
  std::string bytes =
      PickleBuilder().bytes() + Name("m", "C") + "\x94" + "0K\x01";
  bytes.append(PickleArena::kMaxNodes, '\x94');
  bytes += "0";
  for (std::size_t i = 0; i < PickleArena::kMaxNodes + 5000; ++i) bytes += "]0";
  const Events events =
      RunPickle(bytes + Recall(0) + NewText("id") + "\x85R.").events;
  CHECK(events.back() == "call m.C('id')");
}

TEST_CASE("Pickle keys: attributes of dicts without room are followed") {
  const std::string object = Recall(0) + ")\x81";
  const std::string plant = Dict({NewText("append"), kSystem});
  const std::string old = Dict({"Vappend\n", kSystem});
  const std::string built = "(" + NewText("append") + kSystem + "d";
  // In the memo before it has items.
  const std::string late = "}r\xff\xff\xff\x7f(" + NewText("append") + kSystem +
                           "u0j\xff\xff\xff\x7f";
  for (const std::string& state :
       {plant, old, built, late, "N" + plant + "\x86", plant + "}\x86",
        "(N" + plant + "t"}) {
    const Events events =
        EventsWithoutRoom("", object + state + "b" + NewText("id") + "a0");
    CHECK(events.back().starts_with("call os.system("));
  }
}

TEST_CASE("Pickle keys: a pair without room hides no dict that has some") {
  const std::string dict = Dict({NewText("append"), kSystem}) + "\x94" + "0";
  const Events events =
      EventsWithoutRoom(dict, Recall(0) + ")\x81N" + Recall(2) + "\x86" + "b" +
                                  NewText("id") + "a0");
  CHECK(events.back().starts_with("call? <an attribute that is not known>("));
}

TEST_CASE("Pickle keys: a partial is not known after a state without room") {
  const std::string partial =
      Name("functools", "partial") + kHarmless + "\x85R\x94" + "0";
  const Events events =
      EventsWithoutRoom(partial, Recall(2) + "(" + kSystem + ")}NtbR0");
  CHECK_FALSE(events.back() == "call m.f()");
}

TEST_CASE("Pickle keys: attributes that there is no room for may be any") {
  PickleBuilder head;
  head.Global("m", "C").EmptyTuple().Reduce().Raw("\x94" + kHarmless + "\x94");
  std::string flood = head.bytes() + "}";
  for (std::size_t i = 0; i < PickleArena::kMaxNodes + 5000; ++i) {
    flood +=
        "K\x01\x85\x94"
        "0";
  }
  const std::string plant = NewText("append") + kSystem + "s";
  for (const std::string& object :
       {std::string("h\x00", 2), std::string("h\x01", 2)}) {
    const Events events = RunPickle(flood + "0" + object + "}" + plant + "b" +
                                    NewText("id") + "a.")
                              .events;
    CHECK(events.back() == "call? <an attribute that is not known>(*<data>)");
  }
}

}  // namespace scanengine
