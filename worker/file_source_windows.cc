#include <windows.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "ipc/shared_memory.h"
#include "ipc/windows_system.h"
#include "worker/file_source.h"

namespace scanengine {
namespace {

constexpr DWORD kMostAtOnce = 1U << 30;
// ERROR_DIRECTORY_NOT_SUPPORTED, which older headers lack.
constexpr DWORD kErrorIsFolder = 336;

struct Identity {
  std::uint64_t size = 0;
  LARGE_INTEGER written{};
  LARGE_INTEGER changed{};
  DWORD links = 0;
  bool deleted = false;
};

// By calls that need no name of the file: standard input may have none.
bool LookAt(HANDLE file, Identity* out) {
  FILE_STANDARD_INFO standard{};
  FILE_BASIC_INFO basic{};
  if (!::GetFileInformationByHandleEx(file, FileStandardInfo, &standard,
                                      sizeof(standard)) ||
      !::GetFileInformationByHandleEx(file, FileBasicInfo, &basic,
                                      sizeof(basic))) {
    return false;
  }
  if (standard.Directory) {
    ::SetLastError(kErrorIsFolder);
    return false;
  }
  out->size = static_cast<std::uint64_t>(standard.EndOfFile.QuadPart);
  out->written = basic.LastWriteTime;
  out->changed = basic.ChangeTime;
  out->links = standard.NumberOfLinks;
  out->deleted = standard.DeletePending;
  return true;
}

class WindowsFileSource final : public FileSource {
 public:
  WindowsFileSource(OwnedHandle file, const Identity& identity)
      : file_(std::move(file)), identity_(identity) {}

  std::uint64_t size() const override { return identity_.size; }

  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    if (offset >= size() || out.empty()) return std::size_t{0};
    const std::uint64_t most =
        std::min({std::uint64_t{out.size()}, size() - offset,
                  std::uint64_t{kMostAtOnce}});
    OVERLAPPED where{};
    where.Offset = static_cast<DWORD>(offset);
    where.OffsetHigh = static_cast<DWORD>(offset >> 32);
    DWORD got = 0;
    if (!::ReadFile(file_.get(), out.data(), static_cast<DWORD>(most), &got,
                    &where)) {
      DWORD error = ::GetLastError();
      // An inherited handle may be one that does not wait by itself.
      if (error == ERROR_IO_PENDING) {
        error = ::GetOverlappedResult(file_.get(), &where, &got, TRUE)
                    ? 0
                    : ::GetLastError();
      }
      if (error != 0 && error != ERROR_HANDLE_EOF) return FileError(error);
    }
    if (got == 0) {
      return Error{ErrorCode::kChanged, "became shorter during the scan"};
    }
    return std::size_t{got};
  }

  bool Unchanged() const override {
    Identity now;
    // Who writes may set the time of writing back, not that of the change. A
    // link less: its name was given to another file, or is no more.
    return LookAt(file_.get(), &now) && now.size == identity_.size &&
           now.written.QuadPart == identity_.written.QuadPart &&
           now.changed.QuadPart == identity_.changed.QuadPart &&
           now.links == identity_.links && now.deleted == identity_.deleted;
  }

 private:
  OwnedHandle file_;
  Identity identity_;
};

OwnedHandle Duplicate(NativeHandle handle) {
  HANDLE copy = nullptr;
  const HANDLE self = ::GetCurrentProcess();
  if (!::DuplicateHandle(self, reinterpret_cast<HANDLE>(handle), self, &copy, 0,
                         FALSE, DUPLICATE_SAME_ACCESS)) {
    return {};
  }
  return OwnedHandle(copy);
}

// Through `\\?\`, where no name means a device. Others may go on with the file
// as they like; that it changed is seen afterwards.
OwnedHandle OpenNamed(const std::wstring& path) {
  return OwnedHandle(::CreateFileW(
      path.c_str(), GENERIC_READ,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
      OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, nullptr));
}

// The system refuses a folder like a file without rights; people want to know
// which it is.
Error OpenFault(const std::wstring& path, DWORD error) {
  const DWORD attributes = ::GetFileAttributesW(path.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES &&
      (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    return {ErrorCode::kInvalidArgument, "not a regular file"};
  }
  Error fault = FileError(error);
  if (fault.code == ErrorCode::kNotFound) fault.detail = "no such file";
  return fault;
}

}  // namespace

Result<std::unique_ptr<FileSource>> FileSource::Open(const TaskRequest& task) {
  OwnedHandle file;
  if (task.inherited_fd >= 0) {
    file = Duplicate(task.inherited_fd);
    if (!file.ok()) return FileError(LastSystemError());
  } else {
    // The system would take the part before a null character for the whole.
    const bool named =
        !task.path.empty() && task.path.find('\0') == std::string::npos;
    const std::wstring path = named ? NativePath(task.path) : std::wstring();
    if (path.empty()) return Error{ErrorCode::kNotFound, "no such file"};
    file = OpenNamed(path);
    if (!file.ok()) return OpenFault(path, LastSystemError());
  }
  Identity identity;
  if (::GetFileType(file.get()) != FILE_TYPE_DISK) {
    return Error{ErrorCode::kInvalidArgument, "not a regular file"};
  }
  if (!LookAt(file.get(), &identity)) {
    const DWORD error = LastSystemError();
    if (error == kErrorIsFolder) {
      return Error{ErrorCode::kInvalidArgument, "not a regular file"};
    }
    return FileError(error);
  }
  return std::unique_ptr<FileSource>(
      new WindowsFileSource(std::move(file), identity));
}

}  // namespace scanengine
