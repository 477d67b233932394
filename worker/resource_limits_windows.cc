#include <windows.h>

#include "ipc/windows_system.h"
#include "worker/sandbox_parts.h"
#include "worker/sanitizer.h"

// A job of this process's own, inside the one that the supervisor made. Its
// handle is closed when the process is in it: then nobody can loosen it, and it
// lasts as long as the process.

namespace scanengine {
namespace {

Status SetJob(HANDLE job, JOBOBJECTINFOCLASS what, void* info, DWORD size,
              const char* message) {
  if (::SetInformationJobObject(job, what, info, size)) return OkStatus();
  return SystemError(message, LastSystemError());
}

}  // namespace

Status LimitResources(std::uint64_t memory_limit, SandboxReport* report) {
  const OwnedHandle job(::CreateJobObjectW(nullptr, nullptr));
  if (!job.ok()) return SystemError("cannot make a job", LastSystemError());
  const bool limits_memory = memory_limit != 0 && !kSanitizedBuild;
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags =
      JOB_OBJECT_LIMIT_ACTIVE_PROCESS |
      JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
  limits.BasicLimitInformation.ActiveProcessLimit = 1;
  if (limits_memory) {
    // Of committed private memory: what is mapped and shared does not count.
    limits.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_MEMORY;
    limits.ProcessMemoryLimit = static_cast<SIZE_T>(memory_limit);
  }
  Status status = SetJob(job.get(), JobObjectExtendedLimitInformation, &limits,
                         sizeof(limits), "cannot set limits");
  if (!status.ok()) return status;
  JOBOBJECT_BASIC_UI_RESTRICTIONS screen{};
  screen.UIRestrictionsClass =
      JOB_OBJECT_UILIMIT_DESKTOP | JOB_OBJECT_UILIMIT_DISPLAYSETTINGS |
      JOB_OBJECT_UILIMIT_EXITWINDOWS | JOB_OBJECT_UILIMIT_GLOBALATOMS |
      JOB_OBJECT_UILIMIT_HANDLES | JOB_OBJECT_UILIMIT_READCLIPBOARD |
      JOB_OBJECT_UILIMIT_SYSTEMPARAMETERS | JOB_OBJECT_UILIMIT_WRITECLIPBOARD;
  status = SetJob(job.get(), JobObjectBasicUIRestrictions, &screen,
                  sizeof(screen), "cannot restrict the user interface");
  if (!status.ok()) return status;
  if (!::AssignProcessToJobObject(job.get(), ::GetCurrentProcess())) {
    return SystemError("cannot enter a job", LastSystemError());
  }
  report->active.emplace_back("limits");
  report->active.emplace_back("one-process");
  report->active.emplace_back("ui-limits");
  if (limits_memory) {
    report->active.emplace_back("memory-limit");
  } else if (memory_limit != 0) {
    report->missing.emplace_back("memory limit: sanitizer build");
  }
  return OkStatus();
}

}  // namespace scanengine
