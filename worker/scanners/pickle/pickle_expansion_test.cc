#include "worker/parsing/pickle_expansion.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"

namespace scanengine {
namespace {

using Op = PickleOp;

// A value in the memo at 0, then |levels| tuples of the one before, twice.
PickleBuilder Doubled(int levels) {
  PickleBuilder pickle;
  pickle.Int(1).Put(0);
  for (int i = 0; i < levels; ++i) {
    const auto before = static_cast<std::uint8_t>(i);
    pickle.Pop().Get(before).Get(before).Tuple2().Put(
        static_cast<std::uint8_t>(i + 1));
  }
  return pickle;
}

std::vector<std::string> Rules(const std::string& pickle) {
  return RuleIds(ScanBytes(pickle, "a.pkl"));
}

const std::vector<std::string> kNone;
const std::vector<std::string> kTree{"pickle-expansion-bomb"};
const std::vector<std::string> kHash{"pickle-hash-bomb"};

}  // namespace

TEST_CASE("Expansion: a tree of a billion leaves is a bomb, a smaller is not") {
  CHECK(Rules(Doubled(25).Stop()) == kNone);
  CHECK(Rules(Doubled(40).Stop()) == kTree);
  CHECK(Rules(Doubled(200).Stop()) == kTree);
  CHECK(WorstSeverity(ScanBytes(Doubled(60).Stop(), "a.pkl")) ==
        Severity::kMedium);
}

TEST_CASE("Expansion: a bomb in a list or in the state of an object counts") {
  CHECK(Rules(PickleBuilder()
                  .Op(Op::kEmptyList)
                  .Raw(Doubled(60).bytes().substr(2))
                  .Op(Op::kAppend)
                  .Stop()) == kTree);
  CHECK(Rules(PickleBuilder()
                  .Global("collections", "OrderedDict")
                  .EmptyTuple()
                  .Reduce()
                  .Raw(Doubled(60).bytes().substr(2))
                  .Build()
                  .Stop()) == kTree);
}

TEST_CASE("Expansion: objects that hold each other are no bomb") {
  PickleBuilder pickle;
  pickle.Int(1).Put(0);
  for (std::uint8_t i = 0; i < 60; ++i) {
    pickle.Pop()
        .Global("collections", "OrderedDict")
        .Get(i)
        .Get(i)
        .Tuple2()
        .Reduce()
        .Put(static_cast<std::uint8_t>(i + 1));
  }
  CHECK(Rules(pickle.Stop()) == kNone);
}

TEST_CASE("Expansion: a list that holds itself has an end") {
  PickleBuilder pickle;
  pickle.Op(Op::kEmptyList).Put(0);
  for (int i = 0; i < 20; ++i) pickle.Get(0).Op(Op::kAppend);
  CHECK(Rules(pickle.Stop()) == kNone);
}

TEST_CASE("Expansion: keys that are hashed for ever are found") {
  const std::string tuples = Doubled(60).Pop().bytes();
  const auto with = [&tuples](PickleBuilder& rest) {
    return tuples + rest.bytes().substr(2) + ".";
  };
  PickleBuilder set_item;
  set_item.Op(Op::kEmptyDict).Get(60).Op(Op::kNone).Op(Op::kSetItem);
  PickleBuilder set_items;
  set_items.Op(Op::kEmptyDict).Mark().Get(60).Op(Op::kNone).Op(Op::kSetItems);
  PickleBuilder dict;
  dict.Mark().Get(60).Op(Op::kNone).Op(Op::kDict);
  PickleBuilder set;
  set.Op(Op::kEmptySet).Mark().Get(60).Op(Op::kAddItems);
  PickleBuilder frozen;
  frozen.Mark().Get(60).Op(Op::kFrozenSet);
  for (PickleBuilder* rest : {&set_item, &set_items, &dict, &set, &frozen}) {
    rest->Pop().Op(Op::kNone);  // What was built is dropped.
    CHECK(Rules(with(*rest)) == kHash);
  }
}

TEST_CASE("Expansion: many keys that share a little are no bomb") {
  PickleBuilder pickle = Doubled(6);
  pickle.Pop().Op(Op::kEmptyDict).Mark();
  for (int i = 0; i < 20'000; ++i) {
    pickle.Get(6).Int(i).Tuple2().Op(Op::kNone);
  }
  CHECK(Rules(pickle.Op(Op::kSetItems).Stop()) == kNone);
}

TEST_CASE("Expansion: long chains do not overflow the scanner's stack") {
  PickleBuilder pickle;
  pickle.Op(Op::kEmptyTuple);
  for (int i = 0; i < 300'000; ++i) pickle.Tuple1();
  CHECK(Rules(pickle.Stop()) == kNone);
}

}  // namespace scanengine
