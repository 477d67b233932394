#ifndef SCANENGINE_ENGINE_READ_RIGHTS_H_
#define SCANENGINE_ENGINE_READ_RIGHTS_H_

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace scanengine {

/// Collects places that must be readable, as few and as narrow as possible.
///
/// Every place costs each worker a rule at its start, so there is a limit.
/// Beyond it single files give way to the folders that hold them, and folders
/// to what they have in common. Memory is bounded whatever is added.
class ReadRights {
 public:
  /// |max_places| files, and as many folders.
  explicit ReadRights(std::size_t max_places) : max_places_(max_places) {}

  /// Paths are absolute and free of links.
  void AddFile(const std::string& path);
  void AddFolder(const std::string& path);

  /// True if |path| can be read by what was added, but for being widened.
  bool Covers(std::string_view path) const;

  /// The places, sorted, none of them below another one. Call it last.
  std::vector<std::string> Finish();

  /// After Finish(): true if they hold more than was added.
  bool widened() const { return widened_; }

 private:
  using Paths = std::set<std::string, std::less<>>;

  void CollapseFolders();
  static Paths CutToDepth(const Paths& paths, std::size_t depth);

  std::size_t max_places_;
  Paths files_;
  Paths folders_;
  bool files_as_folders_ = false;
  bool widened_ = false;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_READ_RIGHTS_H_
