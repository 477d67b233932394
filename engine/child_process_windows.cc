// Boost.Process needs these two before it at 1.81 with std::filesystem.
#include <boost/optional.hpp>
#include <boost/type_traits/decay.hpp>
//
#include <winsock2.h>
//
#include <windows.h>
//
#include <psapi.h>

#include <boost/asio/windows/object_handle.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <boost/process/v2/windows/as_user_launcher.hpp>
#include <filesystem>
#include <utility>

#include "engine/child_process.h"
#include "engine/reaped_time_windows.h"
#include "ipc/windows_system.h"

namespace scanengine {
namespace {

namespace asio = boost::asio;
namespace bp = boost::process::v2;

// What the end of a child says that we ended. Never 259, which is what the
// system says of one that runs.
constexpr UINT kEndedByUs = 1;

bp::error_code SystemCode(DWORD code) {
  return {static_cast<int>(code), boost::system::system_category()};
}

// Hands down exactly the handles that are named, whatever else can be inherited
// when another thread starts a program at this moment.
class HandleList {
 public:
  explicit HandleList(const std::vector<NativeHandle>& handles) {
    for (const NativeHandle handle : handles) {
      handles_.push_back(reinterpret_cast<HANDLE>(handle));
    }
  }
  ~HandleList() {
    if (list_ != nullptr) ::DeleteProcThreadAttributeList(list_);
    for (std::size_t i = 0; i < marked_; ++i) {
      ::SetHandleInformation(handles_[i], HANDLE_FLAG_INHERIT, 0);
    }
  }
  HandleList(const HandleList&) = delete;
  HandleList& operator=(const HandleList&) = delete;

  // Adds the standard streams, which are marked already. 0 or an error.
  DWORD Prepare(STARTUPINFOEXW* info) {
    for (; marked_ < handles_.size(); ++marked_) {
      if (!::SetHandleInformation(handles_[marked_], HANDLE_FLAG_INHERIT,
                                  HANDLE_FLAG_INHERIT)) {
        return ::GetLastError();
      }
    }
    handles_.push_back(info->StartupInfo.hStdInput);
    handles_.push_back(info->StartupInfo.hStdOutput);
    handles_.push_back(info->StartupInfo.hStdError);
    SIZE_T size = 0;
    ::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    memory_.resize(size);
    auto* const list =
        reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
    if (!::InitializeProcThreadAttributeList(list, 1, 0, &size)) {
      return ::GetLastError();
    }
    list_ = list;
    if (!::UpdateProcThreadAttribute(
            list_, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles_.data(),
            handles_.size() * sizeof(HANDLE), nullptr, nullptr)) {
      return ::GetLastError();
    }
    info->lpAttributeList = list_;
    return 0;
  }

 private:
  std::vector<HANDLE> handles_;
  std::size_t marked_ = 0;
  std::vector<std::byte> memory_;
  LPPROC_THREAD_ATTRIBUTE_LIST list_ = nullptr;
};

// Starts the child stopped, puts it into its job, and lets it go: no moment in
// which it, or a child of its own, runs outside.
struct StartInJob {
  HANDLE job;
  HandleList* handles;
  OwnedHandle* process;
  DWORD* error;

