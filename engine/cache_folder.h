#ifndef SCANENGINE_ENGINE_CACHE_FOLDER_H_
#define SCANENGINE_ENGINE_CACHE_FOLDER_H_

#include <span>
#include <string>

#include "ipc/result.h"

namespace scanengine {

/// The folder of the result cache, created for its owner only if it is not
/// there. Gives its path, absolute and free of links.
///
/// Fails with kInvalidArgument if what is in it may come from somebody else: it
/// belongs to another user, others may write to it, or it is in one of |trees|
/// (paths that are walked): whoever makes what is scanned would say what is
/// clean. Fails with kIo if it cannot be made.
Result<std::string> PrepareCacheFolder(const std::string& path,
                                       std::span<const std::string> trees);

/// Fails with kInvalidArgument if |path| is there and is no regular file that
/// this user owns and nobody else may write to.
Status CheckCacheFile(const std::string& path);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_CACHE_FOLDER_H_
