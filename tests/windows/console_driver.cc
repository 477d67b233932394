// Does to scanengine what a person at a Windows console, or the system, does.
//
//   console_driver run PROGRAM ARGUMENT...    obeys its standard input, a word
//     a line: "break" and "close" are what Ctrl-Break and the closing of the
//     window are to the program, "kill" ends it with exit code 42
//   console_driver lock FILE PROGRAM ARGUMENT...    keeps FILE locked meanwhile
//
// Its environment's TEST_LOCALAPPDATA is LOCALAPPDATA for the program. Ends
// with the program's exit code; the program has its streams, but for the input.

#include <windows.h>
//
#include <shellapi.h>

#include <cstdio>
#include <string>
#include <string_view>

namespace {

constexpr UINT kKilled = 42;

// Quoted as the system's own splitting of command lines undoes it; arguments
// here hold neither quotes nor backslashes at their ends.
std::wstring CommandLine(int count, wchar_t** words) {
  std::wstring line;
  for (int i = 0; i < count; ++i) {
    line += (i == 0 ? L"\"" : L" \"") + std::wstring(words[i]) + L"\"";
  }
  return line;
}

int Fail(const char* what) {
  std::fprintf(stderr, "console_driver: %s: error %lu\n", what,
               ::GetLastError());
  return 99;
}

// As the console does it: by a thread in the program that runs its handlers.
// GenerateConsoleCtrlEvent() would ask the console, and wine's knows Ctrl-C
// only.
bool Signal(HANDLE process, DWORD event) {
  const FARPROC routine =
      ::GetProcAddress(::GetModuleHandleW(L"kernelbase.dll"), "CtrlRoutine");
  if (routine == nullptr) return false;
  const HANDLE thread = ::CreateRemoteThread(
      process, nullptr, 0,
      reinterpret_cast<LPTHREAD_START_ROUTINE>(
          reinterpret_cast<void*>(routine)),
      reinterpret_cast<void*>(static_cast<ULONG_PTR>(event)), 0, nullptr);
  if (thread == nullptr) return false;
  ::CloseHandle(thread);
  return true;
}

bool Obey(HANDLE process, std::string_view word) {
  if (word == "break\n") return Signal(process, CTRL_BREAK_EVENT);
  if (word == "close\n") return Signal(process, CTRL_CLOSE_EVENT);
  if (word == "kill\n") return ::TerminateProcess(process, kKilled);
  return false;
}

// Ends with this process.
DWORD WINAPI ObeyInput(void* process) {
  char line[100];
  while (std::fgets(line, sizeof(line), stdin) != nullptr) {
    if (!Obey(process, line)) Fail(line);
  }
  return 0;
}

int RunChild(int count, wchar_t** words) {
  wchar_t folder[MAX_PATH];
  const DWORD length =
      ::GetEnvironmentVariableW(L"TEST_LOCALAPPDATA", folder, MAX_PATH);
  if (length > 0 && length < MAX_PATH) {
    ::SetEnvironmentVariableW(L"LOCALAPPDATA", folder);
  }
  SECURITY_ATTRIBUTES inherit{sizeof(inherit), nullptr, TRUE};
  STARTUPINFOW start{};
  start.cb = sizeof(start);
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdInput = ::CreateFileW(L"NUL", GENERIC_READ, 0, &inherit,
                                  OPEN_EXISTING, 0, nullptr);
  start.hStdOutput = ::GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION child{};
  std::wstring line = CommandLine(count, words);
  if (!::CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, 0,
                        nullptr, nullptr, &start, &child)) {
    return Fail("cannot start");
  }
  ::CreateThread(nullptr, 0, ObeyInput, child.hProcess, 0, nullptr);
  ::WaitForSingleObject(child.hProcess, INFINITE);
  DWORD code = 98;
  ::GetExitCodeProcess(child.hProcess, &code);
  return static_cast<int>(code);
}

}  // namespace

int main() {
  int argc = 0;
  wchar_t** const argv = ::CommandLineToArgvW(::GetCommandLineW(), &argc);
  if (argc < 3) return Fail("too few arguments");
  if (argv[1] == std::wstring(L"run")) {
    // Not return: that would wait for the thread that reads.
    ::ExitProcess(static_cast<UINT>(RunChild(argc - 2, argv + 2)));
  }
  const HANDLE held = ::CreateFileW(argv[2], GENERIC_READ | GENERIC_WRITE, 0,
                                    nullptr, OPEN_EXISTING, 0, nullptr);
  if (argc < 4 || held == INVALID_HANDLE_VALUE) return Fail("cannot lock");
  ::ExitProcess(static_cast<UINT>(RunChild(argc - 3, argv + 3)));
}
