#ifndef SCANENGINE_WORKER_SCANNERS_SAFETENSORS_SAFETENSORS_DTYPE_H_
#define SCANENGINE_WORKER_SCANNERS_SAFETENSORS_SAFETENSORS_DTYPE_H_

#include <cstdint>
#include <string_view>

namespace scanengine::safetensors {

/// Bits that one element of |dtype| ("F32", "BF16", "F4") takes, 0 if there is
/// no such type.
std::uint32_t BitsOf(std::string_view dtype);

}  // namespace scanengine::safetensors

#endif  // SCANENGINE_WORKER_SCANNERS_SAFETENSORS_SAFETENSORS_DTYPE_H_
