#include <windows.h>

#include <atomic>
#include <string>

#include "ipc/check.h"
#include "ipc/windows_path.h"
#include "ipc/windows_system.h"
#include "tests/support/temp_dir.h"

namespace scanengine::testing {
namespace {

// All that is in a folder, depth first, through `\\?\`; links are removed and
// not followed.
void Remove(const std::wstring& path) {
  const DWORD attributes = ::GetFileAttributesW(path.c_str());
  if (attributes == INVALID_FILE_ATTRIBUTES) return;
  ::SetFileAttributesW(path.c_str(), FILE_ATTRIBUTE_NORMAL);
  if ((attributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
    ::DeleteFileW(path.c_str());
    return;
  }
  if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) {
    WIN32_FIND_DATAW found;
    const HANDLE search = ::FindFirstFileW((path + L"\\*").c_str(), &found);
    if (search != INVALID_HANDLE_VALUE) {
      do {
        const std::wstring name = found.cFileName;
        if (name != L"." && name != L"..") Remove(path + L"\\" + name);
      } while (::FindNextFileW(search, &found));
      ::FindClose(search);
    }
  }
  if (!::RemoveDirectoryW(path.c_str())) ::DeleteFileW(path.c_str());
}

void CreateFolders(const std::wstring& path) {
  if (::GetFileAttributesW(path.c_str()) != INVALID_FILE_ATTRIBUTES) return;
  CreateFolders(path.substr(0, path.rfind(L'\\')));
  SCANENGINE_CHECK(::CreateDirectoryW(path.c_str(), nullptr));
}

std::wstring ParentOf(const std::wstring& path) {
  return path.substr(0, path.rfind(L'\\'));
}

}  // namespace

void RemoveTree(const std::string& path) { Remove(NativePath(path)); }

TempDir::TempDir(Place) {
  static std::atomic<int> number{0};
  std::wstring above(MAX_PATH + 1, L'\0');
  above.resize(::GetTempPathW(static_cast<DWORD>(above.size()), above.data()));
  // Short names ("PROGRA~1") are no real paths.
  wchar_t real[MAX_PATH + 1];
  const DWORD length = ::GetLongPathNameW(above.c_str(), real, MAX_PATH);
  if (length != 0 && length < MAX_PATH) above.assign(real, length);
  const std::string begin = WithSlashes(Narrow(above)) + "scanengine-test-" +
                            std::to_string(::GetCurrentProcessId()) + "-";
  // One may be left from a test that was ended and had the same process id.
  do {
    path_ = begin + std::to_string(number++);
    if (::CreateDirectoryW(NativePath(path_).c_str(), nullptr)) return;
  } while (::GetLastError() == ERROR_ALREADY_EXISTS);
  SCANENGINE_CHECK(false);
}

TempDir::~TempDir() { RemoveTree(path_); }

std::string TempDir::operator/(std::string_view relative) const {
  return path_ + "/" + std::string(relative);
}

std::string TempDir::File(std::string_view relative, std::string_view bytes) {
  const std::string path = *this / relative;
  const std::wstring native = NativePath(path);
  CreateFolders(ParentOf(native));
  const OwnedHandle file(::CreateFileW(native.c_str(), GENERIC_WRITE, 0,
                                       nullptr, CREATE_ALWAYS, 0, nullptr));
  DWORD put = 0;
  SCANENGINE_CHECK(file.ok() &&
                   ::WriteFile(file.get(), bytes.data(),
                               static_cast<DWORD>(bytes.size()), &put,
                               nullptr) &&
                   put == bytes.size());
  return path;
}

std::string TempDir::Folder(std::string_view relative) {
  const std::string path = *this / relative;
  CreateFolders(NativePath(path));
  return path;
}

std::string TempDir::Link(std::string_view relative,
                          const std::string& target) {
  const std::string path = *this / relative;
  const std::wstring native = NativePath(path);
  CreateFolders(ParentOf(native));
  const std::wstring to = Wide(target);
  const DWORD attributes = ::GetFileAttributesW(to.c_str());
  const bool folder = attributes != INVALID_FILE_ATTRIBUTES &&
                      (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  SCANENGINE_CHECK(
      ::CreateSymbolicLinkW(native.c_str(), to.c_str(),
                            (folder ? SYMBOLIC_LINK_FLAG_DIRECTORY : 0) |
                                SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE));
  return path;
}

}  // namespace scanengine::testing
