#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include "engine/worker_exit.h"
#include "ipc/exit_codes.h"

namespace scanengine {

NativeEnd DecodeNativeExit(int native_code) {
  if (WIFSIGNALED(native_code)) {
    return {NativeEnd::Kind::kSignaled, WTERMSIG(native_code)};
  }
  if (WIFEXITED(native_code)) {
    return {NativeEnd::Kind::kExited, WEXITSTATUS(native_code)};
  }
  return {NativeEnd::Kind::kUnknown, native_code};
}

std::string NameOfEnd(const NativeEnd& end) {
  switch (end.kind) {
    case NativeEnd::Kind::kExited:
      return fmt::format("exit code {}", end.code);
    case NativeEnd::Kind::kSignaled: {
      const char* name = ::sigabbrev_np(end.code);
      return name == nullptr ? fmt::format("signal {}", end.code)
                             : fmt::format("SIG{}", name);
    }
    case NativeEnd::Kind::kUnknown:
      break;
  }
  return "an unknown end";
}

EndClass ClassifyEnd(const NativeEnd& end) {
  if (end.kind == NativeEnd::Kind::kExited) {
    if (end.code == 0) return EndClass::kClean;
    if (end.code == kWatchdogExitCode) return EndClass::kWatchdog;
    return EndClass::kExitCode;
  }
  if (end.kind == NativeEnd::Kind::kUnknown) return EndClass::kCrash;
  switch (end.code) {
    case SIGKILL:
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
    case SIGQUIT:
      return EndClass::kExternalKill;
    case SIGSYS:
    case SIGXFSZ:
      return EndClass::kSandbox;
    case SIGXCPU:
      return EndClass::kCpuLimit;
    default:
      return EndClass::kCrash;
  }
}

}  // namespace scanengine
