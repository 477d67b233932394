// scanengine-worker: scans the files that a supervisor names, in a sandbox.
//
// Started by the engine, not by people:
//   scanengine-worker --parent PID --board N [--cache N] [--keep N]...
// Speaks frames (ipc/frame_codec.h) on its standard input and output.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>

#include "ipc/exit_codes.h"
#include "ipc/shared_cache.h"
#include "ipc/status_board.h"
#include "worker/sandbox.h"
#include "worker/watchdog.h"
#include "worker/worker_loop.h"
#include "worker/worker_process.h"

namespace scanengine {
namespace {

struct Arguments {
  WorkerProcessOptions process;
  NativeHandle board = kNoHandle;
  NativeHandle cache = kNoHandle;
};

std::optional<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    char* end = nullptr;
    const long value = std::strtol(argv[i + 1], &end, 10);
    if (*end != '\0' || value < 0) return std::nullopt;
    if (name == "--parent") {
      arguments.process.supervisor_pid = static_cast<std::uint32_t>(value);
      continue;
    }
    if (name == "--board") {
      arguments.board = value;
    } else if (name == "--cache") {
      arguments.cache = value;
    } else if (name != "--keep") {
      return std::nullopt;
    }
    arguments.process.keep.push_back(value);
  }
  if (arguments.board == kNoHandle || argc % 2 == 0) return std::nullopt;
  return arguments;
}

int Fail(const char* what, const Error& error) {
  std::fprintf(stderr, "scanengine-worker: %s: %s\n", what,
               error.detail.c_str());
  return kSetupExitCode;
}

int Run(const Arguments& arguments) {
  auto channel = PrepareWorkerProcess(arguments.process);
  if (!channel.ok()) return Fail("cannot become a worker", channel.error());
  auto board = StatusBoardWriter::Attach(arguments.board);
  if (!board.ok()) return Fail("no status board", board.error());
  ScanEnvironment environment;
  environment.board = board.value().get();
  std::unique_ptr<SharedCache> cache;
  if (arguments.cache != kNoHandle) {
    auto attached = SharedCache::Attach(arguments.cache);
    if (!attached.ok()) return Fail("no shared cache", attached.error());
    cache = std::move(attached).value();
    auto imports = ImportPolicy::FromChecked(cache->Find(kImportPolicySection));
    if (!imports.ok()) return Fail("no import policy", imports.error());
    environment.imports = imports.value();
  }
  if (Status timer = Watchdog::Install(); !timer.ok()) {
    return Fail("no watchdog", timer.error());
  }
  WorkerHooks hooks;
  hooks.enter_sandbox = EnterSandbox;
  hooks.arm_watchdog = Watchdog::Arm;
  hooks.disarm_watchdog = Watchdog::Disarm;
  hooks.peak_memory = PeakMemory;
  hooks.pid = OwnProcessId();
  const Status end = RunWorkerLoop(*channel.value(), environment, hooks);
  if (end.ok()) return EXIT_SUCCESS;
  return end.error().code == ErrorCode::kIo ? kPipeExitCode
                                            : Fail("stopped", end.error());
}

}  // namespace
}  // namespace scanengine

int main(int argc, char** argv) {
  const auto arguments = scanengine::ParseArguments(argc, argv);
  if (!arguments) {
    std::fputs(
        "scanengine-worker is started by scanengine, not by hand; to look at "
        "one file in a debugger use: scanengine --debug-worker FILE\n",
        stderr);
    return scanengine::kSetupExitCode;
  }
  try {
    return scanengine::Run(*arguments);
  } catch (const std::exception& e) {  // No memory for the loop itself.
    std::fprintf(stderr, "scanengine-worker: %s\n", e.what());
    return scanengine::kSetupExitCode;
  }
}
