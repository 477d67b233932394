#include <catch2/catch.hpp>
#include <string>

#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/parsing/pickle_scan.h"

namespace scanengine {
namespace {

using Op = PickleOp;

std::string System() {
  return PickleBuilder()
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .Stop();
}
std::string Harmless() {
  return PickleBuilder()
      .Op(Op::kEmptyDict)
      .Text("weight")
      .Int(3)
      .Op(Op::kSetItem)
      .Stop();
}

const Finding* Find(const ScanReply& reply, std::string_view rule) {
  for (const Finding& finding : reply.findings) {
    if (finding.rule_id == rule) return &finding;
  }
  return nullptr;
}

bool LooksLike(std::string_view text) {
  return LooksLikePickle(std::as_bytes(std::span(text)));
}

}  // namespace

TEST_CASE("Pickle scanner: a dangerous call is critical, with its arguments") {
  const ScanReply reply = ScanBytes(System(), "model.pkl");
  CHECK(reply.format == "pickle");
  CHECK(reply.status == OutcomeStatus::kScanned);
  REQUIRE(reply.findings.size() == 1);
  const Finding& finding = reply.findings[0];
  CHECK(finding.rule_id == "pickle-dangerous-call");
  CHECK(finding.severity == Severity::kCritical);
  CHECK(finding.evidence == "os.system('id')");
  CHECK(finding.offset == System().size() - 2);
}

TEST_CASE("Pickle scanner: a dangerous import alone is high") {
  const ScanReply reply =
      ScanBytes(PickleBuilder().Global("os", "system").Stop(), "a.pkl");
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].rule_id == "pickle-dangerous-import");
  CHECK(reply.findings[0].severity == Severity::kHigh);
}

TEST_CASE("Pickle scanner: plain data is clean") {
  CHECK(IsClean(ScanBytes(Harmless(), "a.pkl")));
  CHECK(ScanBytes(Harmless(), "a.pkl").findings.empty());
}

TEST_CASE("Pickle scanner: an unvetted call is medium and says how to vet") {
  const ScanReply reply = ScanBytes(PickleBuilder()
                                        .Global("userpkg.models", "Net")
                                        .EmptyTuple()
                                        .Op(Op::kNewObj)
                                        .Stop(),
                                    "a.pkl");
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].rule_id == "pickle-unvetted-call");
  CHECK(reply.findings[0].severity == Severity::kMedium);
  CHECK(reply.findings[0].advice.find("--policy") != std::string::npos);
}

TEST_CASE("Pickle scanner: a vetted callable is judged by what it is given") {
  const ScanReply bad = ScanBytes(PickleBuilder()
                                      .Global("functools", "partial")
                                      .Global("os", "system")
                                      .Tuple1()
                                      .Reduce()
                                      .Stop(),
                                  "a.pkl");
  REQUIRE(Find(bad, "pickle-dangerous-call") != nullptr);
  CHECK(Find(bad, "pickle-dangerous-call")->evidence ==
        "functools.partial(os.system)");
  CHECK(IsClean(ScanBytes(PickleBuilder()
                              .Global("functools", "partial")
                              .Global("builtins", "int")
                              .Tuple1()
                              .Reduce()
                              .Stop(),
                          "a.pkl")));
}

TEST_CASE("Pickle scanner: plain calls of a class hide none that is not") {
  // Calls and states of plain data are passed over, once the class is known.
  const auto scan_after = [](const std::string& rest) {
    PickleBuilder builder;
    builder.Global("collections", "OrderedDict").Put(0).Pop();
    for (int i = 0; i < 3; ++i) {
      builder.Get(0).EmptyTuple().Reduce().Pop();
      builder.Get(0).Text("x").Tuple1().Op(Op::kNewObj);
      builder.Op(Op::kEmptyDict).Text("x").Int(1).Op(Op::kSetItem);
      builder.Build().Pop();
    }
    builder.Raw(rest);
    // The end of a stream is not for the loop that does so.
    for (int i = 0; i < 20; ++i) builder.Op(Op::kNone).Pop();
    return WorstSeverity(ScanBytes(builder.Op(Op::kNone).Stop(), "a.pkl"));
  };
  const std::string made = PickleBuilder(0).Get(0).bytes();
  const std::string system = PickleBuilder(0).Global("os", "system").bytes();
  const std::string dict =
      "}" + PickleBuilder(0).Text("f").bytes() + system + "s";
  CHECK(scan_after(made + ")R0") == Severity::kInfo);
  const std::string bad[] = {made + system + "\x85R0",
                             made + system + "\x85\x81" + "0",
                             made + "]" + system + "a\x85R0",
                             made + dict + "\x85\x81" + "0",
                             made + ")" + dict + "\x92" + "0",
                             made + ")R" + dict + "b0",
                             made + ")\x81" + dict + "N\x86" + "b0",
                             made + "}" +
                                 PickleBuilder(0).Text("__new__").bytes() +
                                 system + "sb0" + made + ")\x81" + "0"};
  for (const std::string& rest : bad) {
    CHECK(scan_after(rest) >= Severity::kHigh);
  }
}

