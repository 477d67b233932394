#include <windows.h>
#include <winternl.h>

#include <cstddef>
#include <span>

#include "engine/journal_file.h"
#include "engine/machine.h"
#include "engine/machine_facts.h"
#include "engine/process_info.h"
#include "ipc/shared_memory.h"
#include "ipc/windows_path.h"
#include "ipc/windows_system.h"

namespace scanengine {
namespace {

// From the kernel itself: other calls tell a program without a manifest that it
// runs on Windows 8.
std::string SystemName() {
  OSVERSIONINFOW version{};
  version.dwOSVersionInfoSize = sizeof(version);
  using GetVersion = LONG(WINAPI*)(OSVERSIONINFOW*);
  const auto get = reinterpret_cast<GetVersion>(reinterpret_cast<void*>(
      ::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), "RtlGetVersion")));
  if (get == nullptr || get(&version) != 0) return "Windows";
  return "Windows " + std::to_string(version.dwMajorVersion) + "." +
         std::to_string(version.dwMinorVersion) + "." +
         std::to_string(version.dwBuildNumber);
}

FolderFact LookAtFolder(std::string path, bool may_be_made) {
  FolderFact fact;
  fact.path = path;
  while (may_be_made && path.find('/') != std::string::npos &&
         ::GetFileAttributesW(NativePath(path).c_str()) ==
             INVALID_FILE_ATTRIBUTES) {
    path.resize(path.rfind('/'));
  }
  if (path.empty()) return fact;
  const std::wstring native = NativePath(path);
  // With the right to make a file in it; nothing is made.
  fact.writable =
      OwnedHandle(
          ::CreateFileW(native.c_str(), FILE_ADD_FILE,
                        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                        nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS,
                        nullptr))
          .ok();
  ULARGE_INTEGER available{};
  if (::GetDiskFreeSpaceExW(native.c_str(), &available, nullptr, nullptr)) {
    fact.free = available.QuadPart;
  }
  return fact;
}

std::string TrySharedMemory() {
  const auto memory = SharedMemory::CreateSealed(
      "", 1, [](std::span<std::byte> bytes) { bytes[0] = std::byte{1}; });
  return memory.ok() ? "" : memory.error().detail;
}

std::vector<SystemPart> Parts() {
  return {
      {"job", "a job for each worker, ended with this program", "", ""},
      {"sandbox-reading", "low integrity, no privileges",
       "a hijacked worker may read every file that you may read",
       "scan untrusted files under an account of their own"},
      {"sandbox-network", "not closed on Windows",
       "a hijacked worker may send what it read to others",
       "forbid scanengine-worker.exe the network in the firewall"},
      {"verification", "tests ran under wine, not on Windows",
       "limits and mitigation policies are asked for; that the system enforces "
       "them is not verified on Windows",
       "where isolation must be certain, scan on Linux"},
  };
}

}  // namespace

MachineFacts ReadMachineFacts(const std::string& worker_path) {
  MachineFacts facts;
  facts.system = SystemName();
  facts.is_linux = false;
  facts.other_parts = Parts();
  facts.affinity_cores = UsableCores();
  facts.online_cores =
      static_cast<int>(::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS));
  MEMORYSTATUSEX memory{};
  memory.dwLength = sizeof(memory);
  if (::GlobalMemoryStatusEx(&memory)) facts.total_memory = memory.ullTotalPhys;
  facts.available_memory = AvailableMemory();
  facts.shared_memory_error = TrySharedMemory();
  facts.state = LookAtFolder(JournalFolder(), true);
  wchar_t temporary[MAX_PATH + 1];
  const DWORD length = ::GetTempPathW(MAX_PATH, temporary);
  facts.temporary =
      LookAtFolder(WithSlashes(Narrow({temporary, length})), false);
  facts.worker_path = WorkerPath(worker_path);
  if (!IsExecutable(facts.worker_path)) facts.worker_error = "no such file";
  return facts;
}

}  // namespace scanengine
