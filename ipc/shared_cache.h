#ifndef SCANENGINE_IPC_SHARED_CACHE_H_
#define SCANENGINE_IPC_SHARED_CACHE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/result.h"
#include "ipc/shared_memory.h"

namespace scanengine {

/// Names of the sections in the cache.
inline constexpr std::string_view kImportPolicySection = "imports";

/// Read-only data that every worker maps and none copies.
///
/// Built once by the supervisor, sealed, then only read; a worker maps it by a
/// handle that it inherits. No name, so nothing is left behind however the
/// supervisor ends. Layout: ARCHITECTURE.md, "Shared cache". Thread-safe once
/// built.
class SharedCache {
 public:
  using Section = std::pair<std::string, std::vector<std::byte>>;

  /// Copies |sections| into a new sealed segment. Fails with kIo when shared
  /// memory cannot be had.
  static Result<std::unique_ptr<SharedCache>> Create(
      std::span<const Section> sections);

  /// Maps the segment behind |handle|, which stays the caller's, read-only.
  /// Fails with kMalformed when what is there is not a cache of this version.
  static Result<std::unique_ptr<SharedCache>> Attach(NativeHandle handle);

  virtual ~SharedCache() = default;
  SharedCache(const SharedCache&) = delete;
  SharedCache& operator=(const SharedCache&) = delete;

  /// The bytes of a section, aligned to 64; empty if there is none by that
  /// name. Valid as long as this object.
  virtual std::span<const std::byte> Find(std::string_view name) const = 0;

  /// To be inherited by workers; kNoHandle for an attached cache.
  virtual NativeHandle handle() const = 0;
  virtual std::size_t size() const = 0;

 protected:
  SharedCache() = default;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_SHARED_CACHE_H_
