#include <fmt/core.h>
#include <zlib.h>

#include <boost/version.hpp>
#include <cereal/version.hpp>

#include "engine/result_cache.h"
#include "engine/scan_engine.h"

namespace scanengine {

std::string_view VersionText() { return BuildId(); }

std::vector<std::string> BuildFeatures() {
  return {
      fmt::format("protocol {}", kProtocolVersion),
      fmt::format("Boost {}.{}.{}", BOOST_VERSION / 100'000,
                  BOOST_VERSION / 100 % 1'000, BOOST_VERSION % 100),
      fmt::format("cereal {}.{}.{}", CEREAL_VERSION_MAJOR, CEREAL_VERSION_MINOR,
                  CEREAL_VERSION_PATCH),
      fmt::format("fmt {}.{}.{}", FMT_VERSION / 10'000, FMT_VERSION / 100 % 100,
                  FMT_VERSION % 100),
      fmt::format("zlib {}", ZLIB_VERSION),
      fmt::format("further decompressors: {}", SCANENGINE_DECODERS),
      "sandbox: no_new_privs, seccomp, Landlock",
      "shared cache: sealed memfd",
      fmt::format("result cache: {}",
                  ResultCacheVersion().empty() ? "none" : ResultCacheVersion()),
  };
}

}  // namespace scanengine
