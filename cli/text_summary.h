#ifndef SCANENGINE_CLI_TEXT_SUMMARY_H_
#define SCANENGINE_CLI_TEXT_SUMMARY_H_

#include <cstdint>
#include <string>

#include "cli/report.h"
#include "cli/text_style.h"
#include "engine/scan_engine.h"

namespace scanengine::cli {

/// "1,234,567".
std::string Grouped(std::uint64_t number);

/// The block of figures at the end of the text report.
std::string SummaryText(const RunSummary& summary, const TextStyle& style);

/// The last line. Says "clean" only if everything was scanned to its end and
/// nothing at or above --fail-on was found. |files_with_findings| counts files
/// with such findings.
std::string VerdictText(const RunSummary& summary, const ReportOptions& options,
                        std::uint64_t files_with_findings,
                        const TextStyle& style);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_TEXT_SUMMARY_H_
