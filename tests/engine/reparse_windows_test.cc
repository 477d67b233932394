// Links, junctions and other reparse points, which not every system that this
// runs on can make: what the system would answer about some folders and files
// is put into its answers on their way to the walk.

#include <windows.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "engine/discovery.h"
#include "ipc/windows_system.h"
#include "tests/support/temp_dir.h"

namespace {

constexpr DWORD kCloudTag = 0x9000001a;  // IO_REPARSE_TAG_CLOUD
constexpr DWORD kDedupTag = 0x80000013;  // IO_REPARSE_TAG_DEDUP

struct ReparsePoint {
  DWORD tag;
  std::wstring target;  ///< Of a link.
};
/// By path.
std::map<std::wstring, ReparsePoint> points;
/// Of what was opened last under a handle.
std::map<HANDLE, std::wstring> opened;

template <typename Function>
Function* System(const char* name) {
  return reinterpret_cast<Function*>(reinterpret_cast<void*>(
      ::GetProcAddress(::GetModuleHandleW(L"kernel32.dll"), name)));
}

/// |path| with the links on its way followed; of the last part only if |last|.
std::wstring Follow(std::wstring path, bool last) {
  for (const auto& [at, point] : points) {
    const bool is_last = path == at;
    if (!IsReparseTagNameSurrogate(point.tag) || (is_last && !last)) continue;
    if (is_last || path.starts_with(at + L"\\")) {
      return point.target + path.substr(at.size());
    }
  }
  return path;
}

HANDLE WINAPI OnCreateFile(const wchar_t* path, DWORD access, DWORD share,
                           SECURITY_ATTRIBUTES* security, DWORD how,
                           DWORD flags, HANDLE like) {
  const bool last = (flags & FILE_FLAG_OPEN_REPARSE_POINT) == 0;
  const std::wstring real = Follow(path, last);
  const HANDLE file = System<decltype(OnCreateFile)>("CreateFileW")(
      real.c_str(), access, share, security, how, flags, like);
  opened[file] = real;
  return file;
}

BOOL WINAPI OnInfo(HANDLE file, BY_HANDLE_FILE_INFORMATION* info) {
  if (!System<decltype(OnInfo)>("GetFileInformationByHandle")(file, info)) {
    return FALSE;
  }
  if (points.contains(opened[file])) {
    info->dwFileAttributes |= FILE_ATTRIBUTE_REPARSE_POINT;
  }
  return TRUE;
}

void PutTags(const std::wstring& folder, std::byte* entries) {
  while (true) {
    auto* const entry = reinterpret_cast<FILE_ID_BOTH_DIR_INFO*>(entries);
    const std::wstring name(entry->FileName,
                            entry->FileNameLength / sizeof(wchar_t));
    const auto found = points.find(folder + L"\\" + name);
    if (found != points.end()) {
      entry->FileAttributes |= FILE_ATTRIBUTE_REPARSE_POINT;
      entry->EaSize = found->second.tag;
    }
    if (entry->NextEntryOffset == 0) return;
    entries += entry->NextEntryOffset;
  }
}

BOOL WINAPI OnInfoEx(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void* out,
                     DWORD size) {
  const auto found = points.find(opened[file]);
  if (what == FileAttributeTagInfo && found != points.end()) {
    *static_cast<FILE_ATTRIBUTE_TAG_INFO*>(out) = {FILE_ATTRIBUTE_REPARSE_POINT,
                                                   found->second.tag};
    return TRUE;
  }
  if (!System<decltype(OnInfoEx)>("GetFileInformationByHandleEx")(file, what,
                                                                  out, size)) {
    return FALSE;
  }
  if (what == FileIdBothDirectoryInfo ||
      what == FileIdBothDirectoryRestartInfo) {
    PutTags(opened[file], static_cast<std::byte*>(out));
  }
  return TRUE;
}

}  // namespace

// The linker takes these pointers in place of those from the system's
// libraries. NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
decltype(&OnCreateFile) __imp_CreateFileW = OnCreateFile;
decltype(&OnInfo) __imp_GetFileInformationByHandle = OnInfo;
decltype(&OnInfoEx) __imp_GetFileInformationByHandleEx = OnInfoEx;
}
// NOLINTEND(bugprone-reserved-identifier)

