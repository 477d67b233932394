#ifndef SCANENGINE_ENGINE_MACHINE_H_
#define SCANENGINE_ENGINE_MACHINE_H_

#include <chrono>
#include <cstdint>
#include <string_view>

#include "ipc/result.h"
#include "ipc/shared_cache.h"

namespace scanengine {

/// Processors that this process may use; at least 1.
int UsableCores();
/// Descriptors that this process can still open; -1 if that is not known.
int FreeDescriptors();
/// Memory that could be had now without swapping, in bytes; 0 if unknown.
std::uint64_t AvailableMemory();
/// Processor time of this process and of all children that were reaped.
std::chrono::microseconds ProcessorTime();

/// Standard input as a file that workers can read at any place.
struct StandardInput {
  NativeHandle handle = kNoHandle;
  std::uint64_t size = 0;
};
/// Standard input itself if it is a regular file, at its beginning and opened
/// for reading alone, else a copy of the rest of it in a file that has no name.
/// Nothing can be written through the handle. Reads until the end of the input.
/// Fails with kIo, and with kLimitExceeded past |max_size| bytes (0: none).
Result<StandardInput> CaptureStandardInput(std::uint64_t max_size);
/// A file without a name that holds |bytes|, opened for reading alone, for
/// workers to inherit. Fails with kIo.
Result<NativeHandle> AnonymousFile(std::string_view bytes);
void CloseHandle(NativeHandle handle);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_MACHINE_H_
