#ifndef SCANENGINE_WORKER_PARSING_TORCH_STORAGE_H_
#define SCANENGINE_WORKER_PARSING_TORCH_STORAGE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace scanengine {

/// Bytes of one element of torch's storage class |name| ("FloatStorage");
/// nothing if there is no such class.
std::optional<std::uint64_t> TorchElementBytes(std::string_view name);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_TORCH_STORAGE_H_
