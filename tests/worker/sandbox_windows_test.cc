// Which calls the sandbox makes, and what becomes of those that fail: the calls
// are caught on their way to the system, since not every system that this runs
// on enforces what it accepts, and since they hold for the whole process.

#include <windows.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "worker/sandbox.h"

namespace {

struct Calls {
  std::set<std::string> failing;
  std::vector<std::string> made;
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  DWORD screen = 0;
  DWORD integrity = 0;
  std::map<int, DWORD> policies;
  std::size_t privileges_kept = 0;
};
Calls calls;

BOOL Answer(const char* name) {
  calls.made.emplace_back(name);
  if (!calls.failing.contains(name)) return TRUE;
  ::SetLastError(ERROR_NOT_SUPPORTED);
  return FALSE;
}

BOOL WINAPI OnSetJob(HANDLE, JOBOBJECTINFOCLASS what, void* info, DWORD) {
  if (what == JobObjectExtendedLimitInformation) {
    calls.limits = *static_cast<JOBOBJECT_EXTENDED_LIMIT_INFORMATION*>(info);
    return Answer("job limits");
  }
  calls.screen = *static_cast<DWORD*>(info);
  return Answer("ui limits");
}
BOOL WINAPI OnAssignJob(HANDLE, HANDLE process) {
  CHECK(process == ::GetCurrentProcess());
  return Answer("enter job");
}
BOOL WINAPI OnSetToken(HANDLE, TOKEN_INFORMATION_CLASS what, void* info,
                       DWORD) {
  CHECK(what == TokenIntegrityLevel);
  const auto* label = static_cast<TOKEN_MANDATORY_LABEL*>(info);
  calls.integrity = *::GetSidSubAuthority(label->Label.Sid, 0);
  return Answer("integrity");
}
BOOL WINAPI OnAdjust(HANDLE, BOOL, TOKEN_PRIVILEGES* state, DWORD,
                     TOKEN_PRIVILEGES*, DWORD*) {
  for (DWORD i = 0; i < state->PrivilegeCount; ++i) {
    if (state->Privileges[i].Attributes != SE_PRIVILEGE_REMOVED) {
      ++calls.privileges_kept;
    }
  }
  return Answer("privileges");
}
BOOL WINAPI OnSetPolicy(PROCESS_MITIGATION_POLICY which, void* policy,
                        SIZE_T size) {
  CHECK(size == sizeof(DWORD));
  calls.policies[which] = *static_cast<DWORD*>(policy);
  return Answer(("policy " + std::to_string(which)).c_str());
}

}  // namespace

// The linker takes these pointers in place of those from the system's
// libraries. NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
decltype(&OnSetJob) __imp_SetInformationJobObject = OnSetJob;
decltype(&OnAssignJob) __imp_AssignProcessToJobObject = OnAssignJob;
decltype(&OnSetToken) __imp_SetTokenInformation = OnSetToken;
decltype(&OnAdjust) __imp_AdjustTokenPrivileges = OnAdjust;
decltype(&OnSetPolicy) __imp_SetProcessMitigationPolicy = OnSetPolicy;
}
// NOLINTEND(bugprone-reserved-identifier)

namespace scanengine {
namespace {

using Texts = std::vector<std::string>;

bool Has(const Texts& texts, const std::string& start) {
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
    return text.starts_with(start);
  });
}

SandboxRequest Request() {
  SandboxRequest request;
  request.memory_limit = 512ULL << 20;
  return request;
}

TEST_CASE("Sandbox: a job of its own bounds processes, memory and screen") {
  calls = {};
  const Result<SandboxReport> report = EnterSandbox(Request());
  REQUIRE(report.ok());
  const DWORD flags = calls.limits.BasicLimitInformation.LimitFlags;
  CHECK((flags & JOB_OBJECT_LIMIT_ACTIVE_PROCESS) != 0);
  CHECK(calls.limits.BasicLimitInformation.ActiveProcessLimit == 1);
  CHECK((flags & JOB_OBJECT_LIMIT_PROCESS_MEMORY) != 0);
  CHECK(calls.limits.ProcessMemoryLimit == 512ULL << 20);
  CHECK((flags & JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION) != 0);
  CHECK((flags & JOB_OBJECT_LIMIT_BREAKAWAY_OK) == 0);
  CHECK(calls.screen == JOB_OBJECT_UILIMIT_ALL);
  for (const char* part :
       {"limits", "one-process", "ui-limits", "memory-limit"}) {
    CHECK(Has(report.value().active, part));
  }
}

