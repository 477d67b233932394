#include "ipc/import_policy.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/import_policy_layout.h"

namespace scanengine {
namespace {

/// A policy and the bytes it looks at.
class OwnedPolicy {
 public:
  explicit OwnedPolicy(std::vector<PolicyText> texts) {
    auto compiled = CompileImportPolicy(texts);
    REQUIRE(compiled.ok());
    bytes_ = std::move(compiled).value();
    auto policy = ImportPolicy::FromBytes(bytes_);
    REQUIRE(policy.ok());
    policy_ = policy.value();
  }

  ImportVerdict Verdict(std::string_view module, std::string_view name) const {
    return policy_.Judge(module, name).verdict;
  }
  ImportJudgement Judge(std::string_view module, std::string_view name) const {
    return policy_.Judge(module, name);
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  ImportPolicy policy_;
};

constexpr std::string_view kSmall =
    "# a comment\n"
    "dangerous\tos\t**\tprocess\t-\truns programs\n"
    "dangerous\tbuiltins\teval\tcode\tGHSA-1\truns text\n"
    "dangerous\tprofile\t*\tcode\t-\tprofiles\n"
    "dangerous\ttorch.hub\t*\tnetwork\t-\tdownloads\n"
    "dangerous\tprofile\tProfile\tcode\tGHSA-2\tprofiles\n"
    "attribute\t*\t__globals__\tintrospection\t-\treaches names\n"
    "\r\n"
    "vetted\ttorch._utils\t_rebuild_tensor_v2\t-\t-\ttorch 1.13\r\n"
    "vetted\ttorch.hub\tHarmless\n"
    "library\ttorch\t*\n";

std::string CompileError(std::string_view text) {
  const PolicyText texts[] = {{"user.tsv", text}};
  const auto compiled = CompileImportPolicy(texts);
  REQUIRE_FALSE(compiled.ok());
  REQUIRE(compiled.error().code == ErrorCode::kMalformed);
  return compiled.error().detail;
}

}  // namespace

TEST_CASE("ImportPolicy: a default one knows nothing") {
  REQUIRE(ImportPolicy().Judge("os", "system").verdict ==
          ImportVerdict::kUnvetted);
}

TEST_CASE("ImportPolicy: exact names get their entry") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  const ImportJudgement eval = policy.Judge("builtins", "eval");
  CHECK(eval.verdict == ImportVerdict::kDangerous);
  CHECK(eval.category == "code");
  CHECK(eval.reference == "GHSA-1");
  CHECK(eval.effect == "runs text");
  CHECK(policy.Verdict("builtins", "evaluate") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch._utils", "_rebuild_tensor_v2") ==
        ImportVerdict::kVetted);
  CHECK(policy.Verdict("torch._utils", "_rebuild_tensor") ==
        ImportVerdict::kUnvetted);
}

TEST_CASE("ImportPolicy: a vetted name counts only as it is cut") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  CHECK(policy.Verdict("torch", "_utils._rebuild_tensor_v2") ==
        ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch._utils\t_rebuild_tensor_v2", "") ==
        ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch._utils", "_rebuild_tensor_v2.x") ==
        ImportVerdict::kUnvetted);
}

TEST_CASE("ImportPolicy: a dangerous module covers all below it") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  for (const auto& [module, name] :
       std::vector<std::pair<std::string_view, std::string_view>>{
           {"os", "system"},
           {"os", "path.join"},
           {"os.path", "join"},
           {"os.any.thing", "at.all"},
           {"os", ""},
           {"torch.hub", "load"},
           {"torch", "hub.load"},
           {"torch", "hub"},
           {"torch.hub.deeper", "x"}}) {
    CAPTURE(module, name);
    CHECK(policy.Verdict(module, name) == ImportVerdict::kDangerous);
  }
  CHECK(policy.Verdict("osx", "system") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch.hubble", "load") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch.hub", "Harmless") == ImportVerdict::kVetted);
}

