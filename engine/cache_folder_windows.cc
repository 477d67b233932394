// A build for Windows has no result cache: whose a folder is, and who may write
// to it, would have to be told from its access control list.
#include "engine/cache_folder.h"

namespace scanengine {

Result<std::string> PrepareCacheFolder(const std::string& path,
                                       std::span<const std::string> trees) {
  static_cast<void>(path);
  static_cast<void>(trees);
  return Error{ErrorCode::kUnsupported,
               "--cache-dir: there is no result cache on Windows"};
}

Status CheckCacheFile(const std::string& path) {
  static_cast<void>(path);
  return Error{ErrorCode::kUnsupported, "there is no result cache on Windows"};
}

}  // namespace scanengine
