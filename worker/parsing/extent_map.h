#ifndef SCANENGINE_WORKER_PARSING_EXTENT_MAP_H_
#define SCANENGINE_WORKER_PARSING_EXTENT_MAP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace scanengine {

/// Bytes [begin, end) of some region. begin <= end.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  bool operator==(const Extent&) const = default;
};

/// Which parts of a region are claimed, by what a header says. Takes 16 bytes
/// for each extent; the caller bounds their number.
class ExtentMap {
 public:
  /// REQUIRES: extent.begin <= extent.end.
  void Add(Extent extent) { extents_.push_back(extent); }
  std::size_t size() const { return extents_.size(); }

  /// Called in ascending order of place; each returns false to end the check.
  struct Visitor {
    std::function<bool(Extent)> outside;  ///< Ends beyond the region.
    std::function<bool(Extent)> overlap;  ///< Starts inside another.
    /// Claimed by none, also at the very end of the region.
    std::function<bool(Extent)> gap;
  };

  /// Compares all extents with each other and with a region of |size| bytes.
  /// Empty extents neither claim nor overlap anything. Sorts once.
  void Check(std::uint64_t size, const Visitor& visitor);

 private:
  std::vector<Extent> extents_;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_EXTENT_MAP_H_
