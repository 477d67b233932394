// Must not compile: an error that nobody looks at.
#include "ipc/result.h"

scanengine::Status Flush();

void Use() { Flush(); }
