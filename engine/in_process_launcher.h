#ifndef SCANENGINE_ENGINE_IN_PROCESS_LAUNCHER_H_
#define SCANENGINE_ENGINE_IN_PROCESS_LAUNCHER_H_

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/scan_engine.h"
#include "engine/worker_launcher.h"

namespace scanengine {

/// How the in-process "worker" scans.
struct InProcessOptions {
  /// Compiled import policy; must outlive the launcher.
  std::span<const std::byte> imports;
  ScanLimits limits;
  /// Asked now and then during a scan: true ends it as cancelled.
  std::function<bool()> cancelled;
  /// Called before each file is scanned; may be empty.
  std::function<void(const std::string& path)> before_scan;
};

/// One worker that is no process: tasks run in Wait(), one after the other, in
/// the caller's thread. The degraded mode, and --isolation in-process.
///
/// What it cannot do: a parser that crashes ends the program, one that hangs
/// without reading or checking its deadline is never ended, memory is not
/// bounded. Kill() and Terminate() act between tasks only.
Result<std::unique_ptr<WorkerLauncher>> MakeInProcessLauncher(
    InProcessOptions options);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_IN_PROCESS_LAUNCHER_H_
