#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/exit_code.h"
#include "cli/flags.h"

namespace scanengine::cli {
namespace {

constexpr std::size_t kWidth = 80;

constexpr std::string_view kUsage =
    "Usage: scanengine [scan] [options] PATH...\n"
    "       scanengine inspect [options] FILE...\n"
    "       scanengine doctor [--json] [options]\n"
    "       scanengine verify [--json] JOURNAL\n";

constexpr std::string_view kIntroduction =
    "Scans files and folders, first of all machine-learning models, for code "
    "that runs when they are loaded and for other traps. No model is ever "
    "loaded: each file is parsed in a sandboxed worker process, and there is "
    "exactly one outcome for every file, whatever it does to its worker.";

constexpr std::string_view kInspectText =
    "inspect shows what files hold: of a pickle its imports, its calls in "
    "their "
    "order as Python-like text, and the value that it makes; of other formats "
    "header, metadata, members and tensors. Files are parsed where a scan "
    "parses them, and never loaded. Exit code: 0 shown whole, 2 not, 3 usage.";

constexpr std::string_view kPathText =
    "A file, a folder (walked to its end) or - for standard input.";

struct Pair {
  std::string_view left;
  std::string_view right;
};

constexpr Pair kEnvironment[] = {
    {"NO_COLOR", "no colors, if not empty"},
    {"CLICOLOR_FORCE",
     "colors even in a pipe, if neither empty nor 0; NO_COLOR beats it"},
    {"TERM", "dumb: no colors and no status line"},
    {"COLUMNS", "width of the status line, if the terminal does not tell"},
};

constexpr Pair kExamples[] = {
    {"scanengine models/", "scan a folder and print what was found"},
    {"scanengine -j 8 --format json -o report.json models/",
     "with 8 workers, into a file for another program"},
    {"scanengine --fail-on high --quiet model.bin",
     "gate one file in a CI job"},
    {"find . -name '*.pkl' -print0 | scanengine --files-from - -0",
     "scan what another program selects"},
    {"curl -s URL | scanengine -", "scan standard input"},
    {"scanengine inspect --json model.pt", "what a model holds, for a program"},
    {"scanengine doctor",
     "what this machine offers to scans, tried with a real worker"},
};

// |text| wrapped to the page, each line after |indent| blanks.
std::string Wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::string line(indent, ' ');
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (line.size() > indent && line.size() + 1 + word.size() > kWidth) {
      out += line + '\n';
      line.assign(indent, ' ');
    }
    if (line.size() > indent) line += ' ';
    line += word;
  }
  return out + line + '\n';
}

std::string Spelling(const Flag& flag) {
  std::string out = flag.short_name == '\0'
                        ? std::string("    ")
                        : fmt::format("-{}, ", flag.short_name);
  out += fmt::format("--{}", flag.name);
  if (!flag.value.empty()) out += fmt::format(" {}", flag.value);
  return out;
}

template <typename Print>
std::string Grouped(Print print) {
  std::string out;
  for (int i = 0; i < kFlagGroupCount; ++i) {
    const auto group = static_cast<FlagGroup>(i);
    out += fmt::format("\n{}:\n", FlagGroupTitle(group));
    for (const Flag& flag : AllFlags()) {
      if (flag.group == group) out += print(flag);
    }
  }
  return out;
}

std::string Pairs(std::string_view title, std::span<const Pair> pairs) {
  std::string out = fmt::format("\n{}:\n", title);
  for (const Pair& pair : pairs) {
    out += fmt::format("  {}\n", pair.left) + Wrapped(pair.right, 6);
  }
  return out;
}

}  // namespace

std::string ShortHelp() {
  std::size_t widest = 0;
  for (const Flag& flag : AllFlags()) {
    widest = std::max(widest, Spelling(flag).size());
  }
  return std::string(kUsage) + Grouped([widest](const Flag& flag) {
           return fmt::format("  {:<{}}  {}\n", Spelling(flag), widest,
                              flag.summary);
         }) +
         "\nExit code: 0 clean, 1 findings, 2 incomplete, 3 usage, 4 journal.\n"
         "More: scanengine --help\n";
}

std::string LongHelp() {
  std::string out = std::string(kUsage) + '\n' + Wrapped(kIntroduction, 0) +
                    '\n' + Wrapped(kInspectText, 0);
  out += "\n  PATH\n" + Wrapped(kPathText, 6);
  out += Grouped([](const Flag& flag) {
    std::string text = fmt::format("  {}\n", Spelling(flag));
    text += Wrapped(flag.details, 10);
    if (!flag.default_value.empty()) {
      text += Wrapped(fmt::format("[default: {}]", flag.default_value), 10);
    }
    return text;
  });
  out += "\nExit codes:\n";
  for (const ExitCodeText& row : kExitCodeTexts) {
    std::string lines = Wrapped(row.text, 6);
    const std::string number = fmt::format("{:>5}", static_cast<int>(row.code));
    lines.replace(0, number.size(), number);
    out += lines;
  }
  return out + Pairs("Environment", kEnvironment) +
         Pairs("Examples", kExamples);
}

std::string FormatsText(const std::vector<FormatInfo>& formats) {
  std::size_t name = 6;
  std::size_t extensions = 10;
  for (const FormatInfo& format : formats) {
    name = std::max(name, format.name.size());
    extensions = std::max(extensions, format.extensions.size());
  }
  std::string out = fmt::format("{:<{}}  {:<{}}  {:<11}  {}\n", "format", name,
                                "extensions", extensions, "scanned", "summary");
  for (const FormatInfo& format : formats) {
    out += fmt::format(
        "{:<{}}  {:<{}}  {:<11}  {}\n", format.name, name, format.extensions,
        extensions, format.supported ? "yes" : "unsupported", format.summary);
  }
  return out;
}

std::string VersionPage(std::string_view version,
                        const std::vector<std::string>& features) {
  std::string out = fmt::format("scanengine {}\n", version);
  for (const std::string& feature : features) {
    out += fmt::format("  {}\n", feature);
  }
  return out;
}

}  // namespace scanengine::cli
