#ifndef SCANENGINE_WORKER_SANDBOX_PARTS_H_
#define SCANENGINE_WORKER_SANDBOX_PARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ipc/result.h"
#include "worker/sandbox.h"

/// What EnterSandbox() is made of. Each part holds for the life of the process,
/// adds to |report| what it put in force or what the system lacks, and fails if
/// the system has it and it cannot be put in force.

namespace scanengine {

/// Bounds on memory, descriptors and files that hold even without a sandbox; no
/// core dump. |memory_limit| is of private memory, in bytes; 0 for none.
Status LimitResources(std::uint64_t memory_limit, SandboxReport* report);

/// Gives up privileges that this process has or could gain: set-user-id
/// programs, capabilities (but for reading any file, which a scan as root is
/// asked to do), and being looked into by processes of the same user.
Status DropPrivileges(SandboxReport* report);

/// Landlock: no access to files but reading below |read_roots|, no TCP, no
/// signals to and no abstract sockets of processes outside. Other threads that
/// run already are not held; then it is listed as missing.
/// REQUIRES: DropPrivileges().
Status RestrictFiles(const std::vector<std::string>& read_roots,
                     SandboxReport* report);

/// Seccomp: only the system calls that reading files and computing takes, for
/// all threads. An attempt at anything that no parser does ends the process
/// with SIGSYS; harmless questions that libraries ask fail. To be called last.
/// REQUIRES: DropPrivileges().
Status RestrictSystemCalls(SandboxReport* report);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SANDBOX_PARTS_H_
