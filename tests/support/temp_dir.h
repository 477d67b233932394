#ifndef SCANENGINE_TESTS_SUPPORT_TEMP_DIR_H_
#define SCANENGINE_TESTS_SUPPORT_TEMP_DIR_H_

#include <string>
#include <string_view>

namespace scanengine::testing {

/// A new folder below the system's temporary one, removed with all that is in
/// it at the end of its life, however deep that is and whatever its rights.
/// Aborts if it cannot be made: no test goes on without it.
class TempDir {
 public:
  enum class Place {
    kTemporary,
    /// In memory where the system has such a place: for trees of which most
    /// file systems take minutes to make.
    kMemory,
  };
  explicit TempDir(Place place = Place::kTemporary);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  /// Absolute, without links.
  const std::string& path() const { return path_; }
  /// |relative| below it.
  std::string operator/(std::string_view relative) const;

  // These take paths below the folder, make what lacks above them, abort if
  // they fail, and return the absolute path.

  std::string File(std::string_view relative, std::string_view bytes = "x");
  std::string Folder(std::string_view relative);
  std::string Link(std::string_view relative, const std::string& target);

 private:
  std::string path_;
};

/// Removes |path| and all below it without following links; does nothing if
/// there is nothing. Neither recursion nor paths longer than a name.
void RemoveTree(const std::string& path);

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_TEMP_DIR_H_
