#ifndef SCANENGINE_TESTS_ENGINE_DISCOVERY_HARNESS_H_
#define SCANENGINE_TESTS_ENGINE_DISCOVERY_HARNESS_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/discovery.h"

namespace scanengine::testing {

using Lines = std::vector<std::string>;

/// Keeps all that is found, in order. |on_file| may act on the tree meanwhile;
/// false stops the discovery.
class CollectingSink final : public DiscoverySink {
 public:
  explicit CollectingSink(
      std::function<bool(const DiscoveredFile&)> on_file = nullptr)
      : on_file_(std::move(on_file)) {}

  bool OnFile(DiscoveredFile file) override {
    files_.push_back(std::move(file));
    return on_file_ == nullptr || on_file_(files_.back());
  }
  const std::vector<DiscoveredFile>& files() const { return files_; }

 private:
  std::function<bool(const DiscoveredFile&)> on_file_;
  std::vector<DiscoveredFile> files_;
};

/// "scanned PATH SIZE" or "STATUS PATH: DETAIL" for each file, sorted, with
/// |base| written as "$".
Lines Describe(const std::vector<DiscoveredFile>& files,
               const std::string& base);

/// Describe() of all that Discover() finds.
Lines Find(const DiscoveryOptions& options, const std::string& base);

/// Options to walk |paths|.
DiscoveryOptions Walking(std::vector<std::string> paths);

/// Runs |action| in a child process without any privilege and returns its
/// lines; nothing if this process has too little privilege itself to arrange
/// that the rights in a tree matter.
std::optional<Lines> WithoutPrivileges(const std::function<Lines()>& action);

/// Runs |action| in a child process and returns its lines with, in front, by
/// how many KiB its memory grew.
Lines WithMemoryUse(const std::function<Lines()>& action);

/// Runs |action| in a child process where a message queue file system is
/// mounted on |folder|; nothing if this process may not mount.
std::optional<Lines> WithPseudoMount(const std::string& folder,
                                     const std::function<Lines()>& action);

void MakeFifo(const std::string& path);
void MakeSocket(const std::string& path);
void SetMode(const std::string& path, unsigned mode);

/// Makes |depth| folders named |name| inside each other below |path|, and calls
/// |fill| for each, innermost last, with a way to add an empty file there.
/// Returns the path of the innermost one.
std::string MakeChain(
    const std::string& path, const std::string& name, std::size_t depth,
    const std::function<void(std::size_t level,
                             const std::function<void(const char*)>& add_file)>&
        fill);

/// How many descriptors this process has open.
std::size_t OpenDescriptors();

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_ENGINE_DISCOVERY_HARNESS_H_