  bp::error_code on_setup(bp::windows::default_launcher& launcher,
                          const bp::filesystem::path&, const std::wstring&) {
    // No console: Ctrl-C in the terminal is the supervisor's to handle.
    launcher.creation_flags |= CREATE_SUSPENDED | DETACHED_PROCESS;
    *error = handles->Prepare(&launcher.startup_info);
    return *error == 0 ? bp::error_code() : SystemCode(*error);
  }
  void on_success(bp::windows::default_launcher& launcher,
                  const bp::filesystem::path&, const std::wstring&) {
    const PROCESS_INFORMATION& started = launcher.process_information;
    HANDLE copy = nullptr;
    const HANDLE self = ::GetCurrentProcess();
    if (!::DuplicateHandle(self, started.hProcess, self, &copy, 0, FALSE,
                           DUPLICATE_SAME_ACCESS) ||
        !::AssignProcessToJobObject(job, started.hProcess) ||
        ::ResumeThread(started.hThread) == static_cast<DWORD>(-1)) {
      *error = ::GetLastError();
      ::TerminateProcess(started.hProcess, kEndedByUs);
    }
    *process = OwnedHandle(copy);
  }
};

// The job ends with its last handle, which is ours: however we end, all in it
// ends, too.
Result<OwnedHandle> NewJob() {
  OwnedHandle job(::CreateJobObjectW(nullptr, nullptr));
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags =
      JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE |
      JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
  if (!job.ok() ||
      !::SetInformationJobObject(job.get(), JobObjectExtendedLimitInformation,
                                 &limits, sizeof(limits))) {
    return SystemError("cannot make a job", LastSystemError());
  }
  return job;
}

// This process's token without its privileges and without the rights of an
// administrator. None if the system would not make one; the worker tells of it.
OwnedHandle RestrictedToken() {
  HANDLE opened = nullptr;
  if (!::OpenProcessToken(::GetCurrentProcess(),
                          TOKEN_DUPLICATE | TOKEN_ASSIGN_PRIMARY | TOKEN_QUERY |
                              TOKEN_ADJUST_DEFAULT,
                          &opened)) {
    return {};
  }
  const OwnedHandle own(opened);
  HANDLE made = nullptr;
  if (!::CreateRestrictedToken(own.get(), DISABLE_MAX_PRIVILEGE | LUA_TOKEN, 0,
                               nullptr, 0, nullptr, 0, nullptr, &made)) {
    return {};
  }
  return OwnedHandle(made);
}

class WindowsChild final : public ChildProcess {
 public:
  WindowsChild(asio::io_context& io, OwnedHandle process, OwnedHandle job,
               OnExit on_exit)
      : job_(std::move(job)),
        process_(io, process.Release()),
        on_exit_(std::move(on_exit)) {
    process_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) Ended();
    });
  }

  ~WindowsChild() override {
    if (ended_) return;
    ::TerminateJobObject(job_.get(), kEndedByUs);
    ::WaitForSingleObject(process_.native_handle(), INFINITE);
    CountTimes();
  }

  // There is no way to ask.
  void Terminate() override { Kill(); }
  // Whoever is left in the job; nobody else can be hit.
  void Kill() override { ::TerminateJobObject(job_.get(), kEndedByUs); }

  std::uint64_t Memory() const override {
    PROCESS_MEMORY_COUNTERS counters{};
    if (ended_ ||
        !::K32GetProcessMemoryInfo(
            const_cast<asio::windows::object_handle&>(process_).native_handle(),
            &counters, sizeof(counters))) {
      return 0;
    }
    return counters.PagefileUsage;
  }

 private:
  void Ended() {
    ended_ = true;
    DWORD code = STILL_ACTIVE;
    ::GetExitCodeProcess(process_.native_handle(), &code);
    CountTimes();
    on_exit_(DecodeNativeExit(static_cast<int>(code)));
  }

  void CountTimes() {
    FILETIME created{};
    FILETIME ended{};
    FILETIME kernel{};
    FILETIME user{};
    if (::GetProcessTimes(process_.native_handle(), &created, &ended, &kernel,
                          &user)) {
      AddReapedTime(Duration(kernel) + Duration(user));
    }
  }

  OwnedHandle job_;
  asio::windows::object_handle process_;
  OnExit on_exit_;
  bool ended_ = false;
};

Error SpawnError(const std::string& program, const std::string& why) {
  return {ErrorCode::kSpawnFailed, "cannot start " + program + ": " + why};
}

// The program's file as people write it: not all parts of the system that start
// a program take `\\?\`.
std::filesystem::path ProgramPath(const std::string& program) {
  std::wstring path = NativePath(program);
  constexpr std::wstring_view kPrefix = L"\\\\?\\";
  if (path.size() < MAX_PATH && path.starts_with(kPrefix) &&
      path.find(L"UNC\\", kPrefix.size()) != kPrefix.size()) {
    path.erase(0, kPrefix.size());
  }
  return path;
}

}  // namespace

// Which of them it is depends on the direction and on the state of the pipe.
bool IsEndOfPipe(const boost::system::error_code& error) {
  if (error == asio::error::eof) return true;
  if (error.category() != boost::system::system_category()) return false;
  return error.value() == ERROR_BROKEN_PIPE || error.value() == ERROR_NO_DATA ||
         error.value() == ERROR_PIPE_NOT_CONNECTED;
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(asio::io_context& io,
                                                          const ChildSpec& spec,
                                                          ChildPipes& pipes,
                                                          OnExit on_exit) {
  Result<OwnedHandle> job = NewJob();
  if (!job.ok()) return SpawnError(spec.program, job.error().detail);
  HandleList handles(spec.inherited);
  OwnedHandle process;
  DWORD error = 0;
  // Not const: Boost.Process would pass over what it cannot call.
  StartInJob start{job.value().get(), &handles, &process, &error};
  std::vector<std::wstring> arguments;
  for (const std::string& argument : spec.arguments) {
    arguments.push_back(Wide(argument));
  }
  const std::filesystem::path program = ProgramPath(spec.program);
  const OwnedHandle token = RestrictedToken();
  bp::error_code ec;
  try {
    bp::process_stdio streams{pipes.in, pipes.out, pipes.err};
    if (token.ok()) {
      bp::windows::as_user_launcher launcher(token.get());
      launcher(io.get_executor(), ec, program, arguments, streams, start)
          .detach();
    } else {
      bp::windows::default_launcher launcher;
      launcher(io.get_executor(), ec, program, arguments, streams, start)
          .detach();
    }
  } catch (const std::exception& e) {  // No pipes to be had.
    return SpawnError(spec.program, e.what());
  }
  if (ec) {
    return SpawnError(spec.program,
                      SystemMessage(static_cast<DWORD>(ec.value())));
  }
  if (error != 0) return SpawnError(spec.program, SystemMessage(error));
  return std::unique_ptr<ChildProcess>(new WindowsChild(
      io, std::move(process), std::move(job).value(), std::move(on_exit)));
}

// Windows has no signal for it.
BrokenPipeGuard::BrokenPipeGuard() = default;
BrokenPipeGuard::~BrokenPipeGuard() { restore_ = false; }

}  // namespace scanengine
