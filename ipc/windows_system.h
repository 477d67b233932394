#ifndef SCANENGINE_IPC_WINDOWS_SYSTEM_H_
#define SCANENGINE_IPC_WINDOWS_SYSTEM_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "ipc/result.h"

/// What all parts for Windows need of it; built there only.

namespace scanengine {

std::wstring Wide(std::string_view wtf8);
std::string Narrow(std::wstring_view units);

/// ExtendedPath() below the current folder; empty for what is no path.
std::wstring NativePath(std::string_view path);

/// For people: lower case, without a period. |code| as GetLastError() gives it.
std::string SystemMessage(unsigned long code);
/// The last error of this thread, read first thing.
unsigned long LastSystemError();
/// "WHAT: MESSAGE", kIo.
Error SystemError(const char* what, unsigned long code);
/// Of a call on a file: kNotFound, kPermission, kLimitExceeded (too long a
/// path, a loop of links) or kIo.
Error FileError(unsigned long code);

/// Owns a handle of the system. 0 and -1 both mean none.
class OwnedHandle {
 public:
  OwnedHandle() = default;
  explicit OwnedHandle(void* handle);
  ~OwnedHandle();
  OwnedHandle(OwnedHandle&& other) noexcept;
  OwnedHandle& operator=(OwnedHandle&& other) noexcept;

  void* get() const { return handle_; }
  bool ok() const { return handle_ != nullptr; }
  void* Release();
  void Reset() { *this = OwnedHandle(); }

 private:
  void* handle_ = nullptr;
};

/// A new file in the temporary folder, open for reading and writing and gone
/// with its last handle. Fails with kIo.
Result<OwnedHandle> NewTemporaryFile();

}  // namespace scanengine

#endif  // SCANENGINE_IPC_WINDOWS_SYSTEM_H_
