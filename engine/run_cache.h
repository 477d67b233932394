#ifndef SCANENGINE_ENGINE_RUN_CACHE_H_
#define SCANENGINE_ENGINE_RUN_CACHE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/cached_task_source.h"
#include "engine/outcome_cache.h"
#include "engine/scan_engine.h"
#include "engine/task_journal.h"

namespace scanengine {

/// The result cache of one run of the engine.
class RunCache final : private OutcomeRecorder {
 public:
  /// What of a run its cache depends on.
  struct Run {
    std::span<const std::byte> import_policy;
    std::vector<FormatInfo> formats;
    std::string worker_path;
    std::vector<std::string> read_roots;  ///< What workers may read.
  };

  /// Null if |options| want none. Fails with kInvalidArgument if the folder
  /// cannot be trusted or this build has no cache. |tell| may be called from
  /// any thread, until End() returns.
  static Result<std::unique_ptr<RunCache>> Start(
      const ScanOptions& options, const Run& run,
      std::function<void(Notice)> tell);

  /// Rung by whoever has news for the source below.
  NewsBell& bell() { return bell_; }
  /// Settles tasks of |source| if it can. Destroyed before End().
  std::unique_ptr<CachedTaskSource> Wrap(TaskSource& source,
                                         std::function<void()> on_news);
  /// Records after |first|, which may be null.
  OutcomeRecorder* RecorderAfter(OutcomeRecorder* first);

  /// Keeps what there is to keep. Nothing happens the second time.
  void End() { cache_.End(); }
  const std::string& folder() const { return folder_; }

 private:
  RunCache(std::string folder, std::unique_ptr<ResultCache> rows,
           CacheScope scope);
  void Record(std::span<FileOutcome* const> outcomes) override;

  const std::string folder_;
  NewsBell bell_;
  OutcomeRecorder* first_ = nullptr;
  OutcomeCache cache_;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_RUN_CACHE_H_
