#ifndef SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_READER_H_
#define SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "worker/byte_source.h"

namespace scanengine::gguf {

/// Reads GGUF's integers and strings in the file's byte order and width of
/// lengths. Failure is sticky, as with ByteReader: after it every read is zero
/// or empty, and a loop over a count ends when it asks ok().
class Reader {
 public:
  Reader(ByteSource& source, ByteStream& stream)
      : source_(source), stream_(stream) {}

  void SetLayout(bool big_endian, bool wide_lengths) {
    big_endian_ = big_endian;
    wide_lengths_ = wide_lengths;
  }

  std::uint8_t U8() { return static_cast<std::uint8_t>(Integer(1)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Integer(4)); }
  std::uint64_t U64() { return Integer(8); }
  /// |size| bytes, at most 8, as a number.
  std::uint64_t Number(std::size_t size) { return Integer(size); }
  /// A count, length or dimension: 32 bits in version 1, 64 after it.
  std::uint64_t Length() { return Integer(length_width()); }
  std::size_t length_width() const { return wide_lengths_ ? 8 : 4; }

  /// The next |size| bytes. REQUIRES: |size| is bounded by the caller.
  std::string Text(std::size_t size);
  void Skip(std::uint64_t size);

  /// Bytes up to the end of the file; "very many" if that is not known.
  std::uint64_t Remaining() const;
  std::uint64_t offset() const { return stream_.offset(); }
  bool ok() const { return ok_; }

 private:
  std::uint64_t Integer(std::size_t size);

  ByteSource& source_;
  ByteStream& stream_;
  bool big_endian_ = false;
  bool wide_lengths_ = true;
  bool ok_ = true;
};

}  // namespace scanengine::gguf

#endif  // SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_READER_H_
