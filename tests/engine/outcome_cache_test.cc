#include "engine/outcome_cache.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/cached_task_source.h"
#include "engine/directory_walker.h"
#include "tests/support/engine_fakes.h"
#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using Answer = OutcomeCache::Answer;
using testing::FakeSource;
using testing::TempDir;

constexpr std::int64_t kSecond = 1'000'000'000;

FileStamp StampOf(const std::string& path) {
  const Result<FileFacts> facts = LookAtPath(path);
  REQUIRE(facts.ok());
  return facts.value().stamp;
}

ScanReply ExampleReply(std::uint64_t size) {
  ScanReply reply;
  reply.format = "pickle";
  reply.bytes = size;
  reply.scanners = {"pickle"};
  Finding finding;
  finding.rule_id = "pickle-dangerous-call";
  finding.severity = Severity::kCritical;
  finding.message = "calls os.system";
  finding.offset = 11;
  finding.evidence = std::string("id\0\xff", 4);
  reply.findings = {finding};
  reply.assets = {{"member", "zip", 9, {{"a", "b"}}}};
  reply.duration_us = 1'234;
  reply.peak_memory = 99;
  return reply;
}

FileOutcome ExampleOutcome(const Task& task) {
  FileOutcome outcome;
  outcome.path = task.target;
  outcome.stamp = task.stamp;
  outcome.attempts = 1;
  outcome.worker = 1;
  outcome.result = ExampleReply(task.size);
  outcome.result.task = task.id;
  return outcome;
}

// As the next run reports it.
ScanReply Kept(ScanReply reply) {
  reply.task = 0;
  reply.duration_us = 0;
  reply.peak_memory = 0;
  return reply;
}

class OutcomeCacheTest {
 public:
  OutcomeCacheTest() {
    scope_.rules = "rules";
    scope_.worker_path = files_.File("worker", "program");
  }

 protected:
  std::string File(const std::string& name,
                   const std::string& bytes = "bytes") {
    return files_.File(name, bytes);
  }

  // |age| after the file was last changed.
  std::unique_ptr<OutcomeCache> Open(std::int64_t age = 100 * kSecond) {
    ResultCacheOptions options;
    options.folder = folder_.path();
    options.tell = [](const std::string& text) { FAIL_CHECK(text); };
    OutcomeCacheTimes times;
    times.now = [this, age] { return newest_ + age; };
    auto cache = std::make_unique<OutcomeCache>(
        MakeResultCache(std::move(options)), scope_, std::move(times));
    cache->Open();
    return cache;
  }

  Task TaskFor(const std::string& path) {
    Task task = FakeSource::Make(next_id_++, path);
    task.stamp = StampOf(path);
    task.size = task.stamp->size;
    newest_ =
        std::max({newest_, task.stamp->changed_ns, task.stamp->modified_ns});
    return task;
  }

  // A run that scans |paths|.
  void ScanAll(const std::vector<std::string>& paths, std::int64_t age,
               std::uint64_t duration_us) {
    std::vector<Task> tasks;
    for (const std::string& path : paths) tasks.push_back(TaskFor(path));
    const auto cache = Open(age);
    for (Task& task : tasks) {
      Find(*cache, task);
      CHECK_FALSE(task.settled.has_value());
      FileOutcome outcome = ExampleOutcome(task);
      outcome.result.duration_us = duration_us;
      FileOutcome* const recorded = &outcome;
      cache->Record(std::span(&recorded, 1));
    }
    cache->End();
  }
  void Scan(const std::string& path, std::int64_t age = 100 * kSecond,
            std::uint64_t duration_us = 5) {
    ScanAll({path}, age, duration_us);
  }

  static std::string Find(OutcomeCache& cache, Task& task) {
    switch (cache.Find(task)) {
      case Answer::kSettled:
        return "by stamp";
      case Answer::kUnknown:
        return "no";
      case Answer::kMaybe:
        return cache.FindByContent(task) ? "by content" : "no";
    }
    return "";
  }
  // What the next run finds.
  std::string Found(const std::string& path, std::int64_t age = 200 * kSecond) {
    Task task = TaskFor(path);
    const auto cache = Open(age);
    std::string found = Find(*cache, task);
    CHECK(task.settled.has_value() == (found != "no"));
    CHECK(task.cached == task.settled.has_value());
    if (task.settled) CHECK(*task.settled == Kept(ExampleReply(task.size)));
    cache->End();
    return found;
  }

  static void SetModified(const std::string& path, std::int64_t by_ns) {
    namespace fs = std::filesystem;
    fs::last_write_time(
        path, fs::last_write_time(path) + std::chrono::nanoseconds(by_ns));
  }

