#ifndef SCANENGINE_CLI_FLAGS_H_
#define SCANENGINE_CLI_FLAGS_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/scan_engine.h"
#include "ipc/result.h"

namespace scanengine::cli {

/// What the program is asked to do.
enum class Action : std::uint8_t {
  kScan,
  kShortHelp,
  kLongHelp,
  kVersion,
  kListFormats,
  kInspect,
  kDoctor,
};

enum class ReportFormat : std::uint8_t { kText, kJson, kNdjson };

/// For things that depend on where output goes.
enum class When : std::uint8_t { kAuto, kAlways, kNever };

/// The command line as it was typed: values are parsed, nothing is read or
/// decided yet (config.h does that). Nothing in an optional: not typed.
struct ParsedFlags {
  Action action = Action::kScan;
  std::vector<std::string> paths;

  std::optional<std::string> files_from;
  bool null_separated = false;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  bool follow_symlinks = false;
  std::vector<std::string> policies;
  bool strict = false;

  std::optional<int> workers;  ///< 0: auto.
  bool parallel = false;
  bool no_parallel = false;
  std::optional<IsolationMode> isolation;
  bool require_isolation = false;
  bool no_sandbox = false;
  bool require_sandbox = false;
  std::optional<std::string> worker_path;
  std::optional<std::string> debug_worker;

  std::optional<std::chrono::milliseconds> timeout;
  std::optional<int> retries;
  std::optional<std::uint64_t> memory_limit;
  std::optional<std::uint64_t> worker_memory;
  std::optional<std::uint64_t> max_file_size;

  std::optional<std::string> member;
  bool opcodes = false;
  std::optional<std::string> journal;
  bool no_journal = false;
  bool resume = false;
  bool resume_force = false;
  std::optional<std::string> cache_dir;
  std::optional<std::uint64_t> cache_size;

  std::optional<ReportFormat> format;
  bool json = false;
  bool canonical = false;
  std::optional<std::string> output;
  std::optional<Severity> fail_on;
  bool require_complete = false;
  bool quiet = false;
  bool verbose = false;
  When color = When::kAuto;
  When progress = When::kAuto;
};

/// Sections of the help text, in the order in which they are shown.
enum class FlagGroup : std::uint8_t {
  kInput,
  kWorkers,
  kLimits,
  kOutput,
  kJournal,
  kCache,
  kInspect,
  kOther,
};
inline constexpr int kFlagGroupCount = 8;
std::string_view FlagGroupTitle(FlagGroup group);

/// Which commands take a flag.
enum class FlagUse : std::uint8_t { kAll, kScan, kInspect };

/// One command-line flag. The parser, -h and --help are all generated from the
/// table that AllFlags() returns.
struct Flag {
  std::string_view name;   ///< Long name, without dashes.
  char short_name;         ///< '\0' if there is none.
  std::string_view value;  ///< Name of its value in help; empty for a switch.
  FlagGroup group;
  std::string_view summary;  ///< For -h; at most 60 characters, no period.
  std::string_view details;  ///< For --help: full sentences.
  std::string_view default_value;  ///< As it would be typed; empty: none.
  bool repeatable;                 ///< Else the last one typed counts.
  /// Stores |value| (empty for a switch). Fails with a fragment that reads
  /// after "--name: ".
  Status (*apply)(std::string_view value, ParsedFlags& flags);
  FlagUse use = FlagUse::kAll;
};

std::span<const Flag> AllFlags();

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_FLAGS_H_
