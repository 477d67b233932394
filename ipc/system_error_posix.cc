#include "ipc/system_error_posix.h"

#include <cerrno>
#include <cstring>

namespace scanengine {

Error SystemError(int code) {
  ErrorCode kind = ErrorCode::kIo;
  if (code == EACCES || code == EPERM || code == EROFS) {
    kind = ErrorCode::kPermission;
  } else if (code == ENOENT || code == ENOTDIR) {
    kind = ErrorCode::kNotFound;
  }
  return Error{kind, std::strerror(code)};
}

}  // namespace scanengine
