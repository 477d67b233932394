#ifndef SCANENGINE_IPC_EXIT_CODES_H_
#define SCANENGINE_IPC_EXIT_CODES_H_

namespace scanengine {

/// Exit codes of a worker that both sides know. Above what libraries use.
inline constexpr int kWatchdogExitCode = 75;  ///< Its own watchdog ended it.
inline constexpr int kSetupExitCode = 78;     ///< It could not start its work.
inline constexpr int kPipeExitCode = 79;      ///< The supervisor went away.

}  // namespace scanengine

#endif  // SCANENGINE_IPC_EXIT_CODES_H_
