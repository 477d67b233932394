// The order of tasks, when to start workers again, what memory tasks need.

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/memory_governor.h"
#include "engine/respawn_policy.h"
#include "engine/task_feed.h"
#include "engine/task_queue.h"

namespace scanengine {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TaskQueue::Workers kUsed = TaskQueue::Workers::kUsed;
constexpr TaskQueue::Workers kFresh = TaskQueue::Workers::kFresh;

QueuedTask Waiting(TaskId id, int cost = 1) {
  QueuedTask task;
  task.task.id = id;
  task.task.cost = microseconds(cost);
  return task;
}

std::vector<TaskId> Drain(TaskQueue& queue) {
  std::vector<TaskId> ids;
  while (queue.Peek(kUsed) != nullptr) {
    const TaskId peeked = queue.Peek(kUsed)->task.id;
    const QueuedTask task = queue.Pop(kUsed);
    CHECK(task.task.id == peeked);
    ids.push_back(task.task.id);
  }
  return ids;
}

TEST_CASE("Task queue: empty has nothing to give") {
  const TaskQueue queue;
  CHECK(queue.empty());
  CHECK(queue.size() == 0);
  CHECK(queue.cost() == microseconds(0));
  CHECK(queue.Peek(kUsed) == nullptr);
}

TEST_CASE("Task queue: the dearest of the fresh come first, equals in order") {
  TaskQueue queue;
  queue.AddFresh(Waiting(1, 5));
  queue.AddFresh(Waiting(2, 9));
  queue.AddFresh(Waiting(3, 5));
  queue.AddFresh(Waiting(4, 0));
  queue.AddFresh(Waiting(5, 9));
  CHECK(Drain(queue) == std::vector<TaskId>{2, 5, 1, 3, 4});
}

TEST_CASE("Task queue: what came back uncounted goes first, last one first") {
  TaskQueue queue;
  queue.AddFresh(Waiting(1, 100));
  queue.AddRetry(Waiting(2));
  queue.AddFront(Waiting(3));
  queue.AddFront(Waiting(4));
  CHECK(Drain(queue) == std::vector<TaskId>{4, 3, 1, 2});
}

TEST_CASE("Task queue: a retry waits behind all that waited") {
  TaskQueue queue;
  queue.AddFresh(Waiting(1));
  queue.AddFresh(Waiting(2));
  queue.AddRetry(Waiting(9, 1'000));
  queue.AddRetry(Waiting(8, 1'000));
  CHECK(Drain(queue) == std::vector<TaskId>{1, 2, 9, 8});
}

TEST_CASE("Task queue: a stream of fresh tasks never starves a retry") {
  TaskQueue queue;
  queue.AddFresh(Waiting(1));
  queue.AddFresh(Waiting(2));
  queue.AddRetry(Waiting(1'000));
  TaskId next = 3;
  for (int popped = 0; popped < 3; ++popped) {
    queue.AddFresh(Waiting(next++, 50));
    const TaskId id = queue.Pop(kUsed).task.id;
    CHECK((id == 1'000) == (popped == 2));
  }
}

TEST_CASE("Task queue: with nothing else a retry is not held back") {
  TaskQueue queue;
  queue.AddRetry(Waiting(1));
  REQUIRE(queue.Peek(kUsed) != nullptr);
  CHECK(queue.Pop(kUsed).task.id == 1);
  CHECK(queue.empty());
}

QueuedTask ForFreshWorker(TaskId id) {
  QueuedTask task = Waiting(id);
  task.fresh_worker = true;
  return task;
}

TEST_CASE("Task queue: what needs a fresh worker lets all others pass") {
  TaskQueue queue;
  queue.AddRetry(ForFreshWorker(9));
  queue.AddFront(ForFreshWorker(8));
  queue.AddFresh(Waiting(1));
  queue.AddFresh(Waiting(2));
  queue.AddRetry(Waiting(3));
  CHECK(queue.size() == 5);
  // One and two are ahead of nobody's turn; then nothing else is left.
  CHECK(Drain(queue) == std::vector<TaskId>{1, 2, 3, 8, 9});
}

TEST_CASE("Task queue: a fresh worker gets what waits for it when it is due") {
  TaskQueue queue;
  queue.AddFresh(Waiting(1));
  queue.AddFresh(Waiting(2));
  queue.AddRetry(ForFreshWorker(9));
  queue.AddFresh(Waiting(3));
  CHECK(queue.Pop(kFresh).task.id == 1);  // Two waited before it.
  CHECK(queue.Pop(kFresh).task.id == 2);
  REQUIRE(queue.Peek(kUsed)->task.id == 3);
  CHECK(queue.Pop(kFresh).task.id == 9);
  CHECK(queue.Pop(kFresh).task.id == 3);
  CHECK(queue.empty());
}

TEST_CASE("Task queue: a task keeps what it went through") {
  TaskQueue queue;
  QueuedTask task = Waiting(7, 3);
  task.attempts = 2;
  task.starts = 5;
  task.uncounted = 3;
  task.external_kills = 1;
  task.solo = task.fresh_worker = task.exclusive = true;
  task.last_end = ExitVerdict{OutcomeStatus::kCrashed, false, "SIGSEGV", "x"};
  const std::optional<ExitVerdict> end = task.last_end;
  queue.AddRetry(std::move(task));
  const QueuedTask back = queue.Pop(kUsed);
  CHECK(back.attempts == 2);
  CHECK(back.starts == 5);
  CHECK(back.uncounted == 3);
  CHECK(back.external_kills == 1);
  CHECK(back.solo);
  CHECK(back.fresh_worker);
  CHECK(back.exclusive);
  CHECK(back.last_end == end);
}

TEST_CASE("Task queue: size and cost are the sum of what waits, at random") {
  std::mt19937 random(7);
  TaskQueue queue;
  std::map<TaskId, int> waiting;
  std::uint64_t seen = 0;
  for (TaskId id = 1; id <= 5'000; ++id) {
    const int cost = static_cast<int>(random() % 50);
    switch (random() % 5) {
      case 0:
        queue.AddFront(Waiting(id, cost));
        waiting[id] = cost;
        break;
      case 1:
        queue.AddRetry(Waiting(id, cost));
        waiting[id] = cost;
        break;
      case 2:
        queue.AddFresh(Waiting(id, cost));
        waiting[id] = cost;
        break;
      default:
        if (queue.empty()) break;
        // Nothing comes out twice, nothing that was not put in.
        CHECK(waiting.erase(queue.Pop(kUsed).task.id) == 1);
        ++seen;
    }
    int sum = 0;
    for (const auto& [waits, its_cost] : waiting) sum += its_cost;
    if (queue.size() != waiting.size() || queue.cost() != microseconds(sum)) {
      FAIL("after " << id);
    }
  }
  CHECK(Drain(queue).size() == waiting.size());
  CHECK(queue.cost() == microseconds(0));
  CHECK(seen > 1'000);
}

TEST_CASE("Respawn policy: waits double from 10 ms and stop growing at 128") {
  RespawnPolicy policy(20);
  const Clock::Time now{seconds(1'000)};
  CHECK(policy.MayTry(now));
  CHECK_FALSE(policy.exhausted());
  for (const int factor : {1, 2, 4, 8, 16, 32, 64, 128, 128, 128}) {
    policy.OnFailure(now);
    const Clock::Time due = now + milliseconds(10) * factor;
    CHECK(policy.retry_at() == due);
    CHECK_FALSE(policy.MayTry(due - std::chrono::nanoseconds(1)));
    CHECK(policy.MayTry(due));
  }
  CHECK(policy.failures() == 10);
}

TEST_CASE("Respawn policy: so many failures in a row exhaust it") {
  RespawnPolicy policy(3);
  const Clock::Time now{seconds(1)};
  policy.OnFailure(now);
  policy.OnFailure(now);
  CHECK_FALSE(policy.exhausted());
  policy.OnFailure(now);
  CHECK(policy.exhausted());
}

TEST_CASE("Respawn policy: one success forgets all failures") {
  RespawnPolicy policy(3);
  const Clock::Time now{seconds(1)};
  policy.OnFailure(now);
  policy.OnFailure(now);
  policy.OnSuccess();
  CHECK(policy.failures() == 0);
  CHECK(policy.MayTry(Clock::Time::min()));
  policy.OnFailure(now);
  policy.OnFailure(now);
  CHECK_FALSE(policy.exhausted());
  CHECK(policy.retry_at() == now + milliseconds(20));
}

TEST_CASE("Memory governor: without a limit everything is admitted") {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const MemoryGovernor governor(0);
  CHECK(governor.Admits(0, 0));
  CHECK(governor.Admits(kMost, kMost));
}

TEST_CASE("Memory governor: admits up to the limit, not a byte more") {
  const MemoryGovernor governor(100);
  CHECK(governor.Admits(0, 100));
  CHECK_FALSE(governor.Admits(0, 101));
  CHECK(governor.Admits(60, 40));
  CHECK_FALSE(governor.Admits(60, 41));
  CHECK(governor.Admits(100, 0));
  CHECK_FALSE(governor.Admits(101, 0));
}

TEST_CASE("Memory governor: sums that do not fit a number are too much") {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const MemoryGovernor governor(100);
  CHECK_FALSE(governor.Admits(50, kMost));
  CHECK_FALSE(governor.Admits(kMost, 50));
  CHECK_FALSE(governor.Admits(kMost, kMost));
}

TEST_CASE("Memory governor: learns the peak that a task caused") {
  MemoryGovernor governor(0);
  CHECK(governor.Estimate("a") == MemoryGovernor::kFirstEstimate);
  governor.Learn("a", 10, 300ULL << 20);  // The peak moved.
  CHECK(governor.Estimate("a") == 300ULL << 20);
  CHECK(governor.Estimate("b") == MemoryGovernor::kFirstEstimate);
  governor.Learn("a", 400ULL << 20, 400ULL << 20);  // It did not: a bound.
  CHECK(governor.Estimate("a") == 300ULL << 20);
  governor.Learn("a", 20ULL << 20, 20ULL << 20);
  CHECK(governor.Estimate("a") == 20ULL << 20);
  governor.Learn("a", 0, 0);  // Not known.
  CHECK(governor.Estimate("a") == 20ULL << 20);
}

TEST_CASE("Memory governor: hostile names of classes do not fill the memory") {
  MemoryGovernor governor(0);
  for (int i = 0; i < 10'000; ++i) {
    governor.Learn("." + std::to_string(i) + "/1", 0, 1);
  }
  CHECK(governor.Estimate(".0/1") == 1);
  CHECK(governor.Estimate(".9999/1") == MemoryGovernor::kFirstEstimate);
  governor.Learn(".0/1", 1, 2);  // What is known is still learnt.
  CHECK(governor.Estimate(".0/1") == 2);
}

TEST_CASE("Task estimates: cost grows with size and never overflows") {
  CHECK(EstimateCost(0) == microseconds(30));
  CHECK(EstimateCost(4'000) == microseconds(40));
  CHECK(EstimateCost(400'000'000) == microseconds(1'000'030));
  // A sparse file may claim any size; thousands of them are added up.
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  CHECK(EstimateCost(kMost) > microseconds(0));
  CHECK(EstimateCost(kMost) <= microseconds::max() / 100'000);
}

TEST_CASE("Task estimates: the deadline grows by a second for each 50 MB") {
  CHECK(DeadlineFor(milliseconds(60'000), 0) == seconds(60));
  CHECK(DeadlineFor(milliseconds(1), 49'999'999) == milliseconds(1));
  CHECK(DeadlineFor(milliseconds(1), 50'000'000) == milliseconds(1'001));
  CHECK(DeadlineFor(milliseconds(0), 1ULL << 40) == seconds(0));
  CHECK(DeadlineFor(seconds(60), 1ULL << 40) == seconds(60 + 21'990));
}

TEST_CASE("Task estimates: the deadline of a huge sparse file is in reach") {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const microseconds deadline = DeadlineFor(seconds(60), kMost);
  CHECK(deadline > seconds(60));
  // Clocks count nanoseconds, and deadlines of what a worker holds add up.
  const auto most =
      std::chrono::duration_cast<microseconds>(Clock::Duration::max() / 1'000);
  CHECK(deadline < most);
}

TEST_CASE("Task estimates: like files share a resource class") {
  CHECK(ResourceClassOf("/a/b.pkl", 1'000) == ".pkl/10");
  CHECK(ResourceClassOf("b.pkl", 1'023) == ".pkl/10");
  CHECK(ResourceClassOf("b.pkl", 1'024) == ".pkl/11");
  CHECK(ResourceClassOf("b", 0) == "/0");
  CHECK(ResourceClassOf("/a.dir/b", 1) == "/1");    // A folder's dot.
  CHECK(ResourceClassOf("/a/.hidden", 1) == "/1");  // No extension.
  CHECK(ResourceClassOf("a.toolongextension", 1) == "/1");
  CHECK(ResourceClassOf("", 1) == "/1");
  CHECK(ResourceClassOf("a.", 1) == "./1");
}

}  // namespace
}  // namespace scanengine
