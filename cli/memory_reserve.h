#ifndef SCANENGINE_CLI_MEMORY_RESERVE_H_
#define SCANENGINE_CLI_MEMORY_RESERVE_H_

namespace scanengine::cli {

/// Keeps memory back for the time when it runs out, so that a run which is
/// nearly done can end. Once that is used up, too, the program ends with one
/// line and exit code 2, without a report: exceptions are no way out there,
/// since destructors of libraries allocate. The journal, if there is one, is
/// complete. Sets the program's new-handler; call once, from main().
void KeepMemoryReserve();

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_MEMORY_RESERVE_H_