TEST_CASE("Pickle scanner: an attribute path is judged whole") {
  for (const auto& [module, name] :
       {std::pair{"torch.serialization", "os.system"},
        std::pair{"numpy", "__builtins__"}}) {
    const ScanReply reply = ScanBytes(
        PickleBuilder().StackGlobal(module, name).EmptyTuple().Reduce().Stop(),
        "a.pkl");
    CHECK(WorstSeverity(reply) == Severity::kCritical);
  }
}

TEST_CASE("Pickle scanner: harmless use of getattr and its kin is clean") {
  const auto clean = [](PickleBuilder& builder) {
    return IsClean(ScanBytes(builder.Stop(), "a.pkl"));
  };
  PickleBuilder method;
  CHECK(clean(method.Global("builtins", "getattr")
                  .Global("builtins", "str")
                  .Text("upper")
                  .Tuple2()
                  .Reduce()));
  PickleBuilder enumerator;
  CHECK(clean(enumerator.Global("builtins", "getattr")
                  .Global("userpkg", "Colour")
                  .Text("RED")
                  .Tuple2()
                  .Reduce()));
  PickleBuilder itemgetter;
  CHECK(clean(
      itemgetter.Global("operator", "itemgetter").Int(1).Tuple1().Reduce()));
  PickleBuilder attrgetter;
  CHECK(clean(attrgetter.Global("operator", "attrgetter")
                  .Text("name")
                  .Tuple1()
                  .Reduce()));
  PickleBuilder odd;
  CHECK_FALSE(clean(odd.Global("operator", "attrgetter")
                        .Text("__globals__")
                        .Tuple1()
                        .Reduce()));
}

TEST_CASE("Pickle scanner: the second stream is scanned like the first") {
  const ScanReply reply = ScanBytes(Harmless() + System(), "a.pkl");
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].severity == Severity::kCritical);
  CHECK(reply.findings[0].offset == Harmless().size() + System().size() - 2);
}

TEST_CASE("Pickle scanner: data after STOP is told and searched") {
  const ScanReply plain = ScanBytes(Harmless() + "some text", "a.pkl");
  REQUIRE(Find(plain, "pickle-trailing-data") != nullptr);
  CHECK(Find(plain, "pickle-trailing-data")->severity == Severity::kLow);
  const ScanReply hidden =
      ScanBytes(Harmless() + "some text" + System(), "a.pkl");
  CHECK(WorstSeverity(hidden) == Severity::kCritical);
  const ScanReply blank =
      ScanBytes(Harmless() + std::string(64, '\0'), "a.pkl");
  CHECK(WorstSeverity(blank) == Severity::kInfo);
}

TEST_CASE("Pickle scanner: bytes before the first pickle are passed over") {
  for (const std::string_view before : {"\n\n\n", "# comment\n", "junk"}) {
    const ScanReply reply = ScanBytes(std::string(before) + System(), "a.pkl");
    CHECK(WorstSeverity(reply) == Severity::kCritical);
    CHECK(Find(reply, "pickle-leading-data") != nullptr);
  }
}

TEST_CASE("Pickle scanner: a stream after a broken one is found") {
  const ScanReply reply = ScanBytes("\x80\x04}\xff" + System(), "a.pkl");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
  CHECK(Find(reply, "pickle-malformed") != nullptr);
}

TEST_CASE("Pickle scanner: what a lying frame hides from one reader is found") {
  // A reader that drops the rest of the frame runs what another takes for the
  // content of BINBYTES.
  const std::string hidden = "cos\nsystem\nVid\n\x85R";
  const std::string pickle = PickleBuilder()
                                 .Op(Op::kFrame)
                                 .Number(2, 8)
                                 .Op(Op::kBinBytes)
                                 .Number(hidden.size(), 4)
                                 .Raw(hidden)
                                 .Stop();
  const ScanReply reply = ScanBytes(pickle, "a.pkl");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
  CHECK(Find(reply, "pickle-malformed") != nullptr);
}

