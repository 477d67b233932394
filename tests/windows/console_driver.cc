// Does to scanengine what a person at a Windows console does.
//
//   console_driver break PROGRAM ARGUMENT...   sends Ctrl-Break once it prints
//   console_driver lock FILE PROGRAM ARGUMENT...   keeps FILE locked meanwhile
//   console_driver kill PROGRAM ARGUMENT...    ends it once it prints
//
// Ends with the program's exit code; prints what it prints. "Prints" is the
// first byte on its standard error.

#include <windows.h>
//
#include <shellapi.h>

#include <cstdio>
#include <string>

namespace {

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

struct Child {
  PROCESS_INFORMATION process{};
  HANDLE err = nullptr;
};

bool Start(int count, wchar_t** words, Child* child) {
  SECURITY_ATTRIBUTES inherit{sizeof(inherit), nullptr, TRUE};
  HANDLE err_end = nullptr;
  if (!::CreatePipe(&child->err, &err_end, &inherit, 0)) return false;
  ::SetHandleInformation(child->err, HANDLE_FLAG_INHERIT, 0);
  STARTUPINFOW start{};
  start.cb = sizeof(start);
  start.dwFlags = STARTF_USESTDHANDLES;
  start.hStdInput = ::GetStdHandle(STD_INPUT_HANDLE);
  start.hStdOutput = ::GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = err_end;
  std::wstring line = CommandLine(count, words);
  const BOOL started = ::CreateProcessW(nullptr, line.data(), nullptr, nullptr,
                                        TRUE, CREATE_NEW_PROCESS_GROUP, nullptr,
                                        nullptr, &start, &child->process);
  ::CloseHandle(err_end);
  return started;
}

int RunChild(const std::wstring& mode, int count, wchar_t** words) {
  Child child;
  if (!Start(count, words, &child)) return Fail("cannot start");
  char buffer[4096];
  DWORD got = 0;
  bool acted = mode == L"lock";
  while (::ReadFile(child.err, buffer, sizeof(buffer), &got, nullptr)) {
    std::fwrite(buffer, 1, got, stderr);
    if (acted) continue;
    acted = true;
    const BOOL done = mode == L"kill"
                          ? ::TerminateProcess(child.process.hProcess, 42)
                          : ::GenerateConsoleCtrlEvent(
                                CTRL_BREAK_EVENT, child.process.dwProcessId);
    if (!done) return Fail("cannot act");
  }
  ::WaitForSingleObject(child.process.hProcess, INFINITE);
  DWORD code = 98;
  ::GetExitCodeProcess(child.process.hProcess, &code);
  return static_cast<int>(code);
}

}  // namespace

int main() {
  int argc = 0;
  wchar_t** const argv = ::CommandLineToArgvW(::GetCommandLineW(), &argc);
  if (argc < 3) return Fail("too few arguments");
  const std::wstring mode = argv[1];
  if (mode != L"lock") return RunChild(mode, argc - 2, argv + 2);
  const HANDLE held = ::CreateFileW(argv[2], GENERIC_READ | GENERIC_WRITE, 0,
                                    nullptr, OPEN_EXISTING, 0, nullptr);
  if (held == INVALID_HANDLE_VALUE) return Fail("cannot lock");
  const int code = RunChild(mode, argc - 3, argv + 3);
  ::CloseHandle(held);
  return code;
}
