#include <windows.h>
//
#include <tlhelp32.h>

#include "ipc/windows_system.h"
#include "tests/integration/misbehaving_rows.h"

namespace scanengine::testing {
namespace {

constexpr OutcomeStatus kCrashed = OutcomeStatus::kCrashed;

const MisbehaviourRow kRows[] = {
    {"abort", kCrashed, "exit code 3 (abort)"},
    {"divide", kCrashed, "0xc0000094 (integer division by zero)"},
    {"ill", kCrashed, "0xc000001d (illegal instruction)"},
    {"heap", kCrashed, "0xc0000374 (heap corruption)"},
    {"uncaught", kCrashed, "0xe06d7363 (uncaught exception)"},
    {"kill", kCrashed, "exit code 1 (ended from outside)"},
    {"unknown-status", kCrashed, "0xc0123456"},
    {"still-active", kCrashed, "an unknown end"},
    {"stack-overflow", kCrashed, "0xc00000fd (stack overflow)"},
    {"grandchild-in-job", kCrashed, "0xc0000005 (access violation)"},
    {"board-garbage-then-crash", kCrashed, "0xc0000005 (access violation)"},
};

}  // namespace

std::span<const MisbehaviourRow> SystemRows() { return kRows; }

// Wine's processes take turns in one server.
std::chrono::milliseconds ShortDeadline() {
  return std::chrono::milliseconds(2000);
}

const char* CrashName() { return "0xc0000005 (access violation)"; }

const char* NoSuchProgram() { return "cannot start"; }

std::size_t OpenHandles() {
  DWORD count = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &count);
  return count;
}

std::size_t Children() {
  const OwnedHandle all(::CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0));
  PROCESSENTRY32W entry{};
  entry.dwSize = sizeof(entry);
  std::size_t count = 0;
  for (BOOL more = ::Process32FirstW(all.get(), &entry); more;
       more = ::Process32NextW(all.get(), &entry)) {
    if (entry.th32ParentProcessID == ::GetCurrentProcessId()) ++count;
  }
  return count;
}

}  // namespace scanengine::testing
