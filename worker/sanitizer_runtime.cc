#include "worker/sanitizer.h"

namespace {

bool skip_leak_check = false;

}  // namespace

// A hook of LeakSanitizer, called when it is about to look.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return skip_leak_check ? 1 : 0; }

namespace scanengine {

const bool kSanitizedBuild = true;
void SkipLeakCheckAtExit() { skip_leak_check = true; }

}  // namespace scanengine
