#ifndef SCANENGINE_ENGINE_SIPHASH_H_
#define SCANENGINE_ENGINE_SIPHASH_H_

#include <cstdint>
#include <string_view>

namespace scanengine {

struct SipHashKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

/// SipHash-2-4 (Aumasson and Bernstein, 2012): with a key that they do not
/// know, those who choose the names of files cannot choose them to collide.
std::uint64_t SipHash(const SipHashKey& key, std::string_view bytes);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_SIPHASH_H_
