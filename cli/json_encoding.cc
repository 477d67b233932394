#include "cli/json_encoding.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "cli/exit_code.h"
#include "cli/valid_text.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

// Keeps keys in the order in which they are added.
using Json = nlohmann::ordered_json;

// Strict: everything has been made valid. ASCII: C1 controls and the like in
// names cannot reach a terminal.
std::string Dump(const Json& json) { return json.dump(-1, ' ', true); }

Json Texts(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts) out.push_back(ValidText(text));
  return out;
}

// The path, and its bytes where text cannot hold them.
void AddPath(const std::string& path, Json& out) {
  out["path"] = ValidText(path, std::string::npos);
  if (!IsUtf8(path)) out["path_b64"] = Base64(path);
}

Json Encode(const Finding& finding) {
  Json out = Json::object();
  out["rule"] = ValidText(finding.rule_id);
  out["severity"] = SeverityName(finding.severity);
  out["message"] = ValidText(finding.message);
  out["member"] = ValidText(finding.member);
  out["offset"] = nullptr;
  if (finding.offset != kNoOffset) out["offset"] = finding.offset;
  out["evidence"] = ValidText(finding.evidence);
  out["count"] = finding.count;
  out["why"] = ValidText(finding.why);
  out["advice"] = ValidText(finding.advice);
  out["reference"] = ValidText(finding.reference);
  return out;
}

Json EncodeFacts(
    const std::vector<std::pair<std::string, std::string>>& facts) {
  // An array of pairs: names may repeat and their order means something.
  Json out = Json::array();
  for (const auto& [name, value] : facts) {
    out.push_back(Json::array({ValidText(name), ValidText(value)}));
  }
  return out;
}

Json Encode(const Asset& asset) {
  Json out = Json::object();
  out["member"] = ValidText(asset.member);
  out["format"] = ValidText(asset.format);
  out["bytes"] = asset.bytes;
  out["facts"] = EncodeFacts(asset.facts);
  return out;
}

Json Offset(std::uint64_t offset) {
  return offset == kNoOffset ? Json(nullptr) : Json(offset);
}

Json Encode(const InspectedImport& import) {
  Json out = Json::object();
  out["name"] = ValidText(import.name);
  out["written"] = ValidText(import.written);
  out["verdict"] = NameVerdictText(import.verdict);
  out["category"] = ValidText(import.category);
  out["effect"] = ValidText(import.effect);
  out["reference"] = ValidText(import.reference);
  out["offset"] = Offset(import.offset);
  out["imports"] = import.imports;
  out["calls"] = import.calls;
  out["by_attribute"] = import.by_attribute;
  return out;
}

Json Encode(const InspectedStep& step) {
  Json out = Json::object();
  out["offset"] = Offset(step.offset);
  out["action"] = StepActionText(step.action);
  out["verdict"] = NameVerdictText(step.verdict);
  out["value"] = step.value;
  out["within"] = step.within;
  out["text"] = ValidText(step.text);
  out["outcome"] = ValidText(step.outcome);
  out["chain"] = step.chain;
  return out;
}

Json Encode(const InspectedLine& line) {
  Json out = Json::object();
  out["depth"] = line.depth;
  out["text"] = ValidText(line.text);
  return out;
}

Json Encode(const InspectedOpcode& opcode) {
  Json out = Json::object();
  out["offset"] = opcode.offset;
  out["name"] = ValidText(opcode.name);
  out["operand"] = ValidText(opcode.operand);
  return out;
}

template <typename T>
Json EncodeAll(const std::vector<T>& records) {
  Json out = Json::array();
  for (const T& record : records) out.push_back(Encode(record));
  return out;
}

Json Encode(const InspectionSection& section) {
  Json out = Json::object();
  out["member"] = ValidText(section.member);
  out["kind"] = ValidText(section.kind);
  out["number"] = section.number;
  out["parent"] = section.parent;
  out["parent_offset"] = Offset(section.parent_offset);
  out["begin"] = section.begin;
  out["end"] = section.end;
  out["facts"] = EncodeFacts(section.facts);
  out["imports"] = EncodeAll(section.imports);
  out["steps"] = EncodeAll(section.steps);
  out["outline"] = EncodeAll(section.outline);
  out["opcodes"] = EncodeAll(section.opcodes);
  out["dropped"] = section.dropped;
  return out;
}

Json EncodeRun(const FileOutcome& outcome, IsolationMode isolation) {
  std::string_view mode = "none";
  if (outcome.in_process) {
    mode = IsolationModeName(IsolationMode::kInProcess);
  } else if (outcome.attempts > 0) {
    mode = IsolationModeName(isolation);
  }
  Json out = Json::object();
  out["ended"] = ValidText(outcome.ended);
  out["attempts"] = outcome.attempts;
  out["worker"] = outcome.worker;
  out["isolation"] = mode;
  out["resumed"] = outcome.resumed;
  out["cached"] = outcome.cached;
  out["duration_us"] = outcome.result.duration_us;
  out["peak_memory_bytes"] = outcome.result.peak_memory;
  return out;
}

