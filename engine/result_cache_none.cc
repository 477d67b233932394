// Stands in for the result cache and all that only it needs, in builds without
// SQLite.

#include "engine/cache_folder.h"
#include "engine/content_hash.h"
#include "engine/result_cache.h"

namespace scanengine {
namespace {

Error None() {
  return {ErrorCode::kUnsupported, "this build has no result cache"};
}

}  // namespace

std::unique_ptr<ResultCache> MakeResultCache(ResultCacheOptions) {
  return nullptr;
}

std::string_view ResultCacheVersion() { return {}; }

struct Sha256Hasher::State {};

Sha256Hasher::Sha256Hasher() = default;
Sha256Hasher::~Sha256Hasher() = default;
void Sha256Hasher::Add(std::span<const std::byte>) {}
void Sha256Hasher::Add(std::uint64_t) {}
Sha256 Sha256Hasher::Finish() { return {}; }

Result<FileHash> HashFile(const std::string&, const FileStamp&) {
  return None();
}
Result<Sha256> HashProgram(const std::string&) { return None(); }

Result<std::string> PrepareCacheFolder(const std::string&,
                                       std::span<const std::string>) {
  return None();
}
Status CheckCacheFile(const std::string&) { return None(); }

}  // namespace scanengine
