#include <windows.h>
//
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "engine/directory_walker.h"
#include "engine/discovery.h"
#include "engine/path_filter.h"
#include "engine/path_syntax.h"
#include "ipc/windows_system.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::TempDir;
using Lines = std::vector<std::string>;

class CollectingSink final : public DiscoverySink {
 public:
  bool OnFile(DiscoveredFile file) override {
    if (on_file) on_file(file);
    files.push_back(std::move(file));
    return true;
  }
  std::function<void(const DiscoveredFile&)> on_file;
  std::vector<DiscoveredFile> files;
};

Lines Describe(const std::vector<DiscoveredFile>& files,
               const std::string& base) {
  Lines lines;
  for (const DiscoveredFile& file : files) {
    std::string path = file.path;
    if (!base.empty() && path.starts_with(base))
      path.replace(0, base.size(), "$");
    std::string line(OutcomeStatusName(file.status));
    line += " " + path;
    line += file.status == OutcomeStatus::kScanned
                ? " " + std::to_string(file.size)
                : ": " + file.detail;
    lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

Lines Find(const DiscoveryOptions& options, const std::string& base) {
  CollectingSink sink;
  Discover(options, sink);
  return Describe(sink.files, base);
}

DiscoveryOptions Walking(std::vector<std::string> paths) {
  DiscoveryOptions options;
  options.paths = std::move(paths);
  return options;
}

class CurrentFolder {
 public:
  explicit CurrentFolder(const std::string& path) : before_(MAX_PATH, L'\0') {
    before_.resize(::GetCurrentDirectoryW(MAX_PATH, before_.data()));
    // This call takes no prefix.
    REQUIRE(::SetCurrentDirectoryW(Wide(path).c_str()));
  }
  ~CurrentFolder() { ::SetCurrentDirectoryW(before_.c_str()); }
  CurrentFolder(const CurrentFolder&) = delete;
  CurrentFolder& operator=(const CurrentFolder&) = delete;

 private:
  std::wstring before_;
};

TEST_CASE("Discovery: every file of a tree, with its size, once") {
  TempDir dir;
  dir.File("a.pkl", "1");
  dir.File("sub/b.pkl", "22");
  dir.File("sub/deeper/c.pkl", "333");
  dir.Folder("empty");
  const Lines all{"scanned $/a.pkl 1", "scanned $/sub/b.pkl 2",
                  "scanned $/sub/deeper/c.pkl 3"};
  CHECK(Find(Walking({dir.path()}), dir.path()) == all);
  CHECK(Find(Walking({dir.path() + "/"}), dir.path()) == all);
  CHECK(Find(Walking({dir / "sub", dir.path()}), dir.path()) == all);
  CHECK(Find(Walking({dir / "a.pkl", dir.path()}), dir.path()) == all);
  CHECK(Find(Walking({dir.path(), dir.path()}), dir.path()) == all);
}

TEST_CASE("Discovery: roots in every spelling") {
  TempDir dir;
  dir.File("sub/a", "1");
  const CurrentFolder here(dir.path());
  CHECK(Find(Walking({"."}), "") == Lines{"scanned ./sub/a 1"});
  CHECK(Find(Walking({"sub"}), "") == Lines{"scanned sub/a 1"});
  CHECK(Find(Walking({"sub/../sub"}), "") == Lines{"scanned sub/../sub/a 1"});
  const std::string drive = dir.path().substr(0, 2);
  CHECK(Find(Walking({drive + "sub"}), drive) == Lines{"scanned $sub/a 1"});
  const std::string rooted = dir.path().substr(2);
  CHECK(Find(Walking({rooted}), rooted) == Lines{"scanned $/sub/a 1"});
  std::string typed = dir.path();
  std::replace(typed.begin(), typed.end(), '/', '\\');
  CHECK(PortablePath(typed) == dir.path());
  CHECK(PortablePath("\\\\?\\" + typed) == dir.path());
  CHECK(PortablePath("C:") == "C:.");
}

TEST_CASE("Discovery: drives and shares are folders with names of their own") {
  const Result<ResolvedPath> drive = ResolvePath("C:/");
  REQUIRE(drive.ok());
  CHECK(drive.value().facts.kind == EntryKind::kFolder);
  CHECK(drive.value().real_path == "C:");
  CHECK(ResolvePath("C:/windows/..").value().real_path == "C:");
  CHECK(ResolvePath("c:/WINDOWS").value().facts.id ==
        ResolvePath("C:/windows").value().facts.id);
  const Result<ResolvedPath> share = ResolvePath("//no-such-server/share");
  REQUIRE_FALSE(share.ok());
  CHECK(ReadRoots(ResolveReadRoots(Walking({"C:/", "C:/windows"}))).roots ==
        Lines{"C:"});
}

TEST_CASE("Discovery: what is not there is an outcome") {
  TempDir dir;
  CHECK(Find(Walking({dir / "missing"}), dir.path()) ==
        Lines{"unreadable $/missing: no such file or folder"});
  CHECK(Find(Walking({"Q:/no/such/drive"}), "") ==
        Lines{"unreadable Q:/no/such/drive: no such file or folder"});
}

TEST_CASE("Discovery: devices are named and never opened") {
  for (const char* name :
       {"NUL", "con", "aux.txt", "COM1", "//./C:", "//./pipe/x"}) {
    CAPTURE(name);
    CHECK(Find(Walking({name}), "") ==
          Lines{std::string("skipped ") + name + ": is a character device"});
  }
}

TEST_CASE("Discovery: files with the names of devices are files") {
  TempDir dir;
  dir.File("NUL", "1");
  dir.File("con.pkl", "22");
  CHECK(Find(Walking({dir.path()}), dir.path()) ==
        Lines{"scanned $/NUL 1", "scanned $/con.pkl 2"});
  CHECK(Find(Walking({dir / "NUL"}), dir.path()) == Lines{"scanned $/NUL 1"});
}

TEST_CASE("Discovery: paths longer than 260 characters") {
  TempDir dir;
  std::string path;
  for (int i = 0; i < 20; ++i) path += std::string(50, 'd') + '/';
  dir.File(path + "file", "deep");
  CHECK(Find(Walking({dir.path()}), dir.path()) ==
        Lines{"scanned $/" + path + "file 4"});
  CHECK(Find(Walking({dir / (path + "file")}), dir.path()) ==
        Lines{"scanned $/" + path + "file 4"});
}

TEST_CASE("Discovery: names that are no UTF-16 come back as they are") {
  TempDir dir;
  const std::string odd = "half-\xed\xa0\x80";  // WTF-8 of a lone surrogate.
  const OwnedHandle file(::CreateFileW(NativePath(dir / odd).c_str(),
                                       GENERIC_WRITE, 0, nullptr, CREATE_NEW, 0,
                                       nullptr));
  if (!file.ok()) {
    WARN("not run: this system has no such names");
    return;
  }
  const Lines found = Find(Walking({dir.path()}), dir.path());
  REQUIRE(found.size() == 1);
  if (found[0] != "scanned $/" + odd + " 0") {
    // A file system that keeps names as UTF-8 replaces it.
    WARN("not run: this system changed the name to " << found[0]);
  }
}

TEST_CASE("Discovery: globs take names in either case, and backslashes") {
  TempDir dir;
  dir.File("Model.PKL", "1");
  dir.File("Sub/other.Pkl", "22");
  dir.File("sub2/M\xc3\x89MO.bin", "333");
  DiscoveryOptions options = Walking({dir.path()});
  options.include = {"*.pkl"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/Model.PKL 1", "scanned $/Sub/other.Pkl 2"});
  options.include = {"m\xc3\xa9mo.BIN", "[m-n]odel.*"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/Model.PKL 1", "scanned $/sub2/M\xc3\x89MO.bin 3"});
  options.include = {};
  options.exclude = {"SUB\\*.pkl", "model.pkl"};
  CHECK(Find(options, dir.path()) == Lines{"scanned $/sub2/M\xc3\x89MO.bin 3"});
}

TEST_CASE("Discovery: a file that another program locks is found") {
  TempDir dir;
  const std::string path = dir.File("locked", "x");
  const OwnedHandle holder(::CreateFileW(NativePath(path).c_str(), GENERIC_READ,
                                         0, nullptr, OPEN_EXISTING, 0,
                                         nullptr));
  REQUIRE(holder.ok());
  CHECK(Find(Walking({dir.path()}), dir.path()) == Lines{"scanned $/locked 1"});
}

TEST_CASE("Discovery: a folder that goes during the walk is told of") {
  TempDir dir;
  dir.File("first", "x");
  dir.File("gone/file", "x");
  CollectingSink sink;
  sink.on_file = [&](const DiscoveredFile& file) {
    if (file.path.ends_with("/first")) testing::RemoveTree(dir / "gone");
  };
  Discover(Walking({dir.path()}), sink);
  const Lines found = Describe(sink.files, dir.path());
  REQUIRE_FALSE(found.empty());
  // The order is the system's: the folder may have been walked before.
  CHECK((found == Lines{"changed $/gone: the folder vanished during the scan",
                        "scanned $/first 1"} ||
         found == Lines{"scanned $/first 1", "scanned $/gone/file 1"}));
}

TEST_CASE("Discovery: links are not followed out of the root") {
  TempDir dir;
  dir.File("outside/secret", "x");
  dir.File("root/inside", "x");
  const std::wstring link = NativePath(dir / "root/link");
  const std::wstring to = Wide(dir / "outside");
  if (!::CreateSymbolicLinkW(
          link.c_str(), to.c_str(),
          SYMBOLIC_LINK_FLAG_DIRECTORY |
              SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE)) {
    WARN("not run: this system makes no links");
    return;
  }
  const Result<FileFacts> made = LookAtPath(dir / "root/link");
  if (!made.ok() || made.value().kind != EntryKind::kLink) {
    WARN("not run: this system shows links as what they lead to");
    return;
  }
  CHECK(Find(Walking({dir / "root"}), dir.path()) ==
        Lines{"scanned $/root/inside 1",
              "skipped $/root/link: link leads out of the scanned folder; "
              "--follow-symlinks scans it"});
}

}  // namespace
}  // namespace scanengine
