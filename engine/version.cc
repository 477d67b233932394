#include <fmt/core.h>
#include <zlib.h>

#include <boost/version.hpp>
#include <cereal/version.hpp>
#include <utility>

#include "engine/process_info.h"
#include "engine/result_cache.h"
#include "engine/scan_engine.h"

namespace scanengine {

std::string_view VersionText() { return BuildId(); }

std::vector<std::string> BuildFeatures() {
  std::vector<std::string> features{
      fmt::format("protocol {}", kProtocolVersion),
      fmt::format("Boost {}.{}.{}", BOOST_VERSION / 100'000,
                  BOOST_VERSION / 100 % 1'000, BOOST_VERSION % 100),
      fmt::format("cereal {}.{}.{}", CEREAL_VERSION_MAJOR, CEREAL_VERSION_MINOR,
                  CEREAL_VERSION_PATCH),
      fmt::format("fmt {}.{}.{}", FMT_VERSION / 10'000, FMT_VERSION / 100 % 100,
                  FMT_VERSION % 100),
      fmt::format("zlib {}", ZLIB_VERSION),
      fmt::format("further decompressors: {}",
                  std::string_view(SCANENGINE_DECODERS).empty()
                      ? "none in this build"
                      : SCANENGINE_DECODERS),
      fmt::format("result cache: {}", ResultCacheVersion().empty()
                                          ? "none in this build"
                                          : ResultCacheVersion()),
  };
  for (std::string& feature : PlatformFeatures()) {
    features.push_back(std::move(feature));
  }
  return features;
}

}  // namespace scanengine
