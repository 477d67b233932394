#include "worker/sandbox.h"

#include "worker/sandbox_parts.h"
#include "worker/sanitizer.h"

namespace scanengine {

Result<SandboxReport> EnterSandbox(const SandboxRequest& request) {
  SandboxReport report;
  Status status = LimitResources(request.memory_limit, &report);
  if (!request.enabled) {
    report.missing.emplace_back("sandbox: switched off");
  } else {
    SkipLeakCheckAtExit();
    if (status.ok()) status = DropPrivileges(&report);
    if (status.ok()) status = RestrictFiles(request.read_roots, &report);
    if (status.ok()) status = RestrictSystemCalls(&report);
  }
  if (!status.ok()) return status.error();
  return report;
}

}  // namespace scanengine
