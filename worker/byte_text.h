#ifndef SCANENGINE_WORKER_BYTE_TEXT_H_
#define SCANENGINE_WORKER_BYTE_TEXT_H_

#include <cstddef>
#include <span>
#include <string_view>

/// The same memory seen as bytes and as text, which owns it in neither form.

namespace scanengine {

inline std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_BYTE_TEXT_H_
