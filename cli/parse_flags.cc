#include "cli/parse_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/parse_values.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

Error Invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, std::move(detail)};
}

// Number of single-character edits between two short words.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

std::string UnknownOption(const std::string& typed) {
  std::string message = fmt::format("unknown option {}", Quoted(typed));
  if (typed.size() > 40 || !typed.starts_with("--")) return message;
  const std::string_view word =
      std::string_view(typed).substr(2, typed.find('=') - 2);
  std::size_t best = 3;  // Further away is no likely slip.
  std::string_view nearest;
  for (const Flag& flag : AllFlags()) {
    const std::size_t distance = EditDistance(word, flag.name);
    if (distance < best) {
      best = distance;
      nearest = flag.name;
    }
  }
  if (!nearest.empty()) message += fmt::format("; did you mean --{}?", nearest);
  return message;
}

// The CLI11 application that mirrors the table.
struct Parser {
  Parser() {
    app.set_help_flag();
    // A path may begin with a slash on Windows, too.
    app.allow_windows_style_options(false);
    short_help = app.add_flag("-h");
    for (const Flag& flag : AllFlags()) {
      std::string names = fmt::format("--{}", flag.name);
      if (flag.short_name != '\0')
        names += fmt::format(",-{}", flag.short_name);
      CLI::Option* option = nullptr;
      if (flag.value.empty()) {
        option = app.add_flag(names)->disable_flag_override();
      } else {
        option = app.add_option(names);
        option->multi_option_policy(flag.repeatable
                                        ? CLI::MultiOptionPolicy::TakeAll
                                        : CLI::MultiOptionPolicy::TakeLast);
      }
      options.push_back(option);
    }
    app.add_option("PATH", paths);
  }

  CLI::App app{"scanengine"};
  CLI::Option* short_help = nullptr;
  std::vector<CLI::Option*> options;  // In the order of AllFlags().
  std::vector<std::string> paths;
};

// CLI11 reports mistakes by exceptions; they end here.
Status RunParser(std::vector<std::string> args, Parser& parser) {
  std::reverse(args.begin(), args.end());  // What CLI11 wants.
  try {
    parser.app.parse(std::move(args));
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = parser.app.remaining();
    return Invalid(UnknownOption(extras.empty() ? "" : extras.front()));
  } catch (const CLI::ArgumentMismatch& error) {
    // "--timeout: 1 required TEXT missing", "quiet does not allow a value".
    const std::string_view text = error.what();
    std::string name = Printable(text.substr(0, text.find_first_of(": ")), 80);
    if (!name.starts_with("-")) name = "--" + name;
    const bool missing = text.find("required") != std::string_view::npos;
    return Invalid(name + (missing ? ": needs a value" : ": takes no value"));
  } catch (const CLI::Error& error) {
    return Invalid(Printable(error.what(), 200));
  }
  return OkStatus();
}

// CLI11 takes the next argument for the value of "--output=": a script with an
// empty variable would overwrite a file that it wanted to scan.
Status CheckEmptyValues(std::span<const std::string> args) {
  for (const std::string& arg : args) {
    if (arg == "--") break;
    if (arg.starts_with("--") && arg.find('=') == arg.size() - 1) {
      return Invalid(fmt::format(
          "{}: needs a value",
          Printable(std::string_view(arg).substr(0, arg.size() - 1), 80)));
    }
  }
  return OkStatus();
}

Status Apply(const Flag& flag, const CLI::Option& option, ParsedFlags& flags) {
  if (option.count() == 0) return OkStatus();
  std::vector<std::string> values{""};
  if (!flag.value.empty()) {
    values = option.results();
    if (!flag.repeatable) values.erase(values.begin(), values.end() - 1);
  }
  for (const std::string& value : values) {
    const Status status = flag.apply(value, flags);
    if (!status.ok()) {
      return Invalid(fmt::format("--{}: {}", flag.name, status.error().detail));
    }
  }
  return OkStatus();
}

struct Command {
  std::string_view name;
  Action action;
  FlagUse use;  ///< Of the flags that it takes beside those of all commands.
};
constexpr Command kCommands[] = {
    {"scan", Action::kScan, FlagUse::kScan},
    {"inspect", Action::kInspect, FlagUse::kInspect},
    {"doctor", Action::kDoctor, FlagUse::kAll},
};

std::optional<Action> CommandOf(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return command.action;
  }
  return std::nullopt;
}

// What other commands take and this one does not.
Status CheckUse(const Flag& flag, const CLI::Option& option, Action action) {
  if (option.count() == 0 || flag.use == FlagUse::kAll) return OkStatus();
  for (const Command& command : kCommands) {
    if (command.action != action || command.use == flag.use) continue;
    return Invalid(
        fmt::format("--{}: is no option of {}", flag.name, command.name));
  }
  return OkStatus();
}

struct Conflict {
  bool holds;
  std::string text;
};

Status Check(std::span<const Conflict> conflicts) {
  for (const Conflict& conflict : conflicts) {
    if (conflict.holds) return Invalid(conflict.text);
  }
  return OkStatus();
}

Status CheckWorkerConflicts(const ParsedFlags& f) {
  const bool in_process = f.isolation == IsolationMode::kInProcess;
  const int workers = f.workers.value_or(0);
  const Conflict conflicts[] = {
      {f.parallel && f.no_parallel,
       "--parallel and --no-parallel exclude each other"},
      {f.no_parallel && workers > 1,
       fmt::format("--no-parallel excludes --workers {}", workers)},
      {f.parallel && workers == 1, "--parallel excludes --workers 1"},
      {in_process && workers > 1,
       fmt::format("--isolation in-process excludes --workers {}", workers)},
      {in_process && f.parallel, "--isolation in-process excludes --parallel"},
      {in_process && f.require_isolation,
       "--isolation in-process excludes --require-isolation"},
      {in_process && f.require_sandbox,
       "--isolation in-process excludes --require-sandbox"},
      {f.no_sandbox && f.require_sandbox,
       "--no-sandbox and --require-sandbox exclude each other"},
  };
  return Check(conflicts);
}

