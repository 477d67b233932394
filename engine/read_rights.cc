#include "engine/read_rights.h"

#include <algorithm>
#include <utility>

namespace scanengine {
namespace {

// Folders are collapsed once there are this many times more than may stay:
// collapsing costs as much as there are.
constexpr std::size_t kSlack = 8;

// "/" is above everything, also above "C:".
std::string_view FolderOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return "/";
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

// The first |depth| names of |path|; "/" if there are none.
std::string_view Cut(std::string_view path, std::size_t depth) {
  std::size_t end = 0;
  for (; depth > 0 && end != std::string_view::npos; --depth) {
    end = path.find('/', end + 1);
  }
  return path.substr(0, std::max<std::size_t>(end, 1));
}

std::size_t DepthOf(std::string_view path) {
  if (path == "/") return 0;
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

}  // namespace

bool ReadRights::Covers(std::string_view path) const {
  if (files_.contains(path)) return true;
  if (folders_.empty()) return false;
  while (!folders_.contains(path)) {
    if (path == "/") return false;
    path = FolderOf(path);
  }
  return true;
}

void ReadRights::AddFile(const std::string& path) {
  if (Covers(path)) return;
  if (!files_as_folders_) {
    files_.insert(path);
    if (files_.size() <= max_places_) return;
    files_as_folders_ = widened_ = true;
    const Paths files = std::exchange(files_, {});
    for (const std::string& file : files) {
      AddFolder(std::string(FolderOf(file)));
    }
    return;
  }
  AddFolder(std::string(FolderOf(path)));
}

void ReadRights::AddFolder(const std::string& path) {
  if (Covers(path)) return;
  folders_.insert(path);
  if (folders_.size() > max_places_ * kSlack) CollapseFolders();
}

ReadRights::Paths ReadRights::CutToDepth(const Paths& paths,
                                         std::size_t depth) {
  Paths cut;
  for (const std::string& path : paths) {
    const std::string_view head = Cut(path, depth);
    // Sorted, so that equal heads mostly follow each other.
    if (cut.empty() || *cut.rbegin() != head) cut.emplace(head);
  }
  return cut;
}

// Cuts all folders to the greatest depth at which few enough are left.
void ReadRights::CollapseFolders() {
  std::size_t depth = 0;
  for (const std::string& path : folders_) {
    depth = std::max(depth, DepthOf(path));
  }
  while (folders_.size() > max_places_ && depth > 0) {
    folders_ = CutToDepth(folders_, --depth);
    widened_ = true;
  }
}

std::vector<std::string> ReadRights::Finish() {
  CollapseFolders();
  // A folder sorts before all that is in it.
  const Paths folders = std::exchange(folders_, {});
  for (const std::string& folder : folders) {
    if (!Covers(folder)) folders_.insert(folder);
  }
  const Paths files = std::exchange(files_, {});
  Paths places = folders_;
  for (const std::string& file : files) {
    if (!Covers(file)) places.insert(file);
  }
  return {places.begin(), places.end()};
}

}  // namespace scanengine
