#include "ipc/shared_cache.h"
