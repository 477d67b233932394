#ifndef SCANENGINE_TESTS_SUPPORT_BYTE_BUILDER_H_
#define SCANENGINE_TESTS_SUPPORT_BYTE_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace scanengine {

/// Puts binary test files together, integers in the chosen byte order.
class ByteBuilder {
 public:
  enum class Order { kLittle, kBig };

  explicit ByteBuilder(Order order = Order::kLittle) : order_(order) {}

  ByteBuilder& Text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  ByteBuilder& Fill(std::size_t size, char value = '\0') {
    bytes_.append(size, value);
    return *this;
  }
  ByteBuilder& AlignTo(std::size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_ += '\0';
    return *this;
  }
  ByteBuilder& U8(std::uint8_t value) { return Integer(value, 1); }
  ByteBuilder& U16(std::uint16_t value) { return Integer(value, 2); }
  ByteBuilder& U32(std::uint32_t value) { return Integer(value, 4); }
  ByteBuilder& U64(std::uint64_t value) { return Integer(value, 8); }

  const std::string& bytes() const { return bytes_; }

 private:
  ByteBuilder& Integer(std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) {
      const unsigned byte = order_ == Order::kLittle ? i : size - 1 - i;
      bytes_ += static_cast<char>(value >> (8 * byte) & 0xff);
    }
    return *this;
  }

  Order order_;
  std::string bytes_;
};

}  // namespace scanengine

#endif  // SCANENGINE_TESTS_SUPPORT_BYTE_BUILDER_H_
