#ifndef SCANENGINE_ENGINE_PROCESS_INFO_H_
#define SCANENGINE_ENGINE_PROCESS_INFO_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scanengine {

/// This process's id, as a worker is told.
std::uint32_t CurrentProcessId();
/// Folder of the running program, without a slash at the end; empty if the
/// system would not say.
std::string ProgramFolder();
/// What the file of the program |name| is called: "x" or "x.exe".
std::string ProgramFileName(std::string_view name);
/// True if |path| names a file that may be executed.
bool IsExecutable(const std::string& path);
/// How this system isolates workers, a line for each part (BuildFeatures()).
std::vector<std::string> PlatformFeatures();

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_PROCESS_INFO_H_
