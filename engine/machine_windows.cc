#include <windows.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "engine/machine.h"
#include "engine/reaped_time_windows.h"
#include "ipc/windows_system.h"

namespace scanengine {
namespace {

std::atomic<std::int64_t> reaped_microseconds{0};

// Copies all of standard input to |out|.
Result<std::uint64_t> CopyInput(HANDLE in, HANDLE out, std::uint64_t max_size) {
  std::vector<char> buffer(256 << 10);
  std::uint64_t size = 0;
  while (true) {
    DWORD got = 0;
    if (!::ReadFile(in, buffer.data(), static_cast<DWORD>(buffer.size()), &got,
                    nullptr)) {
      const DWORD error = LastSystemError();
      if (error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF) return size;
      return Error{ErrorCode::kIo, SystemMessage(error)};
    }
    if (got == 0) return size;
    size += got;
    if (max_size != 0 && size > max_size) {
      return Error{ErrorCode::kLimitExceeded, "is larger than --max-file-size"};
    }
    for (DWORD at = 0; at < got;) {
      DWORD put = 0;
      if (!::WriteFile(out, buffer.data() + at, got - at, &put, nullptr)) {
        return SystemError("cannot keep a copy", LastSystemError());
      }
      at += put;
    }
  }
}

// A handle to what |file| is that can read and no more.
Result<NativeHandle> ReadOnly(HANDLE file) {
  HANDLE copy = nullptr;
  const HANDLE self = ::GetCurrentProcess();
  if (!::DuplicateHandle(self, file, self, &copy, FILE_GENERIC_READ, FALSE,
                         0)) {
    return Error{ErrorCode::kIo, SystemMessage(LastSystemError())};
  }
  return reinterpret_cast<NativeHandle>(copy);
}

}  // namespace

void AddReapedTime(std::chrono::microseconds time) {
  reaped_microseconds += time.count();
}

std::chrono::microseconds ReapedTime() {
  return std::chrono::microseconds(reaped_microseconds);
}

int UsableCores() {
  DWORD_PTR mine = 0;
  DWORD_PTR all = 0;
  int cores = 0;
  if (::GetProcessAffinityMask(::GetCurrentProcess(), &mine, &all)) {
    for (; mine != 0; mine &= mine - 1) ++cores;
  }
  return std::max(cores, 1);
}

// There is no limit that anybody meets.
int FreeDescriptors() { return -1; }

std::uint64_t AvailableMemory() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  if (!::GlobalMemoryStatusEx(&status)) return 0;
  return std::min(status.ullAvailPhys, status.ullAvailPageFile);
}

std::chrono::microseconds ProcessorTime() {
  FILETIME created{};
  FILETIME ended{};
  FILETIME kernel{};
  FILETIME user{};
  if (!::GetProcessTimes(::GetCurrentProcess(), &created, &ended, &kernel,
                         &user)) {
    return std::chrono::microseconds(0);
  }
  return Duration(kernel) + Duration(user) + ReapedTime();
}

Result<StandardInput> CaptureStandardInput(std::uint64_t max_size) {
  const HANDLE in = ::GetStdHandle(STD_INPUT_HANDLE);
  if (in == nullptr || in == INVALID_HANDLE_VALUE) {
    return Error{ErrorCode::kIo, "is closed"};
  }
  LARGE_INTEGER size{};
  LARGE_INTEGER at{};
  if (::GetFileType(in) == FILE_TYPE_DISK && ::GetFileSizeEx(in, &size) &&
      size.QuadPart > 0 &&
      ::SetFilePointerEx(in, LARGE_INTEGER{}, &at, FILE_CURRENT) &&
      at.QuadPart == 0) {
    const auto bytes = static_cast<std::uint64_t>(size.QuadPart);
    if (max_size != 0 && bytes > max_size) {
      return Error{ErrorCode::kLimitExceeded, "is larger than --max-file-size"};
    }
    Result<NativeHandle> handle = ReadOnly(in);
    if (!handle.ok()) return handle.error();
    return StandardInput{handle.value(), bytes};
  }
  Result<OwnedHandle> copy = NewTemporaryFile();
  if (!copy.ok()) return copy.error();
  Result<std::uint64_t> copied = CopyInput(in, copy.value().get(), max_size);
  if (!copied.ok()) return copied.error();
  Result<NativeHandle> handle = ReadOnly(copy.value().get());
  if (!handle.ok()) return handle.error();
  return StandardInput{handle.value(), copied.value()};
}

Result<NativeHandle> AnonymousFile(std::string_view bytes) {
  Result<OwnedHandle> file = NewTemporaryFile();
  if (!file.ok()) return file.error();
  DWORD put = 0;
  if (!::WriteFile(file.value().get(), bytes.data(),
                   static_cast<DWORD>(bytes.size()), &put, nullptr) ||
      put != bytes.size()) {
    return SystemError("cannot write a temporary file", LastSystemError());
  }
  return ReadOnly(file.value().get());
}

void CloseHandle(NativeHandle handle) {
  ::CloseHandle(reinterpret_cast<HANDLE>(handle));
}

}  // namespace scanengine
