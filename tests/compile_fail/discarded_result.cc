// Must not compile: a value or error that nobody looks at.
#include "ipc/result.h"

scanengine::Result<int> Parse();

void Use() { Parse(); }
