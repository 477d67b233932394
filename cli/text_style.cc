#include "cli/text_style.h"

#include <fmt/format.h>

#include <algorithm>

#include "ipc/text.h"

namespace scanengine::cli {
namespace {

constexpr std::size_t kMaxField = 4096;
constexpr int kSeverityWidth = 8;  // "critical".
constexpr int kStatusWidth = 17;   // "sandbox-violation".

// ECMA-48, "select graphic rendition".
constexpr std::string_view kBold = "1";
constexpr std::string_view kBoldRed = "1;31";
constexpr std::string_view kRed = "31";
constexpr std::string_view kBoldGreen = "1;32";
constexpr std::string_view kYellow = "33";
constexpr std::string_view kBoldYellow = "1;33";
constexpr std::string_view kCyan = "36";

}  // namespace

std::string TextStyle::Wrapped(std::string_view code,
                               std::string_view text) const {
  if (!color_) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string TextStyle::Strong(std::string_view text) const {
  return Wrapped(kBold, text);
}
std::string TextStyle::Good(std::string_view text) const {
  return Wrapped(kBoldGreen, text);
}
std::string TextStyle::Warning(std::string_view text) const {
  return Wrapped(kBoldYellow, text);
}
std::string TextStyle::Bad(std::string_view text) const {
  return Wrapped(kBoldRed, text);
}

std::string TextStyle::Colored(Severity severity, std::string_view text) const {
  switch (severity) {
    case Severity::kCritical:
      return Wrapped(kBoldRed, text);
    case Severity::kHigh:
      return Wrapped(kRed, text);
    case Severity::kMedium:
      return Wrapped(kYellow, text);
    case Severity::kLow:
      return Wrapped(kCyan, text);
    case Severity::kInfo:
      break;
  }
  return std::string(text);
}

std::string PathText(std::string_view path) {
  return Printable(path, std::string_view::npos);
}

std::string FieldText(std::string_view text) {
  return Printable(text, kMaxField);
}

std::vector<const Finding*> WorstFirst(const std::vector<Finding>& findings) {
  std::vector<const Finding*> sorted;
  sorted.reserve(findings.size());
  for (const Finding& finding : findings) sorted.push_back(&finding);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Finding* a, const Finding* b) {
                     return a->severity > b->severity;
                   });
  return sorted;
}

std::string WorstFirstKey(Severity severity) {
  return std::string(1, static_cast<char>('9' - static_cast<int>(severity)));
}

std::string StatusKey(OutcomeStatus status) {
  return std::string(1, static_cast<char>('A' + static_cast<int>(status)));
}

std::string FindingText(const Finding& finding, const TextStyle& style) {
  const std::string word =
      fmt::format("{:<{}}", SeverityName(finding.severity), kSeverityWidth);
  std::string out =
      fmt::format("  {}  {}: {}\n", style.Colored(finding.severity, word),
                  FieldText(finding.rule_id), FieldText(finding.message));
  std::string where;
  if (!finding.member.empty()) where = "in " + FieldText(finding.member);
  if (finding.offset != kNoOffset) {
    where +=
        fmt::format("{}at byte {}", where.empty() ? "" : " ", finding.offset);
  }
  if (finding.count > 1) {
    where +=
        fmt::format("{}{} times", where.empty() ? "" : ", ", finding.count);
  }
  if (!where.empty()) out += fmt::format("            {}\n", where);
  if (!finding.evidence.empty()) {
    out +=
        fmt::format("            evidence: {}\n", FieldText(finding.evidence));
  }
  return out;
}

std::string ReasonText(std::string_view why, std::string_view advice,
                       std::string_view reference, std::size_t indent) {
  std::string out;
  const auto line = [&](std::string_view text) {
    if (!text.empty()) out += fmt::format("{:{}}{}\n", "", indent, text);
  };
  line(FieldText(why));
  line(FieldText(advice));
  if (!reference.empty()) line("See " + FieldText(reference));
  return out;
}

std::string StatusText(const FileOutcome& outcome, const TextStyle& style) {
  const OutcomeStatus status = outcome.result.status;
  const std::string word =
      fmt::format("{:<{}}", OutcomeStatusName(status), kStatusWidth);
  std::string out =
      fmt::format("  {}  {}", IsIncomplete(status) ? style.Warning(word) : word,
                  PathText(outcome.path));
  if (!outcome.result.detail.empty()) {
    out += ": " + FieldText(outcome.result.detail);
  }
  std::string how;
  if (!outcome.ended.empty()) how = "worker ended: " + FieldText(outcome.ended);
  if (outcome.attempts > 1) {
    how +=
        fmt::format("{}{} attempts", how.empty() ? "" : ", ", outcome.attempts);
  }
  if (!how.empty()) out += fmt::format(" ({})", how);
  return out + '\n';
}

}  // namespace scanengine::cli
