#ifndef SCANENGINE_WORKER_LARGE_PAGE_H_
#define SCANENGINE_WORKER_LARGE_PAGE_H_

#include <cstddef>
#include <memory>

namespace scanengine {

inline constexpr std::size_t kLargePageBytes = std::size_t{2} << 20;

struct LargePageRelease {
  void operator()(std::byte* page) const;
};
using LargePage = std::unique_ptr<std::byte[], LargePageRelease>;

/// kLargePageBytes of memory, aligned to as many, that the system is asked to
/// back by one page: the first touch costs one fault instead of 512. Null if
/// there is none to be had, or the system knows no such thing; the heap is
/// then as good. Thread-safe.
LargePage MakeLargePage();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_LARGE_PAGE_H_
