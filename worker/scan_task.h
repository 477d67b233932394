#ifndef SCANENGINE_WORKER_SCAN_TASK_H_
#define SCANENGINE_WORKER_SCAN_TASK_H_

#include "ipc/messages.h"
#include "ipc/outcome.h"
#include "worker/file_scan.h"

namespace scanengine {

/// Does one task from opening its file to its reply. Knows no process, so that
/// a worker and the in-process mode run the same code.
///
/// Never throws: what a decoder throws, memory that runs out and a file that
/// cannot be opened become the reply's status.
ScanReply RunScanTask(const ScanEnvironment& environment,
                      const TaskRequest& task);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SCAN_TASK_H_
