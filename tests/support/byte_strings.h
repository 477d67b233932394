#ifndef SCANENGINE_TESTS_SUPPORT_BYTE_STRINGS_H_
#define SCANENGINE_TESTS_SUPPORT_BYTE_STRINGS_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "worker/byte_source.h"
#include "worker/byte_text.h"

namespace scanengine::testing {

using scanengine::BytesOf;

/// A source that owns its bytes and counts how it is read.
class StringSource final : public ByteSource {
 public:
  explicit StringSource(std::string bytes) : bytes_(std::move(bytes)) {}

  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    auto got = MemorySource(BytesOf(bytes_)).ReadAt(offset, out);
    bytes_read_ += got.value();
    return got;
  }
  /// Sum of all that was read.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  std::string bytes_;
  std::uint64_t bytes_read_ = 0;
};

/// Everything from |offset| on, up to a failure; then |error| gets its code.
inline std::string ReadAll(ByteSource& source, std::uint64_t offset = 0,
                           std::size_t piece = 1 << 16,
                           ErrorCode* error = nullptr) {
  std::string all;
  std::string buffer(piece, '\0');
  while (true) {
    const auto got = source.ReadAt(
        offset + all.size(),
        std::as_writable_bytes(std::span(buffer.data(), buffer.size())));
    if (!got.ok()) {
      if (error != nullptr) *error = got.error().code;
      return all;
    }
    if (got.value() == 0) return all;
    all.append(buffer, 0, got.value());
  }
}

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_BYTE_STRINGS_H_
