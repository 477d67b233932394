#include "worker/containers/sparse_source.h"

#include <algorithm>
#include <utility>

namespace scanengine {

SparseSource::SparseSource(ByteSource& packed,
                           const std::vector<TarExtent>& extents,
                           std::uint64_t size, UnpackBudget budget)
    : packed_(packed), size_(size), budget_(std::move(budget)) {
  std::uint64_t at = 0;
  for (const TarExtent& extent : extents) {
    parts_.push_back({extent.offset, extent.size, at});
    at += extent.size;
  }
}

bool SparseSource::AreInOrder(const std::vector<TarExtent>& extents,
                              std::uint64_t size) {
  std::uint64_t end = 0;
  for (const TarExtent& extent : extents) {
    if (extent.offset < end || extent.offset > size ||
        extent.size > size - extent.offset) {
      return false;
    }
    end = extent.offset + extent.size;
  }
  return true;
}

Result<std::size_t> SparseSource::ReadAt(std::uint64_t offset,
                                         std::span<std::byte> out) {
  if (offset >= size_ || out.empty()) return std::size_t{0};
  if (out.size() > size_ - offset) {
    out = out.first(static_cast<std::size_t>(size_ - offset));
  }
  // The first part that ends behind |offset|.
  const auto part = std::partition_point(
      parts_.begin(), parts_.end(),
      [offset](const Part& p) { return p.offset + p.size <= offset; });
  if (part != parts_.end() && part->offset <= offset) {
    const std::uint64_t skip = offset - part->offset;
    if (out.size() > part->size - skip) {
      out = out.first(static_cast<std::size_t>(part->size - skip));
    }
    return packed_.ReadAt(part->packed + skip, out);
  }
  if (part != parts_.end() && out.size() > part->offset - offset) {
    out = out.first(static_cast<std::size_t>(part->offset - offset));
  }
  if (!budget_(out.size(), 0)) {
    return Error{ErrorCode::kLimitExceeded, "unpacks to more than is allowed"};
  }
  std::fill(out.begin(), out.end(), std::byte{0});
  return out.size();
}

}  // namespace scanengine
