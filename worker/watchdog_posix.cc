#include "worker/watchdog.h"
