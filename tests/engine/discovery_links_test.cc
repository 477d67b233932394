#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "engine/discovery_walk.h"
#include "tests/engine/discovery_harness.h"
#include "tests/support/temp_dir.h"

// What discovery makes of symbolic links, and of model caches, which are full
// of them.

namespace scanengine::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kLeadsOut[] =
    ": link leads out of the scanned folder; --follow-symlinks scans it";
constexpr char kLoop[] = ": link loop, or too long a chain of links";

std::string Own(const std::string& target) {
  return ": link to " + target + ", which is scanned under its own name";
}

std::string Another(const std::string& target) {
  return ": link to " + target + ", which is scanned under another name";
}

DiscoveryOptions Following(std::vector<std::string> paths) {
  DiscoveryOptions options = Walking(std::move(paths));
  options.follow_symlinks = true;
  return options;
}

TEST_CASE("Links: into the root they are skipped, followed or not") {
  TempDir dir;
  dir.File("a/file");
  dir.Link("a/l1", "file");
  dir.Link("a/l2", dir / "a/file");
  dir.Link("a/l3", "l1");
  dir.Link("a/d/up", "..");
  dir.Link("a/self", ".");
  dir.Link("a/e", "d");
  const Lines expected{"scanned $/a/file 1",
                       "skipped $/a/d/up" + Own("$/a"),
                       "skipped $/a/e" + Own("$/a/d"),
                       "skipped $/a/l1" + Own("$/a/file"),
                       "skipped $/a/l2" + Own("$/a/file"),
                       "skipped $/a/l3" + Own("$/a/file"),
                       "skipped $/a/self" + Own("$/a")};
  CHECK(Find(Walking({dir / "a"}), dir.path()) == expected);
  CHECK(Find(Following({dir / "a"}), dir.path()) == expected);
}

TEST_CASE("Links: from one root into another they are skipped") {
  TempDir dir;
  dir.File("a/x");
  dir.File("b/y");
  dir.Link("a/to-b", "../b");
  dir.Link("b/to-x", "../a/x");
  const Lines expected{"scanned $/a/x 1", "scanned $/b/y 1",
                       "skipped $/a/to-b" + Own("$/b"),
                       "skipped $/b/to-x" + Own("$/a/x")};
  CHECK(Find(Walking({dir / "a", dir / "b"}), dir.path()) == expected);
  CHECK(Find(Following({dir / "b", dir / "a"}), dir.path()) == expected);
}

TEST_CASE("Links: out of the root they are skipped unless followed") {
  TempDir dir;
  dir.File("out/x", "123");
  dir.File("out/d/y");
  dir.File("outside", "12");
  dir.File("root/z");
  dir.Link("root/file", "../outside");
  dir.Link("root/folder", "../out");
  // Begins like the root, and is none of it.
  dir.File("root-2/w");
  dir.Link("root/similar", "../root-2/w");
  CHECK(Find(Walking({dir / "root"}), dir.path()) ==
        Lines{"scanned $/root/z 1",
              std::string("skipped $/root/file") + kLeadsOut,
              std::string("skipped $/root/folder") + kLeadsOut,
              std::string("skipped $/root/similar") + kLeadsOut});
  CHECK(Find(Following({dir / "root"}), dir.path()) ==
        Lines{"scanned $/root/file 2", "scanned $/root/folder/d/y 1",
              "scanned $/root/folder/x 3", "scanned $/root/similar 1",
              "scanned $/root/z 1"});
}

TEST_CASE("Links: that lead nowhere or in circles are skipped") {
  TempDir dir;
  dir.Link("gone", "nothing");
  dir.Link("below-file", "file/x");
  dir.File("file");
  dir.Link("self", "self");
  dir.Link("ping", "pong");
  dir.Link("pong", "ping");
  const Lines expected{"scanned $/file 1",
                       "skipped $/below-file: link leads nowhere",
                       "skipped $/gone: link leads nowhere",
                       std::string("skipped $/ping") + kLoop,
                       std::string("skipped $/pong") + kLoop,
                       std::string("skipped $/self") + kLoop};
  CHECK(Find(Walking({dir.path()}), dir.path()) == expected);
  CHECK(Find(Following({dir.path()}), dir.path()) == expected);
}

