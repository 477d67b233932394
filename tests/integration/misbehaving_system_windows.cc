#include <windows.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "tests/integration/misbehaving_system.h"

namespace scanengine::testing {
namespace {

HANDLE board_handle = nullptr;

void WriteAll(DWORD stream, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size != 0) {
    DWORD put = 0;
    if (!::WriteFile(::GetStdHandle(stream), at, static_cast<DWORD>(size), &put,
                     nullptr)) {
      Leave(79);
    }
    at += put;
    size -= put;
  }
}

// Another process that hangs, with this one's streams.
void StartAnother() {
  wchar_t program[MAX_PATH];
  ::GetModuleFileNameW(nullptr, program, MAX_PATH);
  wchar_t line[] = L"x --mode just-hang";
  STARTUPINFOW start{};
  start.cb = sizeof(start);
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdInput = ::GetStdHandle(STD_INPUT_HANDLE);
  start.hStdOutput = ::GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION info{};
  if (!::CreateProcessW(program, line, nullptr, nullptr, TRUE, 0, nullptr,
                        nullptr, &start, &info)) {
    Leave(98);
  }
}

void Raise(DWORD status) {
  ::RaiseException(status, EXCEPTION_NONCONTINUABLE, 0, nullptr);
}

}  // namespace

void PrepareSystem(NativeHandle board) {
  board_handle = reinterpret_cast<HANDLE>(board);
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  if (board == kNoHandle) Hang();
}

std::uint32_t OwnPid() { return ::GetCurrentProcessId(); }

std::size_t ReadIn(void* data, std::size_t size) {
  DWORD got = 0;
  if (!::ReadFile(::GetStdHandle(STD_INPUT_HANDLE), data,
                  static_cast<DWORD>(size), &got, nullptr)) {
    return 0;
  }
  return got;
}
void WriteOut(const void* data, std::size_t size) {
  WriteAll(STD_OUTPUT_HANDLE, data, size);
}
void WriteErr(const void* data, std::size_t size) {
  WriteAll(STD_ERROR_HANDLE, data, size);
}
void CloseIn() { ::CloseHandle(::GetStdHandle(STD_INPUT_HANDLE)); }
void CloseOut() { ::CloseHandle(::GetStdHandle(STD_OUTPUT_HANDLE)); }

void Pause(int milliseconds) { ::Sleep(static_cast<DWORD>(milliseconds)); }
void Hang() {
  while (true) ::Sleep(INFINITE);
}
void Leave(int code) {
  ::TerminateProcess(::GetCurrentProcess(), static_cast<UINT>(code));
  std::abort();
}
void Crash() {
  // Volatile twice, or the compiler leaves the write out.
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
  Leave(99);
}
void IgnoreTerm() {}

std::map<std::string, Action> SystemModes() {
  return {
      {"abort",
       [] {
         std::signal(SIGABRT, SIG_DFL);
         std::abort();
       }},
      {"divide",
       [] {
         volatile int zero = 0;
         volatile int some = 7;
         Leave(some / zero);
       }},
      {"ill", [] { Raise(0xc000001d); }},
      {"heap", [] { Raise(0xc0000374); }},
      {"uncaught", [] { Raise(0xe06d7363); }},
      {"kill", [] { Leave(1); }},
      {"unknown-status", [] { Leave(static_cast<int>(0xc0123456U)); }},
      {"still-active", [] { Leave(259); }},
      // Not by a real one: wine 8 loses its exit code.
      {"stack-overflow", [] { Raise(0xc00000fd); }},
      {"grandchild-in-job",
       [] {
         StartAnother();
         Crash();
       }},
      {"board-garbage-then-crash",
       [] {
         void* page = ::MapViewOfFile(board_handle, FILE_MAP_WRITE, 0, 0, 0);
         if (page != nullptr) std::memset(page, 0xa5, 4096);
         Crash();
       }},
  };
}

}  // namespace scanengine::testing
