#include "engine/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "engine/directory_walker.h"
#include "engine/discovery_walk.h"
#include "engine/read_rights.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

// Each place costs every worker about 3 us at its start.
constexpr std::size_t kMaxPlaces = 512;
// Notices are for people; of more places than this only the number is told.
constexpr std::size_t kMaxNotices = 16;
constexpr std::size_t kMaxShownPathBytes = 300;

class NullSink final : public DiscoverySink {
 public:
  bool OnFile(DiscoveredFile) override { return true; }
};

/// Finds out what workers must be able to read.
class ReadRootsResolver {
 public:
  explicit ReadRootsResolver(const DiscoveryOptions& options)
      : options_(options) {}

  ReadRoots Resolve() {
    for (const std::string& path : options_.paths) AddNamed(path, true);
    for (const std::string& path : options_.files) AddNamed(path, false);
    if (options_.follow_symlinks) AddLinkTargets();

    std::vector<std::string> named = named_.Finish();
    std::vector<std::string> extra = blobs_.Finish();
    Drop(extra, [&](const std::string& path) { return named_.Covers(path); });
    if (named_.widened()) {
      Tell("workers may read all of", named, "too many places were named");
    }
    Tell("workers may also read", extra, "links of the model cache lead there");
    std::vector<std::string> linked = links_.Finish();
    Drop(linked, [&](const std::string& path) {
      return named_.Covers(path) || blobs_.Covers(path);
    });
    Tell("workers may also read", linked,
         links_.widened() ? "links lead there, to too many places to allow "
                            "them one by one"
                          : "links lead there");

    named.insert(named.end(), extra.begin(), extra.end());
    named.insert(named.end(), linked.begin(), linked.end());
    std::sort(named.begin(), named.end());
    result_.roots = std::move(named);
    return std::move(result_);
  }

 private:
  template <typename Predicate>
  static void Drop(std::vector<std::string>& paths, Predicate covered) {
    paths.erase(std::remove_if(paths.begin(), paths.end(), covered),
                paths.end());
  }

  void AddNamed(const std::string& path, bool is_root) {
    const Result<ResolvedPath> resolved = ResolvePath(path);
    if (!resolved.ok()) return;  // Discover() tells of it.
    const ResolvedPath& target = resolved.value();
    if (target.real_path.empty()) {
      AddTooLong(path);
    } else if (target.facts.kind == EntryKind::kFile) {
      named_.AddFile(target.real_path);
    } else if (target.facts.kind == EntryKind::kFolder && is_root) {
      named_.AddFolder(target.real_path);
      const std::string blobs = ModelCacheBlobs(target.real_path);
      if (!blobs.empty()) blobs_.AddFolder(blobs);
    }
  }

  // Rules are made by path, so what has none is covered by what is above it.
  void AddTooLong(const std::string& path) {
    const std::string above = NearestRealPath(path);
    if (above.empty()) {
      result_.notices.push_back(
          fmt::format("workers cannot read {}: the path is too long",
                      Printable(path, kMaxShownPathBytes)));
      return;
    }
    if (!named_.Covers(above)) {
      Tell("workers may read all of", {above},
           "a path below it is too long to name");
    }
    named_.AddFolder(above);
  }

  void AddLinkTargets() {
    NullSink sink;
    DiscoveryWalk(options_, sink,
                  [this](const std::string& real_path, bool is_folder) {
                    if (named_.Covers(real_path)) return;
                    if (is_folder) {
                      links_.AddFolder(real_path);
                    } else {
                      links_.AddFile(real_path);
                    }
                  })
        .Run();
  }

  void Tell(std::string_view what, const std::vector<std::string>& places,
            std::string_view why) {
    const auto tell = [&](const std::string& place, std::string_view more) {
      result_.notices.push_back(
          fmt::format("{} {}{} ({})", what,
                      Printable(place, kMaxShownPathBytes), more, why));
    };
    if (places.size() > kMaxNotices) {
      tell(places.front(),
           fmt::format(" and {} more places", places.size() - 1));
      return;
    }
    for (const std::string& place : places) tell(place, "");
  }

  const DiscoveryOptions& options_;
  ReadRights named_{kMaxPlaces};
  ReadRights blobs_{kMaxPlaces};
  ReadRights links_{kMaxPlaces};
  ReadRoots result_;
};

}  // namespace

ReadRoots ResolveReadRoots(const DiscoveryOptions& options) {
  return ReadRootsResolver(options).Resolve();
}

void Discover(const DiscoveryOptions& options, DiscoverySink& sink) {
  DiscoveryWalk(options, sink).Run();
}

}  // namespace scanengine
