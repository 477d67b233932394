#ifndef SCANENGINE_WORKER_PARSING_GROWING_MEMORY_H_
#define SCANENGINE_WORKER_PARSING_GROWING_MEMORY_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "worker/large_page.h"

namespace scanengine {

/// Hands out pieces of memory that live as long as it does. The first ones
/// come from the heap, which most users never leave; who wants much gets large
/// pages. Not thread-safe.
class GrowingMemory {
 public:
  /// |bytes| bytes, not written to, aligned as operator new does. REQUIRES:
  /// |bytes| is a multiple of 64 and far less than a large page. Throws
  /// std::bad_alloc.
  std::byte* Take(std::size_t bytes);

 private:
  static constexpr std::size_t kHeapBytes = 512 << 10;

  std::vector<std::unique_ptr<std::byte[]>> small_;
  std::vector<LargePage> large_;
  std::size_t small_bytes_ = 0;
  std::size_t used_ = kLargePageBytes;  // Of the last large page.
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_GROWING_MEMORY_H_
