#include "worker/sandbox.h"

namespace scanengine {
Result<SandboxReport> EnterSandbox(const SandboxRequest&) {
  return SandboxReport{};
}
}  // namespace scanengine
