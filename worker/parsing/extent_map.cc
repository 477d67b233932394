#include "worker/parsing/extent_map.h"

#include <algorithm>

#include "ipc/check.h"

namespace scanengine {

void ExtentMap::Check(std::uint64_t size, const Visitor& visitor) {
  std::sort(extents_.begin(), extents_.end(),
            [](const Extent& a, const Extent& b) {
              return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
            });
  std::uint64_t claimed = 0;  // Everything in front of it has been accounted.
  for (const Extent& extent : extents_) {
    SCANENGINE_CHECK(extent.begin <= extent.end);
    if (extent.end > size && !visitor.outside(extent)) return;
    if (extent.begin == extent.end) continue;
    if (extent.begin < claimed && !visitor.overlap(extent)) return;
    const std::uint64_t begin = std::min(extent.begin, size);
    if (begin > claimed && !visitor.gap({claimed, begin})) return;
    claimed = std::max(claimed, std::min(extent.end, size));
  }
  if (claimed < size) visitor.gap({claimed, size});
}

}  // namespace scanengine
