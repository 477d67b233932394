#include "worker/scan_task.h"

#include <exception>
#include <new>

#include "ipc/text.h"
#include "worker/file_source.h"

namespace scanengine {
namespace {

// Tells the scan when the file itself fails, so that a parser which sees only
// an early end does not report a malformed file.
class WatchedSource final : public ByteSource {
 public:
  WatchedSource(FileSource& file, FileScan& scan) : file_(file), scan_(scan) {}

  std::uint64_t size() const override { return file_.size(); }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    // Reading is where time goes: every read is a checkpoint.
    if (!scan_.Checkpoint(offset)) {
      return Error{ErrorCode::kStopped, "scan was stopped"};
    }
    Result<std::size_t> got = file_.ReadAt(offset, out);
    if (!got.ok()) {
      const bool changed = got.error().code == ErrorCode::kChanged;
      scan_.Stop(changed ? OutcomeStatus::kChanged : OutcomeStatus::kUnreadable,
                 got.error().detail);
      return Error{ErrorCode::kStopped, "scan was stopped"};
    }
    return got;
  }
  std::uint64_t NextData(std::uint64_t offset) override {
    return file_.NextData(offset);
  }

 private:
  FileSource& file_;
  FileScan& scan_;
};

ScanReply Failed(TaskId task, OutcomeStatus status, std::string detail) {
  ScanReply reply;
  reply.task = task;
  reply.status = status;
  reply.detail = std::move(detail);
  return reply;
}

OutcomeStatus StatusOfOpenError(ErrorCode code) {
  // Discovery saw the file: if it is gone, or no regular file any more, then
  // it changed.
  if (code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument) {
    return OutcomeStatus::kChanged;
  }
  return OutcomeStatus::kUnreadable;
}

std::string_view LeafName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

ScanReply ScanOpened(const ScanEnvironment& environment,
                     const TaskRequest& task, FileSource& file) {
  FileScan scan(environment, task);
  WatchedSource source(file, scan);
  try {
    ScanReply reply = scan.Run(source, LeafName(task.path));
    if (reply.status != OutcomeStatus::kChanged && !file.Unchanged()) {
      reply.status = OutcomeStatus::kChanged;
      reply.detail = "was written to or replaced during the scan";
    }
    return reply;
  } catch (const std::bad_alloc&) {
    return Failed(task.id, OutcomeStatus::kOutOfMemory,
                  "needed more memory than a worker may have");
  } catch (const std::exception& e) {
    return Failed(task.id, OutcomeStatus::kCrashed,
                  std::string("its parser failed: ") + e.what());
  }
}

}  // namespace

bool IsTaskKind(std::string_view kind) {
  return kind == kScanTask || kind == kInspectTask;
}

ScanReply RunScanTask(const ScanEnvironment& environment,
                      const TaskRequest& task) {
  if (!IsTaskKind(task.kind)) {
    return Failed(task.id, OutcomeStatus::kProtocol,
                  "no such kind of task: " + Printable(task.kind, 64));
  }
  environment.board->BeginTask(task.id);
  environment.board->SetPhase("open");
  Result<std::unique_ptr<FileSource>> file = FileSource::Open(task);
  ScanReply reply = file.ok()
                        ? ScanOpened(environment, task, *file.value())
                        : Failed(task.id, StatusOfOpenError(file.error().code),
                                 file.error().detail);
  environment.board->EndTask();
  return reply;
}

}  // namespace scanengine
