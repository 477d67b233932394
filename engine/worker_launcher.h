#ifndef SCANENGINE_ENGINE_WORKER_LAUNCHER_H_
#define SCANENGINE_ENGINE_WORKER_LAUNCHER_H_

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/clock.h"
#include "engine/worker_exit.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "ipc/status_board.h"

namespace scanengine {

using WorkerId = std::uint32_t;

/// A worker finished its handshake. What it says of itself is in |hello|; the
/// versions are for the supervisor to compare.
struct WorkerReady {
  WorkerId worker;
  WorkerHello hello;
};
/// A worker answered tasks. Nothing in it is checked but the wire format.
struct WorkerReplied {
  WorkerId worker;
  std::vector<ScanReply> replies;
};
/// A worker sent bytes that are no message it may send.
struct WorkerFaulted {
  WorkerId worker;
  std::string what;
};
/// A worker is gone and was reaped. The last event of a worker, whatever
/// ended it; everything that it wrote before was delivered before.
struct WorkerExited {
  WorkerId worker;
  NativeEnd end;
  BoardSnapshot board;  ///< What its board said at the end.
  /// End of what it wrote to standard error. Not to be trusted.
  std::string last_words = {};
};
using WorkerEvent =
    std::variant<WorkerReady, WorkerReplied, WorkerFaulted, WorkerExited>;

/// Starts workers, carries messages, and reports what workers did.
///
/// Abstract, so that the supervisor can be tested without a process. The real
/// ones are ProcessLauncher and InProcessLauncher (the degraded mode). Used
/// from one thread, but for Interrupt().
class WorkerLauncher {
 public:
  virtual ~WorkerLauncher() = default;

  /// Starts one worker and greets it; a WorkerReady or WorkerExited follows.
  /// Fails with kSpawnFailed; never blocks on the child.
  virtual Result<WorkerId> Spawn() = 0;

  /// Queues one message with |tasks|. Loss of the worker is no error here: it
  /// arrives as WorkerExited.
  virtual void Send(WorkerId worker, std::span<const TaskRequest> tasks) = 0;

  /// Tells the worker that no more tasks come; it ends when it has answered
  /// what it holds.
  virtual void Close(WorkerId worker) = 0;
  /// Asks the worker and its descendants to end.
  virtual void Terminate(WorkerId worker) = 0;
  /// Ends the worker and its descendants now.
  virtual void Kill(WorkerId worker) = 0;

  /// Returns the events at hand, oldest first; if there are none, waits for
  /// some until |until| or Interrupt(). Everything that workers wrote before
  /// the call is read before it returns.
  virtual std::vector<WorkerEvent> Wait(Clock::Time until) = 0;

  /// What the worker's board says. Not to be trusted.
  virtual BoardSnapshot Board(WorkerId worker) = 0;
  /// Resident memory of the worker in bytes; 0 if not known.
  virtual std::uint64_t Memory(WorkerId worker) = 0;

  /// Makes a Wait() that is under way, or the next one, return. Thread-safe.
  virtual void Interrupt() = 0;

  /// Time spent on encoding and decoding messages so far.
  virtual std::chrono::microseconds Serialising() const = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_WORKER_LAUNCHER_H_
