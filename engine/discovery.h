#ifndef SCANENGINE_ENGINE_DISCOVERY_H_
#define SCANENGINE_ENGINE_DISCOVERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc/file_stamp.h"
#include "ipc/outcome.h"
#include "ipc/result.h"

namespace scanengine {

/// What to look for; see ScanOptions for the meaning of the fields.
struct DiscoveryOptions {
  std::vector<std::string> paths;
  std::vector<std::string> files;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  bool follow_symlinks = false;
  std::uint64_t max_file_size = 0;
};

/// A file to scan, or one whose outcome is settled without reading it.
struct DiscoveredFile {
  std::string path;
  std::uint64_t size = 0;
  /// kScanned: to be scanned. Else the outcome: kSkipped (device, link out of
  /// the root), kUnreadable (file or folder that cannot be opened), kLimit,
  /// kChanged (folder that vanished or was moved meanwhile).
  OutcomeStatus status = OutcomeStatus::kScanned;
  std::string detail;
  /// Taken before the file is given, so that a file with this stamp was not
  /// changed since; of files to be scanned that were still there.
  std::optional<FileStamp> stamp;
};

/// Receives files in the order in which they are found.
class DiscoverySink {
 public:
  virtual ~DiscoverySink() = default;
  /// May block: that is the back-pressure. False: stop looking.
  virtual bool OnFile(DiscoveredFile file) = 0;
};

/// What workers must be able to read for these options.
struct ReadRoots {
  std::vector<std::string> roots;    ///< Absolute paths without links.
  std::vector<std::string> notices;  ///< What was widened, for people.
};

/// Resolves the roots before any worker starts: the paths themselves, the
/// `blobs` folder of a hub cache that holds one, folders of single files, and,
/// with follow_symlinks, what links lead to (this walks the tree once more).
/// Paths that do not exist are left out; Discover() reports them.
ReadRoots ResolveReadRoots(const DiscoveryOptions& options);

/// Walks all paths and gives every file to |sink| exactly once, until done or
/// told to stop.
///
/// Paths are the root as given, "/" and the path below it, as find(1) writes
/// them: "." gives "./x", "a//" gives "a/x". A file that has vanished since it
/// was listed is given all the same. What filters leave out is not given; they
/// apply to what is below a root, never to what was named itself.
///
/// Never fails as a whole: what cannot be read becomes an outcome of its own.
/// Uses memory for the folders on the current path only, no recursion, and few
/// descriptors whatever the depth. Blocks; meant for a thread of its own.
void Discover(const DiscoveryOptions& options, DiscoverySink& sink);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_DISCOVERY_H_
