#include <windows.h>
//
#include <shellapi.h>

#include "cli/arguments.h"
#include "ipc/windows_system.h"

namespace scanengine::cli {

std::vector<std::string> ProgramArguments(int, char**) {
  int count = 0;
  wchar_t** const words = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  std::vector<std::string> out;
  for (int i = 1; words != nullptr && i < count; ++i) {
    out.push_back(Narrow(words[i]));
  }
  ::LocalFree(words);
  return out;
}

}  // namespace scanengine::cli
