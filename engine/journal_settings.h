#ifndef SCANENGINE_ENGINE_JOURNAL_SETTINGS_H_
#define SCANENGINE_ENGINE_JOURNAL_SETTINGS_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/journal_format.h"
#include "engine/scan_engine.h"

namespace scanengine {

/// How a run with these options, the compiled |import_policy| and these
/// scanners is called. The run's id and start are not set.
JournalSession DescribeRun(const ScanOptions& options,
                           std::span<const std::byte> import_policy,
                           const std::vector<FormatInfo>& formats);

/// What became different from one session to the next.
struct SettingsChange {
  bool rules = false;
  bool effort = false;
  bool selection = false;
  /// "--timeout was 60000 ms and is 1000 ms"; the first few.
  std::string text;

  bool any() const { return rules || effort || selection; }
};
SettingsChange CompareSettings(const JournalSession& before,
                               const JournalSession& now);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_JOURNAL_SETTINGS_H_
