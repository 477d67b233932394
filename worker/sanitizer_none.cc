#include "worker/sanitizer.h"

namespace scanengine {

const bool kSanitizedBuild = false;
void SkipLeakCheckAtExit() {}

}  // namespace scanengine
