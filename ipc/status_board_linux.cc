#include "ipc/status_board.h"
