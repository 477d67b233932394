#include "cli/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "cli/files.h"
#include "cli/parse_values.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

constexpr std::size_t kMaxPolicyBytes = 16U << 20;
constexpr std::size_t kMaxListBytes = 1U << 30;

Error Invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, std::move(detail)};
}

// All of an open file. Bounded, since it may be a device without an end.
Result<std::string> ReadAll(std::FILE* file, std::size_t max_bytes) {
  std::string text;
  char buffer[65536];
  for (;;) {
    errno = 0;
    const std::size_t got = std::fread(buffer, 1, sizeof buffer, file);
    text.append(buffer, got);
    if (text.size() > max_bytes) {
      return Invalid("is larger than " + HumanSize(max_bytes));
    }
    if (got == sizeof buffer) continue;
    if (std::ferror(file) != 0) return Invalid(std::strerror(errno));
    return text;
  }
}

Result<std::string> ReadWholeFile(const std::string& path,
                                  std::size_t max_bytes) {
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, CloseFile> file(OpenForReading(path));
  if (file == nullptr) return Invalid(std::strerror(errno));
  return ReadAll(file.get(), max_bytes);
}

Status ReadPolicies(const ParsedFlags& flags, ScanOptions& scan) {
  for (const std::string& path : flags.policies) {
    Result<std::string> text = ReadWholeFile(path, kMaxPolicyBytes);
    if (!text.ok()) {
      return Invalid(fmt::format("--policy: cannot read {}: {}", Quoted(path),
                                 text.error().detail));
    }
    scan.policies.push_back({path, std::move(text).value()});
  }
  return OkStatus();
}

Status ReadFileList(const ParsedFlags& flags, ScanOptions& scan) {
  if (!flags.files_from) return OkStatus();
  const std::string& path = *flags.files_from;
  Result<std::string> list = path == "-" ? ReadAll(stdin, kMaxListBytes)
                                         : ReadWholeFile(path, kMaxListBytes);
  if (!list.ok()) {
    return Invalid(fmt::format("--files-from: cannot read {}: {}", Quoted(path),
                               list.error().detail));
  }
  Result<std::vector<std::string>> names =
      SplitNames(list.value(), flags.null_separated ? '\0' : '\n');
  if (!names.ok()) {
    return Invalid(fmt::format("--files-from: {}: {}", Quoted(path),
                               names.error().detail));
  }
  scan.files = std::move(names).value();
  return OkStatus();
}

void ApplyPaths(const ParsedFlags& flags, ScanOptions& scan) {
  for (const std::string& path : flags.paths) {
    if (path == "-") {
      scan.scan_stdin = true;
    } else {
      scan.paths.push_back(path);
    }
  }
}

template <typename T>
void ApplyTyped(const std::optional<T>& typed, T& field) {
  if (typed) field = *typed;
}

void ApplyScanFlags(const ParsedFlags& flags, ScanOptions& scan) {
  ApplyPaths(flags, scan);
  ApplyTyped(flags.workers, scan.workers);
  if (flags.no_parallel) scan.workers = 1;
  ApplyTyped(flags.isolation, scan.isolation);
  scan.require_isolation = flags.require_isolation;
  scan.strict_imports = flags.strict;
  scan.sandbox = !flags.no_sandbox;
  scan.require_sandbox = flags.require_sandbox;
  ApplyTyped(flags.worker_path, scan.worker_path);
  ApplyTyped(flags.timeout, scan.timeout);
  ApplyTyped(flags.retries, scan.retries);
  ApplyTyped(flags.memory_limit, scan.memory_limit);
  ApplyTyped(flags.worker_memory, scan.worker_memory);
  ApplyTyped(flags.max_file_size, scan.max_file_size);
  if (flags.action == Action::kInspect) {
    // Single files: never walked, never filtered.
    scan.files = std::exchange(scan.paths, {});
    scan.task = FileTask::kInspect;
    ApplyTyped(flags.member, scan.inspect.member);
    scan.inspect.opcodes = flags.opcodes;
  }
  scan.include = flags.include;
  scan.exclude = flags.exclude;
  scan.follow_symlinks = flags.follow_symlinks;
  using Mode = JournalOptions::Mode;
  const bool none = flags.no_journal || flags.action == Action::kInspect;
  scan.journal.mode = none            ? Mode::kNone
                      : flags.journal ? Mode::kFile
                                      : Mode::kAutomatic;
  ApplyTyped(flags.journal, scan.journal.path);
  scan.journal.resume = flags.resume || flags.resume_force;
  scan.journal.resume_force = flags.resume_force;
  ApplyTyped(flags.cache_dir, scan.cache.folder);
  ApplyTyped(flags.cache_size, scan.cache.max_bytes);
}

ReportOptions BuildReportOptions(const ParsedFlags& flags,
                                 const ScanOptions& scan) {
  ReportOptions report;
  report.format = flags.canonical || flags.json
                      ? ReportFormat::kJson
                      : flags.format.value_or(ReportFormat::kText);
  report.inspect = flags.action == Action::kInspect;
  report.canonical = flags.canonical;
  report.quiet = flags.quiet;
  report.verbose = flags.verbose;
  ApplyTyped(flags.fail_on, report.fail_on);
  // What is no model cannot be shown.
  report.require_complete = flags.require_complete || report.inspect;
  report.isolation = scan.isolation;
  return report;
}

std::optional<std::string> Variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

}  // namespace

Result<Config> BuildConfig(const ParsedFlags& flags) {
  Config config;
  ApplyScanFlags(flags, config.scan);
  Status read = ReadPolicies(flags, config.scan);
  if (!read.ok()) return read.error();
  read = ReadFileList(flags, config.scan);
  if (!read.ok()) return read.error();
  config.report = BuildReportOptions(flags, config.scan);
  config.output = flags.output;
  config.debug_worker = flags.debug_worker;
  config.color = flags.color;
  config.progress = flags.progress;
  return config;
}

Result<std::vector<std::string>> SplitNames(std::string_view list,
                                            char separator) {
  if (separator != '\0' && list.find('\0') != std::string_view::npos) {
    return Invalid("holds null bytes; use -0 if they end the names");
  }
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(separator), list.size());
    if (end > 0) names.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

Environment ReadEnvironment() {
  return {Variable("NO_COLOR"), Variable("CLICOLOR_FORCE"), Variable("TERM")};
}

bool UseColor(When flag, const Environment& environment, bool is_terminal) {
  if (flag != When::kAuto) return flag == When::kAlways;
  if (!environment.no_color.value_or("").empty()) return false;
  const std::string force = environment.clicolor_force.value_or("");
  if (!force.empty() && force != "0") return true;
  return is_terminal && environment.term != "dumb";
}

bool UseStatusLine(When flag, bool quiet, const Environment& environment,
                   bool is_terminal) {
  if (flag != When::kAuto) return flag == When::kAlways;
  return !quiet && is_terminal && environment.term != "dumb";
}

}  // namespace scanengine::cli
