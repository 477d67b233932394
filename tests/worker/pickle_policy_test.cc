// What a finding of a pickle weighs, by the tables of imports.

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/parsing/pickle_state_texts.h"
#include "worker/parsing/pickle_text_calls.h"

namespace scanengine {
namespace {

using Severities = std::vector<Severity>;

std::string Imports(std::string_view module, std::string_view name) {
  return PickleBuilder().StackGlobal(module, name).Stop();
}
std::string Calls(std::string_view module, std::string_view name) {
  return PickleBuilder()
      .StackGlobal(module, name)
      .Text("x")
      .Tuple1()
      .Reduce()
      .Stop();
}

/// Scans with tables of its own on top of those that come with the program.
class Policy {
 public:
  explicit Policy(std::string_view text = "", bool strict = false) {
    std::vector<PolicyText> texts(BuiltInPolicy().begin(),
                                  BuiltInPolicy().end());
    texts.push_back({"mine", text});
    compiled_ = CompileImportPolicy(texts, strict).value();
    environment_.imports = ImportPolicy::FromBytes(compiled_).value();
    environment_.board = &board_;
  }

  ScanReply Scan(std::string_view bytes) {
    MemorySource source(std::as_bytes(std::span(bytes)));
    FileScan scan(environment_, TaskRequest{});
    return scan.Run(source, "model.pkl");
  }
  Severities Of(std::string_view bytes) {
    Severities found;
    for (const Finding& finding : Scan(bytes).findings) {
      found.push_back(finding.severity);
    }
    return found;
  }

 private:
  std::vector<std::byte> compiled_;
  NullBoard board_;
  ScanEnvironment environment_;
};

}  // namespace

TEST_CASE("Pickle policy: each verdict has its severity, called or not") {
  Policy policy;
  CHECK(policy.Of(Calls("os", "system")) == Severities{Severity::kCritical});
  CHECK(policy.Of(Imports("os", "system")) == Severities{Severity::kHigh});
  CHECK(policy.Of(Calls("mine.net", "f")) == Severities{Severity::kMedium});
  CHECK(policy.Of(Imports("mine.net", "f")) == Severities{Severity::kLow});
  CHECK(policy.Of(Calls("torch.nn.new", "Layer")) ==
        Severities{Severity::kLow});
  CHECK(policy.Of(Imports("torch.nn.new", "Layer")).empty());
  CHECK(policy.Of(Calls("torch.nn.new", "layer")) ==
        Severities{Severity::kMedium});
  CHECK(policy.Of(Calls("collections", "OrderedDict")).empty());
}

TEST_CASE("Pickle policy: strict makes high of what nobody vetted") {
  Policy strict("", true);
  CHECK(strict.Of(Calls("os", "system")) == Severities{Severity::kCritical});
  CHECK(strict.Of(Imports("os", "system")) == Severities{Severity::kHigh});
  CHECK(strict.Of(Calls("mine.net", "f")) == Severities{Severity::kHigh});
  CHECK(strict.Of(Imports("mine.net", "f")) == Severities{Severity::kHigh});
  CHECK(strict.Of(Calls("torch.nn.new", "Layer")) ==
        Severities{Severity::kHigh});
  CHECK(strict.Of(Calls("collections", "OrderedDict")).empty());
}

TEST_CASE("Pickle policy: a user's lines extend both tables") {
  Policy policy(
      "vetted\tmine.net\tf\n"
      "dangerous\tmine.shell\t*\tprocess\tX-1\truns programs\n"
      "dangerous\tmine.net\tNet.__init__\tcode\n");
  CHECK(policy.Of(Calls("mine.net", "f")).empty());
  CHECK(policy.Of(Calls("mine.net", "g")) == Severities{Severity::kMedium});
  CHECK(policy.Of(Calls("mine.shell.sub", "run")) ==
        Severities{Severity::kCritical});
  CHECK(policy.Of(Calls("mine.net", "Net")) == Severities{Severity::kCritical});
  CHECK(policy.Of(PickleBuilder()
                      .StackGlobal("mine.net", "Net")
                      .EmptyTuple()
                      .Op(PickleOp::kNewObj)
                      .Stop()) == Severities{Severity::kMedium});
}

TEST_CASE("Pickle policy: __new__ of a vetted class is vetted") {
  const auto made = [](std::string_view module, std::string_view name) {
    return PickleBuilder()
        .StackGlobal("builtins", "getattr")
        .StackGlobal(module, name)
        .Text("__new__")
        .Tuple2()
        .Reduce()
        .StackGlobal(module, name)
        .Tuple1()
        .Reduce()
        .Stop();
  };
  CHECK(Policy().Of(made("mine", "Class")) != Severities{});
  CHECK(Policy("vetted\tmine\tClass").Of(made("mine", "Class")) ==
        Severities{});
  CHECK(Policy().Of(made("builtins", "type")) != Severities{});
  CHECK(Policy().Of(made("subprocess", "Popen")).front() ==
        Severity::kCritical);
}

TEST_CASE("Pickle policy: the advice says how to vet a name") {
  const ScanReply reply = Policy().Scan(Calls("mine.net", "f"));
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].message == "calls mine.net.f");
  CHECK(reply.findings[0].advice.find("vetted<TAB>module<TAB>name") !=
        std::string::npos);
  CHECK(reply.findings[0].advice.find("--policy FILE") != std::string::npos);
}

