#ifndef SCANENGINE_WORKER_SANDBOX_H_
#define SCANENGINE_WORKER_SANDBOX_H_

#include <string>
#include <vector>

#include "ipc/messages.h"
#include "ipc/result.h"

namespace scanengine {

/// What is in force after EnterSandbox(), for the Hello and the report.
struct SandboxReport {
  std::vector<std::string> active;   ///< "no-new-privs", "landlock-7", ...
  std::vector<std::string> missing;  ///< "landlock: not in this kernel", ...
};

/// Gives up, for this process and for good, all that a parser of hostile files
/// does not need: after it the process can read inside request.read_roots and
/// use the descriptors that it has; no write, no network, no new process, no
/// executable memory. Threads that exist already are included as far as the
/// system can; so call it before any thread starts.
///
/// What the system lacks is listed in `missing`, not an error. Fails when a
/// part that the system has cannot be put in force, or a root that exists cannot
/// be opened: then the worker must not go on.
Result<SandboxReport> EnterSandbox(const SandboxRequest& request);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SANDBOX_H_
