#include <windows.h>

#include "engine/process_info.h"
#include "ipc/windows_path.h"
#include "ipc/windows_system.h"

namespace scanengine {

std::uint32_t CurrentProcessId() { return ::GetCurrentProcessId(); }

std::string ProgramFolder() {
  constexpr std::size_t kLongest = 32'768;
  std::wstring path(kLongest, L'\0');
  const DWORD length = ::GetModuleFileNameW(nullptr, path.data(),
                                            static_cast<DWORD>(path.size()));
  if (length == 0 || length == path.size()) return {};
  path.resize(length);
  const std::string program = WithSlashes(Narrow(path));
  const std::size_t slash = program.rfind('/');
  return slash == std::string::npos ? std::string() : program.substr(0, slash);
}

std::string WorkerPath(const std::string& asked) {
  return asked.empty() ? ProgramFolder() + "/scanengine-worker.exe" : asked;
}

bool IsExecutable(const std::string& path) {
  const DWORD attributes = ::GetFileAttributesW(NativePath(path).c_str());
  return attributes != INVALID_FILE_ATTRIBUTES &&
         (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

std::vector<std::string> PlatformFeatures() {
  return {
      "sandbox: restricted token, low integrity, job, mitigation policies",
      "not on Windows: confined reading, closed network",
      "shared cache: section with read-only handles",
  };
}

}  // namespace scanengine