// Busy processors on average, to a hundredth.
double CpuUtilisation(const RunSummary& summary) {
  if (summary.wall.count() <= 0) return 0;
  const double busy = static_cast<double>(summary.cpu.count()) /
                      static_cast<double>(summary.wall.count());
  return std::round(busy * 100) / 100;
}

}  // namespace

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 |
              (j < have ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= have ? kDigits[group >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return out;
}

std::string JsonString(std::string_view bytes) {
  return Dump(Json(ValidText(bytes)));
}

namespace {

Json FileObject(const FileOutcome& outcome, IsolationMode isolation,
                bool with_run, bool with_type) {
  const ScanReply& result = outcome.result;
  Json out = Json::object();
  if (with_type) out["type"] = "file";
  AddPath(outcome.path, out);
  out["format"] = ValidText(result.format);
  out["status"] = OutcomeStatusName(result.status);
  out["detail"] = ValidText(result.detail);
  out["bytes"] = result.bytes;
  out["scanners"] = Texts(result.scanners);
  out["findings"] = Json::array();
  for (const Finding& finding : result.findings) {
    out["findings"].push_back(Encode(finding));
  }
  out["assets"] = Json::array();
  for (const Asset& asset : result.assets) {
    out["assets"].push_back(Encode(asset));
  }
  if (with_run) out["run"] = EncodeRun(outcome, isolation);
  return out;
}

}  // namespace

std::string FileJson(const FileOutcome& outcome, IsolationMode isolation,
                     bool with_run, bool with_type) {
  return Dump(FileObject(outcome, isolation, with_run, with_type));
}

std::string InspectedFileJson(const FileOutcome& outcome,
                              IsolationMode isolation) {
  const Inspection& inspection = outcome.result.inspection;
  Json out = FileObject(outcome, isolation, /*with_run=*/true,
                        /*with_type=*/false);
  out["truncated"] = inspection.truncated;
  out["sections"] = Json::array();
  for (const InspectionSection& section : inspection.sections) {
    out["sections"].push_back(Encode(section));
  }
  return Dump(out);
}

std::string RunJson(const RunSummary& summary, const ReportOptions& options) {
  Json out = Json::object();
  out["tool"] = "scanengine";
  out["version"] = ValidText(options.version);
  out["started"] = ValidText(options.started);
  out["duration_us"] = summary.wall.count();
  out["stopped"] = summary.stopped;
  out["resumed"] = summary.resumed;
  out["cached"] = summary.cached;
  out["scanned"] = summary.scanned;
  out["parallel_scan"] = summary.worker_count > 1;
  out["worker_count"] = summary.worker_count;
  out["workers_started"] = summary.workers_started;
  out["isolation"] = IsolationModeName(summary.isolation);
  out["degraded"] = summary.degraded;
  out["degraded_reason"] = ValidText(summary.degraded_reason);
  out["fewer_workers_reason"] = ValidText(summary.fewer_workers_reason);
  out["crashes"] = summary.crashes;
  out["respawns"] = summary.respawns;
  out["retries"] = summary.retries;
  out["timeouts"] = summary.timeouts;
  out["fallback_count"] = summary.fallbacks;
  out["recycled"] = summary.recycled;
  out["peak_memory_bytes"] = summary.peak_memory;
  out["serialising_us"] = summary.serialising.count();
  out["cpu_us"] = summary.cpu.count();
  out["cpu_utilisation"] = CpuUtilisation(summary);
  out["sandbox"] = {{"active", Texts(summary.sandbox_active)},
                    {"missing", Texts(summary.sandbox_missing)}};
  return Dump(out);
}

std::string TotalsJson(const RunSummary& summary, bool require_complete) {
  Json out = Json::object();
  out["files"] = summary.files;
  out["complete"] = IsComplete(summary, require_complete);
  out["by_status"] = Json::object();
  for (std::size_t i = 0; i < summary.by_status.size(); ++i) {
    const auto status = static_cast<OutcomeStatus>(i);
    out["by_status"][std::string(OutcomeStatusName(status))] =
        summary.by_status[i];
  }
  out["bytes"] = summary.bytes;
  out["findings"] = Json::object();
  for (std::size_t i = summary.findings_by_severity.size(); i-- > 0;) {
    const auto severity = static_cast<Severity>(i);
    out["findings"][std::string(SeverityName(severity))] =
        summary.findings_by_severity[i];
  }
  out["scanner_names"] = Texts(summary.scanners);
  return Dump(out);
}

std::string IssueJson(const IssueKey& key, const Issue& issue) {
  Json out = Json::object();
  out["rule"] = ValidText(key.rule_id);
  out["severity"] = SeverityName(key.severity);
  out["message"] = ValidText(key.message);
  out["member"] = ValidText(key.member);
  out["evidence"] = ValidText(key.evidence);
  out["count"] = issue.findings;
  out["file_count"] = issue.file_count;
  out["files"] = Json::array();
  for (const std::string& path : issue.files) {
    out["files"].push_back(ValidText(path, std::string::npos));
  }
  return Dump(out);
}

}  // namespace scanengine::cli
