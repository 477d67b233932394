// Fuzz target: any text as a template of a chat model. Sightings are few, lie
// in the text, and stay when harmless output surrounds it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ipc/check.h"
#include "worker/parsing/jinja_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto sightings = InspectTemplate(text);
  SCANENGINE_CHECK(sightings.size() <= kMaxTemplateSightings);
  for (const TemplateSighting& sighting : sightings) {
    SCANENGINE_CHECK(!sighting.what.empty() && sighting.offset <= size);
  }
  constexpr std::string_view kBefore = "You are a helpful assistant.\n";
  const auto later = InspectTemplate(std::string(kBefore) + text);
  SCANENGINE_CHECK(later.size() == sightings.size());
  for (std::size_t i = 0; i < later.size(); ++i) {
    SCANENGINE_CHECK(later[i].what == sightings[i].what &&
                     later[i].offset == sightings[i].offset + kBefore.size());
  }
  return 0;
}
