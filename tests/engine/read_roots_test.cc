#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/discovery.h"
#include "engine/read_rights.h"
#include "tests/engine/discovery_harness.h"
#include "tests/support/temp_dir.h"

namespace scanengine::testing {
namespace {

namespace fs = std::filesystem;

// Roots, then notices, with |base| written as "$".
Lines Roots(const DiscoveryOptions& options, const std::string& base) {
  const ReadRoots resolved = ResolveReadRoots(options);
  Lines lines;
  for (const auto* part : {&resolved.roots, &resolved.notices}) {
    for (std::string line : *part) {
      const std::size_t at = line.find(base);
      if (at != std::string::npos) line.replace(at, base.size(), "$");
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

TEST_CASE("ReadRoots: folders and files are themselves, without links") {
  TempDir dir;
  dir.File("a/x");
  dir.File("b/y");
  dir.Link("l", "a");
  dir.Link("f", "b/y");
  CHECK(Roots(Walking({dir / "a", dir / "b/y"}), dir.path()) ==
        Lines{"$/a", "$/b/y"});
  CHECK(Roots(Walking({dir / "l", dir / "f"}), dir.path()) ==
        Lines{"$/a", "$/b/y"});
  CHECK(Roots(Walking({dir / "a/../b"}), dir.path()) == Lines{"$/b"});
}

TEST_CASE("ReadRoots: what is missing or special is left out") {
  TempDir dir;
  MakeFifo(dir / "fifo");
  dir.Link("gone", "nothing");
  CHECK(Roots(Walking({dir / "none", dir / "fifo", dir / "gone"}), dir.path())
            .empty());
}

TEST_CASE("ReadRoots: relative paths become absolute") {
  TempDir dir;
  dir.File("a/x");
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  const Lines roots = Roots(Walking({".", "a", "a/x"}), dir.path());
  fs::current_path(before);
  CHECK(roots == Lines{"$"});
}

TEST_CASE("ReadRoots: a place below another one is not listed") {
  TempDir dir;
  dir.File("a/b/x");
  dir.File("a-b/y");
  CHECK(Roots(Walking({dir / "a/b", dir / "a", dir / "a/b/x", dir / "a-b"}),
              dir.path()) == Lines{"$/a", "$/a-b"});
}

TEST_CASE("ReadRoots: a model cache adds its blobs, and says so") {
  TempDir dir;
  dir.File("models--o--n/blobs/aaaa");
  dir.Link("models--o--n/snapshots/rev/m", "../../blobs/aaaa");
  CHECK(Roots(Walking({dir / "models--o--n/snapshots/rev"}), dir.path()) ==
        Lines{"$/models--o--n/blobs", "$/models--o--n/snapshots/rev",
              "workers may also read $/models--o--n/blobs (links of the model "
              "cache lead there)"});
  CHECK(Roots(Walking({dir / "models--o--n"}), dir.path()) ==
        Lines{"$/models--o--n"});
}

TEST_CASE("ReadRoots: followed links add what they lead to, and say so") {
  TempDir dir;
  dir.File("out/x");
  dir.File("single");
  dir.File("root/own");
  dir.Link("root/folder", "../out");
  dir.Link("root/file", "../single");
  dir.Link("root/inside", "own");
  dir.Link("root/excluded", "../excluded");
  dir.File("excluded");
  DiscoveryOptions options = Walking({dir / "root"});
  options.exclude = {"excluded"};
  CHECK(Roots(options, dir.path()) == Lines{"$/root"});
  options.follow_symlinks = true;
  CHECK(Roots(options, dir.path()) ==
        Lines{"$/out", "$/root", "$/single",
              "workers may also read $/out (links lead there)",
              "workers may also read $/single (links lead there)"});
}

TEST_CASE("ReadRoots: links from what links lead to are followed as well") {
  TempDir dir;
  dir.File("c/x");
  dir.Link("b/to-c", "../c");
  dir.Link("a/to-b", "../b");
  DiscoveryOptions options = Walking({dir / "a"});
  options.follow_symlinks = true;
  const ReadRoots roots = ResolveReadRoots(options);
  CHECK(roots.roots == Lines{dir / "a", dir / "b", dir / "c"});
  CHECK(roots.notices.size() == 2);
}

TEST_CASE("ReadRoots: many listed files give way to the folders of them") {
  TempDir dir;
  DiscoveryOptions options;
  for (int i = 0; i < 512; ++i) {
    options.files.push_back(
        dir.File("d" + std::to_string(i % 3) + "/" + std::to_string(i)));
  }
  ReadRoots roots = ResolveReadRoots(options);
  CHECK(roots.roots.size() == 512);
  CHECK(roots.notices.empty());
  options.files.push_back(dir.File("d0/more"));
  CHECK(Roots(options, dir.path()) ==
        Lines{"$/d0", "$/d1", "$/d2",
              "workers may read all of $/d0 (too many places were named)",
              "workers may read all of $/d1 (too many places were named)",
              "workers may read all of $/d2 (too many places were named)"});
}

TEST_CASE("ReadRoots: a path that is too long is covered by what is above it") {
  TempDir dir;
  const std::string innermost =
      MakeChain(dir.Folder("a"), std::string(200, 'p'), 40,
                [](std::size_t, const std::function<void(const char*)>& add) {
                  add("f");
                });
  const ReadRoots roots = ResolveReadRoots(Walking({innermost}));
  REQUIRE(roots.roots.size() == 1);
  CHECK(innermost.starts_with(roots.roots[0] + "/"));
  CHECK(fs::path(roots.roots[0]).is_absolute());
  CHECK(fs::is_directory(roots.roots[0]));
  CHECK(roots.roots[0].size() > 3000);
  CHECK(roots.notices.size() == 1);
  CHECK(ResolveReadRoots(Walking({innermost + "/f"})).roots == roots.roots);
}

TEST_CASE("ReadRights: folders collapse to what they have in common") {
  ReadRights rights(4);
  for (const char* path :
       {"/a/b/c/1", "/a/b/c/2", "/a/b/d/3", "/a/e/f/4", "/g/h", "/g/i/j/5"}) {
    rights.AddFolder(path);
  }
  CHECK(rights.Finish() == Lines{"/a/b", "/a/e", "/g/h", "/g/i"});
  CHECK(rights.widened());
}

TEST_CASE("ReadRights: files become their folders, then these collapse") {
  ReadRights rights(2);
  rights.AddFile("/a/x");
  rights.AddFile("/a/y");
  CHECK(ReadRights(rights).Finish() == Lines{"/a/x", "/a/y"});
  rights.AddFile("/a/z");
  CHECK(ReadRights(rights).Finish() == Lines{"/a"});
  rights.AddFile("/b/c/x");
  rights.AddFile("/b/d/x");
  CHECK(ReadRights(rights).Finish() == Lines{"/a", "/b"});
  rights.AddFile("/e/x");
  CHECK(rights.Finish() == Lines{"/"});
}

TEST_CASE("ReadRights: any number of places stays within the limit") {
  ReadRights rights(16);
  for (int i = 0; i < 20'000; ++i) {
    rights.AddFile("/d" + std::to_string(i % 7) + "/e" + std::to_string(i) +
                   "/f/x");
  }
  const Lines places = rights.Finish();
  CHECK(places == Lines{"/d0", "/d1", "/d2", "/d3", "/d4", "/d5", "/d6"});
  CHECK(rights.widened());
}

TEST_CASE("ReadRights: covers what is added and what is in it") {
  ReadRights rights(10);
  CHECK_FALSE(rights.Covers("/a"));
  rights.AddFolder("/a");
  rights.AddFile("/b/x");
  CHECK(rights.Covers("/a"));
  CHECK(rights.Covers("/a/b/c"));
  CHECK(rights.Covers("/b/x"));
  CHECK_FALSE(rights.Covers("/b"));
  CHECK_FALSE(rights.Covers("/b/xy"));
  CHECK_FALSE(rights.Covers("/ab"));
  CHECK_FALSE(rights.Covers("/"));
  rights.AddFolder("/");
  CHECK(rights.Covers("/ab"));
}

}  // namespace
}  // namespace scanengine::testing
