#include <windows.h>
//
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/worker_exit.h"
#include "ipc/exit_codes.h"

namespace scanengine {
namespace {

struct Status {
  std::uint32_t code;
  std::string_view name;
  EndClass end;
};

// What ends a process: NTSTATUS values, exceptions of compilers' runtimes, and
// what TerminateProcess() is mostly called with.
constexpr std::array<Status, 30> kStatuses{{
    {1, "ended from outside", EndClass::kExternalKill},
    {3, "abort", EndClass::kCrash},
    {0x40010004, "the session ended", EndClass::kExternalKill},
    {0xc000013a, "Ctrl-C", EndClass::kExternalKill},
    {0xc000026b, "shutdown", EndClass::kExternalKill},
    {0x20474343, "uncaught exception", EndClass::kCrash},
    {0x21474343, "uncaught exception", EndClass::kCrash},
    {0x80000001, "guard page", EndClass::kCrash},
    {0x80000002, "misaligned data", EndClass::kCrash},
    {0x80000003, "breakpoint", EndClass::kCrash},
    {0xc0000005, "access violation", EndClass::kCrash},
    {0xc0000006, "page could not be read", EndClass::kCrash},
    {0xc0000008, "invalid handle", EndClass::kCrash},
    {0xc0000017, "out of memory", EndClass::kCrash},
    {0xc000001d, "illegal instruction", EndClass::kCrash},
    {0xc0000025, "noncontinuable exception", EndClass::kCrash},
    {0xc000008c, "array bounds exceeded", EndClass::kCrash},
    {0xc000008e, "floating-point division by zero", EndClass::kCrash},
    {0xc0000090, "floating-point invalid operation", EndClass::kCrash},
    {0xc0000094, "integer division by zero", EndClass::kCrash},
    {0xc0000095, "integer overflow", EndClass::kCrash},
    {0xc0000096, "privileged instruction", EndClass::kCrash},
    {0xc00000fd, "stack overflow", EndClass::kCrash},
    {0xc0000135, "a library is missing", EndClass::kCrash},
    {0xc0000142, "a library did not start", EndClass::kCrash},
    {0xc0000374, "heap corruption", EndClass::kCrash},
    {0xc0000409, "stack buffer overrun or fast fail", EndClass::kCrash},
    {0xc0000602, "fast fail", EndClass::kCrash},
    {0xc0000604, "dynamic code forbidden", EndClass::kSandbox},
    {0xe06d7363, "uncaught exception", EndClass::kCrash},
}};

// Severity bits of an NTSTATUS that is a warning or an error.
bool IsFault(std::uint32_t code) { return code >= 0x80000000U; }

const Status* Find(std::uint32_t code) {
  const auto* found = std::find_if(
      kStatuses.begin(), kStatuses.end(),
      [code](const Status& status) { return status.code == code; });
  return found == kStatuses.end() ? nullptr : found;
}

}  // namespace

NativeEnd DecodeNativeExit(int native_code) {
  if (native_code == static_cast<int>(STILL_ACTIVE)) {
    return {NativeEnd::Kind::kUnknown, native_code};
  }
  return {NativeEnd::Kind::kExited, native_code};
}

std::string NameOfEnd(const NativeEnd& end) {
  if (end.kind == NativeEnd::Kind::kUnknown) return "an unknown end";
  if (end.kind == NativeEnd::Kind::kSignaled) {
    return fmt::format("signal {}", end.code);
  }
  const auto code = static_cast<std::uint32_t>(end.code);
  const Status* const known = Find(code);
  const std::string number = code > 0xffff ? fmt::format("0x{:08x}", code)
                                           : fmt::format("exit code {}", code);
  return known == nullptr ? number
                          : fmt::format("{} ({})", number, known->name);
}

EndClass ClassifyEnd(const NativeEnd& end) {
  if (end.kind != NativeEnd::Kind::kExited) return EndClass::kCrash;
  const auto code = static_cast<std::uint32_t>(end.code);
  if (code == 0) return EndClass::kClean;
  if (code == kWatchdogExitCode) return EndClass::kWatchdog;
  if (const Status* const known = Find(code)) return known->end;
  return IsFault(code) ? EndClass::kCrash : EndClass::kExitCode;
}

}  // namespace scanengine
