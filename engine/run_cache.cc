#include "engine/run_cache.h"

#include <utility>

#include "engine/cache_folder.h"
#include "engine/journal_settings.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kLeastBytes = 1U << 20;

// What outcomes depend on beside the file, as --resume sees it, and the
// libraries that this build has.
std::string RulesOf(const ScanOptions& options, const RunCache::Run& run) {
  std::string rules;
  for (const JournalSetting& setting :
       DescribeRun(options, run.import_policy, run.formats).settings) {
    if (setting.kind != JournalSetting::Kind::kRules) continue;
    rules += setting.name + '=' + setting.value + '\n';
  }
  for (const std::string& feature : BuildFeatures()) rules += feature + '\n';
  return rules;
}

Status Check(const ScanOptions& options) {
  const auto bad = [](const char* what) {
    return Error{ErrorCode::kInvalidArgument, what};
  };
  if (ResultCacheVersion().empty()) {
    return bad(
        "--cache-dir: this build has no result cache: it was made "
        "without SQLite");
  }
  // Without it, what a file makes its parser do may include writing rows.
  if (options.isolation == IsolationMode::kInProcess || !options.sandbox) {
    return bad(
        "--cache-dir needs workers in a sandbox: without, a file could "
        "write to the cache");
  }
  if (options.cache.max_bytes < kLeastBytes) {
    return bad("--cache-size: less than 1 MiB holds nothing");
  }
  return OkStatus();
}

}  // namespace

RunCache::RunCache(std::string folder, std::unique_ptr<ResultCache> rows,
                   CacheScope scope)
    : folder_(std::move(folder)), cache_(std::move(rows), std::move(scope)) {}

Result<std::unique_ptr<RunCache>> RunCache::Start(
    const ScanOptions& options, const Run& run,
    std::function<void(Notice)> tell) {
  if (options.cache.folder.empty()) return std::unique_ptr<RunCache>();
  if (Status checked = Check(options); !checked.ok()) return checked.error();
  std::vector<std::string> trees = options.paths;
  if (options.follow_symlinks) {
    trees.insert(trees.end(), run.read_roots.begin(), run.read_roots.end());
  }
  Result<std::string> folder = PrepareCacheFolder(options.cache.folder, trees);
  if (!folder.ok()) return folder.error();

  ResultCacheOptions rows;
  rows.folder = folder.value();
  rows.max_bytes = options.cache.max_bytes;
  rows.tell = [tell = std::move(tell)](std::string text) {
    tell({Notice::Kind::kCache, std::move(text)});
  };
  return std::unique_ptr<RunCache>(
      new RunCache(std::move(folder).value(), MakeResultCache(std::move(rows)),
                   CacheScope{RulesOf(options, run), run.worker_path}));
}

std::unique_ptr<CachedTaskSource> RunCache::Wrap(
    TaskSource& source, std::function<void()> on_news) {
  return std::make_unique<CachedTaskSource>(source, cache_, bell_,
                                            std::move(on_news));
}

OutcomeRecorder* RunCache::RecorderAfter(OutcomeRecorder* first) {
  first_ = first;
  return this;
}

void RunCache::Record(std::span<FileOutcome* const> outcomes) {
  if (first_ != nullptr) first_->Record(outcomes);
  cache_.Record(outcomes);
}

}  // namespace scanengine
