#include <windows.h>
//
#include <sddl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "engine/journal_file.h"
#include "ipc/windows_path.h"
#include "ipc/windows_system.h"

namespace scanengine {
namespace {

// The system gives up the lock of a process that was killed some time later,
// "depending upon available system resources".
constexpr int kLockAttempts = 100;
constexpr std::chrono::milliseconds kLockPause{10};
// Locks forbid others to read what they cover: one byte, far behind the end.
constexpr DWORD kLockPlaceHigh = 0x4000'0000;
constexpr DWORD kMostAtOnce = 1U << 30;
constexpr DWORD kShareAll =
    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

OVERLAPPED At(std::uint64_t offset) {
  OVERLAPPED where{};
  where.Offset = static_cast<DWORD>(offset);
  where.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return where;
}

DWORD MostAtOnce(std::size_t bytes) {
  return static_cast<DWORD>(std::min<std::size_t>(bytes, kMostAtOnce));
}

bool CutOff(HANDLE file, std::uint64_t size) {
  FILE_END_OF_FILE_INFO end{};
  end.EndOfFile.QuadPart = static_cast<LONGLONG>(size);
  return ::SetFileInformationByHandle(file, FileEndOfFileInfo, &end,
                                      sizeof(end)) != 0;
}

class WindowsJournalFile final : public JournalFile {
 public:
  WindowsJournalFile(OwnedHandle file, std::uint64_t size)
      : file_(std::move(file)), size_(size) {}

  Status Append(std::span<const std::byte> bytes) override {
    const std::uint64_t begin = size_;
    std::uint64_t end = begin;
    while (!bytes.empty()) {
      OVERLAPPED where = At(end);
      DWORD put = 0;
      if (!::WriteFile(file_.get(), bytes.data(), MostAtOnce(bytes.size()),
                       &put, &where) ||
          put == 0) {
        const DWORD code = put == 0 ? LastSystemError() : ERROR_DISK_FULL;
        // A reader drops a torn record anyway: this is tidiness.
        if (!CutOff(file_.get(), begin)) size_ = end;
        return FileError(code);
      }
      bytes = bytes.subspan(put);
      end += put;
    }
    size_ = end;
    return OkStatus();
  }

  Status Sync() override {
    if (!::FlushFileBuffers(file_.get())) return FileError(LastSystemError());
    return OkStatus();
  }

  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    std::size_t got = 0;
    while (got < out.size()) {
      OVERLAPPED where = At(offset + got);
      DWORD read = 0;
      if (!::ReadFile(file_.get(), out.data() + got,
                      MostAtOnce(out.size() - got), &read, &where)) {
        const DWORD code = LastSystemError();
        if (code == ERROR_HANDLE_EOF) break;
        return FileError(code);
      }
      if (read == 0) break;
      got += read;
    }
    return got;
  }

  Status Truncate(std::uint64_t size) override {
    if (!CutOff(file_.get(), size)) return FileError(LastSystemError());
    size_ = size;
    return OkStatus();
  }

  std::uint64_t size() const override { return size_; }

 private:
  const OwnedHandle file_;
  std::atomic<std::uint64_t> size_;
};

bool Lock(HANDLE file) {
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    OVERLAPPED where{};
    where.OffsetHigh = kLockPlaceHigh;
    if (::LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY,
                     0, 1, 0, &where)) {
      return true;
    }
    std::this_thread::sleep_for(kLockPause);
  }
  return false;
}

Result<std::unique_ptr<JournalFile>> Adopt(OwnedHandle file, bool lock) {
  if (::GetFileType(file.get()) != FILE_TYPE_DISK) {
    return Error{ErrorCode::kUnsupported, "is no regular file"};
  }
  if (lock && !Lock(file.get())) {
    return Error{ErrorCode::kChanged, "another scan is using it"};
  }
  // Its size before the lock was ours does not count.
  LARGE_INTEGER size{};
  if (!::GetFileSizeEx(file.get(), &size)) return FileError(LastSystemError());
  return std::unique_ptr<JournalFile>(std::make_unique<WindowsJournalFile>(
      std::move(file), static_cast<std::uint64_t>(size.QuadPart)));
}