TEST_CASE("Links: a chain of forty works, a longer one is told of") {
  TempDir dir;
  dir.File("outside/0");
  dir.Link("root/1", "../outside/0");
  for (int i = 2; i <= 41; ++i) {
    dir.Link("root/" + std::to_string(i), std::to_string(i - 1));
  }
  const Lines found = Find(Following({dir / "root"}), dir.path());
  CHECK(found.size() == 41);
  CHECK(std::count(found.begin(), found.end(),
                   std::string("skipped $/root/41") + kLoop) == 1);
  // All forty lead to one file, which is given once.
  CHECK(std::count_if(found.begin(), found.end(), [](const std::string& line) {
          return line.starts_with("scanned");
        }) == 1);
}

TEST_CASE("Links: followed, they never walk in circles or give a file twice") {
  TempDir dir;
  dir.File("out/x");
  dir.File("out/sub/y");
  dir.Link("out/back", "../root");
  dir.Link("out/self", ".");
  dir.Link("out/sub/up", "..");
  dir.File("root/z");
  dir.Link("root/o1", "../out");
  dir.Link("root/o2", "../out");
  const Lines found = Find(Following({dir / "root"}), dir.path());
  // Which of the two links is walked is up to the system.
  const bool first =
      std::count(found.begin(), found.end(), "scanned $/root/o1/x 1") == 1;
  const std::string walked = first ? "$/root/o1" : "$/root/o2";
  const std::string other = first ? "$/root/o2" : "$/root/o1";
  Lines expected{"scanned $/root/z 1",
                 "scanned " + walked + "/x 1",
                 "scanned " + walked + "/sub/y 1",
                 "skipped " + walked + "/back" + Own("$/root"),
                 "skipped " + walked + "/self" + Another("$/out"),
                 "skipped " + walked + "/sub/up" + Another("$/out"),
                 "skipped " + other + Another("$/out")};
  std::sort(expected.begin(), expected.end());
  CHECK(found == expected);
}

TEST_CASE("Links: followed to what is above the root they walk the rest once") {
  TempDir dir;
  dir.File("a/root/x");
  dir.File("a/y");
  dir.Link("a/root/up", "..");
  CHECK(Find(Following({dir / "a/root"}), dir.path()) ==
        Lines{"scanned $/a/root/up/y 1", "scanned $/a/root/x 1"});
}

TEST_CASE("Links: a folder and one in it, both followed to, give files once") {
  TempDir dir;
  dir.File("out/x");
  dir.File("out/sub/y");
  dir.Link("r1/inner", "../out/sub");
  dir.Link("r1/file", "../out/sub/y");
  dir.Link("r2/outer", "../out");
  for (const auto& roots : {std::vector<std::string>{dir / "r1", dir / "r2"},
                            std::vector<std::string>{dir / "r2", dir / "r1"}}) {
    const Lines found = Find(Following(roots), dir.path());
    const auto scanned = [&](const std::string& end) {
      return std::count_if(
          found.begin(), found.end(), [&](const std::string& line) {
            return line.starts_with("scanned") && line.ends_with(end);
          });
    };
    CHECK(scanned("/x 1") == 1);
    CHECK(scanned("y 1") + scanned("/file 1") == 1);
    CHECK(scanned("") == 2);
  }
}

TEST_CASE("Links: filters apply to the link's own name") {
  TempDir dir;
  dir.File("out/x.pkl");
  dir.File("out/y.txt");
  dir.Link("root/folder", "../out");
  dir.Link("root/a.pkl", "../out/x.pkl");
  dir.Link("root/b.txt", "../out/y.txt");
  dir.Link("root/dangling.txt", "gone");
  dir.Link("root/skip/folder", "../../out");
  DiscoveryOptions options = Following({dir / "root"});
  options.include = {"*.pkl"};
  options.exclude = {"folder/"};
  CHECK(Find(options, dir.path()) == Lines{"scanned $/root/a.pkl 1"});
  options.include = {};
  options.exclude = {"*.txt", "skip", "folder"};
  CHECK(Find(options, dir.path()) == Lines{"scanned $/root/a.pkl 1"});
  options.exclude = {"root/**", "folder/*.txt", "*.pkl", "b.txt", "skip/"};
  CHECK(Find(options, dir.path()) ==
        Lines{"skipped $/root/dangling.txt: link leads nowhere"});
}

