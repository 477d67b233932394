#include "engine/worker_exit.h"

namespace scanengine {

ExitVerdict JudgeExit(const NativeEnd& end, KillReason reason, bool over_limit,
                      const std::string& reply_fault) {
  const std::string name = NameOfEnd(end);
  // What we did ourselves comes first: its signal says nothing.
  switch (reason) {
    case KillReason::kDeadline:
      return {OutcomeStatus::kTimedOut, false, "killed at deadline",
              "did not end by its deadline"};
    case KillReason::kProtocol:
      return {OutcomeStatus::kProtocol, false, "killed for protocol",
              reply_fault};
    case KillReason::kMemory:
      return {OutcomeStatus::kOutOfMemory, false, "killed for memory",
              "workers needed more memory than --memory-limit"};
    case KillReason::kCancelled:
      return {OutcomeStatus::kCancelled, false, "killed on request",
              "the run was stopped"};
    case KillReason::kNone:
      break;
  }
  switch (ClassifyEnd(end)) {
    case EndClass::kClean:
      return {OutcomeStatus::kCrashed, false, name,
              "its worker ended without an answer"};
    case EndClass::kExitCode:
      return {OutcomeStatus::kCrashed, false, name,
              "its worker ended with " + name};
    case EndClass::kCrash:
      return {OutcomeStatus::kCrashed, false, name,
              "its worker crashed with " + name};
    case EndClass::kExternalKill:
      if (over_limit) {
        return {OutcomeStatus::kOutOfMemory, false, name,
                "its worker was killed at its memory limit"};
      }
      return {OutcomeStatus::kCrashed, true, name,
              "its worker was killed from outside with " + name};
    case EndClass::kSandbox:
      return {OutcomeStatus::kSandboxViolation, false, name,
              "its worker tried what the sandbox forbids"};
    case EndClass::kCpuLimit:
      return {OutcomeStatus::kTimedOut, false, name,
              "used up its processor time"};
    case EndClass::kWatchdog:
      return {OutcomeStatus::kTimedOut, false, "watchdog",
              "did not end by its deadline"};
  }
  return {OutcomeStatus::kCrashed, false, name, "its worker ended"};
}

}  // namespace scanengine
