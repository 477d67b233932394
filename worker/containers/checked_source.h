#ifndef SCANENGINE_WORKER_CONTAINERS_CHECKED_SOURCE_H_
#define SCANENGINE_WORKER_CONTAINERS_CHECKED_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "worker/byte_source.h"

namespace scanengine {

/// Passes reads on to another source and computes the CRC-32 of its bytes as
/// they come by, as far as they are read in order. What a reader skips is not
/// read for the checksum's sake.
class CheckedSource final : public ByteSource {
 public:
  /// |base| is not owned.
  explicit CheckedSource(ByteSource& base) : base_(base) {}

  std::uint64_t size() const override { return base_.size(); }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override;
  bool random_access() const override { return base_.random_access(); }

  /// Reads on to the end if no more than |most| bytes of the claimed size are
  /// missing, or whatever was claimed, at most |most| bytes.
  void ReadOn(std::uint64_t most);

  /// Every byte came by in order.
  bool complete() const { return complete_; }
  /// Bytes that came by in order, and their CRC-32.
  std::uint64_t length() const { return length_; }
  std::uint32_t crc() const { return crc_; }
  /// The first kMalformed that a read ended with.
  const std::optional<Error>& broken() const { return broken_; }

 private:
  ByteSource& base_;
  std::uint64_t length_ = 0;
  std::uint32_t crc_ = 0;
  bool complete_ = false;
  std::optional<Error> broken_;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_CHECKED_SOURCE_H_
