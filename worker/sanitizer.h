#ifndef SCANENGINE_WORKER_SANITIZER_H_
#define SCANENGINE_WORKER_SANITIZER_H_

namespace scanengine {

/// True in builds with AddressSanitizer or ThreadSanitizer. Their runtimes map
/// terabytes and make system calls of their own, so that neither a memory limit
/// nor the seccomp filter can be had there; both are then reported as missing.
extern const bool kSanitizedBuild;

/// To be called before entering the sandbox: a check for leaks at exit starts a
/// process that traces this one, which then fails. No effect elsewhere.
void SkipLeakCheckAtExit();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SANITIZER_H_