  TempDir folder_{TempDir::Place::kMemory};
  TempDir files_;
  CacheScope scope_;
  std::int64_t newest_ = 0;
  TaskId next_id_ = 1;
};

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: a file that did not change is settled") {
  const std::string path = File("a.pkl");
  CHECK(Found(path) == "no");
  Scan(path);
  CHECK(Found(path) == "by stamp");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: young times are not believed, content is") {
  const std::string path = File("a.pkl");
  Scan(path, kSecond);
  CHECK(Found(path, kSecond) == "by content");
  // Its times are old now: the file need not be read a third time.
  CHECK(Found(path) == "by content");
  CHECK(Found(path) == "by stamp");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: a file that was just written is not kept") {
  const std::string path = File("a.pkl");
  Scan(path, kSecond / 100);
  CHECK(Found(path) == "no");
  // A clock that was set back: what will be written may get any time.
  Scan(path, -50 * kSecond);
  CHECK(Found(path) == "no");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: the same content with another time is found") {
  const std::string path = File("a.pkl");
  Scan(path);
  SetModified(path, -1'000 * kSecond);
  CHECK(Found(path) == "by content");
  CHECK(Found(path) == "by stamp");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: other content with the same size and time of "
                 "modification is not found") {
  namespace fs = std::filesystem;
  const std::string path = File("a.pkl", "bytes");
  const auto time = fs::last_write_time(path);
  Scan(path);
  File("a.pkl", "other");
  fs::last_write_time(path, time);
  CHECK(Found(path) == "no");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: a copy is found under the same last name") {
  Scan(File("a.pkl"));
  CHECK(Found(File("folder/a.pkl")) == "by content");
  // Detection may depend on the name.
  CHECK(Found(File("a.txt")) == "no");
  CHECK(Found(File("b/a.pkl", "bytez")) == "no");
  CHECK(Found(File("c/a.pkl", "byte")) == "no");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: other rules or another worker find nothing") {
  const std::string path = File("a.pkl");
  Scan(path);
  scope_.rules = "rules of another run";
  CHECK(Found(path) == "no");
  scope_.rules = "rules";
  CHECK(Found(path) == "by stamp");
  File("worker", "another program");
  CHECK(Found(path) == "no");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: a file that was changed after its scan is not "
                 "found") {
  const std::string path = File("a.pkl", "bytes");
  Task task = TaskFor(path);
  const auto cache = Open();
  CHECK(cache->Find(task) == Answer::kUnknown);
  FileOutcome outcome = ExampleOutcome(task);
  File("a.pkl", "other");
  FileOutcome* const recorded = &outcome;
  cache->Record(std::span(&recorded, 1));
  cache->End();
  CHECK(Found(path) == "no");
  CHECK(Found(File("b/a.pkl", "other")) == "no");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: large files are hashed only if their scan took "
                 "longer") {
  const std::string content(1U << 20, 'x');
  const std::string quick = File("quick/a.pkl", content);
  Scan(quick, 100 * kSecond, 10);
  CHECK(Found(quick) == "by stamp");
  CHECK(Found(File("copy/a.pkl", content)) == "no");
  const std::string slow = File("slow/a.pkl", content);
  Scan(slow, 100 * kSecond, 1'000'000);
  CHECK(Found(File("copy/a.pkl", content)) == "by content");
}

TEST_CASE_METHOD(OutcomeCacheTest,
                 "OutcomeCache: only files to be scanned are looked up") {
  const std::string path = File("a.pkl");
  Scan(path);
  const auto cache = Open();
  Task task = TaskFor(path);
  SECTION("settled by the walk") { task.settled = ScanReply{}; }
  SECTION("inspected") { task.kind = std::string(kInspectTask); }
  SECTION("a descriptor") { task.inherited_fd = 3; }
  SECTION("no stamp") { task.stamp.reset(); }
  SECTION("it ended this program once") {
    task.ended_worker = ExitVerdict{OutcomeStatus::kCrashed, false, "", ""};
  }
  CHECK(cache->Find(task) == Answer::kUnknown);
  CHECK_FALSE(task.cached);
}

TEST_CASE("OutcomeCache: only what the bytes of a file decide is kept") {
  FileOutcome good;
  good.attempts = 1;
  good.worker = 3;
  good.stamp = FileStamp{7, 1, 2, 3};
  good.result.bytes = 7;
  REQUIRE(OutcomeCache::Keeps(good));

  std::vector<OutcomeStatus> kept;
  for (int i = 0; i < kOutcomeStatusCount; ++i) {
    FileOutcome outcome = good;
    outcome.result.status = static_cast<OutcomeStatus>(i);
    if (OutcomeCache::Keeps(outcome)) kept.push_back(outcome.result.status);
  }
  CHECK(kept == std::vector{OutcomeStatus::kScanned,
                            OutcomeStatus::kUnsupported,
                            OutcomeStatus::kNotAModel,
                            OutcomeStatus::kEncrypted, OutcomeStatus::kLimit});

  const auto keeps = [&](auto change) {
    FileOutcome outcome = good;
    change(outcome);
    return OutcomeCache::Keeps(outcome);
  };
  CHECK_FALSE(keeps([](FileOutcome& o) { o.attempts = 0; }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.attempts = 2; }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.worker = 0; }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.ended = "SIGSEGV"; }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.in_process = true; }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.resumed = true; }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.cached = true; }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.stamp.reset(); }));
  CHECK_FALSE(keeps([](FileOutcome& o) { o.result.bytes = 8; }));
}

