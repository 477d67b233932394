#include <windows.h>
//
#include <fcntl.h>
#include <io.h>
#include <psapi.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <utility>

#include "ipc/windows_system.h"
#include "worker/worker_process.h"

namespace scanengine {
namespace {

constexpr DWORD kMostAtOnce = 1U << 20;
// What abort() of every C library here ends with, or did once.
constexpr UINT kAbortExitCode = 3;

// The supervisor's ends are opened for overlapped calls, and so are ours:
// such a handle takes no others.
class PipeChannel final : public ByteChannel {
 public:
  PipeChannel(OwnedHandle in, OwnedHandle out, OwnedHandle event)
      : in_(std::move(in)), out_(std::move(out)), event_(std::move(event)) {}

  Result<std::size_t> Read(std::span<std::byte> out) override {
    const DWORD most =
        static_cast<DWORD>(std::min<std::size_t>(out.size(), kMostAtOnce));
    OVERLAPPED call{};
    call.hEvent = event_.get();
    DWORD got = 0;
    // A writer may put an empty message into the pipe; that is no end.
    while (got == 0) {
      const bool done = ::ReadFile(in_.get(), out.data(), most, &got, &call);
      const DWORD error = done ? 0 : Finish(in_.get(), &call, &got);
      if (error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF ||
          error == ERROR_PIPE_NOT_CONNECTED) {
        return std::size_t{0};
      }
      if (error != 0) {
        return SystemError("cannot read from the supervisor", error);
      }
    }
    return std::size_t{got};
  }

  Status Write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const DWORD most =
          static_cast<DWORD>(std::min<std::size_t>(bytes.size(), kMostAtOnce));
      OVERLAPPED call{};
      call.hEvent = event_.get();
      DWORD put = 0;
      const bool done =
          ::WriteFile(out_.get(), bytes.data(), most, &put, &call);
      const DWORD error = done ? 0 : Finish(out_.get(), &call, &put);
      if (error != 0) {
        return SystemError("cannot write to the supervisor", error);
      }
      bytes = bytes.subspan(put);
    }
    return OkStatus();
  }

 private:
  // Waits for a call that did not end at once. 0 or an error.
  static DWORD Finish(HANDLE pipe, OVERLAPPED* call, DWORD* size) {
    const DWORD error = ::GetLastError();
    if (error != ERROR_IO_PENDING) return error;
    return ::GetOverlappedResult(pipe, call, size, TRUE) ? 0 : ::GetLastError();
  }

  OwnedHandle in_;
  OwnedHandle out_;
  OwnedHandle event_;
};

// The standard stream |which| for this process alone.
Result<OwnedHandle> TakeStream(DWORD which) {
  const HANDLE stream = ::GetStdHandle(which);
  HANDLE copy = nullptr;
  const HANDLE self = ::GetCurrentProcess();
  if (stream == nullptr || stream == INVALID_HANDLE_VALUE ||
      ::GetFileType(stream) != FILE_TYPE_PIPE ||
      !::DuplicateHandle(self, stream, self, &copy, 0, FALSE,
                         DUPLICATE_SAME_ACCESS)) {
    return Error{ErrorCode::kIo, "has no pipes to a supervisor"};
  }
  return OwnedHandle(copy);
}

// Descriptors and handles: libraries use the one or the other. _dup2() closes
// what was there, and with 0 to 2 sets the system's handle as well.
Status RedirectStandardStreams() {
  const int null_device = ::_open("NUL", _O_RDWR | _O_BINARY | _O_NOINHERIT);
  if (null_device < 0) {
    return Error{ErrorCode::kIo, "cannot open the null device"};
  }
  const HANDLE err = ::GetStdHandle(STD_ERROR_HANDLE);
  bool good = ::_dup2(null_device, 0) == 0;
  if (err == nullptr || err == INVALID_HANDLE_VALUE) {
    good = good && ::_dup2(null_device, 2) == 0;
  }
  good = good && ::_dup2(2, 1) == 0;
  ::SetStdHandle(STD_INPUT_HANDLE,
                 reinterpret_cast<HANDLE>(::_get_osfhandle(0)));
  ::SetStdHandle(STD_OUTPUT_HANDLE,
                 reinterpret_cast<HANDLE>(::_get_osfhandle(1)));
  if (null_device > 2) ::_close(null_device);
  if (!good) {
    return Error{ErrorCode::kIo, "cannot redirect the standard streams"};
  }
  return OkStatus();
}

// A crash must end the process, not ask somebody.
void NoDialogs() {
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX |
                 SEM_NOOPENFILEERRORBOX);
  std::signal(SIGABRT, [](int) {
    ::TerminateProcess(::GetCurrentProcess(), kAbortExitCode);
  });
}

// The job that the supervisor made ends this process with it. All that is left
// to see is whether it had gone before.
Status CheckSupervisor(std::uint32_t pid) {
  if (pid == 0) return OkStatus();
  const OwnedHandle supervisor(::OpenProcess(SYNCHRONIZE, FALSE, pid));
  if (!supervisor.ok() ||
      ::WaitForSingleObject(supervisor.get(), 0) == WAIT_OBJECT_0) {
    return Error{ErrorCode::kNotFound, "supervisor is gone"};
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<ByteChannel>> PrepareWorkerProcess(
    const WorkerProcessOptions& options) {
  NoDialogs();
  if (Status there = CheckSupervisor(options.supervisor_pid); !there.ok()) {
    return there.error();
  }
  for (const NativeHandle handle : options.keep) {
    // They came by inheritance; nothing gets them from here.
    if (!::SetHandleInformation(reinterpret_cast<HANDLE>(handle),
                                HANDLE_FLAG_INHERIT, 0)) {
      return Error{ErrorCode::kInvalidArgument,
                   "handle " + std::to_string(handle) + " was not inherited"};
    }
  }
  Result<OwnedHandle> in = TakeStream(STD_INPUT_HANDLE);
  if (!in.ok()) return in.error();
  Result<OwnedHandle> out = TakeStream(STD_OUTPUT_HANDLE);
  if (!out.ok()) return out.error();
  OwnedHandle event(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (!event.ok())
    return SystemError("cannot make an event", LastSystemError());
  if (Status s = RedirectStandardStreams(); !s.ok()) return s.error();
  return std::unique_ptr<ByteChannel>(std::make_unique<PipeChannel>(
      std::move(in).value(), std::move(out).value(), std::move(event)));
}

std::uint32_t OwnProcessId() { return ::GetCurrentProcessId(); }

std::uint64_t PeakMemory() {
  PROCESS_MEMORY_COUNTERS counters{};
  if (!::K32GetProcessMemoryInfo(::GetCurrentProcess(), &counters,
                                 sizeof(counters))) {
    return 0;
  }
  return counters.PeakWorkingSetSize;
}

}  // namespace scanengine
