#include "engine/discovery.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/engine/discovery_harness.h"
#include "tests/support/temp_dir.h"

namespace scanengine::testing {
namespace {

namespace fs = std::filesystem;

TEST_CASE("Discovery: a folder gives every file below it with its size") {
  TempDir dir;
  dir.File("a", "12");
  dir.File("b/c", "");
  dir.File("b/d/e", "12345");
  dir.File(".hidden/f", "1");
  dir.Folder("empty");
  CHECK(Find(Walking({dir.path()}), dir.path()) ==
        Lines{"scanned $/.hidden/f 1", "scanned $/a 2", "scanned $/b/c 0",
              "scanned $/b/d/e 5"});
}

TEST_CASE("Discovery: an empty folder gives nothing") {
  TempDir dir;
  CHECK(Find(Walking({dir.path()}), dir.path()).empty());
  CHECK(Find(Walking({}), dir.path()).empty());
}

TEST_CASE("Discovery: a root's slashes at the end are not doubled") {
  TempDir dir;
  dir.File("a/b");
  for (const char* root : {"", "/", "//"}) {
    CHECK(Find(Walking({dir.path() + root}), dir.path()) ==
          Lines{"scanned $/a/b 1"});
  }
}

TEST_CASE("Discovery: relative roots are spelled as find spells them") {
  TempDir dir;
  dir.File("a/b");
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  const auto find = [](const std::string& root) {
    return Find(Walking({root}), "\n");
  };
  const Lines dot = find(".");
  const Lines dot_slash = find("./");
  const Lines name = find("a");
  const Lines up = find("a/..");
  fs::current_path(before);
  CHECK(dot == Lines{"scanned ./a/b 1"});
  CHECK(dot_slash == Lines{"scanned ./a/b 1"});
  CHECK(name == Lines{"scanned a/b 1"});
  CHECK(up == Lines{"scanned a/../a/b 1"});
}

TEST_CASE("Discovery: a file as a root is given, filters or not") {
  TempDir dir;
  DiscoveryOptions options = Walking({dir.File("a.bin", "123")});
  options.include = {"*.pkl"};
  options.exclude = {"a*"};
  CHECK(Find(options, dir.path()) == Lines{"scanned $/a.bin 3"});
}

TEST_CASE("Discovery: a missing root is unreadable, the rest goes on") {
  TempDir dir;
  dir.File("a");
  Lines expected{"unreadable : no such file or folder", "scanned $/a 1",
                 "unreadable $/a/: no such file or folder",
                 "unreadable $/a/below: no such file or folder",
                 "unreadable $/gone: no such file or folder"};
  std::sort(expected.begin(), expected.end());
  CHECK(
      Find(Walking({dir / "gone", dir.path(), dir / "a/below", "", dir / "a/"}),
           dir.path()) == expected);
}

TEST_CASE("Discovery: what is neither file nor folder is skipped, not opened") {
  TempDir dir;
  dir.File("file");
  MakeFifo(dir / "fifo");
  MakeSocket(dir / "socket");
  dir.Link("link-to-fifo", "fifo");
  const Lines expected{"scanned $/file 1", "skipped $/fifo: is a FIFO",
                       "skipped $/link-to-fifo: link to a FIFO",
                       "skipped $/socket: is a socket"};
  CHECK(Find(Walking({dir.path()}), dir.path()) == expected);
  CHECK(Find(Walking({dir / "fifo", dir / "socket", dir / "link-to-fifo",
                      dir / "file"}),
             dir.path()) == expected);
  CHECK(Find(Walking({"/dev/null"}), dir.path()) ==
        Lines{"skipped /dev/null: is a character device"});
}

TEST_CASE("Discovery: names are given as bytes, whatever they hold") {
  TempDir dir;
  const Lines names{"-dash",
                    "a\nb",
                    "a\tb",
                    "\x1b[31mred",
                    "\xff\xfe",
                    "\xe2\x80\xaertl",
                    "back\\slash",
                    "quote\"'`$(x)",
                    " ",
                    "...",
                    std::string(255, 'n')};
  Lines expected;
  for (const std::string& name : names) {
    dir.File("f/" + name);
    dir.File("d/" + name + "/x");
    expected.push_back(dir / ("f/" + name));
    expected.push_back(dir / ("d/" + name + "/x"));
  }
  CollectingSink sink;
  Discover(Walking({dir.path()}), sink);
  Lines found;
  for (const DiscoveredFile& file : sink.files()) {
    CHECK(file.status == OutcomeStatus::kScanned);
    found.push_back(file.path);
  }
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  CHECK(found == expected);
}

TEST_CASE("Discovery: equal and nested roots give each file once") {
  TempDir dir;
  dir.File("a/b/c");
  dir.File("a/d");
  dir.File("e");
  const std::string a = dir / "a";
  const Lines once{"scanned $/a/b/c 1", "scanned $/a/d 1"};
  CHECK(Find(Walking({a, a}), dir.path()) == once);
  CHECK(Find(Walking({a, a + "/", a + "/."}), dir.path()) == once);
  CHECK(Find(Walking({a, a + "/b"}), dir.path()) == once);
  CHECK(Find(Walking({a + "/b", a}), dir.path()) == once);
  CHECK(Find(Walking({a + "/b/c", a, a + "/b/c"}), dir.path()) == once);
  CHECK(Find(Walking({dir.path(), a + "/b"}), dir.path()) ==
        Lines{"scanned $/a/b/c 1", "scanned $/a/d 1", "scanned $/e 1"});
}

TEST_CASE("Discovery: a root that another root's filters leave out is walked") {
  TempDir dir;
  dir.File("a/b/c.pkl");
  dir.File("a/d.pkl");
  DiscoveryOptions options = Walking({dir / "a", dir / "a/b"});
  options.exclude = {"b"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/a/b/c.pkl 1", "scanned $/a/d.pkl 1"});
}

TEST_CASE("Discovery: hard links are files of their own") {
  TempDir dir;
  fs::create_hard_link(dir.File("a"), dir / "b");
  CHECK(Find(Walking({dir / "a", dir.path()}), dir.path()) ==
        Lines{"scanned $/a 1", "scanned $/b 1"});
}

TEST_CASE("Discovery: listed files are neither walked nor filtered") {
  TempDir dir;
  dir.File("a.bin");
  dir.File("d/b.pkl");
  dir.Link("link", "a.bin");
  dir.Link("dangling", "gone");
  MakeFifo(dir / "fifo");
  DiscoveryOptions options;
  options.files = {dir / "a.bin",   dir / "d",       dir / "gone",
                   dir / "fifo",    dir / "d/b.pkl", dir / "a.bin",
                   dir / "./a.bin", dir / "dangling"};
  options.include = {"*.nothing"};
  options.exclude = {"*"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/a.bin 1", "scanned $/d/b.pkl 1",
              "skipped $/d: is a folder", "skipped $/fifo: is a FIFO",
              "unreadable $/dangling: link leads nowhere",
              "unreadable $/gone: no such file or folder"});
}

TEST_CASE("Discovery: a file both listed and below a root is given once") {
  TempDir dir;
  dir.File("a");
  dir.File("b");
  MakeFifo(dir / "fifo");
  DiscoveryOptions options = Walking({dir.path()});
  options.files = {dir / "a", dir / "fifo"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/a 1", "scanned $/b 1", "skipped $/fifo: is a FIFO"});
}

TEST_CASE("Discovery: filters leave out without an outcome") {
  TempDir dir;
  dir.File("a.pkl");
  dir.File("a.txt");
  dir.File("d/b.pkl");
  dir.File("d/tmp/c.pkl");
  dir.File("e.pkl/f.bin");
  MakeFifo(dir / "fifo");
  DiscoveryOptions options = Walking({dir.path()});
  options.include = {"*.pkl"};
  CHECK(Find(options, dir.path()) == Lines{"scanned $/a.pkl 1",
                                           "scanned $/d/b.pkl 1",
                                           "scanned $/d/tmp/c.pkl 1"});
  options.exclude = {"tmp"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/a.pkl 1", "scanned $/d/b.pkl 1"});
  options.include = {"d/**"};
  CHECK(Find(options, dir.path()) == Lines{"scanned $/d/b.pkl 1"});
  options.include = {};
  options.exclude = {"/d", "*.txt", "fifo"};
  CHECK(Find(options, dir.path()) ==
        Lines{"scanned $/a.pkl 1", "scanned $/e.pkl/f.bin 1"});
}

TEST_CASE("Discovery: larger files than allowed are a limit") {
  TempDir dir;
  dir.File("a", std::string(2048, 'x'));
  dir.File("b", std::string(2049, 'x'));
  dir.Link("c", "b");
  DiscoveryOptions options = Walking({dir.path(), dir / "b"});
  dir.File("d", std::string(3 << 20, 'x'));
  options.max_file_size = 2048;
  CHECK(Find(options, dir.path()) ==
        Lines{"limit $/b: is larger than --max-file-size (2049 B > 2048 B)",
              "limit $/d: is larger than --max-file-size (3.0 MiB > 2.0 KiB)",
              "scanned $/a 2048",
              "skipped $/c: link to $/b, which is scanned under its own name"});
}

TEST_CASE("Discovery: a sink that says so stops it at once") {
  TempDir dir;
  for (int i = 0; i < 50; ++i) {
    dir.File("d" + std::to_string(i) + "/a");
    dir.File("d" + std::to_string(i) + "/b");
  }
  DiscoveryOptions options = Walking({dir.path(), dir / "gone"});
  options.files = {dir / "d1/a", dir / "d2/a"};
  for (const std::size_t limit : {1u, 2u, 3u, 4u, 20u}) {
    std::size_t seen = 0;
    CollectingSink sink([&](const DiscoveredFile&) { return ++seen < limit; });
    Discover(options, sink);
    CHECK(sink.files().size() == limit);
  }
}

TEST_CASE("Discovery: what cannot be read is said, the rest goes on") {
  TempDir dir;
  dir.File("a");
  dir.File("closed/b");
  dir.File("listable/c");
  dir.File("listable/sub/d");
  dir.Link("listable/link", "../a");
  dir.File("passable/e");
  dir.Link("into-closed", "closed/b");
  SetMode(dir / "closed", 0);
  SetMode(dir / "listable", 0444);
  SetMode(dir / "passable", 0111);
  SetMode(dir / "a", 0);
  const std::optional<Lines> found = WithoutPrivileges([&] {
    return Find(Walking({dir.path(), dir / "passable/e", dir / "closed/b"}),
                dir.path());
  });
  if (!found) {
    WARN("not run: cannot drop privileges");
    return;
  }
  CHECK(*found ==
        Lines{
            "scanned $/a 1",
            "scanned $/passable/e 1",
            "unreadable $/closed/b: permission denied",
            "unreadable $/closed: cannot read folder: permission denied",
            "unreadable $/into-closed: cannot follow link: permission denied",
            "unreadable $/listable/c: permission denied",
            "unreadable $/listable/link: cannot follow link: permission denied",
            "unreadable $/listable/sub: cannot read folder: permission denied",
            "unreadable $/passable: cannot read folder: permission denied",
        });
}

TEST_CASE("Discovery: a root that cannot be read is said") {
  TempDir dir;
  dir.Folder("closed");
  SetMode(dir / "closed", 0);
  const std::optional<Lines> found = WithoutPrivileges(
      [&] { return Find(Walking({dir / "closed"}), dir.path()); });
  if (!found) {
    WARN("not run: cannot drop privileges");
    return;
  }
  CHECK(*found ==
        Lines{"unreadable $/closed: cannot read folder: permission denied"});
}

TEST_CASE("Discovery: a pseudo file system below a root is skipped as one") {
  TempDir dir;
  dir.File("a");
  dir.Folder("queues");
  dir.Link("link", dir / "queues");
  const auto find = [&](const std::string& root) {
    return [&dir, root] { return Find(Walking({root}), dir.path()); };
  };
  const std::optional<Lines> below =
      WithPseudoMount(dir / "queues", find(dir.path()));
  const std::optional<Lines> itself =
      WithPseudoMount(dir / "queues", find(dir / "queues"));
  if (!below || !itself) {
    WARN("not run: cannot mount");
    return;
  }
  CHECK(*below ==
        Lines{"scanned $/a 1",
              "skipped $/link: link to $/queues, which is scanned under its "
              "own name",
              "skipped $/queues: is a mqueue file system, which holds no "
              "files"});
  CHECK(itself->empty());
}

TEST_CASE("Discovery: a root on a pseudo file system is walked") {
  if (!fs::exists("/proc/self/net")) {
    WARN("not run: no /proc");
    return;
  }
  CollectingSink sink([](const DiscoveredFile&) { return false; });
  Discover(Walking({"/proc/self/attr"}), sink);
  REQUIRE(sink.files().size() == 1);
  CHECK(sink.files().front().status == OutcomeStatus::kScanned);
}

// Tests in which the tree changes while it is walked: the sink changes it.

TEST_CASE("Discovery: a folder that vanishes before its turn is changed") {
  TempDir dir;
  dir.File("a");
  dir.File("d/b");
  CollectingSink sink([&](const DiscoveredFile& file) {
    if (file.path == dir / "a") fs::remove_all(dir / "d");
    return true;
  });
  DiscoveryOptions options = Walking({dir.path()});
  Discover(options, sink);
  const Lines found = Describe(sink.files(), dir.path());
  // It may have been listed only after it had vanished.
  CHECK((found == Lines{"changed $/d: the folder vanished during the scan",
                        "scanned $/a 1"} ||
         found == Lines{"scanned $/a 1"}));
}

TEST_CASE("Discovery: a folder replaced by a link is not followed") {
  TempDir outside;
  outside.File("secret");
  TempDir dir;
  dir.File("r/a");
  dir.File("r/d/b");
  DiscoveryOptions options = Walking({dir / "r"});
  // Both names are listed in one go, before the first is given.
  CollectingSink sink([&](const DiscoveredFile& file) {
    if (file.path == dir / "r/a") {
      fs::remove_all(dir / "r/d");
      outside.Link("link", outside.path());
      fs::rename(outside / "link", dir / "r/d");
    }
    return true;
  });
  Discover(options, sink);
  const Lines found = Describe(sink.files(), dir.path());
  CHECK((found == Lines{"changed $/r/d: the folder vanished during the scan",
                        "scanned $/r/a 1"} ||
         found == Lines{"scanned $/r/a 1",
                        "skipped $/r/d: link leads out of the scanned folder; "
                        "--follow-symlinks scans it"}));
}

// Folders beside the next one of a chain. The system decides which of them it
// lists before that one; names that differ from level to level see to it that
// the walk has to come back to some levels.
Lines Sides(std::size_t level) {
  Lines sides;
  for (const char* side : {"/a", "/m", "/y", "/z"}) {
    sides.push_back(side + std::to_string(level));
  }
  return sides;
}

TEST_CASE("Discovery: a tree moved during the walk is neither left nor lost") {
  constexpr std::size_t kDepth = 40;
  constexpr std::size_t kMovedLevel = 20;
  TempDir outside;
  TempDir dir;
  fs::create_directory(dir / "r");
  std::string path = "r";
  for (std::size_t level = 1; level <= kDepth; ++level) {
    path += "/n";
    dir.File(path + "/f" + std::to_string(level));
    for (const std::string& side : Sides(level)) {
      dir.File(path + side + "/s" + std::to_string(level));
    }
  }
  dir.File(path + "/bottom");
  outside.File("trap/secret");

  std::string moved;
  for (std::size_t level = 0; level < kMovedLevel; ++level) moved += "/n";
  CollectingSink sink([&](const DiscoveredFile& file) {
    if (file.path == dir / path + "/bottom") {
      fs::rename(dir.path() + "/r" + moved, outside / "trap/moved");
    }
    return true;
  });
  Discover(Walking({dir / "r"}), sink);

  std::vector<bool> file_seen(kDepth + 1);
  std::size_t changed = 0;
  std::size_t sides_above = 0;
  for (const DiscoveredFile& file : sink.files()) {
    const std::string name = fs::path(file.path).filename();
    CHECK(name != "secret");
    if (file.status == OutcomeStatus::kChanged) {
      ++changed;
    } else if (name[0] == 'f') {
      file_seen[std::stoul(name.substr(1))] = true;
    } else if (name[0] == 's' && std::stoul(name.substr(1)) < kMovedLevel) {
      ++sides_above;
    }
  }
  CHECK(std::count(file_seen.begin(), file_seen.end(), true) == kDepth);
  // All that stayed in the tree is found, whichever side of the chain it is on.
  CHECK(sides_above == 4 * (kMovedLevel - 1));
  // What moved was still walked through its descriptors, never past its top.
  CHECK(changed <= 1);
}

TEST_CASE("Discovery: a tree put in another one's place is not walked") {
  constexpr std::size_t kDepth = 30;
  TempDir outside;
  TempDir dir;
  const auto chain = [](std::size_t level) {
    std::string path = "r";
    for (std::size_t i = 0; i < level; ++i) path += "/n";
    return path;
  };
  for (std::size_t level = 1; level <= kDepth; ++level) {
    for (const std::string& side : Sides(level)) {
      dir.File(chain(level) + side + "/s");
    }
  }
  dir.File(chain(kDepth) + "/bottom");
  // The way up from the bottom ends at level 20; the way down from the root
  // would meet the decoy at level 10.
  CollectingSink sink([&](const DiscoveredFile& file) {
    if (file.path == dir / chain(kDepth) + "/bottom") {
      fs::rename(dir / chain(20), outside / "20");
      fs::rename(dir / chain(10), outside / "10");
      for (std::size_t level = 10; level < 20; ++level) {
        for (const std::string& side : Sides(level)) {
          dir.File(chain(level) + side + "/decoy");
        }
      }
    }
    return true;
  });
  Discover(Walking({dir / "r"}), sink);
  std::vector<std::size_t> sides(kDepth + 1);
  std::vector<std::size_t> changed(kDepth + 1);
  for (const DiscoveredFile& file : sink.files()) {
    const fs::path path = file.path;
    CHECK(path.filename() != "decoy");
    if (file.status == OutcomeStatus::kChanged) {
      ++changed[static_cast<std::size_t>(
          std::count(path.begin(), path.end(), fs::path("n")))];
    } else if (path.filename() == "s") {
      ++sides[std::stoul(path.parent_path().filename().string().substr(1))];
    }
  }
  for (std::size_t level = 1; level <= kDepth; ++level) {
    CAPTURE(level);
    const bool lost = level >= 10 && level < 20;
    // What was left in a folder when it was lost is said, once.
    CHECK(changed[level] == (sides[level] < 4 ? 1 : 0));
    if (!lost) CHECK(sides[level] == 4);
  }
  CHECK(std::count(changed.begin(), changed.end(), 1) > 0);
}

TEST_CASE("Discovery: a tree removed during the walk ends with changed") {
  constexpr std::size_t kDepth = 40;
  TempDir dir;
  std::string path = "r";
  for (std::size_t level = 1; level <= kDepth; ++level) {
    path += "/n";
    for (const std::string& side : Sides(level)) dir.Folder(path + side);
  }
  dir.File(path + "/bottom");
  dir.File("last/x");
  CollectingSink sink([&](const DiscoveredFile& file) {
    if (file.path == dir / path + "/bottom") RemoveTree(dir / "r");
    return true;
  });
  Discover(Walking({dir / "r", dir / "last"}), sink);
  CHECK(sink.files().front().path == dir / path + "/bottom");
  CHECK(sink.files().back().path == dir / "last/x");
  CHECK(std::all_of(sink.files().begin() + 1, sink.files().end() - 1,
                    [](const DiscoveredFile& file) {
                      return file.status == OutcomeStatus::kChanged;
                    }));
}

TEST_CASE("Discovery: a file that vanishes is still given") {
  TempDir dir;
  Lines names;
  for (int i = 0; i < 100; ++i) names.push_back(dir.File(std::to_string(i)));
  CollectingSink sink([&](const DiscoveredFile&) {
    for (const std::string& name : names) fs::remove(name);
    return true;
  });
  Discover(Walking({dir.path()}), sink);
  // The system lists a small folder in one go.
  CHECK(sink.files().size() == names.size());
  for (const DiscoveredFile& file : sink.files()) {
    CHECK(file.status == OutcomeStatus::kScanned);
  }
}

TEST_CASE("Discovery: paths longer than the system's limit are given") {
  TempDir dir;
  const std::string name(200, 'p');
  const std::string innermost = MakeChain(
      dir.path(), name, 40,
      [](std::size_t, const std::function<void(const char*)>& add_file) {
        add_file("f");
      });
  REQUIRE(innermost.size() > 8000);
  CollectingSink sink;
  Discover(Walking({dir.path()}), sink);
  CHECK(sink.files().size() == 40);
  CHECK(std::any_of(sink.files().begin(), sink.files().end(),
                    [&](const DiscoveredFile& file) {
                      return file.path == innermost + "/f" &&
                             file.status == OutcomeStatus::kScanned;
                    }));
  // Also as roots and as listed files.
  CHECK(Find(Walking({innermost}), innermost) == Lines{"scanned $/f 0"});
  CHECK(Find(Walking({innermost + "/f"}), innermost) == Lines{"scanned $/f 0"});
  DiscoveryOptions options = Walking({dir.path()});
  options.files = {innermost + "/f", innermost + "/gone"};
  CHECK(Find(options, innermost).size() == 41);
}

}  // namespace
}  // namespace scanengine::testing