Result<OwnedHandle> OpenFile(const std::string& path, DWORD access,
                             DWORD disposition, SECURITY_ATTRIBUTES* rights) {
  const std::wstring native = NativePath(path);
  if (native.empty()) return FileError(ERROR_INVALID_NAME);
  OwnedHandle file(::CreateFileW(native.c_str(), access, kShareAll, rights,
                                 disposition, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (file.ok()) return file;
  const DWORD code = LastSystemError();
  const DWORD attributes = ::GetFileAttributesW(native.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES &&
      (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    return Error{ErrorCode::kUnsupported, "is no regular file"};
  }
  return FileError(code);
}

// "D:P(A;;FA;;;S-1-5-...)": all rights to this user and none to others. Empty
// if the system does not tell who that is.
std::wstring RightsOfThisUser() {
  HANDLE opened = nullptr;
  if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &opened)) {
    return {};
  }
  const OwnedHandle token(opened);
  alignas(TOKEN_USER)
      std::byte user[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  DWORD size = 0;
  wchar_t* text = nullptr;
  if (!::GetTokenInformation(token.get(), TokenUser, user, sizeof(user),
                             &size) ||
      !::ConvertSidToStringSidW(reinterpret_cast<TOKEN_USER*>(user)->User.Sid,
                                &text)) {
    return {};
  }
  std::wstring rights = std::wstring(L"D:P(A;;FA;;;") + text + L")";
  ::LocalFree(text);
  return rights;
}

bool IsFolder(const std::wstring& path) {
  const DWORD attributes = ::GetFileAttributesW(path.c_str());
  return attributes != INVALID_FILE_ATTRIBUTES &&
         (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

}  // namespace

Result<std::unique_ptr<JournalFile>> CreateJournalFile(
    const std::string& path) {
  SECURITY_ATTRIBUTES rights{sizeof(rights), nullptr, FALSE};
  if (!::ConvertStringSecurityDescriptorToSecurityDescriptorW(
          RightsOfThisUser().c_str(), SDDL_REVISION_1,
          &rights.lpSecurityDescriptor, nullptr)) {
    return SystemError("cannot keep others from reading it", LastSystemError());
  }
  Result<OwnedHandle> opened =
      OpenFile(path, GENERIC_READ | GENERIC_WRITE, OPEN_ALWAYS, &rights);
  ::LocalFree(rights.lpSecurityDescriptor);
  if (!opened.ok()) return opened.error();
  Result<std::unique_ptr<JournalFile>> file =
      Adopt(std::move(opened).value(), true);
  if (file.ok() && file.value()->size() != 0) {
    return Error{ErrorCode::kInvalidArgument, "there is something in it"};
  }
  return file;
}

Result<std::unique_ptr<JournalFile>> OpenJournalFile(const std::string& path,
                                                     JournalAccess access) {
  const bool lock = access == JournalAccess::kContinue;
  Result<OwnedHandle> opened = OpenFile(
      path, GENERIC_READ | (lock ? GENERIC_WRITE : 0), OPEN_EXISTING, nullptr);
  if (!opened.ok()) return opened.error();
  return Adopt(std::move(opened).value(), lock);
}

std::string JournalFolder() {
  constexpr DWORD kMostUnits = 1 << 15;
  std::wstring value(kMostUnits, L'\0');
  const DWORD length =
      ::GetEnvironmentVariableW(L"LOCALAPPDATA", value.data(), kMostUnits);
  value.resize(length < kMostUnits ? length : 0);
  const std::string base = WithSlashes(Narrow(value));
  return IsAbsoluteWindowsPath(base) ? base + "/scanengine" : "";
}

Status CreateFolders(const std::string& path) {
  const std::string spelled = WithSlashes(path);
  for (std::size_t end = spelled.find('/');; end = spelled.find('/', end + 1)) {
    const bool last = end == std::string::npos;
    const std::wstring part = NativePath(spelled.substr(0, end));
    if (part.empty()) {  // Before the first slash, or "//server".
      if (last) return FileError(ERROR_INVALID_NAME);
      continue;
    }
    if (!::CreateDirectoryW(part.c_str(), nullptr)) {
      const DWORD code = LastSystemError();
      // Of drives and shares that are there some systems say "denied".
      if (!IsFolder(part)) return FileError(code);
    }
    if (last) return OkStatus();
  }
}

std::vector<std::string> JournalNames(const std::string& folder) {
  std::vector<std::string> names;
  WIN32_FIND_DATAW found{};
  const std::wstring pattern = NativePath(folder) + L"\\*";
  const HANDLE search = ::FindFirstFileW(pattern.c_str(), &found);
  if (search == INVALID_HANDLE_VALUE) return names;
  do {
    std::string name = Narrow(found.cFileName);
    if (name.ends_with(".journal")) names.push_back(std::move(name));
  } while (::FindNextFileW(search, &found));
  ::FindClose(search);
  std::sort(names.begin(), names.end());
  return names;
}

bool RemoveJournal(const std::string& path) {
  return ::DeleteFileW(NativePath(path).c_str()) ||
         FileError(LastSystemError()).code == ErrorCode::kNotFound;
}

std::string AbsolutePath(const std::string& path) {
  const std::wstring native = NativePath(path);
  return native.empty() ? path : WithSlashes(Narrow(native));
}

}  // namespace scanengine
