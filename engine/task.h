#ifndef SCANENGINE_ENGINE_TASK_H_
#define SCANENGINE_ENGINE_TASK_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/worker_exit.h"
#include "ipc/file_stamp.h"
#include "ipc/outcome.h"

namespace scanengine {

/// How an earlier session of the run came to a task's outcome.
struct EarlierRun {
  int attempts = 0;
  int worker = 0;
  bool in_process = false;
  std::string ended;
  std::uint64_t place = 0;  ///< Of the outcome in the journal.
};

/// One unit of work. The supervisor knows what it costs and how long it may
/// take, not what it is about: `kind` and `target` go to the worker unread.
struct Task {
  TaskId id = 0;  ///< Unique in a run; never 0.
  std::string kind{kScanTask};
  std::string target;  ///< For kind "scan" a path, as bytes.
  std::uint64_t size = 0;
  /// A descriptor that workers inherit and that holds the target; -1: none.
  int inherited_fd = -1;
  std::chrono::microseconds cost{0};      ///< Expected work.
  std::chrono::microseconds deadline{0};  ///< Soft; per attempt.
  /// Tasks that need about the same memory share one: extension and size.
  std::string resource_class;
  InspectOptions inspect;  ///< Goes to the worker unread, too.
  /// Set if the outcome is known and nobody is to be asked.
  std::optional<ScanReply> settled;
  std::optional<EarlierRun> earlier;  ///< Set if that settled it.
  bool cached = false;                ///< True if the cache settled it.
  std::optional<FileStamp> stamp;     ///< See DiscoveredFile.
  /// Set if it ended a worker, or this program, before this session.
  std::optional<ExitVerdict> ended_worker;
};

/// A task and what it went through so far.
struct QueuedTask {
  Task task;
  int attempts = 0;        ///< Counted ones, that is, those that ended badly.
  int starts = 0;          ///< Times it was sent to a worker.
  int uncounted = 0;       ///< Times it came back through no fault of its own.
  int external_kills = 0;  ///< Times somebody else killed its worker.
  bool solo = false;       ///< Next: with no other task in its worker.
  bool fresh_worker = false;  ///< Next: in a worker that did nothing yet.
  bool exclusive = false;     ///< Next: while no other worker is busy.
  /// How its worker ended when it last cost an attempt.
  std::optional<ExitVerdict> last_end;

  /// True if a worker ended while it was in this task, even if that was not the
  /// task's doing as far as we know (who kills for want of memory does not say
  /// so). Such a task is never run in-process.
  bool HasEndedWorker() const {
    return last_end.has_value() || external_kills > 0 || exclusive;
  }
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_TASK_H_
