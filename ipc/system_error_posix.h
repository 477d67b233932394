#ifndef SCANENGINE_IPC_SYSTEM_ERROR_POSIX_H_
#define SCANENGINE_IPC_SYSTEM_ERROR_POSIX_H_

#include "ipc/result.h"

namespace scanengine {

/// What errno |code| means for a file that we need ourselves, in the system's
/// words: kPermission, kNotFound or kIo.
Error SystemError(int code);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_SYSTEM_ERROR_POSIX_H_