Status CheckReportConflicts(const ParsedFlags& f) {
  const bool inspect = f.action == Action::kInspect;
  const bool list_format =
      f.format.has_value() && f.format != ReportFormat::kJson;
  const Conflict conflicts[] = {
      {f.quiet && f.verbose, "--quiet and --verbose exclude each other"},
      {f.canonical && list_format,
       "--canonical is JSON and excludes another --format"},
      {f.json && list_format, "--json excludes another --format"},
      {inspect && f.format == ReportFormat::kNdjson,
       "--format: inspect has text and json only"},
  };
  return Check(conflicts);
}

Status CheckJournalConflicts(const ParsedFlags& f) {
  const bool resume = f.resume || f.resume_force;
  const bool dash = std::count(f.paths.begin(), f.paths.end(), "-") > 0;
  const Conflict conflicts[] = {
      {f.no_journal && f.journal,
       "--journal and --no-journal exclude each other"},
      {f.no_journal && resume,
       "--resume needs a journal and excludes --no-journal"},
      {resume && dash,
       "--resume excludes - (standard input): it is not there again"},
      {f.debug_worker && (f.journal || resume),
       "--debug-worker keeps no journal"},
  };
  return Check(conflicts);
}

Status CheckCacheConflicts(const ParsedFlags& f) {
  const bool in_process = f.isolation == IsolationMode::kInProcess;
  const Conflict conflicts[] = {
      {f.cache_size && !f.cache_dir, "--cache-size needs --cache-dir"},
      {f.cache_dir && (in_process || f.no_sandbox),
       "--cache-dir needs workers in a sandbox: without, a file could write to "
       "the cache"},
      {f.cache_dir && f.debug_worker, "--debug-worker uses no cache"},
  };
  return Check(conflicts);
}

Status CheckInputConflicts(const ParsedFlags& f) {
  const bool text = !f.format || f.format == ReportFormat::kText;
  const Conflict conflicts[] = {
      {f.null_separated && !f.files_from, "--null needs --files-from"},
      {f.debug_worker && (!f.paths.empty() || f.files_from),
       "--debug-worker takes one file and excludes PATH and --files-from"},
      {f.debug_worker && (f.canonical || f.json || !text),
       "--debug-worker prints text and excludes another --format"},
  };
  return Check(conflicts);
}

Status CheckConflicts(const ParsedFlags& f) {
  for (const auto check :
       {CheckWorkerConflicts, CheckReportConflicts, CheckJournalConflicts,
        CheckCacheConflicts, CheckInputConflicts}) {
    if (Status status = check(f); !status.ok()) return status;
  }
  return OkStatus();
}

Status CheckDoctor(const ParsedFlags& f) {
  if (!f.paths.empty()) {
    return Invalid("doctor takes no PATH (for a file named doctor: ./doctor)");
  }
  if (f.format == ReportFormat::kNdjson) {
    return Invalid("doctor prints text or, with --json, JSON");
  }
  if (f.isolation == IsolationMode::kInProcess) {
    return Invalid("doctor tries a worker: --isolation in-process has none");
  }
  return OkStatus();
}

Status CheckPaths(const ParsedFlags& f, std::string_view command) {
  const auto dashes = std::count(f.paths.begin(), f.paths.end(), "-");
  if (dashes > 1) return Invalid("- (standard input) may be given only once");
  if (dashes == 1 && f.files_from == "-") {
    return Invalid("--files-from - and - would both read standard input");
  }
  if (std::count(f.paths.begin(), f.paths.end(), "") > 0) {
    return Invalid("\"\" is no path");
  }
  if (f.paths.empty() && !f.files_from && !f.debug_worker) {
    const std::string_view what =
        f.action == Action::kInspect ? "no FILE given" : "no PATH given";
    if (command.empty()) return Invalid(std::string(what));
    return Invalid(
        fmt::format("{} (for a file named {}: ./{})", what, command, command));
  }
  return OkStatus();
}

}  // namespace

Result<ParsedFlags> ParseFlags(std::span<const std::string> args) {
  std::string_view command;
  if (!args.empty() && CommandOf(args.front())) {
    command = args.front();
    args = args.subspan(1);
  }
  const Action action = CommandOf(command).value_or(Action::kScan);
  const Status values = CheckEmptyValues(args);
  if (!values.ok()) return values.error();
  Parser parser;
  const Status parsed = RunParser({args.begin(), args.end()}, parser);
  if (!parsed.ok()) return parsed.error();

  ParsedFlags flags;
  flags.action = action;
  const std::span<const Flag> table = AllFlags();
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Status applied = Apply(table[i], *parser.options[i], flags);
    if (!applied.ok()) return applied.error();
  }
  flags.paths = std::move(parser.paths);
  if (parser.short_help->count() > 0) flags.action = Action::kShortHelp;
  if (flags.action != action) return flags;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Status used = CheckUse(table[i], *parser.options[i], action);
    if (!used.ok()) return used.error();
  }
  Status checked = CheckConflicts(flags);
  if (!checked.ok()) return checked.error();
  checked = action == Action::kDoctor ? CheckDoctor(flags)
                                      : CheckPaths(flags, command);
  if (!checked.ok()) return checked.error();
  return flags;
}

}  // namespace scanengine::cli
