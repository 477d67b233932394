#include "worker/large_page.h"

namespace scanengine {

// Windows gives large pages only to those who may lock memory.
LargePage MakeLargePage() { return nullptr; }

void LargePageRelease::operator()(std::byte*) const {}

}  // namespace scanengine
