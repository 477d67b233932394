#ifndef SCANENGINE_WORKER_PARSING_PICKLE_READER_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/byte_source.h"

namespace scanengine {

/// Reads opcodes and their operands from a stream with as little work per byte
/// as can be: pointers into the stream's window, refilled when it runs short.
class PickleReader {
 public:
  /// Bytes of a line that are kept; what is longer is passed over.
  static constexpr std::size_t kMaxLine = 1 << 20;

  PickleReader(ByteSource& source, std::uint64_t offset)
      : stream_(source, offset), window_offset_(offset) {}

  /// Offset of the next byte in the source.
  std::uint64_t offset() const {
    return window_offset_ + static_cast<std::uint64_t>(at_ - begin_);
  }
  /// True if |size| bytes can be taken without a refill.
  bool Has(std::size_t size) const {
    return static_cast<std::size_t>(end_ - at_) >= size;
  }
  /// The next |size| bytes, taken; null if there are fewer. |size| is small.
  const std::uint8_t* Take(std::size_t size) {
    if (!Has(size) && !Refill(size)) return nullptr;
    const std::uint8_t* taken = at_;
    at_ += size;
    return taken;
  }
  /// Up to |size| of the next bytes, not taken; |size| <= 64 KiB.
  std::string_view Peek(std::size_t size) {
    if (!Has(size)) Refill(size);
    const auto have = static_cast<std::size_t>(end_ - at_);
    return {reinterpret_cast<const char*>(at_), std::min(have, size)};
  }
  /// The next read takes |size| bytes at once. Matters within a frame only: see
  /// EnterFrame().
  void BeginRead(std::uint64_t size) {
    if (frame_end_ != kNoFrame && size != 0) LeaveFrameFor(size);
  }
  /// The next |size| bytes are a frame that is read ahead: a read or line that
  /// does not fit into what is left of it drops that, as CPython's C unpickler
  /// does. A frame within another one changes nothing.
  void EnterFrame(std::uint64_t size);
  /// The next read takes |size| bytes and leaves the frame for those that do
  /// not fit, but drops nothing.
  void BeginWholeRead(std::uint64_t size);
  /// What can be read without a refill, for a loop that is hot: it moves on
  /// from at() and tells with SetAt() how far it came.
  const std::uint8_t* at() const { return at_; }
  const std::uint8_t* end() const { return end_; }
  void SetAt(const std::uint8_t* at) { at_ = at; }

  /// Passes over |size| bytes; false if there are fewer.
  bool Skip(std::uint64_t size);

  /// Takes text up to a newline, which is taken too and not part of |line|.
  /// False if the source ends first; |line| is then what there was. |line| is
  /// valid until the next call; of a line longer than kMaxLine only the first
  /// part is in it.
  bool TakeLine(std::string_view* line);

  /// True once a newline reached the limit in the last TakeLine().
  bool line_cut() const { return line_cut_; }

  /// Why the source could not be read to its end, or OK.
  const Status& status() const { return stream_.status(); }

 private:
  static constexpr std::uint64_t kNoFrame = ~std::uint64_t{0};

  bool Refill(std::size_t size);
  void LeaveFrameFor(std::uint64_t size);
  void ClampToFrame();
  bool TakeLongLine(std::string_view* line);

  ByteStream stream_;
  std::uint64_t window_offset_;  // Of begin_.
  const std::uint8_t* begin_ = nullptr;
  const std::uint8_t* at_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  const std::uint8_t* window_end_ =
      nullptr;  // end_, unless a frame ends first.
  std::uint64_t frame_end_ = kNoFrame;
  std::string line_;
  bool line_cut_ = false;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_READER_H_
