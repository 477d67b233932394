#ifndef SCANENGINE_ENGINE_DISCOVERY_WALK_H_
#define SCANENGINE_ENGINE_DISCOVERY_WALK_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/directory_walker.h"
#include "engine/discovery.h"
#include "engine/path_filter.h"

namespace scanengine {

/// The `blobs` folder of the model cache that holds the folder |real_path|;
/// empty if there is none. A cache is a folder named `models--*`, `datasets--*`
/// or `spaces--*` with a folder `blobs` in it that is no link; what its
/// snapshots show are links to files there.
std::string ModelCacheBlobs(const std::string& real_path);

/// One discovery from start to end.
///
/// Every file once. Three things could give one twice, and each is met with an
/// identity, not with a comparison of spellings:
/// - A root named twice or lying inside another: a folder that is a root of its
///   own is walked there and left out of the walk around it.
/// - A file named although it also lies below a root, or named twice: what
///   counts is the folder that holds it and its name there, so that two hard
///   links are two files. The first to be given wins, and named files come
///   before walks.
/// - A link: what it leads to is looked up by its real path among all that is
///   walked. If a walk reaches it, the link is skipped with an outcome.
///
/// Folders reached through links (only with follow_symlinks) are walked after
/// the roots, each as one more root, so that there are no cycles.
class DiscoveryWalk {
 public:
  /// Told of all that is read through a link: its real path.
  using LinkListener =
      std::function<void(const std::string& real_path, bool is_folder)>;

  /// |options| and |sink| must outlive this.
  DiscoveryWalk(const DiscoveryOptions& options, DiscoverySink& sink,
                LinkListener listener = nullptr);

  /// Call it once.
  void Run();

 private:
  /// A folder that is walked on its own.
  struct Top {
    std::string path;         ///< As it begins the paths of its files.
    std::size_t relative_at;  ///< Where in those the part for filters begins.
    FileId id;
    std::string real_path;
    std::string blobs;  ///< See ModelCacheBlobs().
    bool through_link = false;
  };
  /// An entry of a folder, whatever path leads there.
  struct EntryKey {
    FileId folder;
    std::string name;
  };
  struct EntryKeyView {
    FileId folder;
    std::string_view name;
  };
  struct EntryKeyLess {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      if (a.folder != b.folder) return a.folder < b.folder;
      return std::string_view(a.name) < std::string_view(b.name);
    }
  };
  /// What walks make of a place.
  enum class Reach {
    kOutside,      ///< Below no folder that is walked.
    kLeftOut,      ///< Below one, but filtered out.
    kWalked,       ///< Given under its own name.
    kThroughLink,  ///< Given under a name that goes through another link.
  };

  void AddFolderRoots();
  void GiveNamed(const std::string& path, bool is_root);
  void GiveNamedLink(const std::string& path, bool is_root);
  bool AddTop(std::string path, std::size_t relative_at, ResolvedPath folder,
              bool through_link);
  void Walk(const Top& top);
  void ReadFolder(const Top& top, DirectoryWalker& walker);
  void OnEntry(const Top& top, DirectoryWalker& walker,
               const DirectoryEntry& entry);
  void OnLink(const Top& top, const DirectoryWalker& walker,
              const DirectoryEntry& entry);
  void FollowLink(const Top& top, const std::string& path,
                  const ResolvedPath& target, Reach reach);
  void GiveThroughLink(const std::string& path, const ResolvedPath& target);
  Reach ReachOf(const std::string& real_path, bool is_folder) const;
  bool Take(FileId folder, std::string_view name);
  bool TakeByRealPath(const std::string& real_path);
  bool TakeNamed(const std::string& path);

  void GiveFile(const std::string& path, std::uint64_t size,
                const std::optional<FileStamp>& stamp);
  void GiveReached(const std::string& path, const ResolvedPath& target,
                   Reach reach);
  void GiveFolderFault(const std::string& path, const Error& error);
  void Give(const std::string& path, OutcomeStatus status, std::string detail,
            std::uint64_t size = 0,
            const std::optional<FileStamp>& stamp = std::nullopt);

  const DiscoveryOptions& options_;
  DiscoverySink& sink_;
  const LinkListener listener_;
  const PathFilter filter_;
  bool stopped_ = false;

  std::deque<Top> tops_;  ///< Grows while it is worked off; never moves.
  std::set<FileId> top_ids_;
  std::map<std::string, const Top*, std::less<>> tops_by_real_path_;
  std::set<EntryKey, EntryKeyLess> taken_;
  std::size_t taken_through_links_ = 0;
  std::pair<std::string, FileId> last_folder_of_named_;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_DISCOVERY_WALK_H_
