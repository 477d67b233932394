#ifndef SCANENGINE_WORKER_SCAN_TASK_H_
#define SCANENGINE_WORKER_SCAN_TASK_H_

#include <string_view>

#include "ipc/messages.h"
#include "ipc/outcome.h"
#include "worker/file_scan.h"

namespace scanengine {

/// True if |kind| is a kind of task that a worker can do: "scan", "inspect".
bool IsTaskKind(std::string_view kind);

/// Does one task from opening its file to its reply. Knows no process, so that
/// a worker and the in-process mode run the same code.
///
/// An inspection is a scan whose reply also tells what was seen on the way, so
/// that both understand a file alike. Never throws: what a decoder throws,
/// memory that runs out and a file that cannot be opened become the reply's
/// status; so does a kind that nobody knows (kProtocol).
ScanReply RunScanTask(const ScanEnvironment& environment,
                      const TaskRequest& task);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SCAN_TASK_H_
