#ifndef SCANENGINE_WORKER_CONTAINERS_SPARSE_SOURCE_H_
#define SCANENGINE_WORKER_CONTAINERS_SPARSE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "worker/byte_source.h"
#include "worker/containers/tar_format.h"
#include "worker/containers/unpacked_source.h"

namespace scanengine {

/// A sparse file as it is when it is unpacked: extents with zeros between them.
/// The zeros are charged to a budget as bytes that were unpacked from nothing.
class SparseSource final : public ByteSource {
 public:
  /// |packed| holds the extents one after another; not owned. REQUIRES:
  /// AreInOrder(extents).
  SparseSource(ByteSource& packed, const std::vector<TarExtent>& extents,
               std::uint64_t size, UnpackBudget budget);

  /// Extents that do not overlap, sorted, and end within |size|.
  static bool AreInOrder(const std::vector<TarExtent>& extents,
                         std::uint64_t size);

  std::uint64_t size() const override { return size_; }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override;
  bool random_access() const override { return packed_.random_access(); }

 private:
  struct Part {
    std::uint64_t offset;
    std::uint64_t size;
    std::uint64_t packed;  // Offset in packed_.
  };
  ByteSource& packed_;
  std::uint64_t size_;
  UnpackBudget budget_;
  std::vector<Part> parts_;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_SPARSE_SOURCE_H_
