#include "cli/run_observer.h"

#include <string>

#include "ipc/text.h"

namespace scanengine::cli {
namespace {

constexpr std::size_t kMaxNoticeBytes = 4096;

}  // namespace

void RunObserver::OnFileFinished(const FileOutcome& outcome) {
  if (parts_.shared_terminal && parts_.status_line != nullptr) {
    parts_.status_line->Clear();
  }
  parts_.report.Add(outcome);
  if (!output_failed_ && parts_.writer.failed()) {
    output_failed_ = true;
    parts_.on_output_failed();
  }
}

void RunObserver::OnProgress(const Progress& progress) {
  if (parts_.status_line != nullptr) parts_.status_line->Update(progress);
}

void RunObserver::OnNotice(const Notice& notice) {
  // Protection that was given up is never passed over in silence, nor is a
  // record that is not what it should be.
  if (parts_.quiet && notice.kind != Notice::Kind::kDegraded &&
      notice.kind != Notice::Kind::kJournal) {
    return;
  }
  if (notice.kind == Notice::Kind::kWorkerLost && !parts_.verbose) return;
  // Whoever left the pipe knows why the run stops.
  const bool stopping = notice.kind == Notice::Kind::kStopping;
  if (stopping && parts_.writer.reader_gone()) return;
  if (parts_.status_line != nullptr) parts_.status_line->Clear();
  parts_.write_error("scanengine: " + Printable(notice.text, kMaxNoticeBytes) +
                     '\n');
}

}  // namespace scanengine::cli
