// Writes to FILE what cli/terminal.h says of the standard streams, and whether
// the console is as before when such a program has ended.
//
//   console_facts FILE

#include <windows.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "cli/terminal.h"

namespace {

using scanengine::cli::IsTerminal;
using scanengine::cli::Stream;
using scanengine::cli::TerminalWidth;

constexpr DWORD kSequences = ENABLE_VIRTUAL_TERMINAL_PROCESSING;

// Of the console that this process has; 0 if it has none.
DWORD Mode() {
  DWORD mode = 0;
  ::GetConsoleMode(::GetStdHandle(STD_OUTPUT_HANDLE), &mode);
  return mode;
}

void TellStreams(std::FILE* out) {
  scanengine::cli::PrepareStandardStreams();
  std::fprintf(out, "input: %s\n",
               IsTerminal(Stream::kInput) ? "terminal" : "none");
  for (const auto& [stream, name] :
       {std::pair{Stream::kOutput, "output"}, {Stream::kError, "error"}}) {
    if (IsTerminal(stream)) {
      std::fprintf(out, "%s: terminal, %d columns\n", name,
                   TerminalWidth(stream));
    } else {
      std::fprintf(out, "%s: none\n", name);
    }
  }
  std::fprintf(out, "sequences: %s\n",
               (Mode() & kSequences) != 0 ? "on" : "off");
}

// In a process of its own: what it changes, its end is to undo.
void TellStreamsInChild(const char* program, const char* file) {
  std::string line = std::string("\"") + program + "\" inner \"" + file + "\"";
  STARTUPINFOA start{};
  start.cb = sizeof(start);
  PROCESS_INFORMATION child{};
  if (::CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr,
                       nullptr, &start, &child)) {
    ::WaitForSingleObject(child.hProcess, INFINITE);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool inner = argc == 3 && std::strcmp(argv[1], "inner") == 0;
  if (argc != 2 && !inner) return 1;
  if (inner) {
    std::FILE* const out = std::fopen(argv[2], "wb");
    if (out == nullptr) return 2;
    TellStreams(out);
    std::fclose(out);
    return 0;
  }
  ::SetConsoleMode(::GetStdHandle(STD_OUTPUT_HANDLE), Mode() & ~kSequences);
  const DWORD before = Mode();
  TellStreamsInChild(argv[0], argv[1]);
  std::FILE* const out = std::fopen(argv[1], "ab");
  if (out == nullptr) return 2;
  std::fprintf(out, "after the end: %s\n",
               Mode() == before ? "as before" : "changed");
  std::fclose(out);
  return 0;
}
