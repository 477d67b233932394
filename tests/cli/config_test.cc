#include "cli/config.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "cli/parse_flags.h"
#include "tests/cli/scratch_folder.h"

namespace scanengine::cli {
namespace {

using Args = std::vector<std::string>;
using testing::ScratchFolder;

Result<Config> Configure(const Args& args) {
  const Result<ParsedFlags> flags = ParseFlags(args);
  if (!flags.ok()) FAIL(flags.error().detail);
  return BuildConfig(flags.value());
}

std::string Refusal(const Args& args) {
  const Result<Config> config = Configure(args);
  return config.ok() ? "accepted" : config.error().detail;
}

TEST_CASE("Config: flags become options of the engine") {
  const Config config =
      Configure({"a", "-", "b", "--no-parallel", "--timeout", "1.5",
                 "--retries", "0", "--no-sandbox", "--follow-symlinks",
                 "--include", "*.pt", "--canonical", "-o", "r.json"})
          .value();
  CHECK(config.scan.paths == Args{"a", "b"});
  CHECK(config.scan.scan_stdin);
  CHECK(config.scan.workers == 1);
  CHECK(config.scan.timeout == std::chrono::milliseconds(1500));
  CHECK(config.scan.retries == 0);
  CHECK_FALSE(config.scan.sandbox);
  CHECK(config.scan.follow_symlinks);
  CHECK(config.scan.include == Args{"*.pt"});
  CHECK(config.report.format == ReportFormat::kJson);
  CHECK(config.report.canonical);
  CHECK(config.output == "r.json");
}

TEST_CASE("Config: policies are read in order") {
  const ScratchFolder folder;
  const std::string a = folder.Write("a.tsv", "one\n");
  const std::string b = folder.Write("b.tsv", "two\n");
  const Config config = Configure({"x", "--policy", b, "--policy", a}).value();
  REQUIRE(config.scan.policies.size() == 2);
  CHECK(config.scan.policies[0].name == b);
  CHECK(config.scan.policies[0].text == "two\n");
  CHECK(config.scan.policies[1].text == "one\n");
  CHECK_FALSE(config.scan.strict_imports);
  CHECK(Configure({"x", "--strict"}).value().scan.strict_imports);
}

TEST_CASE("Config: a list of files is read with either separator") {
  const ScratchFolder folder;
  const std::string lines = folder.Write("lines", "a\n\nb c\nlast");
  CHECK(Configure({"--files-from", lines}).value().scan.files ==
        Args{"a", "b c", "last"});
  const std::string nulls =
      folder.Write("nulls", std::string("a\nb\0\xff\0\0", 7));
  CHECK(Configure({"--files-from", nulls, "-0"}).value().scan.files ==
        Args{"a\nb", "\xff"});
  CHECK(Refusal({"--files-from", nulls}) ==
        "--files-from: \"" + nulls +
            "\": holds null bytes; use -0 if they end the names");
  const std::string empty = folder.Write("empty", "");
  CHECK(Configure({"--files-from", empty}).value().scan.files.empty());
}

TEST_CASE("Config: files that cannot be read are refused with the reason") {
  const ScratchFolder folder;
  const std::string missing = folder.File("missing");
  CHECK(Refusal({"x", "--policy", missing}) ==
        "--policy: cannot read \"" + missing + "\": No such file or directory");
  CHECK(Refusal({"--files-from", missing}) ==
        "--files-from: cannot read \"" + missing +
            "\": No such file or directory");
  CHECK(Refusal({"x", "--policy", folder.path()}) ==
        "--policy: cannot read \"" + folder.path() + "\": Is a directory");
  CHECK(Refusal({"x", "--policy", "/dev/zero"}) ==
        "--policy: cannot read \"/dev/zero\": is larger than 16.0 MiB");
}

TEST_CASE("UseColor: the flag, then NO_COLOR, then CLICOLOR_FORCE, then tty") {
  struct Row {
    When flag;
    Environment environment;
    bool terminal;
    bool color;
  };
  const Row rows[] = {
      {When::kAuto, {}, true, true},
      {When::kAuto, {}, false, false},
      {When::kAuto, {{}, {}, "dumb"}, true, false},
      {When::kAuto, {"1", {}, {}}, true, false},
      {When::kAuto, {"", {}, {}}, true, true},
      {When::kAuto, {{}, "1", {}}, false, true},
      {When::kAuto, {{}, "0", {}}, false, false},
      {When::kAuto, {{}, "1", "dumb"}, false, true},
      {When::kAuto, {"1", "1", {}}, true, false},
      {When::kAlways, {"1", "0", "dumb"}, false, true},
      {When::kNever, {{}, "1", {}}, true, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.environment.no_color, row.environment.clicolor_force,
            row.environment.term, row.terminal);
    CHECK(UseColor(row.flag, row.environment, row.terminal) == row.color);
  }
}

TEST_CASE("UseStatusLine: on a terminal only, unless told otherwise") {
  CHECK(UseStatusLine(When::kAuto, false, {}, true));
  CHECK_FALSE(UseStatusLine(When::kAuto, false, {}, false));
  CHECK_FALSE(UseStatusLine(When::kAuto, true, {}, true));
  CHECK_FALSE(UseStatusLine(When::kAuto, false, {{}, {}, "dumb"}, true));
  CHECK_FALSE(UseStatusLine(When::kNever, false, {}, true));
  CHECK(UseStatusLine(When::kAlways, false, {}, false));
}

}  // namespace
}  // namespace scanengine::cli
