#ifndef SCANENGINE_ENGINE_TASK_JOURNAL_H_
#define SCANENGINE_ENGINE_TASK_JOURNAL_H_

#include <optional>
#include <span>
#include <string>

#include "engine/discovery.h"
#include "engine/scan_engine.h"
#include "engine/task.h"

namespace scanengine {

/// What the journal does for discovery. Used by the walking thread only, and
/// before it starts.
class TaskJournal {
 public:
  virtual ~TaskJournal() = default;

  /// |task| was found. Settles it if an earlier session of the run did.
  virtual void OnFound(Task& task) = 0;
  /// Those found so far are about to be handed on.
  virtual void OnHandOn() = 0;

  /// A file that an earlier session found and this one did not.
  struct Missing {
    DiscoveredFile file;
    std::optional<FileOutcome> outcome;  ///< Nothing: it is still to be had.
  };
  /// The next one, after the walk is done; nothing: there is none left.
  virtual std::optional<Missing> NextMissing() = 0;
};

/// What the journal does for outcomes, on the thread that delivers them.
class OutcomeRecorder {
 public:
  virtual ~OutcomeRecorder() = default;
  /// Called before anybody is told of |outcomes|; sets their places.
  virtual void Record(std::span<FileOutcome* const> outcomes) = 0;
};

/// True for what a file's bytes and the rules alone decide, so that another run
/// may take it over; time, memory or a fault may change all else.
bool IsDecidedByBytes(OutcomeStatus status);

/// Makes |task| end with what an earlier session made of it.
void SettleFromJournal(Task& task, FileOutcome outcome);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_TASK_JOURNAL_H_
