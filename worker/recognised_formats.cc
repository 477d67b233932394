#include "worker/recognised_formats.h"

#include <array>

namespace scanengine {

std::string_view RecogniseUnsupported(const ProbeInput&) { return {}; }
bool IsNotAModel(const ProbeInput&) { return true; }
std::span<const std::string_view> RecognisedFormatNames() { return {}; }

}  // namespace scanengine
