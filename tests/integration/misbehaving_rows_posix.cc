#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/integration/misbehaving_rows.h"

namespace scanengine::testing {
namespace {

constexpr OutcomeStatus kCrashed = OutcomeStatus::kCrashed;
constexpr OutcomeStatus kTimedOut = OutcomeStatus::kTimedOut;
constexpr OutcomeStatus kSandbox = OutcomeStatus::kSandboxViolation;

const MisbehaviourRow kRows[] = {
    {"segv", kCrashed, "SIGSEGV"},
    {"abort", kCrashed, "SIGABRT"},
    {"bus", kCrashed, "SIGBUS"},
    {"fpe", kCrashed, "SIGFPE"},
    {"ill", kCrashed, "SIGILL"},
    {"sys", kSandbox, "SIGSYS"},
    {"xcpu", kTimedOut, "SIGXCPU"},
    {"xfsz", kSandbox, "SIGXFSZ"},
    {"kill", kCrashed, "SIGKILL"},
    {"stack-overflow", kCrashed, "SIGSEGV"},
    {"fault-in-handler", kCrashed, "SIGSEGV"},
    {"hang-blocking-all", kTimedOut, "killed at deadline", true},
    {"stop-itself", kTimedOut, "killed at deadline", true},
    {"grandchild-keeps-pipe", kCrashed, "SIGSEGV"},
    {"grandchild-in-group", kCrashed, "SIGSEGV"},
    {"board-garbage-then-crash", kCrashed, "SIGSEGV"},
    {"board-shrink-then-crash", kCrashed, "SIGSEGV"},
};

}  // namespace

std::span<const MisbehaviourRow> SystemRows() { return kRows; }

std::chrono::milliseconds ShortDeadline() {
  return std::chrono::milliseconds(500);
}

const char* CrashName() { return "SIGSEGV"; }

const char* NoSuchProgram() { return "No such file"; }

std::size_t OpenHandles() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::size_t Children() {
  std::ifstream in("/proc/thread-self/children");
  return static_cast<std::size_t>(
      std::distance(std::istream_iterator<int>(in), {}));
}

}  // namespace scanengine::testing
