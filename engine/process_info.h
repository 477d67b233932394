#ifndef SCANENGINE_ENGINE_PROCESS_INFO_H_
#define SCANENGINE_ENGINE_PROCESS_INFO_H_

#include <cstdint>
#include <string>
#include <vector>

namespace scanengine {

/// This process's id, as a worker is told.
std::uint32_t CurrentProcessId();
/// Folder of the running program, without a slash at the end; empty if the
/// system would not say.
std::string ProgramFolder();
/// Path of the worker program: |asked|, or if that is empty the one beside this
/// program.
std::string WorkerPath(const std::string& asked);
/// True if |path| names a file that may be executed.
bool IsExecutable(const std::string& path);
/// How this system isolates workers, a line for each part (BuildFeatures()).
std::vector<std::string> PlatformFeatures();

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_PROCESS_INFO_H_
