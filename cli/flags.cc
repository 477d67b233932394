#include "cli/flags.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "cli/parse_values.h"
#include "ipc/check.h"

namespace scanengine::cli {
namespace {

// Stores a parsed value, or passes on why there is none.
template <typename T, typename Field>
Status Store(Result<T> parsed, Field& field) {
  if (!parsed.ok()) return parsed.error();
  field = std::move(parsed).value();
  return OkStatus();
}

template <typename T>
struct Choice {
  std::string_view name;
  T value;
};

template <typename T, std::size_t kCount, typename Field>
Status StoreChoice(std::string_view value,
                   const std::array<Choice<T>, kCount>& choices, Field& field) {
  std::string allowed;
  for (const Choice<T>& choice : choices) {
    if (choice.name == value) {
      field = choice.value;
      return OkStatus();
    }
    if (!allowed.empty()) allowed += ", ";
    allowed += choice.name;
  }
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("{} is none of: {}", Quoted(value), allowed)};
}

// For values that are file names, where an empty one is a slip in a script.
template <typename Field>
Status StoreName(std::string_view value, Field& field) {
  if (value.empty()) {
    return Error{ErrorCode::kInvalidArgument, "\"\" is no file name"};
  }
  field = std::string(value);
  return OkStatus();
}

Status AppendName(std::string_view value, std::vector<std::string>& list) {
  if (value.empty()) {
    return Error{ErrorCode::kInvalidArgument, "\"\" matches nothing"};
  }
  list.emplace_back(value);
  return OkStatus();
}

constexpr std::array<Choice<When>, 3> kWhens{{{"auto", When::kAuto},
                                              {"always", When::kAlways},
                                              {"never", When::kNever}}};

constexpr std::array<Choice<ReportFormat>, 3> kFormats{
    {{"text", ReportFormat::kText},
     {"json", ReportFormat::kJson},
     {"ndjson", ReportFormat::kNdjson}}};

std::array<Choice<IsolationMode>, 3> IsolationChoices() {
  std::array<Choice<IsolationMode>, 3> choices{};
  std::size_t i = 0;
  for (const IsolationMode mode :
       {IsolationMode::kProcess, IsolationMode::kPerFile,
        IsolationMode::kInProcess}) {
    choices[i++] = {IsolationModeName(mode), mode};
  }
  return choices;
}

std::array<Choice<Severity>, 5> SeverityChoices() {
  std::array<Choice<Severity>, 5> choices{};
  std::size_t i = 0;
  for (const Severity severity :
       {Severity::kInfo, Severity::kLow, Severity::kMedium, Severity::kHigh,
        Severity::kCritical}) {
    choices[i++] = {SeverityName(severity), severity};
  }
  return choices;
}

Status StoreWorkers(std::string_view value, ParsedFlags& flags) {
  if (value == "auto") {
    flags.workers = 0;
    return OkStatus();
  }
  const Result<int> count = ParseCount(value, 1, 1024);
  if (!count.ok()) {
    return Error{count.error().code, count.error().detail + ", or auto"};
  }
  flags.workers = count.value();
  return OkStatus();
}

// clang-format off
constexpr Flag kFlags[] = {
    // ---- Input
    {"files-from", '\0', "FILE", FlagGroup::kInput,
     "read names of files to scan from FILE",
     "Reads names of files to scan from FILE, one a line, in addition to PATH; "
     "- reads standard input. The files are scanned as named: never walked, "
     "never filtered.",
     "", false,
     [](std::string_view v, ParsedFlags& f) { return StoreName(v, f.files_from); }, FlagUse::kScan},
    {"null", '0', "", FlagGroup::kInput,
     "names in --files-from end with a null byte",
     "Names in --files-from end with a null byte instead of a line feed, as "
     "find -print0 writes them.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.null_separated = true; return OkStatus(); }, FlagUse::kScan},
    {"include", '\0', "GLOB", FlagGroup::kInput,
     "scan only files that match; repeatable",
     "Scans only files whose path below PATH matches GLOB, or whose name does "
     "if GLOB has no slash. May be given several times: one match is enough.",
     "", true,
     [](std::string_view v, ParsedFlags& f) { return AppendName(v, f.include); }, FlagUse::kScan},
    {"exclude", '\0', "GLOB", FlagGroup::kInput,
     "leave out files and folders that match; repeatable",
     "Leaves out files and folders that match GLOB, by the rules of --include. "
     "Wins over --include.",
     "", true,
     [](std::string_view v, ParsedFlags& f) { return AppendName(v, f.exclude); }, FlagUse::kScan},
    {"follow-symlinks", '\0', "", FlagGroup::kInput,
     "follow links that lead out of PATH",
     "Follows symbolic links that lead out of PATH. Workers may then read what "
     "the links lead to, and the program says what that is. Without it such "
     "links are skipped, but for the blobs folder of a model hub cache.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.follow_symlinks = true; return OkStatus(); }, FlagUse::kScan},
    {"policy", '\0', "FILE", FlagGroup::kInput,
     "add vetted and dangerous imports; repeatable",
     "Extends the built-in tables of vetted and dangerous imports by those in "
     "FILE; later files win. Policies are never taken from what is scanned.",
     "", true,
     [](std::string_view v, ParsedFlags& f) { return AppendName(v, f.policies); }},
    {"strict", '\0', "", FlagGroup::kInput,
     "imports that nobody has vetted are high",
     "Reports whatever a pickle imports or calls that no table vets as high. "
     "Without it such a call is medium, a mere import or a class of a known "
     "library low.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.strict = true; return OkStatus(); }},
    {"max-file-size", '\0', "SIZE", FlagGroup::kInput,
     "do not scan larger files; they count as incomplete",
     "Does not scan files larger than SIZE; they are reported with the status "
     "limit and make the run incomplete. 0 means no limit.",
     "0", false,
     [](std::string_view v, ParsedFlags& f) { return Store(ParseSize(v), f.max_file_size); }},

    // ---- Workers and isolation
    {"workers", 'j', "N", FlagGroup::kWorkers,
     "number of worker processes, or auto",
     "Starts up to N worker processes; auto takes as many as there are cores. "
     "A handful of small files starts one only.",
     "auto", false, StoreWorkers},
    {"parallel", '\0', "", FlagGroup::kWorkers,
     "scan with several workers; the default",
     "Scans with several workers, which is the default; for scripts that want "
     "to say so.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.parallel = true; return OkStatus(); }},
    {"no-parallel", '\0', "", FlagGroup::kWorkers,
     "scan one file at a time, in one isolated worker",
     "Scans one file at a time, in one worker process that is still isolated.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.no_parallel = true; return OkStatus(); }},
    {"isolation", '\0', "MODE", FlagGroup::kWorkers,
     "where to parse: process, per-file or in-process",
     "Where files are parsed. process: in workers that scan many files each. "
     "per-file: in a new worker for every file, so that a hijacked worker "
     "cannot lie about the next file. in-process: in this process, one file "
     "after the other, without any protection from them.",
     "process", false,
     [](std::string_view v, ParsedFlags& f) {
       return StoreChoice(v, IsolationChoices(), f.isolation);
     }},
    {"require-isolation", '\0', "", FlagGroup::kWorkers,
     "never fall back to scanning in this process",
     "Never falls back to scanning in this process if workers cannot be "
     "started; what is left is then reported as not-run.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.require_isolation = true; return OkStatus(); }},
    {"require-sandbox", '\0', "", FlagGroup::kWorkers,
     "fail if the system lacks a part of the sandbox",
     "Fails before anything is scanned if the system lacks a part of the "
     "sandbox that workers live in. Without it a missing part is reported once.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.require_sandbox = true; return OkStatus(); }},
    {"no-sandbox", '\0', "", FlagGroup::kWorkers,
     "run workers without a sandbox (for debugging)",
     "Runs workers as plain processes, without a sandbox. For debugging only: "
     "a hijacked worker may then do what you may do.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.no_sandbox = true; return OkStatus(); }},
    {"worker-path", '\0', "FILE", FlagGroup::kWorkers,
     "the worker program; else the one beside this program",
     "The scanengine-worker program to start. Without it the one beside this "
     "program is used.",
     "", false,
     [](std::string_view v, ParsedFlags& f) { return StoreName(v, f.worker_path); }},
    {"debug-worker", '\0', "FILE", FlagGroup::kWorkers,
     "scan one file in this process, for a debugger",
     "Scans FILE in this process, without supervisor, sandbox or retries, and "
     "prints the text report: to run under a debugger.",
     "", false,
     [](std::string_view v, ParsedFlags& f) { return StoreName(v, f.debug_worker); }, FlagUse::kScan},

    // ---- Limits
    {"timeout", '\0', "SECONDS", FlagGroup::kLimits,
     "time for one file; fractions are allowed",
     "Time that one attempt at one file may take, in seconds; fractions are "
     "allowed. It grows by a second for each 50 MB of the file.",
     "60", false,
     [](std::string_view v, ParsedFlags& f) { return Store(ParseSeconds(v), f.timeout); }},
    {"retries", '\0', "N", FlagGroup::kLimits,
     "further attempts at a file that ended its worker",
     "Further attempts at a file that ended its worker; the last one runs "
     "alone in a fresh worker.",
     "1", false,
     [](std::string_view v, ParsedFlags& f) { return Store(ParseCount(v, 0, 100), f.retries); }},
    {"memory-limit", '\0', "SIZE", FlagGroup::kLimits,
     "memory of all workers; 0: 80 % of what is free",
     "Memory that all workers together may use; 0 means 80 % of what is free "
     "at the start. Above it the worker that grew most is ended and its file "
     "is scanned again, alone.",
     "0", false,
     [](std::string_view v, ParsedFlags& f) { return Store(ParseSize(v), f.memory_limit); }},
    {"worker-memory", '\0', "SIZE", FlagGroup::kLimits,
     "memory of each worker; 0: no limit",
     "Memory that each worker may use. A file that needs more is reported as "
     "out-of-memory. 0 means no limit.",
     "2GiB", false,
     [](std::string_view v, ParsedFlags& f) { return Store(ParseSize(v), f.worker_memory); }},

    // ---- Output
    {"format", '\0', "FORMAT", FlagGroup::kOutput,
     "text, json or ndjson",
     "text: for people. json: one document with a versioned schema, files "
     "sorted by path. ndjson: one line for each file as soon as it is done, "
     "and a last line with the totals.",
     "text", false,
     [](std::string_view v, ParsedFlags& f) { return StoreChoice(v, kFormats, f.format); }},
    {"canonical", '\0', "", FlagGroup::kOutput,
     "JSON without what differs between runs",
     "Prints the canonical report: JSON without times, workers, attempts and "
     "everything else that may differ between two runs over the same files.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.canonical = true; return OkStatus(); }, FlagUse::kScan},
    {"output", 'o', "FILE", FlagGroup::kOutput,
     "write the report to FILE, atomically",
     "Writes the report to FILE instead of standard output. FILE appears, or "
     "is replaced, only when the report is complete and on disk; otherwise an "
     "earlier FILE stays as it is.",
     "", false,
     [](std::string_view v, ParsedFlags& f) { return StoreName(v, f.output); }},
    {"fail-on", '\0', "SEVERITY", FlagGroup::kOutput,
     "exit 1 from: info, low, medium, high or critical",
     "Exits with 1 if there is a finding of this severity or worse: info, low, "
     "medium, high or critical. All findings are reported in any case.",
     "medium", false,
     [](std::string_view v, ParsedFlags& f) {
       return StoreChoice(v, SeverityChoices(), f.fail_on);
     }, FlagUse::kScan},
    {"require-complete", '\0', "", FlagGroup::kOutput,
     "exit with 2 for not-a-model and skipped files, too",
     "Also counts files that are no models and files that were skipped as not "
     "scanned to their end: exit code 2.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.require_complete = true; return OkStatus(); }, FlagUse::kScan},
    {"quiet", 'q', "", FlagGroup::kOutput,
     "only findings, verdict and errors",
     "Prints only findings and the verdict; no status line, no notices. Errors "
     "are always printed.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.quiet = true; return OkStatus(); }},
    {"verbose", 'v', "", FlagGroup::kOutput,
     "more of everything",
     "Also says, for each finding, why it matters and what to do; lists files "
     "that were left out; tells of every worker that was lost.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.verbose = true; return OkStatus(); }},
    {"color", '\0', "WHEN", FlagGroup::kOutput,
     "colors: auto, always or never",
     "Colors in the text report: auto (only on a terminal), always or never. "
     "Beats NO_COLOR and CLICOLOR_FORCE.",
     "auto", false,
     [](std::string_view v, ParsedFlags& f) { return StoreChoice(v, kWhens, f.color); }},
    {"progress", '\0', "WHEN", FlagGroup::kOutput,
     "status line on standard error: auto, always or never",
     "The status line on standard error: auto (only on a terminal), always or "
     "never.",
     "auto", false,
     [](std::string_view v, ParsedFlags& f) { return StoreChoice(v, kWhens, f.progress); }},

    {"json", '\0', "", FlagGroup::kOutput,
     "short for --format json",
     "Short for --format json.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.json = true; return OkStatus(); }},


    // ---- Journal
    {"journal", '\0', "FILE", FlagGroup::kJournal,
     "record every outcome in FILE as soon as there is one",
     "Records every outcome in FILE before it is reported, so that nothing is "
     "lost however the run ends. FILE must not exist, or be empty, unless "
     "--resume is given. Without this option a run over more than 1,000 files "
     "has a journal in $XDG_STATE_HOME/scanengine (~/.local/state/scanengine; "
     "%LOCALAPPDATA%\\scanengine on Windows), "
     "which is removed when the run is complete and its report written; the "
     "newest 20 are kept. \"scanengine verify FILE\" checks a journal.",
     "", false,
     [](std::string_view v, ParsedFlags& f) { return StoreName(v, f.journal); }, FlagUse::kScan},
    {"no-journal", '\0', "", FlagGroup::kJournal,
     "keep no journal",
     "Keeps no journal: a run that is cut off has to be started anew.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.no_journal = true; return OkStatus(); }, FlagUse::kScan},
    {"resume", '\0', "", FlagGroup::kJournal,
     "go on with a run that was cut off",
     "Goes on with the run that --journal recorded, or with the newest one over "
     "the same paths that has a journal. What has an outcome there and did not "
     "change since (size, times, inode) is reported and not scanned again. "
     "Refused if options, import policy or version differ.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.resume = true; return OkStatus(); }, FlagUse::kScan},
    {"resume-force", '\0', "", FlagGroup::kJournal,
     "--resume, whatever differs; keep what still holds",
     "As --resume, but goes on even if options, import policy or version "
     "differ, and keeps only those outcomes that still hold.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.resume_force = true; return OkStatus(); }, FlagUse::kScan},

    // ---- Cache
    {"cache-dir", '\0', "DIR", FlagGroup::kCache,
     "do not scan again what did not change since",
     "Keeps outcomes in DIR, and does not scan a file again whose outcome is "
     "there: one that did not change (size, times, inode, path), or that has "
     "the same content and name as another one had. Outcomes hold for the same "
     "program, policy, limits and isolation only. DIR must belong to you alone "
     "and must not be in what is scanned. May be used by several runs at once.",
     "", false,
     [](std::string_view v, ParsedFlags& f) { return StoreName(v, f.cache_dir); }, FlagUse::kScan},
    {"cache-size", '\0', "SIZE", FlagGroup::kCache,
     "how large the cache may grow",
     "How large the cache may grow. What was not used for longest leaves.",
     "256MiB", false,
     [](std::string_view v, ParsedFlags& f) { return Store(ParseSize(v), f.cache_size); }, FlagUse::kScan},

    // ---- Inspect
    {"member", '\0', "GLOB", FlagGroup::kInspect,
     "show only members of containers that match",
     "Shows only members whose chain (archive/data.pkl, a.zip!b.pkl) matches "
     "GLOB, or whose last name does if GLOB has neither / nor !; * stands for "
     "any characters, ? for any one.",
     "", false,
     [](std::string_view v, ParsedFlags& f) { return StoreName(v, f.member); }, FlagUse::kInspect},
    {"opcodes", '\0', "", FlagGroup::kInspect,
     "also list every opcode of pickles",
     "Also lists every opcode of pickles, with offset and operand, as far as "
     "there is room.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.opcodes = true; return OkStatus(); }, FlagUse::kInspect},

    // ---- Other
    {"list-formats", '\0', "", FlagGroup::kOther,
     "list the formats that are recognised",
     "Lists the formats that are recognised, and which of them are scanned.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.action = Action::kListFormats; return OkStatus(); }},
    {"version", 'V', "", FlagGroup::kOther,
     "version and build features",
     "Prints the version and what this build was made with.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.action = Action::kVersion; return OkStatus(); }},
    {"help", '\0', "", FlagGroup::kOther,
     "help with all details; -h for a summary",
     "Prints this text; -h prints one line for each option.",
     "", false,
     [](std::string_view, ParsedFlags& f) { f.action = Action::kLongHelp; return OkStatus(); }},
};
// clang-format on

}  // namespace

std::string_view FlagGroupTitle(FlagGroup group) {
  switch (group) {
    case FlagGroup::kInput:
      return "What to scan";
    case FlagGroup::kWorkers:
      return "Workers and isolation";
    case FlagGroup::kLimits:
      return "Limits";
    case FlagGroup::kOutput:
      return "Report";
    case FlagGroup::kInspect:
      return "Only for inspect";
    case FlagGroup::kJournal:
      return "Journal";
    case FlagGroup::kCache:
      return "Result cache";
    case FlagGroup::kOther:
      return "Other";
  }
  SCANENGINE_CHECK(false);
}

std::span<const Flag> AllFlags() { return kFlags; }

}  // namespace scanengine::cli
