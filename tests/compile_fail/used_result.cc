// Compiles: the cases beside it fail for no other reason than their own.
#include "ipc/result.h"

scanengine::Result<int> Parse();
scanengine::Status Flush();

bool Use() { return Parse().ok() && Flush().ok(); }
