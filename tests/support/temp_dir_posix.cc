#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "ipc/check.h"
#include "tests/support/temp_dir.h"

namespace scanengine::testing {
namespace {

namespace fs = std::filesystem;

// Opens a folder for removal; one without rights is given them first.
int OpenForRemoval(int above, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const int fd = ::openat(above, name, kFlags);
  if (fd >= 0 || errno != EACCES) return fd;
  ::fchmodat(above, name, 0700, 0);
  return ::openat(above, name, kFlags);
}

// Removes all files of the folder |fd| and returns the names of its folders.
std::vector<std::string> RemoveFiles(int fd) {
  std::vector<std::string> folders;
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  DIR* dir = ::fdopendir(copy);
  SCANENGINE_CHECK(dir != nullptr);
  ::fchmod(fd, 0700);
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(fd, name.c_str(), 0) != 0) folders.push_back(name);
  }
  ::closedir(dir);
  return folders;
}

struct Level {
  std::string name;
  std::vector<std::string> folders;
};

}  // namespace

void RemoveTree(const std::string& path) {
  int fd = OpenForRemoval(AT_FDCWD, path.c_str());
  if (fd < 0) {
    ::unlink(path.c_str());
    return;
  }
  std::vector<Level> levels{{path, RemoveFiles(fd)}};
  while (true) {
    Level& level = levels.back();
    if (!level.folders.empty()) {
      std::string name = std::move(level.folders.back());
      level.folders.pop_back();
      const int below = OpenForRemoval(fd, name.c_str());
      if (below < 0) continue;
      ::close(fd);
      fd = below;
      std::vector<std::string> folders = RemoveFiles(fd);
      levels.push_back({std::move(name), std::move(folders)});
      continue;
    }
    const std::string name = std::move(level.name);
    levels.pop_back();
    if (levels.empty()) break;
    const int above = ::openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SCANENGINE_CHECK(above >= 0);
    ::close(fd);
    fd = above;
    ::unlinkat(fd, name.c_str(), AT_REMOVEDIR);
  }
  ::close(fd);
  ::rmdir(path.c_str());
}

TempDir::TempDir(Place place) {
  const bool in_memory =
      place == Place::kMemory && ::access("/dev/shm", W_OK | X_OK) == 0;
  const fs::path above = in_memory ? "/dev/shm" : fs::temp_directory_path();
  std::string pattern = fs::canonical(above) / "scanengine-test-XXXXXX";
  SCANENGINE_CHECK(::mkdtemp(pattern.data()) != nullptr);
  // Tests that give up their rights must still get in.
  SCANENGINE_CHECK(::chmod(pattern.c_str(), 0755) == 0);
  path_ = pattern;
}

TempDir::~TempDir() { RemoveTree(path_); }

std::string TempDir::operator/(std::string_view relative) const {
  return path_ + "/" + std::string(relative);
}

std::string TempDir::File(std::string_view relative, std::string_view bytes) {
  const std::string path = *this / relative;
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream stream(path, std::ios::binary);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  SCANENGINE_CHECK(stream.good());
  return path;
}

std::string TempDir::Folder(std::string_view relative) {
  const std::string path = *this / relative;
  fs::create_directories(path);
  return path;
}

std::string TempDir::Link(std::string_view relative,
                          const std::string& target) {
  const std::string path = *this / relative;
  fs::create_directories(fs::path(path).parent_path());
  SCANENGINE_CHECK(::symlink(target.c_str(), path.c_str()) == 0);
  return path;
}

}  // namespace scanengine::testing