TEST_CASE("ImportPolicy: what lies below a dangerous thing is dangerous") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  CHECK(policy.Judge("builtins", "eval.__call__").reference == "GHSA-1");
  CHECK(policy.Judge("profile", "Profile.run").reference == "GHSA-2");
  CHECK(policy.Judge("profile", "run").reference.empty());
}

TEST_CASE("ImportPolicy: danger is found behind any attribute path") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  for (const auto& [module, name] :
       std::vector<std::pair<std::string_view, std::string_view>>{
           {"torch.serialization", "os.system"},
           {"torch", "serialization.os.system"},
           {"torch.serialization.os", "system"},
           {"torch.serialization", "os"},
           {"random", "_os.popen"},
           {"random", "__os.popen"},
           {"pathlib", "Path.os.system"},
           {"any", "builtins.eval"},
           {"six.moves.builtins", "eval"},
           {"any", "profile.run"},
           {"any", "torch.hub.load"},
           {"any", "fn.__globals__"},
           {"any", "fn.__globals__.get"},
           {"numpy.__globals__", "get"}}) {
    CAPTURE(module, name);
    CHECK(policy.Verdict(module, name) == ImportVerdict::kDangerous);
  }
}

TEST_CASE("ImportPolicy: a package may have a submodule of a common name") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  CHECK(policy.Verdict("mypackage.profile", "Reader") ==
        ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("mypackage", "Stage.profile") ==
        ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("mypackage.profile", "Profile.run") ==
        ImportVerdict::kDangerous);
}

TEST_CASE("ImportPolicy: only classes of known libraries get the benefit") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  CHECK(policy.Verdict("torch.nn.new", "Layer") ==
        ImportVerdict::kKnownLibrary);
  CHECK(policy.Verdict("torch", "_Layer.Kind") == ImportVerdict::kKnownLibrary);
  CHECK(policy.Verdict("torch", "Layer.run") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch.nn.new", "run") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torchy", "Layer") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("my.torch", "Layer") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch", "") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("torch", "___") == ImportVerdict::kUnvetted);
}

TEST_CASE("ImportPolicy: endless paths are dangerous, endless names are not") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  std::string loop = "torch";
  for (int i = 0; i < 63; ++i) loop += ".functional.torch";
  CHECK(policy.Judge("torch", loop).category == "attribute");
  CHECK(policy.Verdict("torch", std::string(1u << 20, '.')) ==
        ImportVerdict::kDangerous);
  CHECK(policy.Verdict(std::string(1u << 20, 'a'), "b") ==
        ImportVerdict::kDangerous);
  CHECK(policy.Verdict("a", std::string(2000, 'b')) ==
        ImportVerdict::kUnvetted);
}

TEST_CASE("ImportPolicy: names that are no Python are judged without harm") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  using namespace std::string_view_literals;
  CHECK(policy.Verdict("", "") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict(".", ".") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("..os", "system") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("os\0"sv, "system") == ImportVerdict::kUnvetted);
  CHECK(policy.Verdict("\xff\xfe", "\x80") == ImportVerdict::kUnvetted);
}

TEST_CASE("CompileImportPolicy: later texts extend and override") {
  const OwnedPolicy policy({{"small", kSmall},
                            {"user",
                             "vetted\tbuiltins\teval\n"
                             "vetted\tos.path\tjoin\n"
                             "vetted\tmine\tModel\n"
                             "dangerous\ttorch._utils\t*\tcode\n"
                             "dangerous\tmine\tother\tfile\t-\topens\n"}});
  CHECK(policy.Verdict("builtins", "eval") == ImportVerdict::kVetted);
  CHECK(policy.Verdict("os.path", "join") == ImportVerdict::kVetted);
  CHECK(policy.Verdict("os", "path.join") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("os.path", "split") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("mine", "Model") == ImportVerdict::kVetted);
  CHECK(policy.Judge("mine", "other").effect == "opens");
  CHECK(policy.Verdict("torch._utils", "_rebuild_tensor_v2") ==
        ImportVerdict::kDangerous);
}

