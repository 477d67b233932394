#ifndef SCANENGINE_CLI_TEXT_STYLE_H_
#define SCANENGINE_CLI_TEXT_STYLE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/scan_engine.h"

/// Pieces of the text report. Everything that comes from a file or a worker is
/// made printable: no name or evidence can forge a line or drive a terminal.
namespace scanengine::cli {

/// Colors and weights, or nothing of the kind.
class TextStyle {
 public:
  explicit TextStyle(bool color) : color_(color) {}

  std::string Strong(std::string_view text) const;
  std::string Good(std::string_view text) const;
  std::string Warning(std::string_view text) const;
  std::string Bad(std::string_view text) const;
  /// |text| in the color of |severity|.
  std::string Colored(Severity severity, std::string_view text) const;

 private:
  std::string Wrapped(std::string_view code, std::string_view text) const;

  bool color_;
};

/// A path, whole and on one line.
std::string PathText(std::string_view path);
/// Any other text of a worker, bounded and on one line.
std::string FieldText(std::string_view text);

/// Worst first; what is equally bad keeps its order.
std::vector<const Finding*> WorstFirst(const std::vector<Finding>& findings);

// Prefixes of keys for SortedRecords.
std::string WorstFirstKey(Severity severity);
std::string StatusKey(OutcomeStatus status);

/// A finding below its file.
std::string FindingText(const Finding& finding, const TextStyle& style);

/// Why it matters and what to do, a line each, after |indent| blanks.
std::string ReasonText(std::string_view why, std::string_view advice,
                       std::string_view reference, std::size_t indent);

/// A file that was not scanned to its end: status, path, reason.
std::string StatusText(const FileOutcome& outcome, const TextStyle& style);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_TEXT_STYLE_H_
