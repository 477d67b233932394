#include <sys/mman.h>

#include <cstdint>

#include "worker/large_page.h"

namespace scanengine {

LargePage MakeLargePage() {
  void* const room =
      ::mmap(nullptr, 2 * kLargePageBytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(room);
  const std::size_t over =
      reinterpret_cast<std::uintptr_t>(begin) % kLargePageBytes;
  const std::size_t before = over == 0 ? 0 : kLargePageBytes - over;
  std::byte* const page = begin + before;
  // What stays mapped if that fails is never touched.
  if (before != 0) ::munmap(begin, before);
  ::munmap(page + kLargePageBytes, kLargePageBytes - before);
  // A kernel without large pages refuses, and gives small ones.
  ::madvise(page, kLargePageBytes, MADV_HUGEPAGE);
  return LargePage(page);
}

void LargePageRelease::operator()(std::byte* page) const {
  ::munmap(page, kLargePageBytes);
}

}  // namespace scanengine
