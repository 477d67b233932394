#ifndef SCANENGINE_IPC_BYTE_READER_H_
#define SCANENGINE_IPC_BYTE_READER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace scanengine {

/// Reads integers and byte runs from untrusted bytes without overrunning them.
///
/// Failure is sticky: a read past the end returns zero (or an empty span), and
/// so does every read after it. A parser may therefore read a whole header and
/// ask ok() once. The bytes are not owned and must outlive the reader.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> data) : rest_(data) {}

  std::uint8_t U8() { return static_cast<std::uint8_t>(LittleEndian(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(LittleEndian(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(LittleEndian(4)); }
  std::uint64_t U64() { return LittleEndian(8); }

  /// The next |size| bytes, or an empty span if there are fewer.
  std::span<const std::byte> Bytes(std::uint64_t size) {
    if (!ok_ || rest_.size() < size) {
      Fail();
      return {};
    }
    const auto taken = rest_.first(static_cast<std::size_t>(size));
    rest_ = rest_.subspan(static_cast<std::size_t>(size));
    return taken;
  }
  std::string_view Text(std::uint64_t size) {
    const auto bytes = Bytes(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void Skip(std::uint64_t size) { Bytes(size); }

  bool ok() const { return ok_; }
  std::size_t remaining() const { return rest_.size(); }

 private:
  std::uint64_t LittleEndian(std::size_t size) {
    std::uint64_t value = 0;
    std::size_t shift = 0;
    for (const std::byte b : Bytes(size)) {
      value |= std::to_integer<std::uint64_t>(b) << shift;
      shift += 8;
    }
    return value;
  }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_BYTE_READER_H_
