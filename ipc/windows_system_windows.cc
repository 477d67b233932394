#include <windows.h>

#include <cwctype>
#include <utility>

#include "ipc/windows_path.h"
#include "ipc/windows_system.h"
#include "ipc/wtf8.h"

namespace scanengine {

static_assert(sizeof(wchar_t) == sizeof(char16_t));

std::wstring Wide(std::string_view wtf8) {
  const std::u16string units = Utf16FromWtf8(wtf8);
  return {units.begin(), units.end()};
}

std::string Narrow(std::wstring_view units) {
  const std::u16string copy(units.begin(), units.end());
  return Wtf8FromUtf16(copy);
}

std::wstring NativePath(std::string_view path) {
  const DWORD size = ::GetCurrentDirectoryW(0, nullptr);
  std::wstring current(size, L'\0');
  const DWORD length = ::GetCurrentDirectoryW(size, current.data());
  current.resize(length < size ? length : 0);
  return Wide(ExtendedPath(WithSlashes(path), WithSlashes(Narrow(current))));
}

std::string SystemMessage(unsigned long code) {
  wchar_t* text = nullptr;
  const DWORD length = ::FormatMessageW(
      FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM |
          FORMAT_MESSAGE_IGNORE_INSERTS,
      nullptr, code, MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US),
      reinterpret_cast<wchar_t*>(&text), 0, nullptr);
  std::wstring_view message(text, length);
  while (!message.empty() &&
         (message.back() <= L' ' || message.back() == L'.')) {
    message.remove_suffix(1);
  }
  std::string out = Narrow(message);
  ::LocalFree(text);
  if (out.empty()) return "system error " + std::to_string(code);
  if (out.size() > 1 && out[0] >= 'A' && out[0] <= 'Z' &&
      !(out[1] >= 'A' && out[1] <= 'Z')) {
    out[0] = static_cast<char>(out[0] - 'A' + 'a');
  }
  return out;
}

unsigned long LastSystemError() { return ::GetLastError(); }

Error SystemError(const char* what, unsigned long code) {
  return {ErrorCode::kIo, std::string(what) + ": " + SystemMessage(code)};
}

Error FileError(unsigned long code) {
  switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_INVALID_DRIVE:
    case ERROR_NOT_READY:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_DIRECTORY:
      return {ErrorCode::kNotFound, "no such file or folder"};
    case ERROR_ACCESS_DENIED:
    case ERROR_NETWORK_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
      return {ErrorCode::kPermission, "permission denied"};
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
      return {ErrorCode::kPermission, "is locked by another program"};
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_BUFFER_OVERFLOW:
      return {ErrorCode::kLimitExceeded, "the path is too long"};
    case ERROR_CANT_RESOLVE_FILENAME:
      return {ErrorCode::kLimitExceeded,
              "link loop, or too long a chain of links"};
    default:
      return {ErrorCode::kIo, SystemMessage(code)};
  }
}

OwnedHandle::OwnedHandle(void* handle)
    : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}

// Keeps the last error: it mostly says why what came before went wrong.
OwnedHandle::~OwnedHandle() {
  if (handle_ == nullptr) return;
  const DWORD error = ::GetLastError();
  ::CloseHandle(handle_);
  ::SetLastError(error);
}

OwnedHandle::OwnedHandle(OwnedHandle&& other) noexcept
    : handle_(other.Release()) {}

OwnedHandle& OwnedHandle::operator=(OwnedHandle&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Result<OwnedHandle> NewTemporaryFile() {
  wchar_t folder[MAX_PATH + 1];
  wchar_t name[MAX_PATH + 1];
  const DWORD length = ::GetTempPathW(MAX_PATH + 1, folder);
  if (length == 0 || length > MAX_PATH ||
      ::GetTempFileNameW(folder, L"scn", 0, name) == 0) {
    return SystemError("cannot name a temporary file", LastSystemError());
  }
  OwnedHandle file(::CreateFileW(
      name, GENERIC_READ | GENERIC_WRITE | DELETE,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
      CREATE_ALWAYS, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE,
      nullptr));
  if (!file.ok()) {
    return SystemError("cannot make a temporary file", LastSystemError());
  }
  return file;
}

void* OwnedHandle::Release() { return std::exchange(handle_, nullptr); }

}  // namespace scanengine
