#include "cli/issue_index.h"

#include <iterator>

#include "cli/valid_text.h"

namespace scanengine::cli {

void IssueIndex::Add(const FileOutcome& outcome) {
  ++outcomes_;
  for (const Finding& finding : outcome.result.findings) {
    // A hijacked worker may send megabytes; ValidText() bounds them.
    IssueKey key{finding.severity, ValidText(finding.rule_id),
                 ValidText(finding.message), ValidText(finding.member),
                 ValidText(finding.evidence)};
    Issue& issue = issues_[std::move(key)];
    issue.findings += finding.count;
    // One more place in the same file makes it no further file.
    if (issue.last_outcome != outcomes_) ++issue.file_count;
    issue.last_outcome = outcomes_;
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
