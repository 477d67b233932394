#include "cli/verify_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/json_encoding.h"
#include "cli/parse_values.h"
#include "cli/valid_text.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostLines = 20;
constexpr std::size_t kMaxPathBytes = 4096;

std::string_view VerdictName(JournalCheck::Verdict verdict) {
  switch (verdict) {
    case JournalCheck::Verdict::kFine:
      return "complete";
    case JournalCheck::Verdict::kIncomplete:
      return "incomplete";
    case JournalCheck::Verdict::kWrong:
      break;
  }
  return "wrong";
}

std::string PathsText(std::string_view what, const JournalPaths& paths) {
  if (paths.count == 0) return {};
  std::string text = fmt::format("{}: {}\n", what, paths.count);
  std::size_t lines = 0;
  for (const std::string& path : paths.shown) {
    if (++lines > kMostLines) break;
    text += fmt::format("  {}\n", Printable(path, kMaxPathBytes));
  }
  if (paths.count > kMostLines) {
    text += fmt::format("  and {} more\n", paths.count - kMostLines);
  }
  return text;
}

std::string TailText(const JournalTail& tail) {
  switch (tail.kind) {
    case JournalTail::Kind::kWhole:
      return {};
    case JournalTail::Kind::kTorn:
      return fmt::format("torn at byte {} ({}): {} bytes do not count\n",
                         tail.place, tail.why, tail.dropped);
    case JournalTail::Kind::kDamaged:
      break;
  }
  return fmt::format("DAMAGED at byte {} ({}): {} bytes do not count\n",
                     tail.place, tail.why, tail.dropped);
}

Json PathsJson(const JournalPaths& paths) {
  Json out = Json::object();
  out["count"] = paths.count;
  out["first"] = Json::array();
  for (const std::string& path : paths.shown) {
    Json item = Json::object();
    item["path"] = ValidText(path, std::string::npos);
    if (!IsUtf8(path)) item["path_b64"] = Base64(path);
    out["first"].push_back(std::move(item));
  }
  return out;
}

Json TotalsOf(const JournalEnd& end) {
  Json out = Json::object();
  out["files"] = end.files;
  out["by_status"] = Json::object();
  for (std::size_t i = 0; i < end.by_status.size(); ++i) {
    const auto status = static_cast<OutcomeStatus>(i);
    out["by_status"][std::string(OutcomeStatusName(status))] = end.by_status[i];
  }
  out["findings"] = Json::object();
  for (std::size_t i = end.findings_by_severity.size(); i-- > 0;) {
    const auto severity = static_cast<Severity>(i);
    out["findings"][std::string(SeverityName(severity))] =
        end.findings_by_severity[i];
  }
  out["bytes"] = end.bytes;
  return out;
}

std::string_view TailName(JournalTail::Kind kind) {
  switch (kind) {
    case JournalTail::Kind::kWhole:
      return "whole";
    case JournalTail::Kind::kTorn:
      return "torn";
    case JournalTail::Kind::kDamaged:
      break;
  }
  return "damaged";
}

}  // namespace

Result<VerifyRequest> ParseVerify(std::span<const std::string> args) {
  const auto invalid = [](std::string text) {
    return Error{ErrorCode::kInvalidArgument, std::move(text)};
  };
  VerifyRequest request;
  bool only_names = false;
  for (const std::string& arg : args) {
    if (!only_names && arg == "--") {
      only_names = true;
    } else if (!only_names && arg == "--json") {
      request.json = true;
    } else if (!only_names && (arg == "--help" || arg == "-h")) {
      request.help = true;
    } else if (!only_names && arg.size() > 1 && arg[0] == '-') {
      return invalid(fmt::format("verify: unknown option {}", Quoted(arg)));
    } else if (arg.empty() || !request.journal.empty()) {
      return invalid("verify: takes one JOURNAL");
    } else {
      request.journal = arg;
    }
  }
  if (!request.help && request.journal.empty()) {
    return invalid(
        "verify: no JOURNAL given (for a file named verify: "
        "./verify)");
  }
  return request;
}

std::string VerifyHelp() {
  return "Usage: scanengine verify [--json] JOURNAL\n\n"
         "Checks that every file that a journal lists has exactly one final\n"
         "outcome, that no record is damaged and that the totals add up, and\n"
         "says what is not so.\n\n"
         "Exit codes: 0 all is well; 2 files without an outcome, or the run\n"
         "did not come to its end (scan --resume goes on with it); 3 wrong\n"
         "usage, or no such file; 4 damaged, no journal or contradictory.\n";
}

ExitCode VerifyExitCode(const JournalCheck& check) {
  switch (check.verdict()) {
    case JournalCheck::Verdict::kFine:
      return ExitCode::kClean;
    case JournalCheck::Verdict::kIncomplete:
      return ExitCode::kIncomplete;
    case JournalCheck::Verdict::kWrong:
      break;
  }
  return ExitCode::kUnable;
}

std::string VerifyText(const std::string& journal, const JournalCheck& check) {
  std::string text = fmt::format("journal: {}\n", Printable(journal, 4096));
  for (const std::string& root : check.session.roots) {
    text += fmt::format("scanned: {}\n", Printable(root, kMaxPathBytes));
  }
  text += fmt::format("sessions: {}, the last one {}\n", check.sessions,
                      !check.end            ? "without an end"
                      : check.end->complete ? "ended"
                                            : "was stopped");
  text += fmt::format("listed: {} files\noutcomes: {}\n", check.listed,
                      check.found.files);
  text += PathsText("without an outcome", check.without_outcome);
  text += PathsText("with several outcomes", check.with_several);
  text += PathsText("with an outcome but not listed", check.not_listed);
  for (const std::string& difference : check.differences) {
    text += fmt::format("totals differ: {}\n", difference);
  }
  text += TailText(check.tail);
  text += fmt::format("{}\n", VerdictName(check.verdict()));
  return text;
}

std::string VerifyJson(const std::string& journal, const JournalCheck& check) {
  Json out = Json::object();
  out["schema"] = "scanengine-verify/1";
  out["journal"] = ValidText(journal, std::string::npos);
  out["verdict"] = VerdictName(check.verdict());
  out["run"] = RunIdText(check.session.run);
  out["started"] = ValidText(check.session.started);
  out["sessions"] = check.sessions;
  out["listed"] = check.listed;
  out["found"] = TotalsOf(check.found);
  out["without_outcome"] = PathsJson(check.without_outcome);
  out["with_several"] = PathsJson(check.with_several);
  out["not_listed"] = PathsJson(check.not_listed);
  out["end"] = nullptr;
  if (check.end) {
    out["end"] = TotalsOf(*check.end);
    out["end"]["complete"] = check.end->complete;
  }
  out["differences"] = Json::array();
  for (const std::string& difference : check.differences) {
    out["differences"].push_back(difference);
  }
  Json tail = Json::object();
  tail["state"] = TailName(check.tail.kind);
  tail["place"] = check.tail.place;
  tail["dropped"] = check.tail.dropped;
  tail["why"] = ValidText(check.tail.why);
  out["tail"] = std::move(tail);
  return out.dump(2, ' ', true) + '\n';
}

}  // namespace scanengine::cli
