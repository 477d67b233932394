#include <signal.h>

#include "tests/support/native_ends.h"

namespace scanengine::testing {

NativeEnd CrashEnd() { return {NativeEnd::Kind::kSignaled, SIGSEGV}; }
NativeEnd TerminatedEnd() { return {NativeEnd::Kind::kSignaled, SIGTERM}; }
NativeEnd KilledEnd() { return {NativeEnd::Kind::kSignaled, SIGKILL}; }
NativeEnd SandboxEnd() { return {NativeEnd::Kind::kSignaled, SIGSYS}; }

}  // namespace scanengine::testing
