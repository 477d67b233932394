// Stands in for the cache in builds without SQLite.

#include "engine/result_cache.h"

namespace scanengine {

std::unique_ptr<ResultCache> MakeResultCache(ResultCacheOptions) {
  return nullptr;
}

std::string_view ResultCacheVersion() { return {}; }

}  // namespace scanengine
