#include "cli/issue_index.h"

#include <iterator>

#include "cli/valid_text.h"

namespace scanengine::cli {

void IssueIndex::Add(const FileOutcome& outcome) {
  for (const Finding& finding : outcome.result.findings) {
    // A hijacked worker may send megabytes; ValidText() bounds them.
    IssueKey key{finding.severity, ValidText(finding.rule_id),
                 ValidText(finding.message), ValidText(finding.member),
                 ValidText(finding.evidence)};
    Issue& issue = issues_[std::move(key)];
    issue.findings += finding.count;
    // One more place in the same file makes it no further file. The path is
    // the file's last added one, so that the set need not hold all of them.
    if (issue.last_file != outcome.path || issue.file_count == 0) {
      ++issue.file_count;
    }
    issue.last_file = outcome.path;
    issue.files.insert(outcome.path);
    if (issue.files.size() > max_files_) {
      issue.files.erase(std::prev(issue.files.end()));
    }
    if (issues_.size() > max_issues_) {
      issues_.erase(std::prev(issues_.end()));
      truncated_ = true;
    }
  }
}

}  // namespace scanengine::cli
