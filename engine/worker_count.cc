#include "engine/worker_count.h"

#include <algorithm>

namespace scanengine {
namespace {

// A board, a process handle and three pipes.
constexpr int kDescriptorsPerWorker = 5;
// For the loop that waits, the walk, reports, a journal, and the other ends of
// pipes at a start.
constexpr int kDescriptorsKept = 14;
// What the memory governor takes a task for at first: with less for each,
// workers would wait for one another.
constexpr std::uint64_t kMemoryPerWorker = 64ULL << 20;

std::string Number(std::uint64_t number, const char* noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

}  // namespace

WorkerCount ChooseWorkerCount(const WorkerCountFacts& facts) {
  WorkerCount chosen;
  chosen.count = std::max(1, facts.asked > 0 ? facts.asked : facts.cores);
  chosen.why =
      facts.asked > 0
          ? "as asked for"
          : "one for each of " +
                Number(static_cast<std::uint64_t>(std::max(1, facts.cores)),
                       "usable core");
  const auto lower = [&chosen](int bound, const std::string& why) {
    if (bound >= chosen.count) return;
    chosen.count = std::max(1, bound);
    chosen.why = why;
    chosen.shortage = why;
  };
  if (facts.asked == 0 && facts.memory_limit != 0) {
    const std::uint64_t bound = facts.memory_limit / kMemoryPerWorker;
    lower(static_cast<int>(std::min<std::uint64_t>(bound, 1U << 20)),
          "each needs 64 MiB of the memory for all workers");
  }
  if (facts.free_descriptors >= 0) {
    lower((facts.free_descriptors - kDescriptorsKept) / kDescriptorsPerWorker,
          "only " +
              Number(static_cast<std::uint64_t>(facts.free_descriptors),
                     "more descriptor") +
              " may be opened (ulimit -n), and each takes " +
              std::to_string(kDescriptorsPerWorker));
  }
  return chosen;
}

}  // namespace scanengine
