#ifndef SCANENGINE_CLI_JSON_ENCODING_H_
#define SCANENGINE_CLI_JSON_ENCODING_H_

#include <string>
#include <string_view>

#include "cli/issue_index.h"
#include "cli/report.h"
#include "engine/scan_engine.h"

/// The pieces of the JSON reports, each on one line of ASCII: whatever bytes
/// names and findings hold, the output is valid JSON and harmless in a
/// terminal.
namespace scanengine::cli {

/// Version of the schema. Raise the number when a field changes its meaning or
/// goes away; new fields do not count.
inline constexpr std::string_view kReportSchema = "scanengine-report/1";

/// RFC 4648, with padding.
std::string Base64(std::string_view bytes);

/// A JSON string literal with its quotes.
std::string JsonString(std::string_view bytes);

/// The same for what inspect prints.
inline constexpr std::string_view kInspectSchema = "scanengine-inspect/1";

/// One file. Without |with_run|: nothing that differs between runs. With
/// |with_type|: "type":"file" comes first.
std::string FileJson(const FileOutcome& outcome, IsolationMode isolation,
                     bool with_run, bool with_type);

/// One file with its inspection.
std::string InspectedFileJson(const FileOutcome& outcome,
                              IsolationMode isolation);

/// The run as a whole: everything that differs between runs.
std::string RunJson(const RunSummary& summary, const ReportOptions& options);

/// Totals that do not differ between runs.
std::string TotalsJson(const RunSummary& summary, bool require_complete);

/// One issue.
std::string IssueJson(const IssueKey& key, const Issue& issue);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_JSON_ENCODING_H_
