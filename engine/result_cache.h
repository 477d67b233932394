#ifndef SCANENGINE_ENGINE_RESULT_CACHE_H_
#define SCANENGINE_ENGINE_RESULT_CACHE_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace scanengine {

/// Names a row. Keys are made by a hash, so that equal ones mean the same.
using CacheKey = std::array<std::uint8_t, 32>;

struct CacheRow {
  CacheKey key{};
  std::vector<std::byte> value;
};

struct CachedValue {
  std::vector<std::byte> value;
  std::int64_t used = 0;  ///< As given when it was last stored or marked.
};

struct ResultCacheOptions {
  std::string folder;
  /// Rows that were not used for longest leave before the file is larger. What
  /// is not yet merged into it may come on top: a few MiB.
  std::uint64_t max_bytes = 256ULL << 20;
  /// How long to wait for other runs, at most, for each call.
  std::chrono::milliseconds patience{200};
  /// What people should know; from either thread.
  std::function<void(std::string text)> tell;
};

/// Rows of bytes that outlive a run, shared by runs that may take place at the
/// same time, in one file of |folder|.
///
/// A cache: it may forget anything, and nothing that happens to its file fails
/// a run. Every row has a checksum over key and value. Whatever is not as it
/// was written is noticed, told once and not given out; then the whole file
/// starts anew. If the file cannot be opened, or cannot be written to, that is
/// told once, too, and the rest of the run goes on without.
///
/// Open(), BeginFinding(), Find() and EndFinding() belong to one thread,
/// Store() to one, the same or another.
class ResultCache {
 public:
  virtual ~ResultCache() = default;

  /// Before all others. Makes the file if it is not there.
  virtual void Open() = 0;

  /// Between these two, finding is cheaper.
  virtual void BeginFinding() = 0;
  virtual std::optional<CachedValue> Find(const CacheKey& key) = 0;
  virtual void EndFinding() = 0;

  /// Stores or replaces |rows| and marks those of |used| as used at |now|, a
  /// number that grows with time; all or nothing. False: another run is busy
  /// with the file, and it may work later. What can never be stored counts as
  /// stored.
  virtual bool Store(std::span<const CacheRow> rows,
                     std::span<const CacheKey> used, std::int64_t now) = 0;

  /// The last call, when neither thread is in another one.
  virtual void Close() = 0;
};

/// Null if this build has none.
std::unique_ptr<ResultCache> MakeResultCache(ResultCacheOptions options);

/// "SQLite 3.40.1"; empty if this build has none.
std::string_view ResultCacheVersion();

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_RESULT_CACHE_H_