TEST_CASE("Sha256: known answers") {
  const auto hex = [](const std::string& text) {
    Sha256Hasher hasher;
    for (const char each : text) hasher.Add(std::string_view(&each, 1));
    std::string out;
    for (const std::uint8_t byte : hasher.Finish()) {
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out;
  };
  // FIPS 180-2, appendix B.
  CHECK(hex("") ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex("abc") ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("HashFile: what is no longer the file is not read") {
  TempDir dir;
  const std::string path = dir.File("a", "abc");
  const FileStamp stamp = StampOf(path);
  const Result<FileHash> hash = HashFile(path, stamp);
  REQUIRE(hash.ok());
  CHECK(hash.value().hash[0] == 0xBA);
  FileStamp other = stamp;
  ++other.changed_ns;
  CHECK(HashFile(path, other).error().code == ErrorCode::kChanged);
  CHECK(HashFile(dir.path(), StampOf(dir.path())).error().code ==
        ErrorCode::kChanged);
  CHECK(HashFile(dir / "none", stamp).error().code == ErrorCode::kNotFound);
}

// ---- CachedTaskSource

// May be stopped while a thread takes from it, as a TaskFeed may.
class LockedSource final : public TaskSource {
 public:
  Task& Add(const std::string& path) { return tasks_.Add(path); }

  std::optional<Task> Next() override {
    const std::lock_guard lock(mutex_);
    return tasks_.Next();
  }
  bool Exhausted() const override {
    const std::lock_guard lock(mutex_);
    return tasks_.Exhausted();
  }
  void Stop() override {
    const std::lock_guard lock(mutex_);
    tasks_.Stop();
  }
  void HoldBack() { tasks_.held_back = true; }
  bool stopped() const { return tasks_.stopped; }

 private:
  mutable std::mutex mutex_;
  FakeSource tasks_;
};

class CachedTaskSourceTest : public OutcomeCacheTest {
 protected:
  // All tasks, in the order in which they come.
  static std::vector<Task> All(CachedTaskSource& source, NewsBell& news) {
    std::vector<Task> tasks;
    while (true) {
      while (std::optional<Task> task = source.Next()) {
        tasks.push_back(*std::move(task));
      }
      // What comes between the two rings.
      if (source.Exhausted()) return tasks;
      news.Wait();
    }
  }
};

TEST_CASE_METHOD(CachedTaskSourceTest,
                 "CachedTaskSource: every task comes once, settled if it can "
                 "be") {
  std::vector<std::string> paths;
  std::vector<std::string> scanned;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "f" + std::to_string(i) + ".pkl";
    const std::string content = "content " + std::to_string(i);
    paths.push_back(File(name, content));
    if (i % 3 == 0) scanned.push_back(paths.back());
    if (i % 3 == 1) scanned.push_back(File("elsewhere/" + name, content));
  }
  ScanAll(scanned, 100 * kSecond, 5);
  LockedSource source;
  for (const std::string& path : paths) source.Add(path) = TaskFor(path);
  const auto cache = Open();
  NewsBell bell;
  NewsBell news;
  CachedTaskSource cached(source, *cache, bell, [&] { news.Ring(); });
  CHECK_FALSE(cached.Exhausted());
  cached.Start();
  int settled = 0;
  std::vector<std::string> seen;
  for (const Task& task : All(cached, news)) {
    seen.push_back(task.target);
    const int number =
        std::stoi(task.target.substr(task.target.rfind('f') + 1));
    CHECK(task.settled.has_value() == (number % 3 != 2));
    settled += task.cached ? 1 : 0;
  }
  std::sort(seen.begin(), seen.end());
  std::sort(paths.begin(), paths.end());
  CHECK(seen == paths);
  CHECK(settled == 200);
}

TEST_CASE_METHOD(CachedTaskSourceTest,
                 "CachedTaskSource: after a stop what was found still comes") {
  const std::string path = File("a.pkl");
  LockedSource source;
  source.HoldBack();
  for (int i = 0; i < 5'000; ++i) source.Add(path);
  const auto cache = Open();
  NewsBell bell;
  NewsBell news;
  CachedTaskSource cached(source, *cache, bell, [&] { news.Ring(); });
  cached.Stop();
  cached.Start();
  CHECK(All(cached, news).size() == 5'000);
  CHECK(source.stopped());
}

TEST_CASE_METHOD(CachedTaskSourceTest,
                 "CachedTaskSource: ends although nobody takes its tasks") {
  const std::string path = File("a.pkl");
  LockedSource source;
  for (int i = 0; i < 5'000; ++i) source.Add(path);
  const auto cache = Open();
  NewsBell bell;
  NewsBell news;
  CachedTaskSource cached(source, *cache, bell, [&] { news.Ring(); });
  cached.Start();
  news.Wait();
}

}  // namespace
}  // namespace scanengine
