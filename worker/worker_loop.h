#ifndef SCANENGINE_WORKER_WORKER_LOOP_H_
#define SCANENGINE_WORKER_WORKER_LOOP_H_

#include <functional>

#include "ipc/byte_channel.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "worker/file_scan.h"
#include "worker/sandbox.h"

namespace scanengine {

/// What the loop needs of its process; replaced in tests.
struct WorkerHooks {
  /// Called once, with the supervisor's request, before the first task.
  std::function<Result<SandboxReport>(const SandboxRequest&)> enter_sandbox;
  /// Inner deadline around each task; may be empty.
  std::function<void(std::chrono::microseconds)> arm_watchdog;
  std::function<void()> disarm_watchdog;
  std::function<std::uint64_t()> peak_memory;
  std::uint32_t pid = 0;
};

/// A worker's life: handshake, then tasks until the supervisor closes the
/// channel. |environment| must have board and imports; its limits are taken
/// from the supervisor's Hello.
///
/// Replies go out together as long as tasks are short; none waits behind a long
/// one. Returns OK at the end of the input; fails when the supervisor cannot be
/// understood (kMalformed), is of another version (kInvalidArgument), has gone
/// (kIo), or when the sandbox could not be entered (kUnsupported).
Status RunWorkerLoop(ByteChannel& channel, ScanEnvironment environment,
                     const WorkerHooks& hooks);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_WORKER_LOOP_H_
