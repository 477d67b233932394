#include "tests/support/native_ends.h"

namespace scanengine::testing {
namespace {

NativeEnd Exit(unsigned code) {
  return {NativeEnd::Kind::kExited, static_cast<int>(code)};
}

}  // namespace

NativeEnd CrashEnd() { return Exit(0xc0000005); }
NativeEnd TerminatedEnd() { return Exit(1); }
NativeEnd KilledEnd() { return Exit(1); }
NativeEnd SandboxEnd() { return Exit(0xc0000604); }

}  // namespace scanengine::testing
