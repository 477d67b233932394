#ifndef SCANENGINE_ENGINE_PROCESS_LAUNCHER_H_
#define SCANENGINE_ENGINE_PROCESS_LAUNCHER_H_

#include <memory>
#include <string>
#include <vector>

#include "engine/worker_launcher.h"
#include "ipc/messages.h"
#include "ipc/shared_cache.h"

namespace scanengine {

/// How ProcessLauncher starts workers.
struct ProcessLauncherOptions {
  std::string worker_path;
  /// Before the launcher's own, for tests: a mode of a misbehaving worker.
  std::vector<std::string> extra_arguments;
  /// First message to each worker, with everything but the process id filled
  /// in.
  SupervisorHello hello;
  /// Mapped by every worker; not owned. Null: workers get none.
  const SharedCache* cache = nullptr;
  /// Further handles that workers inherit (standard input).
  std::vector<NativeHandle> inherited;
};

/// Workers as processes, over pipes. Construct, use and destroy it in one
/// thread that lives as long as the workers. Destroying it kills them.
std::unique_ptr<WorkerLauncher> MakeProcessLauncher(
    ProcessLauncherOptions options);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_PROCESS_LAUNCHER_H_
