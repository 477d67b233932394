#ifndef SCANENGINE_TESTS_INTEGRATION_MISBEHAVING_ROWS_H_
#define SCANENGINE_TESTS_INTEGRATION_MISBEHAVING_ROWS_H_

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include "ipc/outcome.h"

namespace scanengine::testing {

/// A way to fail and what becomes of the file that it happens in.
struct MisbehaviourRow {
  const char* mode;
  OutcomeStatus status;
  const char* ended;
  bool until_deadline = false;  ///< Ends only when its time is up.
};

/// Those that end otherwise on each system, or exist on this one only.
std::span<const MisbehaviourRow> SystemRows();

/// How the report names the end by Crash().
const char* CrashName();
/// Time enough for a file that does not hang, on a busy machine too.
std::chrono::milliseconds ShortDeadline();

/// What the system says of a program that is not there.
const char* NoSuchProgram();

/// Descriptors or handles that this process has.
std::size_t OpenHandles();
/// How many children this process has.
std::size_t Children();

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_INTEGRATION_MISBEHAVING_ROWS_H_
