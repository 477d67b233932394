#include "ipc/outcome.h"

#include <array>

#include "ipc/check.h"

namespace scanengine {
namespace {

struct StatusTraits {
  std::string_view name;
  bool incomplete;
  int weight;  // Higher: says more of what was missed (WorseStatus).
};

// Indexed by OutcomeStatus.
constexpr std::array<StatusTraits, kOutcomeStatusCount> kStatuses{{
    {"scanned", false, 1},
    {"unsupported", true, 2},
    {"not-a-model", false, 0},
    {"encrypted", true, 3},
    {"limit", true, 4},
    {"unreadable", true, 6},
    {"changed", true, 7},
    {"skipped", false, 0},
    {"timed-out", true, 5},
    {"crashed", true, 9},
    {"out-of-memory", true, 8},
    {"sandbox-violation", true, 10},
    {"protocol", true, 11},
    {"cancelled", true, 12},
    {"not-run", true, 13},
}};

const StatusTraits& Traits(OutcomeStatus status) {
  const auto index = static_cast<std::size_t>(status);
  SCANENGINE_CHECK(index < kStatuses.size());
  return kStatuses[index];
}

constexpr std::array<std::string_view, 5> kSeverities{"info", "low", "medium",
                                                      "high", "critical"};

}  // namespace

std::string_view OutcomeStatusName(OutcomeStatus status) {
  return Traits(status).name;
}

bool IsIncomplete(OutcomeStatus status) { return Traits(status).incomplete; }

OutcomeStatus WorseStatus(OutcomeStatus a, OutcomeStatus b) {
  return Traits(b).weight > Traits(a).weight ? b : a;
}

std::string_view SeverityName(Severity severity) {
  const auto index = static_cast<std::size_t>(severity);
  SCANENGINE_CHECK(index < kSeverities.size());
  return kSeverities[index];
}

std::optional<Severity> ParseSeverity(std::string_view name) {
  for (std::size_t i = 0; i < kSeverities.size(); ++i) {
    if (kSeverities[i] == name) return static_cast<Severity>(i);
  }
  return std::nullopt;
}

std::size_t WireSize(const ScanReply& reply) {
  std::size_t size = 256 + reply.detail.size() + WireSize(reply.inspection);
  for (const Finding& f : reply.findings) {
    size += 128 + f.message.size() + f.member.size() + f.evidence.size() +
            f.why.size() + f.advice.size() + f.reference.size();
  }
  for (const Asset& asset : reply.assets) {
    size += 64 + asset.member.size();
    for (const auto& [key, value] : asset.facts) {
      size += 16 + key.size() + value.size();
    }
  }
  return size;
}

}  // namespace scanengine
