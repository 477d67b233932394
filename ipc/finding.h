#ifndef SCANENGINE_IPC_FINDING_H_
#define SCANENGINE_IPC_FINDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace scanengine {

/// How bad a finding is. Ordered: a larger value is worse. Values go over the
/// wire; append only.
enum class Severity : std::uint8_t {
  kInfo = 0,
  kLow = 1,
  kMedium = 2,
  kHigh = 3,
  kCritical = 4,
};

/// "critical", "high", "medium", "low", "info".
std::string_view SeverityName(Severity severity);
/// The reverse; nothing if |name| is none of them.
std::optional<Severity> ParseSeverity(std::string_view name);

/// One kind of finding, documented once. Scanners define their rules as
/// constants; ids are stable and lower-case-with-dashes.
struct Rule {
  std::string_view id;
  Severity severity;        ///< What Report() uses unless told otherwise.
  std::string_view title;   ///< What was found, for people; no final period.
  std::string_view why;     ///< Why it matters. One or two sentences.
  std::string_view advice;  ///< What to do now. One sentence.
  std::string_view reference = {};  ///< CWE or CVE ids, blank-separated.
};

/// No offset: the finding is about the file or member as a whole.
inline constexpr std::uint64_t kNoOffset = ~std::uint64_t{0};

/// Something that a scanner saw in a file's bytes.
struct Finding {
  std::string rule_id;
  Severity severity = Severity::kInfo;
  std::string message;  ///< One line: what, concretely.
  std::string member;   ///< Chain inside containers, "inner.tar!data.pkl".
  std::uint64_t offset = kNoOffset;  ///< In the member's (unpacked) bytes.
  std::string evidence;  ///< Bounded, printable excerpt; may be empty.
  std::string why;
  std::string advice;
  std::string reference;
  std::uint32_t count = 1;  ///< Identical findings merged into this one.

  bool operator==(const Finding&) const = default;
};

/// A thing of interest that a file holds (a tensor table, a list of imports),
/// as facts for inventories. Not a judgement.
struct Asset {
  std::string member;  ///< Empty for the file itself.
  std::string format;
  std::uint64_t bytes = 0;
  std::vector<std::pair<std::string, std::string>> facts;

  bool operator==(const Asset&) const = default;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_FINDING_H_
