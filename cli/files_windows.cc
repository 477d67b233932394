#include <windows.h>

#include <cerrno>

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
  std::wstring folder(MAX_PATH + 1, L'\0');
  folder.resize(
      ::GetTempPathW(static_cast<DWORD>(folder.size()), folder.data()));
  std::wstring name(MAX_PATH + 1, L'\0');
  if (folder.empty() ||
      ::GetTempFileNameW(folder.c_str(), L"scn", 0, name.data()) == 0) {
    errno = EIO;
    return nullptr;
  }
  // T: rather in memory than on disk; D: deleted when it is closed.
  return ::_wfopen(name.c_str(), L"w+bTD");
}

}  // namespace scanengine::cli
