#include "cli/text_summary.h"

#include <fmt/format.h>

#include "cli/exit_code.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

// "1 file", "2 files".
std::string Count(std::uint64_t number, std::string_view noun,
                  std::string_view plural = {}) {
  if (number == 1) return fmt::format("1 {}", noun);
  return plural.empty() ? fmt::format("{} {}s", Grouped(number), noun)
                        : fmt::format("{} {}", Grouped(number), plural);
}

void Append(std::string& list, std::string_view item) {
  if (!list.empty()) list += ", ";
  list += item;
}

std::string Line(std::string_view name, std::string_view text) {
  return fmt::format("  {:<9} {}\n", name, text);
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) Append(out, FieldText(text));
  return out;
}

std::string FilesText(const RunSummary& summary) {
  std::string parts;
  for (std::size_t i = 0; i < summary.by_status.size(); ++i) {
    if (summary.by_status[i] == 0) continue;
    Append(parts,
           fmt::format("{} {}", Grouped(summary.by_status[i]),
                       OutcomeStatusName(static_cast<OutcomeStatus>(i))));
  }
  if (parts.empty()) return "none";
  return fmt::format("{}: {}", Grouped(summary.files), parts);
}

std::string FindingsText(const RunSummary& summary) {
  std::string parts;
  for (std::size_t i = summary.findings_by_severity.size(); i-- > 0;) {
    if (summary.findings_by_severity[i] == 0) continue;
    Append(parts, fmt::format("{} {}", Grouped(summary.findings_by_severity[i]),
                              SeverityName(static_cast<Severity>(i))));
  }
  return parts.empty() ? "none" : parts;
}

std::string VolumeText(const RunSummary& summary) {
  const double seconds = static_cast<double>(summary.wall.count()) / 1e6;
  std::string out =
      fmt::format("{} in {:.1f} s", HumanSize(summary.bytes), seconds);
  if (seconds > 0) {
    const auto rate = static_cast<unsigned long long>(
        static_cast<double>(summary.bytes) / seconds);
    out += fmt::format(", {}/s, {:.0f} files/s", HumanSize(rate),
                       static_cast<double>(summary.files) / seconds);
  }
  return out;
}

std::string WorkersText(const RunSummary& summary) {
  std::string out = Grouped(static_cast<std::uint64_t>(summary.worker_count));
  out += fmt::format(", isolation {}", IsolationModeName(summary.isolation));
  if (summary.isolation == IsolationMode::kInProcess) {
    out += " (no protection from what is scanned)";
  }
  if (summary.peak_memory > 0) {
    out += fmt::format(", peak memory {}", HumanSize(summary.peak_memory));
  }
  return out;
}

std::string TroubleText(const RunSummary& summary) {
  std::string parts;
  const auto add = [&parts](std::uint64_t number, std::string_view noun,
                            std::string_view plural) {
    if (number > 0) Append(parts, Count(number, noun, plural));
  };
  add(summary.crashes, "worker lost", "workers lost");
  add(summary.respawns, "respawn", "respawns");
  add(summary.retries, "retry", "retries");
  add(summary.timeouts, "timeout", "timeouts");
  return parts;
}

std::string IncompleteText(const RunSummary& summary, bool require_complete) {
  if (summary.files == 0) return "no file was found";
  std::string out;
  const std::uint64_t files = CountIncomplete(summary, require_complete);
  if (files > 0) {
    out = fmt::format("{} not scanned to {} end",
                      Count(files, "file was", "files were"),
                      files == 1 ? "its" : "their");
  }
  return out;
}

}  // namespace

std::string Grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string SummaryText(const RunSummary& summary, const TextStyle& style) {
  std::string out = style.Strong("Summary") + '\n';
  out += Line("files", FilesText(summary));
  out += Line("findings", FindingsText(summary));
  out += Line("read", VolumeText(summary));
  out += Line("workers", WorkersText(summary));
  if (summary.resumed > 0) {
    out += Line("resumed",
                fmt::format("{} taken over from {}",
                            Count(summary.resumed, "outcome", "outcomes"),
                            FieldText(summary.journal)));
  }
  if (!summary.cache.empty()) {
    out += Line("cached",
                fmt::format("{} taken over from {}; {} scanned",
                            Count(summary.cached, "outcome", "outcomes"),
                            FieldText(summary.cache),
                            Count(summary.scanned, "file was", "files were")));
  }
  const std::string trouble = TroubleText(summary);
  if (!trouble.empty()) out += Line("trouble", trouble);
  if (!summary.fewer_workers_reason.empty()) {
    out +=
        Line("fewer", style.Warning("fewer workers than wanted: " +
                                    FieldText(summary.fewer_workers_reason)));
  }
  if (summary.degraded) {
    out +=
        Line("degraded", style.Warning(fmt::format(
                             "{} scanned without isolation: {}",
                             Count(summary.fallbacks, "file was", "files were"),
                             FieldText(summary.degraded_reason))));
  }
  if (!summary.sandbox_active.empty()) {
    out += Line("sandbox", Joined(summary.sandbox_active));
  }
  if (!summary.sandbox_missing.empty()) {
    out += Line("missing", style.Warning(Joined(summary.sandbox_missing)));
  }
  return out + '\n';
}

std::string VerdictText(const RunSummary& summary, const ReportOptions& options,
                        std::uint64_t files_with_findings,
                        const TextStyle& style) {
  const std::uint64_t findings = CountFindings(summary, options.fail_on);
  const std::string level(SeverityName(options.fail_on));
  std::string found;
  if (findings > 0) {
    found = fmt::format("{} at {} or above in {}", Count(findings, "finding"),
                        level, Count(files_with_findings, "file"));
  }
  if (!IsComplete(summary, options.require_complete)) {
    std::string text = summary.stopped ? "STOPPED: the report is partial" : "";
    const std::string missed =
        IncompleteText(summary, options.require_complete);
    if (!missed.empty()) {
      text += (text.empty() ? "INCOMPLETE: " : "; ") + missed;
    }
    if (!found.empty()) text += "; " + found;
    return style.Bad(text) + '\n';
  }
  if (!found.empty()) return style.Bad("FINDINGS: " + found) + '\n';
  const std::uint64_t scanned =
      summary.by_status[static_cast<std::size_t>(OutcomeStatus::kScanned)];
  if (scanned == 0) {
    return style.Warning(
               fmt::format("NOTHING TO SCAN: no model or archive in {}",
                           Count(summary.files, "file"))) +
           '\n';
  }
  return style.Good(fmt::format(
             "CLEAN: {} scanned to the end, no finding at {} or above",
             Count(scanned, "file"), level)) +
         '\n';
}

}  // namespace scanengine::cli