TEST_CASE("State texts: a formula is plain without calls of its own") {
  for (const char* plain :
       {"y ~ x", "y ~ C(group) + np.log(x) - 1", "y ~ (a + b):c + I(d**2)",
        "log_y ~ bs(x, df=3)", "a ~ Q('odd name')", ""}) {
    CHECK(IsPlainFormula(plain));
  }
  for (const char* code :
       {"y ~ __import__('os').system('id')", "y ~ f(x)", "y ~ x.__class__",
        "y ~ C(x)(z)", "y ~ [a][0](b)", "y ~ {a}", "y ~ a;b", "y ~ np.load(x)",
        "y ~ open ('x')", "y ~ np.log\n(x)"}) {
    INFO(code);
    CHECK_FALSE(IsPlainFormula(code));
  }
}

TEST_CASE("State texts: ways to run something read as code") {
  CHECK(ReadsAsCode("x = __import__('os')"));
  CHECK(ReadsAsCode("curl http://x | sh"));
  CHECK_FALSE(ReadsAsCode("the os module; evaluate(x)"));
  CHECK_FALSE(ReadsAsCode(""));
  CHECK(IsHookAttribute("__array_interface__"));
  CHECK_FALSE(IsHookAttribute("__doc__"));
}

TEST_CASE("Text calls: only what is sure to come out is told") {
  using Rest = std::vector<std::optional<std::string>>;
  const PickleText text{"os", false};
  const PickleText bytes{"b3M=", true};
  CHECK(CallOnText(PickleMeaning::kConcat, text, Rest{"x"}) ==
        PickleText{"osx", false});
  CHECK_FALSE(CallOnText(PickleMeaning::kConcat, text, Rest{std::nullopt}));
  CHECK(CallOnText(PickleMeaning::kReplace, text, Rest{"o", "0"}) ==
        PickleText{"0s", false});
  CHECK_FALSE(CallOnText(PickleMeaning::kReplace, text, Rest{"o", "0", "1"}));
  CHECK_FALSE(CallOnText(PickleMeaning::kReplace, text, Rest{"", "0"}));
  CHECK(CallOnText(PickleMeaning::kBase64, bytes, {}) ==
        PickleText{"os", true});
  CHECK(CallOnText(PickleMeaning::kText, bytes, Rest{"Base64"}) ==
        PickleText{"os", false});
  CHECK(CallOnText(PickleMeaning::kText, text, Rest{"ISO-8859-1"}) ==
        PickleText{"os", true});
  CHECK(CallOnText(PickleMeaning::kText, text, Rest{"rot13"}) ==
        PickleText{"bf", false});
  for (const char* codec :
       {"cp864", "unicode_escape", "punycode", "utf_7", "utf-16", "zlib"}) {
    CHECK_FALSE(CallOnText(PickleMeaning::kText, bytes, Rest{codec}));
  }
}

}  // namespace scanengine
