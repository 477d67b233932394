#ifndef SCANENGINE_WORKER_BYTE_SOURCE_H_
#define SCANENGINE_WORKER_BYTE_SOURCE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ipc/result.h"

namespace scanengine {

/// size() of a source whose length is not known before it was read (a
/// compressed stream).
inline constexpr std::uint64_t kUnknownSize = ~std::uint64_t{0};

/// The bytes of a file or of a member of a container, read on demand.
///
/// Parsers see this and never a pointer to the whole, so that a 50 GB file
/// scans in a few MB and a file cut short is an outcome instead of a SIGBUS.
/// Not thread-safe. Sources over other sources do not own them unless they say
/// so; the outer ones must outlive them.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Bytes there are, or kUnknownSize. For members of containers this is what
  /// the container claims.
  virtual std::uint64_t size() const = 0;

  /// Reads up to out.size() bytes from |offset| on and returns how many; fewer
  /// than asked only at the end (0 past it).
  ///
  /// Fails with kStopped (deadline or cancelled: give up quietly), kIo,
  /// kChanged, kLimitExceeded (budget) or kMalformed (a compressed stream is
  /// broken). A failure is final. FileSource and the like have told the scan
  /// already; a parser only has to return.
  virtual Result<std::size_t> ReadAt(std::uint64_t offset,
                                     std::span<std::byte> out) = 0;

  /// Where the next byte may stand that is not zero, from |offset| on; size()
  /// if there is none. A hint for searches: holes of sparse files take no time.
  virtual std::uint64_t NextData(std::uint64_t offset) { return offset; }

  /// False if a jump is paid for by unpacking what lies before (a compressed
  /// stream): probes then leave the end of a large source alone.
  virtual bool random_access() const { return true; }
};

/// Bytes in memory; not owned.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const auto rest = bytes_.subspan(static_cast<std::size_t>(offset));
    const std::size_t n = std::min(rest.size(), out.size());
    if (n != 0) std::memcpy(out.data(), rest.data(), n);
    return n;
  }

 private:
  std::span<const std::byte> bytes_;
};

/// A window of another source.
class SubSource final : public ByteSource {
 public:
  /// [offset, offset + size) of |base|, cut at the end of |base| if that is
  /// known.
  SubSource(ByteSource& base, std::uint64_t offset, std::uint64_t size);

  std::uint64_t size() const override { return size_; }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override;
  std::uint64_t NextData(std::uint64_t offset) override;
  bool random_access() const override { return base_.random_access(); }

 private:
  ByteSource& base_;
  std::uint64_t offset_;
  std::uint64_t size_;
};

/// Reads a source from front to back through a window, the way most parsers
/// want it. Failure is sticky: after it every read is empty.
class ByteStream {
 public:
  explicit ByteStream(ByteSource& source, std::uint64_t offset = 0,
                      std::size_t window = kDefaultWindow);

  static constexpr std::size_t kDefaultWindow = 256 << 10;

  /// Position of the next byte, in the source.
  std::uint64_t offset() const { return base_ + at_; }

  /// The next |size| bytes without taking them; shorter only at the end or
  /// after a failure. Valid until the next call. REQUIRES: size <= window.
  std::span<const std::byte> Peek(std::size_t size) {
    if (end_ - at_ < size) Fill(size);
    return {buffer_.data() + at_, std::min(size, end_ - at_)};
  }
  /// Peek() and Consume().
  std::span<const std::byte> Take(std::size_t size) {
    const auto bytes = Peek(size);
    at_ += bytes.size();
    return bytes;
  }
  /// REQUIRES: |size| <= what the last Peek() returned.
  void Consume(std::size_t size) { at_ += size; }

  /// Moves past |size| bytes without reading them where that can be helped.
  /// Returns how many there were, which is less than |size| only at the end;
  /// for a source of unknown size the last one is read.
  std::uint64_t Skip(std::uint64_t size);

  /// Everything that is in the window and not yet taken; at least one byte
  /// unless at the end. Valid until the next call.
  std::span<const std::byte> Window() {
    if (at_ == end_) Fill(1);
    return {buffer_.data() + at_, end_ - at_};
  }

  /// Moves to the next byte that may not be zero, if there is a hole here.
  void SkipHole();

  bool AtEnd() { return Peek(1).empty(); }

  /// Why reading stopped before the end, or OK.
  const Status& status() const { return status_; }

 private:
  void Fill(std::size_t wanted);

  ByteSource& source_;
  std::vector<std::byte> buffer_;
  std::uint64_t base_;   // Offset in the source of buffer_[0].
  std::size_t at_ = 0;   // Next byte, in buffer_.
  std::size_t end_ = 0;  // End of what is valid in buffer_.
  Status status_ = OkStatus();
};

/// Reads |size| bytes at |offset| whole. Fails with kTruncated if there are
/// fewer, else as ReadAt().
Result<std::vector<std::byte>> ReadExactly(ByteSource& source,
                                           std::uint64_t offset,
                                           std::size_t size);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_BYTE_SOURCE_H_