TEST_CASE("CompileImportPolicy: a module made dangerous takes all cuts back") {
  const std::string_view vetted =
      "vetted\ta\tb.c\nvetted\ta\tb\nvetted\ta.b\tc.d\nvetted\ta.b.c\td\n"
      "vetted\ta\tbc\nvetted\tab\tc\n";
  const OwnedPolicy policy(
      {{"first", vetted}, {"user", "dangerous\ta.b\t*\tcode\n"}});
  CHECK(policy.Verdict("a", "b.c") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("a", "b") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("a.b", "c.d") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("a.b.c", "d") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("a", "bc") == ImportVerdict::kVetted);
  CHECK(policy.Verdict("ab", "c") == ImportVerdict::kVetted);
}

TEST_CASE("CompileImportPolicy: a name made dangerous is no longer vetted") {
  const OwnedPolicy policy({{"first", "vetted\ta.b\tc\nvetted\ta\tb.c\n"},
                            {"user", "dangerous\ta.b\tc\tcode\n"}});
  CHECK(policy.Verdict("a.b", "c") == ImportVerdict::kDangerous);
  CHECK(policy.Verdict("a", "b.c") == ImportVerdict::kDangerous);
}

TEST_CASE("CompileImportPolicy: every mistake names its line") {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"vetted\ta", "needs a verdict, a module and a name, between tabs"},
      {"vetted a b", "needs a verdict, a module and a name, between tabs"},
      {"harmless\ta\tb",
       "verdict is none of dangerous, vetted, attribute, library"},
      {"vetted\ta\t*", "only exact names can be vetted, not *"},
      {"vetted\ta b\tc", "module is no Python module name"},
      {"vetted\ta..b\tc", "module is no Python module name"},
      {"vetted\t-\tc", "module is no Python module name"},
      {"vetted\ta\t1c", "name is no Python name"},
      {"vetted\ta\tb.", "name is no Python name"},
      {"vetted\ta\tb\tcode", "only what is dangerous has a category"},
      {"dangerous\ta\tb", "category is none of the known ones"},
      {"dangerous\ta\tb\tevil", "category is none of the known ones"},
      {"dangerous\ta\t***\tcode", "name is no Python name, * or **"},
      {"dangerous\t*\tb\tcode", "module is no Python module name"},
      {"attribute\ta\tb\tcode", "the module of an attribute is *"},
      {"attribute\t*\tb.c\tcode", "attribute is no single Python name"},
      {"library\ta\tb", "the name of a library is *"},
      {"library\t*\t*", "module is no Python module name"},
      {"vetted\ta\tb\t-\t-\tx\ty", "more than 6 columns"},
      {"vetted\ta\tb\t-\t-\t\x01", "control character or invalid UTF-8"},
      {"vetted\ta\tb\t-\t-\t\xff", "control character or invalid UTF-8"},
      {"vetted\ta\t" + std::string(600, 'b'),
       "module and name are longer than 512 bytes"},
      {"vetted\ta\tb\t-\t-\t" + std::string(5000, 'b'),
       "line is longer than 4096 bytes"},
      {"vetted\tgood\tname", "repeats line 2"},
      {"dangerous\tgood\tname\tcode", "contradicts line 2"},
  };
  for (const auto& [line, what] : mistakes) {
    CAPTURE(line);
    CHECK(CompileError("# comment\nvetted\tgood\tname\n" + line + "\n") ==
          "user.tsv:3: " + what);
  }
}

TEST_CASE("CompileImportPolicy: one name both ways however it is cut") {
  CHECK(CompileError("vetted\ta.b\tc\ndangerous\ta\tb.c\tcode\n") ==
        "user.tsv:2: contradicts line 1");
}