TEST_CASE("Links: to a file that filters leave out they are read through") {
  TempDir dir;
  dir.File("data/0001");
  dir.Link("model.pkl", "data/0001");
  dir.Link("folder", "data");
  DiscoveryOptions options = Walking({dir.path()});
  options.include = {"*.pkl"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/model.pkl 1", "skipped $/folder" + Own("$/data")});
  options.exclude = {"data"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/model.pkl 1",
              "skipped $/folder: link to $/data, which the filters leave out"});
}

TEST_CASE("Links: a root that is one is followed") {
  TempDir dir;
  dir.File("data/x");
  dir.File("file", "12");
  dir.Link("l", "data");
  dir.Link("f", "file");
  CHECK(Find(Walking({dir / "l", dir / "f"}), dir.path()) ==
        Lines{"scanned $/f 2", "scanned $/l/x 1"});
  CHECK(Find(Walking({dir / "l/"}), dir.path()) == Lines{"scanned $/l/x 1"});
}

TEST_CASE("Links: a root that leads into another root is skipped") {
  TempDir dir;
  dir.File("data/sub/x");
  dir.Link("l", "data/sub");
  dir.Link("f", "data/sub/x");
  const Lines expected{"scanned $/data/sub/x 1",
                       "skipped $/f" + Own("$/data/sub/x"),
                       "skipped $/l" + Own("$/data/sub")};
  CHECK(Find(Walking({dir / "l", dir / "f", dir / "data"}), dir.path()) ==
        expected);
  // Unless filters keep the walk from it.
  DiscoveryOptions options = Walking({dir / "l", dir / "data"});
  options.exclude = {"data", "sub"};
  CHECK(Find(options, dir.path()) == Lines{"scanned $/l/x 1"});
}

TEST_CASE("Links: two roots that lead to one place give it once") {
  TempDir dir;
  dir.File("data/x");
  dir.Link("l1", "data");
  dir.Link("l2", "data");
  dir.Link("f1", "outside");
  dir.Link("f2", "outside");
  dir.File("outside");
  CHECK(Find(Walking({dir / "l1", dir / "l2", dir / "f1", dir / "f2"}),
             dir.path()) == Lines{"scanned $/f1 1", "scanned $/l1/x 1",
                                  "skipped $/f2" + Another("$/outside"),
                                  "skipped $/l2" + Another("$/data")});
}

TEST_CASE("Links: named on its own, a link below a root has one outcome") {
  TempDir dir;
  dir.File("outside");
  dir.File("out/y");
  dir.File("root/x");
  dir.Link("root/link", "../outside");
  dir.Link("root/folder", "../out");
  DiscoveryOptions options =
      Walking({dir / "root", dir / "root/link", dir / "root/folder"});
  CHECK(Find(options, dir.path()) == Lines{"scanned $/root/folder/y 1",
                                           "scanned $/root/link 1",
                                           "scanned $/root/x 1"});
}

TEST_CASE("Links: named ones that lead nowhere are unreadable") {
  TempDir dir;
  dir.Link("gone", "nothing");
  dir.Link("self", "self");
  CHECK(Find(Walking({dir / "gone", dir / "self"}), dir.path()) ==
        Lines{"unreadable $/gone: link leads nowhere",
              std::string("unreadable $/self") + kLoop});
}

TEST_CASE("Links: to devices and pseudo file systems nothing is read") {
  TempDir dir;
  dir.Link("null", "/dev/null");
  if (fs::exists("/proc/self/status")) {
    dir.Link("proc", "/proc");
    dir.Link("status", "/proc/self/status");
    CHECK(Find(Following({dir.path()}), dir.path()) ==
          Lines{"skipped $/null: link to a character device",
                "skipped $/proc: link leads to a proc file system, which holds "
                "no files",
                "skipped $/status: link leads to a proc file system, which "
                "holds no files"});
  } else {
    WARN("partly not run: no /proc");
  }
  CHECK(Find(Walking({dir / "null"}), dir.path()) ==
        Lines{"skipped $/null: link to a character device"});
}

