#include "engine/result_cache.h"

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::TempDir;
using Place = TempDir::Place;  // In memory: no test waits for a disk.

constexpr char kName[] = "scanengine-results.sqlite3";

std::vector<std::byte> Value(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

CacheKey KeyOf(std::uint32_t number) {
  CacheKey key{};
  // Spread, as hashes are.
  std::uint32_t state = number * 2'654'435'761U + 1;
  for (std::uint8_t& byte : key) {
    state = state * 1'664'525U + 1'013'904'223U;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return key;
}

// Of row |number|; what else is given out is wrong.
std::vector<std::byte> ValueOf(std::uint32_t number) {
  return Value("value " + std::to_string(number) + ' ' +
               std::string(number % 200, 'v'));
}

std::vector<CacheRow> Rows(std::uint32_t begin, std::uint32_t end) {
  std::vector<CacheRow> rows;
  for (std::uint32_t i = begin; i < end; ++i) {
    rows.push_back({KeyOf(i), ValueOf(i)});
  }
  return rows;
}

// A cache that is open, and what it said.
struct Session {
  explicit Session(const TempDir& dir, std::uint64_t max_bytes = 64U << 20) {
    ResultCacheOptions options;
    options.folder = dir.path();
    options.max_bytes = max_bytes;
    options.patience = std::chrono::milliseconds(5'000);
    options.tell = [this](std::string text) {
      const std::lock_guard lock(mutex);
      told.push_back(std::move(text));
    };
    cache = MakeResultCache(std::move(options));
    cache->Open();
  }
  ~Session() { cache->Close(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::optional<std::vector<std::byte>> Find(std::uint32_t number) {
    const auto found = cache->Find(KeyOf(number));
    if (!found) return std::nullopt;
    return found->value;
  }
  // How many rows of [0, end) are there; each is right.
  int Count(std::uint32_t end) {
    int count = 0;
    cache->BeginFinding();
    for (std::uint32_t i = 0; i < end; ++i) {
      const auto found = Find(i);
      if (!found) continue;
      CHECK(*found == ValueOf(i));
      ++count;
    }
    cache->EndFinding();
    return count;
  }

  std::mutex mutex;
  std::vector<std::string> told;
  std::unique_ptr<ResultCache> cache;
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The bytes of a file with rows [0, |count|).
std::string GoodFile(std::uint32_t count) {
  const TempDir dir(Place::kMemory);
  {
    Session session(dir);
    REQUIRE(session.cache->Store(Rows(0, count), {}, 1));
    CHECK(session.told.empty());
  }
  return ReadFile(dir / kName);
}

// A second session finds a good file, whatever the first one found.
void CheckWorksAgain(const TempDir& dir) {
  {
    Session session(dir);
    CHECK(session.told.empty());
    CHECK(session.cache->Store(Rows(1'000, 1'010), {}, 2));
  }
  Session session(dir);
  CHECK(session.told.empty());
  CHECK(session.Find(1'005) == ValueOf(1'005));
}

TEST_CASE("ResultCache: rows outlive the session that stored them") {
  const TempDir dir(Place::kMemory);
  {
    Session session(dir);
    CHECK_FALSE(session.Find(1).has_value());
    REQUIRE(session.cache->Store(Rows(0, 500), {}, 7));
    CHECK(session.Count(500) == 500);
  }
  Session session(dir);
  CHECK(session.Count(600) == 500);
  CHECK(session.cache->Find(KeyOf(3))->used == 7);
  CHECK(session.told.empty());
}

TEST_CASE("ResultCache: a stored key replaces its row") {
  const TempDir dir(Place::kMemory);
  Session session(dir);
  REQUIRE(session.cache->Store(Rows(0, 2), {}, 1));
  const CacheRow row{KeyOf(1), Value("")};
  REQUIRE(session.cache->Store(std::span(&row, 1), {}, 2));
  CHECK(session.Find(0) == ValueOf(0));
  CHECK(session.Find(1) == Value(""));
}

TEST_CASE("ResultCache: what was not used for longest leaves first") {
  constexpr std::uint64_t kMost = 2U << 20;
  const TempDir dir(Place::kMemory);
  {
    Session session(dir, kMost);
    for (std::uint32_t i = 0; i < 40; ++i) {
      REQUIRE(session.cache->Store(Rows(i * 1'000, (i + 1) * 1'000), {},
                                   10 + std::int64_t{i}));
      // One row of the first is used again and again.
      const CacheKey used = KeyOf(5);
      REQUIRE(
          session.cache->Store({}, std::span(&used, 1), 10 + std::int64_t{i}));
    }
    CHECK(session.Find(5) == ValueOf(5));
    CHECK_FALSE(session.Find(6).has_value());
    CHECK(session.Find(39'500) == ValueOf(39'500));
    CHECK(session.told.empty());
  }
  CHECK(std::filesystem::file_size(dir / kName) <= kMost);
  {
    // A smaller limit than that of the run before takes effect.
    Session session(dir, kMost / 2);
    REQUIRE(session.cache->Store(Rows(50'000, 50'010), {}, 90));
  }
  CHECK(std::filesystem::file_size(dir / kName) <= kMost / 2);
  Session session(dir, kMost / 2);
  CHECK(session.Count(50'010) >= 1'000);
}

TEST_CASE("ResultCache: a value that is too large is not kept") {
  const TempDir dir(Place::kMemory);
  Session session(dir);
  const CacheRow row{KeyOf(1), std::vector<std::byte>(2U << 20)};
  CHECK(session.cache->Store(std::span(&row, 1), {}, 1));
  CHECK_FALSE(session.Find(1).has_value());
  CHECK(session.told.empty());
}

TEST_CASE("ResultCache: whatever byte is wrong, no wrong row is given out") {
  constexpr std::uint32_t kRows = 120;
  const std::string good = GoodFile(kRows);
  REQUIRE(good.size() > 8'000);
  int told = 0;
  // All of the header, then here and there.
  for (std::size_t at = 0; at < good.size(); at += at < 100 ? 1 : 151) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    const TempDir dir(Place::kMemory);
    WriteFile(dir / kName, bad);
    CAPTURE(at);
    {
      Session session(dir);
      session.Count(kRows);
      session.cache->Store(Rows(kRows, kRows + 20), {}, 2);
      session.cache->Close();
      CHECK(session.told.size() <= 1);
      told += static_cast<int>(session.told.size());
    }
    // What is wrong in pages that nobody came by may only be told now.
    Session again(dir);
    again.Count(kRows + 20);
  }
  CHECK(told > 20);
}

TEST_CASE("ResultCache: a row whose value was changed ends what is there") {
  std::string bad = GoodFile(50);
  const std::size_t at = bad.find("value 17 v");
  REQUIRE(at != std::string::npos);
  bad[at + 6] = '9';
  const TempDir dir(Place::kMemory);
  WriteFile(dir / kName, bad);
  {
    Session session(dir);
    CHECK(session.Find(3) == ValueOf(3));
    CHECK_FALSE(session.Find(17).has_value());
    CHECK_FALSE(session.Find(3).has_value());
    session.cache->Close();
    REQUIRE(session.told.size() == 1);
    CHECK(session.told[0].find("damaged (a checksum is wrong)") !=
          std::string::npos);
  }
  Session session(dir);
  CHECK(session.Count(50) == 0);
  CHECK(session.told.empty());
}

TEST_CASE("ResultCache: a file that is cut short is begun anew") {
  const std::string good = GoodFile(300);
  for (std::size_t size = 0; size < good.size(); size += 3'777) {
    const TempDir dir(Place::kMemory);
    WriteFile(dir / kName, good.substr(0, size));
    CAPTURE(size);
    {
      Session session(dir);
      session.Count(300);
      session.cache->Store(Rows(300, 310), {}, 2);
      session.cache->Close();
      CHECK(session.told.size() <= 1);
      // Nothing at all is a file that was not yet begun; of a last page that
      // is cut rows are just not found.
      const bool clear = size > 0 && size < good.size() - 4'096;
      CHECK((!clear || session.told.size() == 1));
    }
    CheckWorksAgain(dir);
  }
}

TEST_CASE("ResultCache: a file that is something else is begun anew") {
  for (const std::string& content :
       {std::string("not a database\n"), std::string(100'000, '\0'),
        std::string(5'000, 'x'), std::string("SQLite format 3\0 and more", 25),
        "SQLite format 3" + std::string(9'000, '\0')}) {
    const TempDir dir(Place::kMemory);
    WriteFile(dir / kName, content);
    CAPTURE(content.size());
    {
      Session session(dir);
      REQUIRE(session.told.size() == 1);
      CHECK(session.told[0].find("begun anew") != std::string::npos);
      CHECK(session.cache->Store(Rows(0, 10), {}, 1));
      CHECK(session.Count(10) == 10);
    }
    CheckWorksAgain(dir);
  }
}

TEST_CASE("ResultCache: a file of another version is begun anew") {
  // Offsets in the header: user version 60, application id 68.
  for (const std::size_t at : {std::size_t{63}, std::size_t{71}}) {
    std::string other = GoodFile(10);
    other[at] = static_cast<char>(other[at] + 1);
    const TempDir dir(Place::kMemory);
    WriteFile(dir / kName, other);
    {
      Session session(dir);
      REQUIRE(session.told.size() == 1);
      CHECK(session.told[0].find("of another version") != std::string::npos);
      CHECK(session.Count(10) == 0);
    }
    CheckWorksAgain(dir);
  }
}

TEST_CASE("ResultCache: what is no file of the user's is left alone") {
  TempDir dir(Place::kMemory);
  SECTION("a folder") { dir.Folder(kName); }
  SECTION("a link") { dir.Link(kName, dir.File("elsewhere", "")); }
  SECTION("others may write to it") {
    namespace fs = std::filesystem;
    fs::permissions(dir.File(kName, ""), fs::perms(0666));
  }
  Session session(dir);
  REQUIRE(session.told.size() == 1);
  CHECK(session.told[0].find("is not used") != std::string::npos);
  CHECK(session.cache->Store(Rows(0, 10), {}, 1));
  CHECK(session.Count(10) == 0);
  session.cache->Close();
  CHECK(session.told.size() == 1);
}

TEST_CASE("ResultCache: a folder that is not there is told once") {
  const TempDir dir(Place::kMemory);
  Session session(dir);
  session.cache->Close();
  ResultCacheOptions options;
  options.folder = dir / "missing";
  std::vector<std::string> told;
  options.tell = [&](std::string text) { told.push_back(std::move(text)); };
  const auto cache = MakeResultCache(std::move(options));
  cache->Open();
  CHECK_FALSE(cache->Find(KeyOf(1)).has_value());
  CHECK(cache->Store(Rows(0, 1), {}, 1));
  cache->Close();
  CHECK(told.size() == 1);
}

TEST_CASE("ResultCache: two sessions write and find at once") {
  constexpr std::uint32_t kEach = 3'000;
  const TempDir dir(Place::kMemory);
  std::array<std::vector<std::string>, 2> told;
  {
    Session first(dir);
    Session second(dir);
    const auto work = [](Session& session, std::uint32_t begin) {
      for (std::uint32_t i = 0; i < kEach; i += 50) {
        // Whoever has to wait too long tries again.
        while (!session.cache->Store(Rows(begin + i, begin + i + 50), {}, 1)) {
        }
      }
    };
    std::thread one([&] { work(first, 0); });
    std::thread two([&] { work(second, kEach); });
    for (int i = 0; i < 50; ++i) first.Count(200);
    one.join();
    two.join();
    CHECK(first.Count(2 * kEach) == static_cast<int>(2 * kEach));
    CHECK(second.Count(2 * kEach) == static_cast<int>(2 * kEach));
    told = {first.told, second.told};
  }
  CHECK(told[0].empty());
  CHECK(told[1].empty());
}

}  // namespace
}  // namespace scanengine
