#include "ipc/inspection.h"

namespace scanengine {
namespace {

// A number, a count and what rounding up costs.
constexpr std::size_t kFixedBytes = 64;

}  // namespace

std::string_view NameVerdictText(NameVerdict verdict) {
  switch (verdict) {
    case NameVerdict::kNone:
      return "";
    case NameVerdict::kVetted:
      return "vetted";
    case NameVerdict::kKnownLibrary:
      return "known-library";
    case NameVerdict::kUnvetted:
      return "unvetted";
    case NameVerdict::kDangerous:
      return "dangerous";
    case NameVerdict::kUnresolved:
      return "unresolved";
  }
  return "";
}

std::string_view StepActionText(StepAction action) {
  switch (action) {
    case StepAction::kCall:
      return "call";
    case StepAction::kState:
      return "state";
    case StepAction::kItems:
      return "items";
    case StepAction::kModify:
      return "modify";
    case StepAction::kPersistent:
      return "persistent";
    case StepAction::kProblem:
      return "problem";
  }
  return "";
}

std::size_t WireSize(const InspectedImport& import) {
  return kFixedBytes + import.name.size() + import.written.size() +
         import.category.size() + import.effect.size() +
         import.reference.size();
}

std::size_t WireSize(const InspectedStep& step) {
  return kFixedBytes + step.text.size() + step.outcome.size() +
         sizeof(std::uint32_t) * step.chain.size();
}

std::size_t WireSize(const InspectedLine& line) { return 8 + line.text.size(); }

std::size_t WireSize(const InspectedOpcode& opcode) {
  return 16 + opcode.name.size() + opcode.operand.size();
}

std::size_t WireSizeOfHead(const InspectionSection& section) {
  std::size_t size =
      2 * kFixedBytes + section.member.size() + section.kind.size();
  for (const auto& [name, value] : section.facts) {
    size += 8 + name.size() + value.size();
  }
  return size;
}

std::size_t WireSize(const InspectionSection& section) {
  const auto sum = [](const auto& records) {
    std::size_t size = 0;
    for (const auto& record : records) size += WireSize(record);
    return size;
  };
  return WireSizeOfHead(section) + sum(section.imports) + sum(section.steps) +
         sum(section.outline) + sum(section.opcodes);
}

std::size_t WireSize(const Inspection& inspection) {
  std::size_t size = 8;
  for (const InspectionSection& section : inspection.sections) {
    size += WireSize(section);
  }
  return size;
}

bool MatchesGlob(std::string_view glob, std::string_view text) {
  std::size_t at = 0;
  std::size_t in_glob = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_at = 0;
  while (at < text.size()) {
    const bool more = in_glob < glob.size();
    if (more && glob[in_glob] == '*') {
      star = in_glob++;
      star_at = at;
    } else if (more && (glob[in_glob] == '?' || glob[in_glob] == text[at])) {
      ++in_glob;
      ++at;
    } else if (star != std::string_view::npos) {
      // The last star takes one byte more.
      in_glob = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (in_glob < glob.size() && glob[in_glob] == '*') ++in_glob;
  return in_glob == glob.size();
}

bool WantsMember(std::string_view glob, std::string_view member) {
  if (glob.empty() || MatchesGlob(glob, member)) return true;
  if (glob.find_first_of("/!") != std::string_view::npos) return false;
  const std::size_t last = member.find_last_of("/!");
  return last != std::string_view::npos &&
         MatchesGlob(glob, member.substr(last + 1));
}

}  // namespace scanengine
