#ifndef SCANENGINE_TESTS_CLI_SCRATCH_FOLDER_H_
#define SCANENGINE_TESTS_CLI_SCRATCH_FOLDER_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "tests/support/temp_dir.h"

namespace scanengine::testing {

/// An empty folder that is removed with all it holds.
class ScratchFolder {
 public:
  const std::string& path() const { return dir_.path(); }
  std::string File(const std::string& name) const { return dir_ / name; }

  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name), std::ios::binary) << text;
    return File(name);
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(File(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  /// Names in the folder, hidden ones too.
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

 private:
  TempDir dir_;
};

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_CLI_SCRATCH_FOLDER_H_