// Real paths of all files that are below |root| or, if |follow|, that links
// from there lead to: the plain way, which remembers everything.
std::set<std::string> Reachable(const fs::path& root, bool follow) {
  std::set<std::string> files;
  std::set<std::string> folders;
  std::vector<fs::path> todo{fs::canonical(root)};
  while (!todo.empty()) {
    const fs::path folder = todo.back();
    todo.pop_back();
    if (!folders.insert(folder).second) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      std::error_code error;
      const fs::path real = fs::canonical(entry.path(), error);
      if (error || (entry.is_symlink() && !follow)) continue;
      if (fs::is_directory(real)) {
        todo.push_back(real);
      } else {
        files.insert(real);
      }
    }
  }
  return files;
}

// A tree of folders, files and links between any two of them, some to nowhere.
void MakeRandomTree(TempDir& dir, std::minstd_rand& random) {
  const auto below = [&](std::size_t limit) { return random() % limit; };
  std::vector<std::string> folders{"r", "o"};
  dir.Folder("r");
  dir.Folder("o");
  std::vector<std::string> targets = folders;
  for (std::size_t i = 0; i < 40; ++i) {
    const std::string path =
        folders[below(folders.size())] + "/" + std::to_string(i);
    switch (below(4)) {
      case 0:
        dir.Folder(path);
        folders.push_back(path);
        break;
      case 1:
        dir.File(path);
        break;
      default:
        dir.Link(path, dir / targets[below(targets.size())]);
        break;
    }
    targets.push_back(path);
    if (below(8) == 0) targets.push_back(path + "-gone");
  }
}

TEST_CASE("Links: in any tree each file that is reached is given once") {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed);
    TempDir dir(TempDir::Place::kMemory);
    MakeRandomTree(dir, random);
    for (const bool follow : {false, true}) {
      CAPTURE(follow);
      DiscoveryOptions options = Walking({dir / "r"});
      options.follow_symlinks = follow;
      const ReadRoots rights = ResolveReadRoots(options);
      CollectingSink sink;
      Discover(options, sink);
      std::set<std::string> scanned;
      std::set<std::string> paths;
      for (const DiscoveredFile& file : sink.files()) {
        CHECK(paths.insert(file.path).second);
        if (file.status != OutcomeStatus::kScanned) continue;
        const std::string real = fs::canonical(file.path);
        CHECK(scanned.insert(real).second);
        CHECK(std::any_of(rights.roots.begin(), rights.roots.end(),
                          [&](const std::string& root) {
                            return real == root || real.starts_with(root + "/");
                          }));
      }
      CHECK(scanned == Reachable(dir / "r", follow));
    }
  }
}

// A model cache as the hub's client makes it: two revisions that share a file.
void MakeCache(TempDir& dir, const std::string& name) {
  dir.File(name + "/blobs/aaaa", "1");
  dir.File(name + "/blobs/bbbb", "12");
  dir.File(name + "/blobs/cccc", "123");
  dir.File(name + "/refs/main", "rev2");
  dir.Link(name + "/snapshots/rev1/model.bin", "../../blobs/aaaa");
  dir.Link(name + "/snapshots/rev1/config.json", "../../blobs/cccc");
  dir.Link(name + "/snapshots/rev2/model.bin", "../../blobs/bbbb");
  dir.Link(name + "/snapshots/rev2/sub/config.json", "../../../blobs/cccc");
}

TEST_CASE("Model cache: a snapshot is read through its links") {
  TempDir dir;
  for (const std::string name :
       {"models--o--n", "datasets--o--n", "spaces--o--n"}) {
    MakeCache(dir, name);
    const std::string rev = name + "/snapshots/rev2";
    CHECK(Find(Walking({dir / rev}), dir.path()) ==
          Lines{"scanned $/" + rev + "/model.bin 2",
                "scanned $/" + rev + "/sub/config.json 3"});
    CHECK(Find(Walking({dir / (rev + "/sub")}), dir.path()) ==
          Lines{"scanned $/" + rev + "/sub/config.json 3"});
  }
}

TEST_CASE("Model cache: what two snapshots share is given once") {
  TempDir dir;
  MakeCache(dir, "models--o--n");
  const Lines found =
      Find(Walking({dir / "models--o--n/snapshots"}), dir.path());
  CHECK(found.size() == 4);
  CHECK(std::count_if(found.begin(), found.end(), [](const std::string& line) {
          return line.starts_with("scanned");
        }) == 3);
  CHECK(std::count_if(found.begin(), found.end(), [](const std::string& line) {
          return line.ends_with(Another("$/models--o--n/blobs/cccc"));
        }) == 1);
}

