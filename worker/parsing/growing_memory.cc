#include "worker/parsing/growing_memory.h"

#include <utility>

namespace scanengine {

std::byte* GrowingMemory::Take(std::size_t bytes) {
  if (small_bytes_ >= kHeapBytes) {
    if (kLargePageBytes - used_ < bytes) {
      if (LargePage page = MakeLargePage(); page != nullptr) {
        large_.push_back(std::move(page));
        used_ = 0;
      }
    }
    if (kLargePageBytes - used_ >= bytes) {
      std::byte* const piece = large_.back().get() + used_;
      used_ += bytes;
      return piece;
    }
  }
  small_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
  small_bytes_ += bytes;
  return small_.back().get();
}

}  // namespace scanengine
