#ifndef SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_TYPES_H_
#define SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_TYPES_H_

#include <cstdint>
#include <string_view>

namespace scanengine::gguf {

/// Types of metadata values.
enum ValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

/// Bytes of a value of |type|; 0 for strings, arrays and unknown types.
std::uint32_t WidthOf(std::uint32_t type);

/// How tensors of one type are stored: blocks of |elements| in |bytes|.
struct TensorType {
  std::string_view name;  ///< "Q4_K"; empty if there is no such type.
  std::uint32_t elements = 0;
  std::uint32_t bytes = 0;
};
TensorType TensorTypeOf(std::uint32_t type);

}  // namespace scanengine::gguf

#endif  // SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_TYPES_H_