TEST_CASE("Model cache: as a whole it is read under the names of the blobs") {
  TempDir dir;
  MakeCache(dir, "models--o--n");
  const std::string cache = "$/models--o--n";
  const Lines expected{
      "scanned " + cache + "/blobs/aaaa 1",
      "scanned " + cache + "/blobs/bbbb 2",
      "scanned " + cache + "/blobs/cccc 3",
      "scanned " + cache + "/refs/main 4",
      "skipped " + cache + "/snapshots/rev1/config.json" +
          Own(cache + "/blobs/cccc"),
      "skipped " + cache + "/snapshots/rev1/model.bin" +
          Own(cache + "/blobs/aaaa"),
      "skipped " + cache + "/snapshots/rev2/model.bin" +
          Own(cache + "/blobs/bbbb"),
      "skipped " + cache + "/snapshots/rev2/sub/config.json" +
          Own(cache + "/blobs/cccc"),
  };
  CHECK(Find(Walking({dir / "models--o--n"}), dir.path()) == expected);
  CHECK(Find(Walking({dir.path()}), dir.path()) == expected);
}

TEST_CASE("Model cache: globs on names work on a whole cache") {
  TempDir dir;
  MakeCache(dir, "models--o--n");
  DiscoveryOptions options = Walking({dir.path()});
  options.include = {"*.bin"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/models--o--n/snapshots/rev1/model.bin 1",
              "scanned $/models--o--n/snapshots/rev2/model.bin 2"});
}

TEST_CASE("Model cache: links past the blobs still lead out") {
  TempDir dir;
  MakeCache(dir, "models--o--n");
  dir.File("secret");
  dir.File("other/blobs/dddd");
  const std::string rev = "models--o--n/snapshots/rev3";
  dir.Link(rev + "/a", "../../../secret");
  dir.Link(rev + "/b", "../../refs/main");
  dir.Link(rev + "/c", "../../blobs");
  dir.Link(rev + "/d", "../../../other/blobs/dddd");
  dir.Link("models--o--n/blobs/link", "../../secret");
  dir.Link(rev + "/e", "../../blobs/link");
  dir.Link(rev + "/f", "../../blobs/gone");
  dir.File("models--o--n/blobs-old/gggg");
  dir.Link(rev + "/g", "../../blobs-old/gggg");
  Lines expected{"skipped $/" + rev + "/f: link leads nowhere"};
  for (const char* name : {"/a", "/b", "/c", "/d", "/e", "/g"}) {
    expected.push_back("skipped $/" + rev + name + kLeadsOut);
  }
  std::sort(expected.begin(), expected.end());
  CHECK(Find(Walking({dir / rev}), dir.path()) == expected);
}

TEST_CASE("Model cache: a blobs folder that is a link widens nothing") {
  TempDir dir;
  dir.File("secrets/key");
  dir.Link("models--o--n/blobs", "../secrets");
  dir.Link("models--o--n/snapshots/rev/key", "../../blobs/key");
  CHECK(ModelCacheBlobs(dir / "models--o--n/snapshots/rev").empty());
  CHECK(Find(Walking({dir / "models--o--n/snapshots/rev"}), dir.path()) ==
        Lines{std::string("skipped $/models--o--n/snapshots/rev/key") +
              kLeadsOut});
}

TEST_CASE("Model cache: only a folder of that name makes one") {
  TempDir dir;
  MakeCache(dir, "my-models--o--n");
  dir.Folder("models--a");
  CHECK(ModelCacheBlobs(dir / "my-models--o--n/snapshots/rev1").empty());
  CHECK(ModelCacheBlobs(dir / "models--a").empty());
  CHECK(ModelCacheBlobs("/").empty());
  CHECK(ModelCacheBlobs("").empty());
  MakeCache(dir, "models--o--n");
  CHECK(ModelCacheBlobs(dir / "models--o--n/snapshots/rev1") ==
        dir / "models--o--n/blobs");
  CHECK(ModelCacheBlobs(dir / "models--o--n") == dir / "models--o--n/blobs");
}

}  // namespace
}  // namespace scanengine::testing
