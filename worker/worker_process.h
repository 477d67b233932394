#ifndef SCANENGINE_WORKER_WORKER_PROCESS_H_
#define SCANENGINE_WORKER_WORKER_PROCESS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "ipc/byte_channel.h"
#include "ipc/result.h"
#include "ipc/shared_memory.h"

namespace scanengine {

/// What a worker process was told on its command line.
struct WorkerProcessOptions {
  /// Process that this one must not outlive; 0 for none.
  std::uint32_t supervisor_pid = 0;
  /// Inherited handles that stay open: cache, board, standard input. None of
  /// them is 0, 1 or 2.
  std::vector<NativeHandle> keep;
};

/// Turns a freshly started process into a worker: first thing in main(), before
/// any thread. Returns the channel to the supervisor, which was on descriptors
/// 0 and 1.
///
/// Afterwards the process dies with its supervisor; descriptor 0 is the null
/// device and 1 goes where 2 goes, so that a library that prints cannot garble
/// the protocol; all other inherited descriptors but `keep` are closed;
/// SIGPIPE and SIGINT (Ctrl-C goes to the whole group, and the supervisor
/// drains) are ignored, other signals have their default action and none is
/// blocked.
///
/// Fails with kNotFound if the supervisor is gone already, with
/// kInvalidArgument if a handle to be kept is not open, with kIo otherwise.
Result<std::unique_ptr<ByteChannel>> PrepareWorkerProcess(
    const WorkerProcessOptions& options);

std::uint32_t OwnProcessId();

/// Most memory that this process ever had resident, in bytes; 0 if unknown.
/// Works inside the sandbox if PrepareWorkerProcess() was called before. Takes
/// microseconds: call it for a batch, not for every small task.
std::uint64_t PeakMemory();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_WORKER_PROCESS_H_