TEST_CASE("Pickle scanner: pickles inside strings are scanned") {
  const auto inside = [](const PickleBuilder& builder) {
    PickleBuilder whole = builder;
    const ScanReply reply = ScanBytes(whole.Stop(), "a.pkl");
    const Finding* finding = Find(reply, "pickle-dangerous-call");
    return finding == nullptr ? kNoOffset : finding->offset;
  };
  CHECK(inside(PickleBuilder().Bytes(System())) == 4);
  // The same in base64 and in hex.
  CHECK(inside(PickleBuilder().Text("gARjb3MKc3lzdGVtCowCaWSFUi4=")) == 4);
  CHECK(inside(PickleBuilder().Text("8004636f730a73797374656d0a8c0269648552"
                                    "2e")) == 4);
  // A pickle inside a pickle inside a pickle.
  const std::string once = PickleBuilder().Bytes(System()).Stop();
  const std::string twice = PickleBuilder().Bytes(once).Stop();
  CHECK(inside(PickleBuilder().Bytes(twice)) == 4);
  // What is not run by loading is not critical.
  const ScanReply reply =
      ScanBytes(PickleBuilder().Bytes(System()).Stop(), "a.pkl");
  CHECK(WorstSeverity(reply) == Severity::kHigh);
}

TEST_CASE("Pickle scanner: nesting without end is a limit, not silence") {
  std::string pickle = System();
  for (int i = 0; i < 12; ++i) pickle = PickleBuilder().Bytes(pickle).Stop();
  const ScanReply reply = ScanBytes(pickle, "a.pkl");
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Find(reply, "pickle-nested-limit") != nullptr);
}

TEST_CASE("Pickle scanner: budgets of the machine end in a finding") {
  const std::string stack = "\x80\x04" + std::string(2'100'000, 'N');
  const ScanReply reply = ScanBytes(stack, "a.pkl");
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(Find(reply, "pickle-limit") != nullptr);
}

TEST_CASE("Pickle scanner: a name does not matter to a certain pickle") {
  for (const std::string_view name : {"a.pkl", "a.txt", "README.md", "a", ""}) {
    CHECK(WorstSeverity(ScanBytes(System(), name)) == Severity::kCritical);
  }
}

TEST_CASE("Pickle scanner: a file of that name that is none is malformed") {
  const ScanReply reply = ScanBytes("This is text, no pickle\n", "a.pkl");
  CHECK(reply.format == "pickle");
  CHECK(Find(reply, "pickle-malformed") != nullptr);
  CHECK(ScanBytes("", "a.pkl").status != OutcomeStatus::kCrashed);
}

TEST_CASE("Pickle scanner: text that scipy runs is judged") {
  const auto worst = [](std::string_view text) {
    return WorstSeverity(
        ScanBytes(PickleBuilder()
                      .Global("scipy.stats._continuous_distns", "norm_gen")
                      .EmptyTuple()
                      .Op(Op::kNewObj)
                      .Op(Op::kEmptyDict)
                      .Text("_parse_arg_template")
                      .Text(text)
                      .Op(Op::kSetItem)
                      .Build()
                      .Stop(),
                  "a.pkl"));
  };
  CHECK(worst("\ndef _parse_args(self, a, loc=0, scale=1):\n"
              "    return (a,), loc, scale\n\n"
              "def _parse_args_rvs(self, loc=0, scale=1, size=None):\n"
              "    return self._argcheck_rvs(loc, scale, size=size)\n"
              "def _parse_args_stats(self, loc=0, scale=1, moments='mv'):\n"
              "    return (), loc, scale, moments\n") < Severity::kMedium);
  CHECK(worst("print('inert')") == Severity::kCritical);
  CHECK(worst("def _parse_args(self, a=exit()):\n    return ()") ==
        Severity::kCritical);
  CHECK(worst("def _parse_args(self): exit\n    return (), f`x`") ==
        Severity::kCritical);
}

TEST_CASE("LooksLikePickle: pickles of all protocols are") {
  CHECK(LooksLike(System()));
  CHECK(LooksLike("cos\nsystem\n(S'id'\ntR."));
  CHECK(LooksLike("(dp0\nVa\np1\nI1\ns."));
  CHECK(LooksLike("(S'id'\nios\nsystem\n."));
  CHECK(LooksLike("\x80\x02}q\x01."));
}

TEST_CASE("LooksLikePickle: text, JSON and chance bytes are not") {
  for (const std::string_view text :
       {"{\"a\": 1}", "[1, 2, 3]", "# Title\n\ntext", "(I think so)\n",
        "import os\nos.system('id')\n", "No. 1", "common words\nare here\n",
        "cat\ndog\nbird\nfish\n", "Notes\n", "I am\n", "\x80", "",
        "------\nname: x\n", "}\n", "N.", "(((((((((", "Version 1\nfoo"}) {
    INFO(text);
    CHECK_FALSE(LooksLike(text));
  }
}

}  // namespace scanengine
