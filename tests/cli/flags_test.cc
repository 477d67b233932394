#include "cli/flags.h"

#include <catch2/catch.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/config.h"
#include "cli/help.h"
#include "cli/parse_flags.h"
#include "cli/parse_values.h"

namespace scanengine::cli {
namespace {

using Args = std::vector<std::string>;

ParsedFlags Parse(const Args& args) {
  const Result<ParsedFlags> flags = ParseFlags(args);
  if (!flags.ok()) FAIL(flags.error().detail);
  return flags.value();
}

std::string Refusal(const Args& args) {
  const Result<ParsedFlags> flags = ParseFlags(args);
  if (flags.ok()) return "accepted";
  CHECK(flags.error().code == ErrorCode::kInvalidArgument);
  return flags.error().detail;
}

TEST_CASE("Flags: doctor takes options and no files") {
  CHECK(Parse({"doctor"}).action == Action::kDoctor);
  CHECK(Parse({"doctor", "--json"}).json);
  CHECK(Parse({"doctor", "-j", "3"}).workers == 3);
  CHECK(Parse({"doctor", "--help"}).action == Action::kLongHelp);
  CHECK(Parse({"scan", "doctor"}).paths == Args{"doctor"});
  CHECK(Parse({"./doctor"}).action == Action::kScan);
  CHECK(Refusal({"doctor", "models"}).starts_with("doctor takes no PATH"));
  CHECK(Refusal({"doctor", "--format", "ndjson"}).starts_with("doctor prints"));
  CHECK(Refusal({"doctor", "--canonical"}) ==
        "--canonical: is no option of doctor");
  CHECK(Refusal({"doctor", "--isolation", "in-process"})
            .starts_with("doctor tries a worker"));
}

TEST_CASE("Flags: each is named once and documented") {
  std::set<std::string_view> names;
  std::set<char> letters{'h'};
  for (const Flag& flag : AllFlags()) {
    CAPTURE(flag.name);
    CHECK(names.insert(flag.name).second);
    if (flag.short_name != '\0') CHECK(letters.insert(flag.short_name).second);
    CHECK_FALSE(flag.summary.empty());
    CHECK(flag.summary.size() <= 60);
    CHECK(flag.summary.back() != '.');
    CHECK(flag.details.size() >= flag.summary.size() / 2);
    CHECK(flag.details.back() == '.');
    CHECK(flag.apply != nullptr);
    if (flag.repeatable) CHECK_FALSE(flag.value.empty());
  }
}

TEST_CASE("Flags: the defaults that help shows are those that are used") {
  const Config untouched = BuildConfig(Parse({"x"})).value();
  for (const Flag& flag : AllFlags()) {
    if (flag.default_value.empty()) continue;
    CAPTURE(flag.name);
    const Config typed = BuildConfig(Parse({"--" + std::string(flag.name),
                                            std::string(flag.default_value),
                                            "--cache-dir", "d", "x"}))
                             .value();
    CHECK(typed.scan.workers == untouched.scan.workers);
    CHECK(typed.scan.isolation == untouched.scan.isolation);
    CHECK(typed.scan.timeout == untouched.scan.timeout);
    CHECK(typed.scan.retries == untouched.scan.retries);
    CHECK(typed.scan.memory_limit == untouched.scan.memory_limit);
    CHECK(typed.scan.worker_memory == untouched.scan.worker_memory);
    CHECK(typed.scan.max_file_size == untouched.scan.max_file_size);
    CHECK(typed.scan.cache.max_bytes == untouched.scan.cache.max_bytes);
    CHECK(typed.report.format == untouched.report.format);
    CHECK(typed.report.fail_on == untouched.report.fail_on);
    CHECK(typed.color == untouched.color);
    CHECK(typed.progress == untouched.progress);
  }
}

TEST_CASE("Help: holds every flag, every exit code and fits its lines") {
  const std::string brief = ShortHelp();
  const std::string full = LongHelp();
  for (const Flag& flag : AllFlags()) {
    CAPTURE(flag.name);
    const std::string name = "--" + std::string(flag.name);
    CHECK(brief.find(name) != std::string::npos);
    CHECK(brief.find(flag.summary) != std::string::npos);
    CHECK(full.find(name) != std::string::npos);
  }
  for (const char* word :
       {"\n    0 ", "\n    1 ", "\n    2 ", "\n    3 ", "\n  130 ", "\n  143 ",
        "NO_COLOR", "Examples:", "[default: 60]"}) {
    CAPTURE(word);
    CHECK(full.find(word) != std::string::npos);
  }
  std::istringstream lines(brief + full);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
}

TEST_CASE("ParseFlags: the word scan is optional and only first a command") {
  CHECK(Parse({"scan", "a"}).paths == Args{"a"});
  CHECK(Parse({"a", "scan"}).paths == Args{"a", "scan"});
  CHECK(Parse({"scan", "scan"}).paths == Args{"scan"});
  CHECK(Parse({"--", "scan"}).paths == Args{"scan"});
  CHECK(Parse({"--", "-x", "--workers"}).paths == Args{"-x", "--workers"});
}

TEST_CASE("ParseFlags: values of all kinds arrive") {
  const ParsedFlags f = Parse({"--workers",
                               "8",
                               "--isolation=per-file",
                               "--timeout",
                               "0.25",
                               "--retries=3",
                               "--memory-limit",
                               "2GiB",
                               "--worker-memory",
                               "1.5G",
                               "--max-file-size",
                               "4096",
                               "--include",
                               "*.pkl",
                               "--include",
                               "[ab]",
                               "--exclude",
                               "tmp/*",
                               "--follow-symlinks",
                               "--strict",
                               "--policy",
                               "p.tsv",
                               "--format",
                               "ndjson",
                               "-o",
                               "out",
                               "--fail-on",
                               "high",
                               "-v",
                               "--color=never",
                               "--progress",
                               "always",
                               "--require-complete",
                               "--require-isolation",
                               "--require-sandbox",
                               "--worker-path",
                               "w",
                               "a",
                               "b",
                               "-"});
  CHECK(f.workers == 8);
  CHECK(f.isolation == IsolationMode::kPerFile);
  CHECK(f.timeout == std::chrono::milliseconds(250));
  CHECK(f.retries == 3);
  CHECK(f.memory_limit == 2ULL << 30);
  CHECK(f.worker_memory == 3ULL << 29);
  CHECK(f.max_file_size == 4096U);
  CHECK(f.include == Args{"*.pkl", "[ab]"});
  CHECK(f.exclude == Args{"tmp/*"});
  CHECK(f.follow_symlinks);
  CHECK(f.policies == Args{"p.tsv"});
  CHECK(f.strict);
  CHECK(f.format == ReportFormat::kNdjson);
  CHECK(f.output == "out");
  CHECK(f.fail_on == Severity::kHigh);
  CHECK(f.verbose);
  CHECK(f.color == When::kNever);
  CHECK(f.progress == When::kAlways);
  CHECK(f.require_complete);
  CHECK(f.require_isolation);
  CHECK(f.require_sandbox);
  CHECK(f.worker_path == "w");
  CHECK(f.paths == Args{"a", "b", "-"});
}

TEST_CASE("ParseFlags: one value belongs to a repeatable flag, no more") {
  const ParsedFlags f = Parse({"--include", "*.a", "x", "--exclude=*.b", "y"});
  CHECK(f.include == Args{"*.a"});
  CHECK(f.exclude == Args{"*.b"});
  CHECK(f.paths == Args{"x", "y"});
}

TEST_CASE("ParseFlags: short forms and repeated flags") {
  CHECK(Parse({"-j4", "x"}).workers == 4);
  CHECK(Parse({"-j", "auto", "x"}).workers == 0);
  CHECK(Parse({"-j", "4", "-j", "5", "x"}).workers == 5);
  CHECK(Parse({"-q", "x"}).quiet);
  CHECK(Parse({"--files-from", "-", "-0"}).null_separated);
  CHECK(Parse({"--no-parallel", "--workers", "1", "x"}).no_parallel);
  CHECK(Parse({"--parallel", "--workers", "4", "x"}).parallel);
}

TEST_CASE("ParseFlags: actions need no path") {
  CHECK(Parse({"-h"}).action == Action::kShortHelp);
  CHECK(Parse({"--help"}).action == Action::kLongHelp);
  CHECK(Parse({"--help", "-h"}).action == Action::kShortHelp);
  CHECK(Parse({"--version"}).action == Action::kVersion);
  CHECK(Parse({"-V"}).action == Action::kVersion);
  CHECK(Parse({"scan", "--list-formats"}).action == Action::kListFormats);
  CHECK(Parse({"--debug-worker", "f"}).debug_worker == "f");
}

TEST_CASE("ParseFlags: inspect is a command with options of its own") {
  const ParsedFlags f = Parse(
      {"inspect", "--member", "*.pkl", "--opcodes", "--json", "-j2", "a", "-"});
  CHECK(f.action == Action::kInspect);
  CHECK(f.member == "*.pkl");
  CHECK(f.opcodes);
  CHECK(f.paths == Args{"a", "-"});
  CHECK(Parse({"a", "inspect"}).action == Action::kScan);
  CHECK(Parse({"inspect", "--help"}).action == Action::kLongHelp);
  CHECK(Parse({"--json", "a"}).action == Action::kScan);

  const Config config = BuildConfig(f).value();
  CHECK(config.scan.task == FileTask::kInspect);
  CHECK(config.scan.inspect == InspectOptions{"*.pkl", true});
  CHECK(config.scan.files == Args{"a"});
  CHECK(config.scan.paths.empty());
  CHECK(config.scan.scan_stdin);
  CHECK(config.report.inspect);
  CHECK(config.report.require_complete);
  CHECK(config.report.format == ReportFormat::kJson);
  CHECK(BuildConfig(Parse({"--json", "a"})).value().report.format ==
        ReportFormat::kJson);
}

struct RefusalCase {
  Args args;
  std::string text;
};

TEST_CASE("ParseFlags: wrong usage is one line that names option and value") {
  const std::string size = " is not a size; write 4096, 512M, 1.5G or 2GiB";
  const std::string seconds =
      " is not a number of seconds above 0 and up to 604800; write 60 or 0.5";
  const std::vector<RefusalCase> cases = {
      {{}, "no PATH given"},
      {{"scan"}, "no PATH given (for a file named scan: ./scan)"},
      {{""}, "\"\" is no path"},
      {{"inspect"}, "no FILE given (for a file named inspect: ./inspect)"},
      {{"inspect", "--fail-on", "high", "x"},
       "--fail-on: is no option of inspect"},
      {{"inspect", "--include", "*", "x"},
       "--include: is no option of inspect"},
      {{"inspect", "--debug-worker", "x"},
       "--debug-worker: is no option of inspect"},
      {{"--opcodes", "x"}, "--opcodes: is no option of scan"},
      {{"scan", "--member", "a", "x"}, "--member: is no option of scan"},
      {{"inspect", "--member", "", "x"}, "--member: \"\" is no file name"},
      {{"inspect", "--format", "ndjson", "x"},
       "--format: inspect has text and json only"},
      {{"inspect", "--json", "--format", "text", "x"},
       "--json excludes another --format"},
      {{"inspect", "-", "-"}, "- (standard input) may be given only once"},
      {{"--workers", "0", "x"},
       "--workers: \"0\" is not a whole number from 1 to 1024, or auto"},
      {{"--workers", "abc", "x"},
       "--workers: \"abc\" is not a whole number from 1 to 1024, or auto"},
      {{"--workers=-1", "x"},
       "--workers: \"-1\" is not a whole number from 1 to 1024, or auto"},
      {{"--workers=", "x"}, "--workers: needs a value"},
      {{"--workers", "99999999999999999999", "x"},
       "--workers: \"99999999999999999999\" is not a whole number from 1 to "
       "1024, or auto"},
      {{"x", "--workers"}, "--workers: needs a value"},
      {{"x", "-j"}, "--workers: needs a value"},
      {{"--retries=-1", "x"},
       "--retries: \"-1\" is not a whole number from 0 to 100"},
      {{"--timeout", "0", "x"}, "--timeout: \"0\"" + seconds},
      {{"--timeout", "nan", "x"}, "--timeout: \"nan\"" + seconds},
      {{"--timeout", "1e3", "x"}, "--timeout: \"1e3\"" + seconds},
      {{"--timeout", "10m", "x"}, "--timeout: \"10m\"" + seconds},
      {{"--timeout", "604801", "x"}, "--timeout: \"604801\"" + seconds},
      {{"--memory-limit", "lots", "x"}, "--memory-limit: \"lots\"" + size},
      {{"--memory-limit", "5X", "x"}, "--memory-limit: \"5X\"" + size},
      {{"--memory-limit", "1 G", "x"}, "--memory-limit: \"1 G\"" + size},
      {{"--worker-memory", "99999999P", "x"},
       "--worker-memory: \"99999999P\" is too large a size"},
      {{"--isolation", "vm", "x"},
       "--isolation: \"vm\" is none of: process, per-file, in-process"},
      {{"--fail-on", "bad", "x"},
       "--fail-on: \"bad\" is none of: info, low, medium, high, critical"},
      {{"--format", "xml", "x"},
       "--format: \"xml\" is none of: text, json, ndjson"},
      {{"--color", "", "x"}, "--color: \"\" is none of: auto, always, never"},
      {{"--output", "", "x"}, "--output: \"\" is no file name"},
      {{"--include", "", "x"}, "--include: \"\" matches nothing"},
      {{"--quiet=3", "x"}, "--quiet: takes no value"},
      {{"--wrokers", "8", "x"},
       "unknown option \"--wrokers\"; did you mean --workers?"},
      {{"--nonsense=1", "x"}, "unknown option \"--nonsense=1\""},
      {{"-Z", "x"}, "unknown option \"-Z\""},
      {{"--bad\nname\x1b[2J", "x"}, "unknown option \"--bad\\nname\\x1b[2J\""},
      {{"--parallel", "--no-parallel", "x"},
       "--parallel and --no-parallel exclude each other"},
      {{"--no-parallel", "--workers", "8", "x"},
       "--no-parallel excludes --workers 8"},
      {{"--parallel", "-j1", "x"}, "--parallel excludes --workers 1"},
      {{"--isolation", "in-process", "-j2", "x"},
       "--isolation in-process excludes --workers 2"},
      {{"--isolation", "in-process", "--parallel", "x"},
       "--isolation in-process excludes --parallel"},
      {{"--isolation", "in-process", "--require-isolation", "x"},
       "--isolation in-process excludes --require-isolation"},
      {{"--isolation", "in-process", "--require-sandbox", "x"},
       "--isolation in-process excludes --require-sandbox"},
      {{"--no-sandbox", "--require-sandbox", "x"},
       "--no-sandbox and --require-sandbox exclude each other"},
      {{"-q", "-v", "x"}, "--quiet and --verbose exclude each other"},
      {{"--canonical", "--format", "text", "x"},
       "--canonical is JSON and excludes another --format"},
      {{"-0", "x"}, "--null needs --files-from"},
      {{"-", "-"}, "- (standard input) may be given only once"},
      {{"--files-from", "-", "-"},
       "--files-from - and - would both read standard input"},
      {{"--debug-worker", "f", "x"},
       "--debug-worker takes one file and excludes PATH and --files-from"},
      {{"--debug-worker", "f", "--format", "json"},
       "--debug-worker prints text and excludes another --format"},
      {{"--cache-size", "1G", "x"}, "--cache-size needs --cache-dir"},
      {{"--cache-dir", "d", "--isolation", "in-process", "x"},
       "--cache-dir needs workers in a sandbox: without, a file could write to "
       "the cache"},
      {{"--cache-dir", "d", "--no-sandbox", "x"},
       "--cache-dir needs workers in a sandbox: without, a file could write to "
       "the cache"},
      {{"--cache-dir", "d", "--debug-worker", "f"},
       "--debug-worker uses no cache"},
  };
  for (const RefusalCase& c : cases) {
    std::string typed;
    for (const std::string& arg : c.args) typed += arg + ' ';
    CAPTURE(typed);
    const std::string refusal = Refusal(c.args);
    CHECK(refusal == c.text);
    CHECK(refusal.find('\n') == std::string::npos);
  }
}

TEST_CASE("ParseFlags: an endless value makes no endless message") {
  CHECK(Refusal({"--format", std::string(100'000, 'x'), "y"}).size() < 400);
  CHECK(Refusal({"--" + std::string(100'000, 'x'), "y"}).size() < 400);
}

TEST_CASE("ParseSize: units are powers of 1024 in any spelling") {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"0", 0},
      {"1", 1},
      {"17b", 17},
      {"4k", 4096},
      {"4KB", 4096},
      {"4KiB", 4096},
      {"512M", 512ULL << 20},
      {"1.5G", 3ULL << 29},
      {"2GiB", 2ULL << 30},
      {"1T", 1ULL << 40},
      {"2P", 2ULL << 50},
      {"0.5k", 512},
      {"9223372036854775807", 9223372036854775807ULL},
  };
  for (const auto& [text, bytes] : cases) {
    CAPTURE(text);
    const Result<std::uint64_t> size = ParseSize(text);
    REQUIRE(size.ok());
    CHECK(size.value() == bytes);
  }
  for (const char* text : {"", "-1", "+1", "k", "1kk", "1e9", "0x10", "1,5G",
                           ".5G", "inf", "nan", " 1", "1 "}) {
    CAPTURE(text);
    CHECK_FALSE(ParseSize(text).ok());
  }
}

TEST_CASE("ParseSeconds: fractions are rounded up to a millisecond") {
  CHECK(ParseSeconds("60").value() == std::chrono::seconds(60));
  CHECK(ParseSeconds("0.0001").value() == std::chrono::milliseconds(1));
  CHECK(ParseSeconds("1.5").value() == std::chrono::milliseconds(1500));
  CHECK(ParseSeconds("604800").value() == std::chrono::hours(168));
}

}  // namespace
}  // namespace scanengine::cli