TEST_CASE("CompileImportPolicy: no texts and empty texts are fine") {
  const OwnedPolicy none({});
  CHECK(none.Verdict("os", "system") == ImportVerdict::kUnvetted);
  const OwnedPolicy empty({{"empty", ""}, {"comment", "# only"}});
  CHECK(empty.bytes() == none.bytes());
}

TEST_CASE("ImportPolicy: compiled bytes may lie at any address") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  std::vector<std::byte> moved(1, std::byte{0});
  moved.insert(moved.end(), policy.bytes().begin(), policy.bytes().end());
  const auto view = ImportPolicy::FromBytes(std::span(moved).subspan(1));
  REQUIRE(view.ok());
  CHECK(view.value().Judge("os", "system").effect == "runs programs");
}

namespace {

/// Judges through |bytes| if they pass for a policy; what it says is open, that
/// it stays inside is for the sanitizers to tell.
std::size_t Exercise(std::span<const std::byte> bytes) {
  const auto policy = ImportPolicy::FromBytes(bytes);
  if (!policy) return 0;
  std::size_t read = 1;
  for (const std::string_view name :
       {"system", "eval", "_rebuild_tensor_v2", "x.__globals__", "Layer"}) {
    for (const std::string_view module :
         {"os", "builtins", "torch._utils", "torch", "\xff"}) {
      const ImportJudgement judgement = policy.value().Judge(module, name);
      for (const std::string_view text :
           {judgement.category, judgement.reference, judgement.effect}) {
        for (const char c : text) read += static_cast<unsigned char>(c);
      }
    }
  }
  return read;
}

}  // namespace

TEST_CASE("ImportPolicy: every truncation is refused") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  for (std::size_t size = 0; size < policy.bytes().size(); ++size) {
    // A copy of its own, so that a read past the end is seen.
    const std::vector<std::byte> cut(
        policy.bytes().begin(),
        policy.bytes().begin() + static_cast<std::ptrdiff_t>(size));
    const auto view = ImportPolicy::FromBytes(cut);
    REQUIRE_FALSE(view.ok());
    REQUIRE(view.error().code == ErrorCode::kMalformed);
  }
  std::vector<std::byte> longer = policy.bytes();
  longer.push_back(std::byte{0});
  REQUIRE_FALSE(ImportPolicy::FromBytes(longer).ok());
}

TEST_CASE("ImportPolicy: any byte may flip without a read outside") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  std::size_t refused = 0;
  for (std::size_t i = 0; i < policy.bytes().size(); ++i) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      std::vector<std::byte> bytes = policy.bytes();
      bytes[i] ^= std::byte{static_cast<unsigned char>(flip)};
      if (Exercise(bytes) == 0) ++refused;
    }
  }
  // At least the header, and the offset and size of each text.
  CHECK(refused > 3 * sizeof(import_policy::Header));
}

TEST_CASE("ImportPolicy: keys out of order are refused") {
  const OwnedPolicy policy(
      {PolicyText{"two", "dangerous\ta\tx\tcode\ndangerous\tb\tx\tcode\n"}});
  std::vector<std::byte> bytes = policy.bytes();
  const std::size_t entry = sizeof(import_policy::Entry);
  std::byte* first = bytes.data() + sizeof(import_policy::Header);
  std::vector<std::byte> swapped(first, first + entry);
  std::memcpy(first, first + entry, entry);
  std::memcpy(first + entry, swapped.data(), entry);
  REQUIRE(ImportPolicy::FromBytes(bytes).error().detail ==
          "import policy: keys are not in order");
}

TEST_CASE("ImportPolicy: counts that would overflow are refused") {
  const OwnedPolicy policy({PolicyText{"small", kSmall}});
  std::vector<std::byte> bytes = policy.bytes();
  import_policy::Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.counts.fill(0xffffffffu);
  header.arena_size = 0xffffffffu;
  std::memcpy(bytes.data(), &header, sizeof(header));
  REQUIRE(ImportPolicy::FromBytes(bytes).error().detail ==
          "import policy: size does not match the header");
}

}  // namespace scanengine
