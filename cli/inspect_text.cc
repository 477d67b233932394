#include "cli/inspect_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ipc/text.h"

namespace scanengine::cli {
namespace {

constexpr std::uint16_t kMaxDepth = 40;  // Of indentation.

std::string Colored(const TextStyle& style, NameVerdict verdict,
                    std::string_view text) {
  switch (verdict) {
    case NameVerdict::kDangerous:
      return style.Bad(text);
    case NameVerdict::kUnresolved:
    case NameVerdict::kUnvetted:
      return style.Warning(text);
    default:
      return std::string(text);
  }
}

std::string AtText(std::uint64_t offset) {
  return offset == kNoOffset ? std::string() : fmt::format("@{}", offset);
}

void AppendImport(const InspectedImport& import, const TextStyle& style,
                  std::string* out) {
  *out += fmt::format(
      "      {} {}",
      Colored(style, import.verdict,
              fmt::format("{:<13}", NameVerdictText(import.verdict))),
      FieldText(import.name));
  if (!import.category.empty()) {
    *out += fmt::format(" ({}", FieldText(import.category));
    if (!import.effect.empty()) {
      *out += fmt::format(": {}", FieldText(import.effect));
    }
    *out += ')';
  }
  if (!import.written.empty()) {
    *out += fmt::format(", written {}", FieldText(import.written));
  }
  if (import.offset != kNoOffset) *out += ", " + AtText(import.offset);
  if (import.by_attribute) *out += " by attribute";
  if (import.imports > 1) *out += fmt::format(", {} times", import.imports);
  if (import.calls > 0) {
    *out += fmt::format(
        ", called {}",
        import.calls == 1 ? "once" : fmt::format("{} times", import.calls));
  }
  if (!import.reference.empty()) {
    *out += fmt::format(" [{}]", FieldText(import.reference));
  }
  *out += '\n';
}

void AppendStep(const InspectedStep& step, const TextStyle& style,
                std::string* out) {
  *out += fmt::format("      {:<9} ", AtText(step.offset));
  if (step.action == StepAction::kProblem) {
    *out += style.Warning("problem: " + FieldText(step.text)) + '\n';
    return;
  }
  if (step.value != 0) *out += fmt::format("v{} = ", step.value);
  const bool quiet = step.verdict == NameVerdict::kNone ||
                     step.verdict == NameVerdict::kVetted;
  *out += Colored(style, step.verdict, FieldText(step.text));
  std::string notes;
  const auto note = [&notes](const std::string& text) {
    notes += (notes.empty() ? "  # " : "; ") + text;
  };
  if (!quiet) note(std::string(NameVerdictText(step.verdict)));
  if (!step.outcome.empty()) note("gives " + FieldText(step.outcome));
  if (step.within != 0) note(fmt::format("called by v{}", step.within));
  if (!quiet && !step.chain.empty()) {
    std::string chain;
    for (const std::uint32_t value : step.chain) {
      chain += fmt::format("{}v{}", chain.empty() ? "" : ", ", value);
    }
    note("from " + chain);
  }
  *out += notes + '\n';
}

std::string SectionTitle(const InspectionSection& section, std::size_t number) {
  std::string title = fmt::format("[{}] ", number);
  if (section.parent_offset != kNoOffset) {
    title += fmt::format("string at {} of [{}]: ", section.parent_offset,
                         section.parent);
  } else if (section.parent != 0) {
    title += fmt::format("inside [{}]: ", section.parent);
  } else if (!section.member.empty()) {
    title += FieldText(section.member) + ": ";
  }
  title += FieldText(section.kind);
  if (section.number > 1) title += fmt::format(" {}", section.number);
  if (section.end > section.begin) {
    title += fmt::format(", bytes {} to {}", section.begin, section.end);
  }
  for (const auto& [name, value] : section.facts) {
    title += fmt::format(", {} {}", FieldText(name), FieldText(value));
  }
  return title;
}

void AppendSection(const InspectionSection& section, std::size_t number,
                   const TextStyle& style, std::string* out) {
  *out += "  " + style.Strong(SectionTitle(section, number)) + '\n';
  if (!section.imports.empty()) {
    *out += fmt::format("    imports: {}\n", section.imports.size());
    for (const InspectedImport& import : section.imports) {
      AppendImport(import, style, out);
    }
  }
  if (!section.steps.empty()) {
    *out += "    what it does\n";
    for (const InspectedStep& step : section.steps) {
      AppendStep(step, style, out);
    }
  }
  if (!section.outline.empty()) {
    *out += section.kind == "pickle" ? "    what it makes\n" : "    content\n";
    for (const InspectedLine& line : section.outline) {
      const std::uint16_t depth = std::min(line.depth, kMaxDepth);
      out->append(6 + 2U * depth, ' ');
      *out += FieldText(line.text) + '\n';
    }
  }
  if (!section.opcodes.empty()) {
    *out += "    opcodes\n";
    for (const InspectedOpcode& opcode : section.opcodes) {
      *out +=
          fmt::format("      {:>9} {}", opcode.offset, FieldText(opcode.name));
      if (!opcode.operand.empty()) *out += ' ' + FieldText(opcode.operand);
      *out += '\n';
    }
  }
  if (section.dropped != 0) {
    *out += style.Warning(fmt::format("    not shown: {} more of this section",
                                      section.dropped)) +
            '\n';
  }
}

void AppendAsset(const Asset& asset, std::string* out) {
  *out += "  ";
  if (!asset.member.empty()) *out += FieldText(asset.member) + ": ";
  *out +=
      fmt::format("{}, {}\n", FieldText(asset.format), HumanSize(asset.bytes));
  for (const auto& [name, value] : asset.facts) {
    *out += fmt::format("      {}: {}\n", FieldText(name), FieldText(value));
  }
}

std::string FindingCounts(const std::vector<Finding>& findings) {
  std::array<std::uint64_t, 5> counts{};
  for (const Finding& finding : findings) {
    ++counts[static_cast<std::size_t>(finding.severity)];
  }
  std::string text;
  for (std::size_t i = counts.size(); i-- > 0;) {
    if (counts[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts[i],
                        SeverityName(static_cast<Severity>(i)));
  }
  return text;
}

}  // namespace

std::string InspectedFileText(const FileOutcome& outcome,
                              const TextStyle& style) {
  const ScanReply& result = outcome.result;
  std::string text = style.Strong(PathText(outcome.path)) + ": ";
  if (!result.format.empty()) text += FieldText(result.format) + ", ";
  text += HumanSize(result.bytes);
  if (result.status != OutcomeStatus::kScanned) {
    text += ", " + style.Warning(OutcomeStatusName(result.status));
    if (!result.detail.empty()) text += ": " + FieldText(result.detail);
    if (!outcome.ended.empty()) {
      text += fmt::format(" ({})", FieldText(outcome.ended));
    }
  }
  if (outcome.in_process) text += " (in-process: without isolation)";
  text += '\n';
  for (const Asset& asset : result.assets) AppendAsset(asset, &text);
  std::size_t number = 0;
  for (const InspectionSection& section : result.inspection.sections) {
    AppendSection(section, ++number, style, &text);
  }
  if (!result.findings.empty()) {
    text += fmt::format("  findings: {} (scanengine scan tells them)\n",
                        FindingCounts(result.findings));
  }
  if (result.inspection.truncated) {
    text +=
        "  " +
        style.Warning("cut short: there is more in the file than is shown") +
        '\n';
  }
  return text + '\n';
}

}  // namespace scanengine::cli
