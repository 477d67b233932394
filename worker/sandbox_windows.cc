#include <windows.h>

#include <vector>

#include "ipc/windows_system.h"
#include "worker/sandbox_parts.h"

// What a process on Windows can give up by itself. It cannot give up reading
// files and the network: that takes a token that it is started with and files
// that are opened for it. Both are told of as missing.

namespace scanengine {
namespace {

// Also what the supervisor's restricted token leaves, if it started us with
// one.
Status RemovePrivileges(HANDLE token) {
  DWORD size = 0;
  ::GetTokenInformation(token, TokenPrivileges, nullptr, 0, &size);
  std::vector<std::byte> buffer(size);
  auto* const held = reinterpret_cast<TOKEN_PRIVILEGES*>(buffer.data());
  if (size == 0 ||
      !::GetTokenInformation(token, TokenPrivileges, held, size, &size)) {
    return SystemError("cannot ask for privileges", LastSystemError());
  }
  LUID traverse{};
  ::LookupPrivilegeValueW(nullptr, SE_CHANGE_NOTIFY_NAME, &traverse);
  for (DWORD i = 0; i < held->PrivilegeCount; ++i) {
    LUID_AND_ATTRIBUTES& one = held->Privileges[i];
    // Without this one every folder on the way to a file is looked at.
    const bool keep = one.Luid.LowPart == traverse.LowPart &&
                      one.Luid.HighPart == traverse.HighPart;
    if (!keep) one.Attributes = SE_PRIVILEGE_REMOVED;
  }
  if (!::AdjustTokenPrivileges(token, FALSE, held, size, nullptr, nullptr)) {
    return SystemError("cannot remove privileges", LastSystemError());
  }
  return OkStatus();
}

// Nothing of the user's can be written from here on, but what is marked for
// processes like that.
Status LowerIntegrity(HANDLE token) {
  SID_IDENTIFIER_AUTHORITY authority = SECURITY_MANDATORY_LABEL_AUTHORITY;
  PSID low = nullptr;
  if (!::AllocateAndInitializeSid(&authority, 1, SECURITY_MANDATORY_LOW_RID, 0,
                                  0, 0, 0, 0, 0, 0, &low)) {
    return SystemError("cannot name an integrity level", LastSystemError());
  }
  TOKEN_MANDATORY_LABEL label{};
  label.Label.Attributes = SE_GROUP_INTEGRITY;
  label.Label.Sid = low;
  const bool set = ::SetTokenInformation(
      token, TokenIntegrityLevel, &label,
      static_cast<DWORD>(sizeof(label) + ::GetLengthSid(low)));
  const DWORD error = ::GetLastError();
  ::FreeSid(low);
  if (!set) return SystemError("cannot lower the integrity level", error);
  return OkStatus();
}

// Put in force one by one: each exists since another release of Windows, and
// what a release lacks is told of and no error. Flags as numbers: headers
// disagree about the size of the structures, which all are one DWORD.
void Mitigate(PROCESS_MITIGATION_POLICY which, const char* name, DWORD flags,
              SandboxReport* report) {
  if (::SetProcessMitigationPolicy(which, &flags, sizeof(flags))) {
    report->active.emplace_back(name);
  } else {
    report->missing.push_back(std::string(name) + ": " +
                              SystemMessage(LastSystemError()));
  }
}

constexpr DWORD kProhibit = 1;
// No images from other machines, none marked low, those of the system first.
constexpr DWORD kImagesOfTheSystem = 1 | 2 | 4;

void RestrictProcess(SandboxReport* report) {
  Mitigate(ProcessDynamicCodePolicy, "no-dynamic-code", kProhibit, report);
  Mitigate(ProcessChildProcessPolicy, "no-child-processes", kProhibit, report);
  Mitigate(ProcessImageLoadPolicy, "image-loads", kImagesOfTheSystem, report);
  Mitigate(ProcessExtensionPointDisablePolicy, "no-extension-points", kProhibit,
           report);
}

}  // namespace

Status DropPrivileges(SandboxReport* report) {
  HANDLE opened = nullptr;
  if (!::OpenProcessToken(
          ::GetCurrentProcess(),
          TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES | TOKEN_ADJUST_DEFAULT,
          &opened)) {
    return SystemError("cannot open the process's token", LastSystemError());
  }
  const OwnedHandle token(opened);
  if (Status s = RemovePrivileges(token.get()); !s.ok()) return s;
  report->active.emplace_back("no-privileges");
  if (Status s = LowerIntegrity(token.get()); !s.ok()) return s;
  report->active.emplace_back("low-integrity");
  RestrictProcess(report);
  return OkStatus();
}

Status RestrictFiles(const std::vector<std::string>&, SandboxReport* report) {
  report->missing.emplace_back(
      "reading: on Windows a worker can read what the user can");
  return OkStatus();
}

Status RestrictSystemCalls(SandboxReport* report) {
  report->missing.emplace_back("network: not closed on Windows");
  return OkStatus();
}

}  // namespace scanengine
