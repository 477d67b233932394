#ifndef SCANENGINE_IPC_CHECK_H_
#define SCANENGINE_IPC_CHECK_H_

#include <cstdio>
#include <cstdlib>

/// Aborts with a message if an invariant of our own is broken. Always on: a
/// scanner that goes on with a broken invariant may call a file clean. Never
/// used for what a file or the operating system does (result.h).
#define SCANENGINE_CHECK(condition)                                  \
  do {                                                               \
    if (!(condition)) [[unlikely]] {                                 \
      std::fprintf(stderr, "scanengine: check failed: %s (%s:%d)\n", \
                   #condition, __FILE__, __LINE__);                  \
      std::abort();                                                  \
    }                                                                \
  } while (false)

#endif  // SCANENGINE_IPC_CHECK_H_
