#ifndef SCANENGINE_ENGINE_WORKER_COUNT_H_
#define SCANENGINE_ENGINE_WORKER_COUNT_H_

#include <cstdint>
#include <string>

namespace scanengine {

/// What the number of workers depends on.
struct WorkerCountFacts {
  int asked = 0;  ///< By the user; 0: nothing.
  int cores = 1;  ///< That this process may use, by affinity and quota.
  /// Of all workers, in bytes; 0: not known.
  std::uint64_t memory_limit = 0;
  /// That this process can still open; -1: not known.
  int free_descriptors = -1;
};

struct WorkerCount {
  int count = 1;
  std::string why;  ///< A fragment: "one for each core".
  /// Not empty if the system allows fewer than were asked for or make sense.
  std::string shortage;
};

/// How many workers to start at most; at least one. Pure.
WorkerCount ChooseWorkerCount(const WorkerCountFacts& facts);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_WORKER_COUNT_H_
