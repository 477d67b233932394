#include "cli/doctor_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/valid_text.h"

namespace scanengine::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string StateText(CheckState state, const TextStyle& style) {
  const std::string padded = fmt::format("{:<7}", CheckStateName(state));
  switch (state) {
    case CheckState::kOk:
      return style.Good(padded);
    case CheckState::kWeaker:
      return style.Warning(padded);
    case CheckState::kMissing:
      break;
  }
  return style.Bad(padded);
}

std::string ChecksText(const Diagnosis& diagnosis, const TextStyle& style) {
  std::string out = style.Strong("Machine") + '\n';
  for (const DoctorCheck& check : diagnosis.checks) {
    out += fmt::format("  {} {:<16}  {}\n", StateText(check.state, style),
                       check.name, FieldText(check.found));
    for (const std::string& more : {check.consequence, check.advice}) {
      if (!more.empty()) {
        out += fmt::format("{:28}{}\n", "", FieldText(more));
      }
    }
  }
  return out;
}

std::string WorkersText(const Diagnosis& diagnosis, const TextStyle& style) {
  return fmt::format("\n{}\n  {}: {}\n", style.Strong("Workers"),
                     diagnosis.workers.count, FieldText(diagnosis.workers.why));
}

std::string RoundTripText(const RoundTrip& round_trip, const TextStyle& style) {
  std::string out = '\n' + style.Strong("A worker's life") + '\n';
  for (const RoundTripStep& step : round_trip.steps) {
    out += fmt::format("  {} {:<20} {:>10.3f} ms  {}\n",
                       step.ok ? style.Good("ok    ") : style.Bad("failed"),
                       step.name, static_cast<double>(step.time.count()) / 1000,
                       FieldText(step.detail));
  }
  const auto list = [&](const char* name,
                        const std::vector<std::string>& parts) {
    std::string joined;
    for (const std::string& part : parts) {
      joined += (joined.empty() ? "" : ", ") + FieldText(part);
    }
    if (!joined.empty()) out += fmt::format("  {} {}\n", name, joined);
  };
  list("sandbox in force:", round_trip.sandbox_active);
  list("sandbox lacks:", round_trip.sandbox_missing);
  return out;
}

std::string VerdictLine(Fitness fitness, const TextStyle& style) {
  switch (fitness) {
    case Fitness::kFull:
      return style.Good("CAPABLE: scans run with full isolation");
    case Fitness::kWeaker:
      return style.Warning(
          "WEAKER: scans work, with what is said above; --require-sandbox "
          "makes a part of the sandbox that is missing an error");
    case Fitness::kUnable:
      break;
  }
  return style.Bad(
      "UNABLE: no worker can be had; scans would go on in this process, "
      "without isolation, or with --require-isolation not at all");
}

Json TextList(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push_back(ValidText(text));
  return list;
}

}  // namespace

std::string DoctorText(const Diagnosis& diagnosis, const TextStyle& style) {
  return ChecksText(diagnosis, style) + WorkersText(diagnosis, style) +
         RoundTripText(diagnosis.round_trip, style) + '\n' +
         VerdictLine(diagnosis.fitness, style) + '\n';
}

std::string DoctorJson(const Diagnosis& diagnosis, std::string_view version) {
  Json out;
  out["schema"] = "scanengine-doctor/1";
  out["version"] = version;
  out["verdict"] = FitnessName(diagnosis.fitness);
  out["checks"] = Json::array();
  for (const DoctorCheck& check : diagnosis.checks) {
    out["checks"].push_back({{"name", check.name},
                             {"state", CheckStateName(check.state)},
                             {"vital", check.vital},
                             {"found", ValidText(check.found)},
                             {"consequence", ValidText(check.consequence)},
                             {"advice", ValidText(check.advice)}});
  }
  out["workers"] = {{"count", diagnosis.workers.count},
                    {"why", ValidText(diagnosis.workers.why)},
                    {"shortage", ValidText(diagnosis.workers.shortage)}};
  const RoundTrip& round_trip = diagnosis.round_trip;
  Json steps = Json::array();
  for (const RoundTripStep& step : round_trip.steps) {
    steps.push_back({{"name", step.name},
                     {"ok", step.ok},
                     {"duration_us", step.time.count()},
                     {"detail", ValidText(step.detail)}});
  }
  out["round_trip"] = {{"complete", round_trip.complete},
                       {"steps", std::move(steps)}};
  out["sandbox"] = {{"active", TextList(round_trip.sandbox_active)},
                    {"missing", TextList(round_trip.sandbox_missing)}};
  return out.dump(1) + '\n';
}

ExitCode DoctorExitCode(Fitness fitness) {
  switch (fitness) {
    case Fitness::kFull:
      return ExitCode::kClean;
    case Fitness::kWeaker:
      return ExitCode::kIncomplete;
    case Fitness::kUnable:
      break;
  }
  return ExitCode::kUnable;
}

}  // namespace scanengine::cli
