#include <unistd.h>

#include <climits>

#include "engine/process_info.h"

namespace scanengine {

std::uint32_t CurrentProcessId() {
  return static_cast<std::uint32_t>(::getpid());
}

std::string ProgramFolder() {
  std::string path(PATH_MAX, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return {};
  path.resize(static_cast<std::size_t>(length));
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string WorkerPath(const std::string& asked) {
  return asked.empty() ? ProgramFolder() + "/scanengine-worker" : asked;
}

bool IsExecutable(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0;
}

std::vector<std::string> PlatformFeatures() {
  return {"sandbox: no_new_privs, seccomp, Landlock",
          "shared cache: sealed memfd"};
}

}  // namespace scanengine
