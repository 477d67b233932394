#include <windows.h>
//
#include <fcntl.h>
#include <io.h>

#include <cerrno>
#include <cstdint>

#include "cli/files.h"
#include "ipc/windows_system.h"

namespace scanengine::cli {

std::FILE* OpenForReading(const std::string& path) {
  const std::wstring native = NativePath(path);
  if (native.empty()) {
    errno = ENOENT;
    return nullptr;
  }
  const DWORD attributes = ::GetFileAttributesW(native.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES &&
      (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    errno = EISDIR;
    return nullptr;
  }
  return ::_wfopen(native.c_str(), L"rb");
}

// The C library's own makes its file in the root of the drive, where few may.
std::FILE* OpenTemporaryFile() {
  Result<OwnedHandle> file = NewTemporaryFile();
  if (!file.ok()) {
    errno = EIO;
    return nullptr;
  }
  const int descriptor = ::_open_osfhandle(
      reinterpret_cast<std::intptr_t>(file.value().get()), _O_RDWR | _O_BINARY);
  if (descriptor < 0) return nullptr;
  // Of the descriptor from here on.
  file.value().Release();
  std::FILE* const stream = ::_fdopen(descriptor, "w+b");
  if (stream == nullptr) ::_close(descriptor);
  return stream;
}

}  // namespace scanengine::cli