namespace scanengine {
namespace {

using testing::TempDir;
using Lines = std::vector<std::string>;

class Tree {
 public:
  Tree() {
    points.clear();
    dir_.File("outside/secret", "123");
    dir_.File("root/sub/file", "1");
  }
  ~Tree() { points.clear(); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  std::string Path(const std::string& name) const { return dir_ / name; }
  void File(const std::string& name) { dir_.File(name, "22"); }
  /// A folder, made into a link to |target|.
  void LinkFolder(const std::string& name, DWORD tag,
                  const std::string& target) {
    dir_.Folder(name);
    points[NativePath(Path(name))] = {tag, NativePath(Path(target))};
  }
  void LinkFile(const std::string& name, DWORD tag, const std::string& target) {
    File(name);
    points[NativePath(Path(name))] = {tag, NativePath(Path(target))};
  }

  Lines Find(const std::string& root, bool follow = false) const {
    class Sink final : public DiscoverySink {
     public:
      bool OnFile(DiscoveredFile file) override {
        files.push_back(std::move(file));
        return true;
      }
      std::vector<DiscoveredFile> files;
    };
    DiscoveryOptions options;
    options.paths = {Path(root)};
    options.follow_symlinks = follow;
    Sink sink;
    Discover(options, sink);
    Lines lines;
    for (const DiscoveredFile& file : sink.files) {
      std::string line(OutcomeStatusName(file.status));
      line += " " + file.path.substr(Path("").size());
      if (!file.detail.empty()) line += ": " + file.detail;
      lines.push_back(std::move(line));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }

 private:
  TempDir dir_;
};

constexpr char kLeadsOut[] =
    ": link leads out of the scanned folder; --follow-symlinks scans it";

TEST_CASE("Reparse points: links are not followed out of the root") {
  for (const DWORD tag : {IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK}) {
    CAPTURE(tag);
    Tree tree;
    tree.LinkFolder("root/link", tag, "outside");
    CHECK(tree.Find("root") ==
          Lines{"scanned root/sub/file",
                std::string("skipped root/link") + kLeadsOut});
    CHECK(tree.Find("root", true) ==
          Lines{"scanned root/link/secret", "scanned root/sub/file"});
    // Who names a link means what it leads to.
    CHECK(tree.Find("root/link") == Lines{"scanned root/link/secret"});
  }
}

TEST_CASE("Reparse points: a link to a file outside is not followed") {
  Tree tree;
  tree.LinkFile("root/link", IO_REPARSE_TAG_SYMLINK, "outside/secret");
  CHECK(tree.Find("root") ==
        Lines{"scanned root/sub/file",
              std::string("skipped root/link") + kLeadsOut});
  CHECK(tree.Find("root", true) ==
        Lines{"scanned root/link", "scanned root/sub/file"});
}

TEST_CASE("Reparse points: what is in the root is not scanned twice") {
  Tree tree;
  tree.LinkFolder("root/again", IO_REPARSE_TAG_MOUNT_POINT, "root/sub");
  tree.LinkFolder("root/sub/up", IO_REPARSE_TAG_MOUNT_POINT, "root");
  for (const bool follow : {false, true}) {
    const Lines found = tree.Find("root", follow);
    CHECK(std::count_if(found.begin(), found.end(), [](const auto& line) {
            return line.starts_with("scanned ");
          }) == 1);
    CHECK(found[0] == "scanned root/sub/file");
  }
}

TEST_CASE("Reparse points: a link to nowhere is an outcome") {
  Tree tree;
  tree.LinkFolder("root/link", IO_REPARSE_TAG_MOUNT_POINT, "gone");
  const Lines found = tree.Find("root");
  REQUIRE(found.size() == 2);
  CHECK(found[1].find(" root/link: ") != std::string::npos);
}

TEST_CASE("Reparse points: files of cloud services and of volumes are files") {
  for (const DWORD tag : {kCloudTag, kDedupTag}) {
    CAPTURE(tag);
    Tree tree;
    tree.LinkFile("root/model", tag, "root/model");
    tree.LinkFolder("root/folder", tag, "root/folder");
    tree.File("root/folder/file");
    CHECK(tree.Find("root") == Lines{"scanned root/folder/file",
                                     "scanned root/model",
                                     "scanned root/sub/file"});
  }
}

}  // namespace
}  // namespace scanengine
