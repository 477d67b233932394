#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/discovery.h"
#include "tests/engine/discovery_harness.h"
#include "tests/support/temp_dir.h"

// Trees that are deeper and wider than anyone has them, but for those who mean
// to end a scanner.

namespace scanengine::testing {
namespace {

// Bytes that a sanitizer adds say nothing about us.
constexpr bool kMeasureMemory = SCANENGINE_SANITIZED == 0;
constexpr std::size_t kMostKiB = 64 * 1024;

/// Keeps no paths, so that its memory is none of what is measured.
class CountingSink final : public DiscoverySink {
 public:
  bool OnFile(DiscoveredFile file) override {
    ++files_;
    if (file.status != OutcomeStatus::kScanned) ++others_;
    bytes_ += file.path.size();
    longest_ = std::max(longest_, file.path.size());
    most_descriptors_ =
        std::max(most_descriptors_, files_ % 1000 == 1 ? OpenDescriptors() : 0);
    return true;
  }
  Lines Summary() const {
    return {std::to_string(files_), std::to_string(others_),
            std::to_string(longest_)};
  }
  std::size_t most_descriptors() const { return most_descriptors_; }

 private:
  std::size_t files_ = 0;
  std::size_t others_ = 0;
  std::size_t bytes_ = 0;
  std::size_t longest_ = 0;
  std::size_t most_descriptors_ = 0;
};

void CheckMemory(const std::string& kib) {
  WARN("memory used: " << kib << " KiB");
  if (kMeasureMemory) CHECK(std::stoul(kib) < kMostKiB);
}

TEST_CASE("Discovery: 100,000 nested folders are walked to the bottom") {
  constexpr std::size_t kDepth = 100'000;
  TempDir dir(TempDir::Place::kMemory);
  const std::string innermost = MakeChain(
      dir.path(), "n", kDepth,
      [](std::size_t level, const std::function<void(const char*)>& add_file) {
        if (level == kDepth || level == 1) add_file("f");
      });
  const Lines found = WithMemoryUse([&] {
    CountingSink sink;
    Discover(Walking({dir.path()}), sink);
    return sink.Summary();
  });
  CHECK(Lines(found.begin() + 1, found.end()) ==
        Lines{"2", "0", std::to_string(innermost.size() + 2)});
  CheckMemory(found.front());
}

TEST_CASE("Discovery: deep folders with work left on the way up are all seen") {
  constexpr std::size_t kDepth = 5'000;
  TempDir dir(TempDir::Place::kMemory);
  MakeChain(dir.path(), "n", kDepth,
            [&](std::size_t, const std::function<void(const char*)>& add_file) {
              add_file("f");
            });
  // On every hundredth level folders on both sides of the chain, so that the
  // walk has to come back whatever order the system lists them in.
  std::string path = dir.path();
  std::size_t sides = 0;
  for (std::size_t level = 1; level <= 1'900; ++level) {
    path += "/n";
    if (level % 100 != 0) continue;
    for (const char* side : {"a", "b", "y", "z"}) {
      dir.File(path.substr(dir.path().size() + 1) + "/" + side + "/f");
      ++sides;
    }
  }
  CountingSink sink;
  const std::size_t descriptors = OpenDescriptors();
  Discover(Walking({dir.path()}), sink);
  CHECK(sink.Summary()[0] == std::to_string(kDepth + sides));
  CHECK(sink.Summary()[1] == "0");
  CHECK(sink.most_descriptors() <= descriptors + 8);
  CHECK(OpenDescriptors() == descriptors);
}

TEST_CASE("Discovery: 100,000 files in one folder take next to no memory") {
  constexpr std::size_t kFiles = 100'000;
  TempDir dir(TempDir::Place::kMemory);
  MakeChain(dir.path(), "n", 1,
            [](std::size_t, const std::function<void(const char*)>& add_file) {
              for (std::size_t i = 0; i < kFiles; ++i) {
                add_file(std::to_string(i).c_str());
              }
            });
  const Lines found = WithMemoryUse([&] {
    CountingSink sink;
    Discover(Walking({dir.path()}), sink);
    return sink.Summary();
  });
  CHECK(found[1] == std::to_string(kFiles));
  CHECK(found[2] == "0");
  CheckMemory(found.front());
  if (kMeasureMemory) CHECK(std::stoul(found.front()) < 2 * 1024);
}

TEST_CASE("Discovery: 100,000 files in 1,000 folders are each given once") {
  TempDir dir(TempDir::Place::kMemory);
  for (int folder = 0; folder < 1'000; ++folder) {
    MakeChain(dir.path(), std::to_string(folder), 1,
              [](std::size_t, const std::function<void(const char*)>& add) {
                for (int i = 0; i < 100; ++i) add(std::to_string(i).c_str());
              });
  }
  std::set<std::string> paths;
  CollectingSink sink;
  Discover(Walking({dir.path()}), sink);
  for (const DiscoveredFile& file : sink.files()) paths.insert(file.path);
  CHECK(sink.files().size() == 100'000);
  CHECK(paths.size() == 100'000);

  CountingSink counting;
  const std::clock_t start = std::clock();
  Discover(Walking({dir.path()}), counting);
  const std::clock_t took = std::clock() - start;
  CHECK(counting.Summary()[0] == "100000");
  // Processor time, for people; benchmarks hold the target.
  WARN("per file: " << static_cast<double>(took) / CLOCKS_PER_SEC * 1e6 / 1e5
                    << " us");
}

}  // namespace
}  // namespace scanengine::testing
