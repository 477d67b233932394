#ifndef SCANENGINE_ENGINE_CRC32C_H_
#define SCANENGINE_ENGINE_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace scanengine {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4) of |bytes| behind those that
/// |before| is the checksum of; 0 for none. Finds every error in up to three
/// bits and every burst of up to 32 bits.
std::uint32_t Crc32c(std::uint32_t before, std::span<const std::byte> bytes);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_CRC32C_H_