TEST_CASE("Sandbox: without a memory limit none is set or claimed") {
  calls = {};
  SandboxRequest request = Request();
  request.memory_limit = 0;
  const Result<SandboxReport> report = EnterSandbox(request);
  REQUIRE(report.ok());
  CHECK((calls.limits.BasicLimitInformation.LimitFlags &
         JOB_OBJECT_LIMIT_PROCESS_MEMORY) == 0);
  CHECK_FALSE(Has(report.value().active, "memory-limit"));
}

TEST_CASE("Sandbox: privileges go, and integrity is low") {
  calls = {};
  const Result<SandboxReport> report = EnterSandbox(Request());
  REQUIRE(report.ok());
  CHECK(calls.privileges_kept <= 1);
  CHECK(calls.integrity == SECURITY_MANDATORY_LOW_RID);
  CHECK(Has(report.value().active, "no-privileges"));
  CHECK(Has(report.value().active, "low-integrity"));
}

TEST_CASE("Sandbox: code, children, libraries and extensions are forbidden") {
  calls = {};
  const Result<SandboxReport> report = EnterSandbox(Request());
  REQUIRE(report.ok());
  CHECK((calls.policies.at(ProcessDynamicCodePolicy) & 1) == 1);
  CHECK((calls.policies.at(ProcessChildProcessPolicy) & 1) == 1);
  CHECK((calls.policies.at(ProcessImageLoadPolicy) & 7) == 7);
  CHECK((calls.policies.at(ProcessExtensionPointDisablePolicy) & 1) == 1);
  for (const char* part : {"no-dynamic-code", "no-child-processes",
                           "image-loads", "no-extension-points"}) {
    CHECK(Has(report.value().active, part));
  }
}

TEST_CASE("Sandbox: a policy that this Windows lacks is told of as missing") {
  calls = {};
  for (const PROCESS_MITIGATION_POLICY which :
       {ProcessDynamicCodePolicy, ProcessChildProcessPolicy,
        ProcessImageLoadPolicy, ProcessExtensionPointDisablePolicy}) {
    calls.failing.insert("policy " + std::to_string(which));
  }
  const Result<SandboxReport> report = EnterSandbox(Request());
  REQUIRE(report.ok());
  for (const char* part : {"no-dynamic-code: ", "no-child-processes: ",
                           "image-loads: ", "no-extension-points: "}) {
    CHECK(Has(report.value().missing, part));
  }
  CHECK_FALSE(Has(report.value().active, "no-dynamic-code"));
}

TEST_CASE("Sandbox: what every Windows has and that fails ends the worker") {
  for (const char* call :
       {"job limits", "ui limits", "enter job", "privileges", "integrity"}) {
    CAPTURE(call);
    calls = {};
    calls.failing.insert(call);
    const Result<SandboxReport> report = EnterSandbox(Request());
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().code == ErrorCode::kIo);
    CHECK(report.error().detail.starts_with("cannot "));
  }
}

TEST_CASE("Sandbox: reading and the network are told of as open") {
  calls = {};
  const Result<SandboxReport> report = EnterSandbox(Request());
  REQUIRE(report.ok());
  CHECK(Has(report.value().missing, "reading: "));
  CHECK(Has(report.value().missing, "network: "));
}

TEST_CASE("Sandbox: switched off it limits resources and no more") {
  calls = {};
  SandboxRequest request = Request();
  request.enabled = false;
  const Result<SandboxReport> report = EnterSandbox(request);
  REQUIRE(report.ok());
  CHECK(calls.made == Texts{"job limits", "ui limits", "enter job"});
  CHECK(report.value().missing == Texts{"sandbox: switched off"});
}

}  // namespace
}  // namespace scanengine
