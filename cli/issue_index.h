#ifndef SCANENGINE_CLI_ISSUE_INDEX_H_
#define SCANENGINE_CLI_ISSUE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "engine/scan_engine.h"

namespace scanengine::cli {

/// What makes two findings of different files the same issue. Worst first.
struct IssueKey {
  Severity severity = Severity::kInfo;
  std::string rule_id;
  std::string message;
  std::string member;
  std::string evidence;

  bool operator<(const IssueKey& other) const {
    return std::tie(other.severity, rule_id, message, member, evidence) <
           std::tie(severity, other.rule_id, other.message, other.member,
                    other.evidence);
  }
};

/// One issue of the whole run.
struct Issue {
  std::uint64_t findings = 0;      ///< Identical ones in one file count each.
  std::uint64_t file_count = 0;    ///< All files, also those not in |files|.
  std::set<std::string> files;     ///< The first ones by path bytes.
  std::uint64_t last_outcome = 0;  ///< Number of the Add() that came last.
};

/// The findings of a run, deduplicated, in bounded memory.
///
/// What is kept when there are too many (the worst and first by IssueKey, the
/// first files by path) does not depend on the order of Add().
class IssueIndex {
 public:
  static constexpr std::size_t kMaxIssues = 5'000;
  static constexpr std::size_t kMaxFiles = 20;

  explicit IssueIndex(std::size_t max_issues = kMaxIssues,
                      std::size_t max_files = kMaxFiles)
      : max_issues_(max_issues), max_files_(max_files) {}

  void Add(const FileOutcome& outcome);

  const std::map<IssueKey, Issue>& issues() const { return issues_; }
  /// True if there were more than could be kept.
  bool truncated() const { return truncated_; }

 private:
  std::size_t max_issues_;
  std::size_t max_files_;
  std::map<IssueKey, Issue> issues_;
  std::uint64_t outcomes_ = 0;
  bool truncated_ = false;
};

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_ISSUE_INDEX_H_
