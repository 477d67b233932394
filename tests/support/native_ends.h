#ifndef SCANENGINE_TESTS_SUPPORT_NATIVE_ENDS_H_
#define SCANENGINE_TESTS_SUPPORT_NATIVE_ENDS_H_

#include "engine/worker_exit.h"

/// How processes end on this system.
namespace scanengine::testing {

NativeEnd CrashEnd();       ///< By writing where nothing is.
NativeEnd TerminatedEnd();  ///< It was asked to end.
NativeEnd KilledEnd();      ///< From outside.
NativeEnd SandboxEnd();     ///< It tried what the sandbox forbids.

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_NATIVE_ENDS_H_
