#include <windows.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "engine/directory_walker.h"
#include "ipc/windows_path.h"
#include "ipc/windows_system.h"

namespace scanengine {
namespace {

constexpr DWORD kShareAll =
    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
// Entries are read in pieces of this size.
constexpr std::size_t kBufferBytes = 64 << 10;

// Opens files and folders alike. |access| 0: to look at it only, which needs no
// right to read and asks no device for anything.
OwnedHandle OpenPath(const std::wstring& path, DWORD access, DWORD flags) {
  return OwnedHandle(
      ::CreateFileW(path.c_str(), access, kShareAll, nullptr, OPEN_EXISTING,
                    FILE_FLAG_BACKUP_SEMANTICS | flags, nullptr));
}

// A reparse point is a link if its tag says that it stands for another name
// (symbolic links, junctions, mounted volumes). Others are files all the same:
// compressed, deduplicated or kept by a cloud service.
EntryKind KindOf(DWORD attributes, DWORD tag) {
  const bool reparse = (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
  if (reparse && IsReparseTagNameSurrogate(tag)) return EntryKind::kLink;
  if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return EntryKind::kFolder;
  if ((attributes & FILE_ATTRIBUTE_DEVICE) != 0) {
    return EntryKind::kCharacterDevice;
  }
  return EntryKind::kFile;
}

// From units of 100 ns since 1601. Wraps around for times that no clock shows;
// they differ all the same.
std::int64_t Nanoseconds(LARGE_INTEGER time) {
  constexpr std::uint64_t k1970 = 116'444'736'000'000'000U;
  return static_cast<std::int64_t>(
      (static_cast<std::uint64_t>(time.QuadPart) - k1970) * 100U);
}

struct Look {
  FileFacts facts;
  DWORD error = 0;
};

Look LookAt(HANDLE file) {
  Look look;
  BY_HANDLE_FILE_INFORMATION info{};
  const DWORD type = ::GetFileType(file);
  if (type == FILE_TYPE_CHAR || type == FILE_TYPE_PIPE) {
    look.facts.kind =
        type == FILE_TYPE_CHAR ? EntryKind::kCharacterDevice : EntryKind::kFifo;
    return look;
  }
  if (!::GetFileInformationByHandle(file, &info)) {
    look.error = ::GetLastError();
    return look;
  }
  FILE_ATTRIBUTE_TAG_INFO tag{};
  if ((info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
      !::GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag,
                                      sizeof(tag))) {
    // Of unknown kind: rather a link, which is not followed out of the root.
    tag.ReparseTag = IO_REPARSE_TAG_SYMLINK;
  }
  look.facts.kind = KindOf(info.dwFileAttributes, tag.ReparseTag);
  look.facts.id = {
      info.dwVolumeSerialNumber,
      std::uint64_t{info.nFileIndexHigh} << 32 | info.nFileIndexLow};
  if (look.facts.kind == EntryKind::kFile) {
    look.facts.size =
        std::uint64_t{info.nFileSizeHigh} << 32 | info.nFileSizeLow;
  }
  FILE_BASIC_INFO times{};
  if (!::GetFileInformationByHandleEx(file, FileBasicInfo, &times,
                                      sizeof(times))) {
    look.error = ::GetLastError();
    return look;
  }
  look.facts.stamp = {look.facts.size, look.facts.id.inode,
                      Nanoseconds(times.LastWriteTime),
                      Nanoseconds(times.ChangeTime)};
  return look;
}

// Without the slash behind a drive: names are put behind it.
std::string RealPathOf(HANDLE file) {
  std::wstring path(MAX_PATH, L'\0');
  DWORD length = 0;
  while ((length = ::GetFinalPathNameByHandleW(
              file, path.data(), static_cast<DWORD>(path.size()),
              FILE_NAME_NORMALIZED | VOLUME_NAME_DOS)) >= path.size()) {
    path.resize(length + 1);
  }
  path.resize(length);
  std::string real = WithSlashes(Narrow(path));
  if (!IsAbsoluteWindowsPath(real)) return {};
  while (real.ends_with('/')) real.pop_back();
  return real;
}

// "NUL" and the like, which are files only through `\\?\`; "//./x".
bool IsDeviceName(const std::string& path) {
  const std::string spelled = WithSlashes(path);
  return spelled.starts_with("//./") ||
         IsReservedName(spelled.substr(spelled.rfind('/') + 1));
}

Result<OwnedHandle> OpenToLook(const std::string& path, DWORD flags) {
  const std::wstring native = NativePath(path);
  if (native.empty()) return FileError(ERROR_INVALID_NAME);
  OwnedHandle file = OpenPath(native, 0, flags);
  if (!file.ok()) return FileError(LastSystemError());
  return file;
}

// A folder that is walked, from the root on.
struct Level {
  FileId id;
  std::size_t path_length = 0;  // How much of path_ is this folder.
  std::vector<std::string> pending;
};

class WindowsWalker final : public DirectoryWalker {
 public:
  WindowsWalker(std::string root, OwnedHandle folder, FileId id)
      : folder_(std::move(folder)), buffer_(kBufferBytes) {
    path_ = std::move(root);
    levels_.push_back({id, path_.size(), {}});
  }

  Result<bool> Read(DirectoryEntry& entry) override;
  void Remember(const DirectoryEntry& entry) override {
    levels_.back().pending.emplace_back(entry.name);
  }
  Move Next() override;
  FileId id() const override { return levels_.back().id; }
  Result<ResolvedPath> Resolve(const DirectoryEntry&) const override {
    return ResolvePath(path_);
  }

 private:
  Result<bool> Fill();
  void AskFile(DirectoryEntry& entry) const;
  bool CheckLevel();
  bool Enter();

  std::vector<Level> levels_;
  OwnedHandle folder_;  // The current one, while it is read.
  std::vector<std::byte> buffer_;
  const FILE_ID_BOTH_DIR_INFO* next_ = nullptr;
  bool started_ = false;
  std::string name_;
};

// The next piece of entries; false at the end.
Result<bool> WindowsWalker::Fill() {
  const FILE_INFO_BY_HANDLE_CLASS what =
      started_ ? FileIdBothDirectoryInfo : FileIdBothDirectoryRestartInfo;
  started_ = true;
  if (!::GetFileInformationByHandleEx(folder_.get(), what, buffer_.data(),
                                      static_cast<DWORD>(buffer_.size()))) {
    const DWORD error = LastSystemError();
    if (error == ERROR_NO_MORE_FILES || error == ERROR_FILE_NOT_FOUND) {
      return false;
    }
    return FileError(error);
  }
  next_ = reinterpret_cast<const FILE_ID_BOTH_DIR_INFO*>(buffer_.data());
  return true;
}

Result<bool> WindowsWalker::Read(DirectoryEntry& entry) {
  while (true) {
    if (next_ == nullptr) {
      Result<bool> more = Fill();
      if (!more.ok() || !more.value()) {
        path_.resize(levels_.back().path_length);
        return more;
      }
    }
    const FILE_ID_BOTH_DIR_INFO& found = *next_;
    next_ = found.NextEntryOffset == 0
                ? nullptr
                : reinterpret_cast<const FILE_ID_BOTH_DIR_INFO*>(
                      reinterpret_cast<const std::byte*>(&found) +
                      found.NextEntryOffset);
    const std::wstring_view name(found.FileName,
                                 found.FileNameLength / sizeof(wchar_t));
    if (name == L"." || name == L"..") continue;
    name_ = Narrow(name);
    entry.name = name_;
    // Of a reparse point this field holds the tag (MS-FSCC, 2.4.17).
    entry.kind = KindOf(found.FileAttributes, found.EaSize);
    entry.size = 0;
    entry.stamp.reset();
    entry.fault.reset();
    path_.resize(levels_.back().path_length);
    AppendName(name_);
    if (entry.kind == EntryKind::kFile) {
      entry.size = static_cast<std::uint64_t>(found.EndOfFile.QuadPart);
      AskFile(entry);
    }
    return true;
  }
}

// Size and times in a folder are those of the last time that a writer closed
// the file, and under one of its names only; the file itself knows.
void WindowsWalker::AskFile(DirectoryEntry& entry) const {
  const OwnedHandle file =
      OpenPath(NativePath(path_), 0, FILE_FLAG_OPEN_REPARSE_POINT);
  if (!file.ok()) return;
  const Look look = LookAt(file.get());
  if (look.error != 0 || look.facts.kind != EntryKind::kFile) return;
  entry.size = look.facts.size;
  entry.stamp = look.facts.stamp;
}

// True if the folder that is returned to is still what it was. Else it is left
// with all that was to be visited there.
bool WindowsWalker::CheckLevel() {
  const OwnedHandle folder = OpenPath(NativePath(path_), 0, 0);
  if (folder.ok() && LookAt(folder.get()).facts.id == levels_.back().id) {
    return true;
  }
  error_ = {ErrorCode::kChanged,
            "the folder was moved or removed during the scan, not all of it "
            "was seen"};
  return false;
}

DirectoryWalker::Move WindowsWalker::Next() {
  const std::size_t before = levels_.size();
  folder_.Reset();
  next_ = nullptr;
  started_ = false;
  while (levels_.back().pending.empty()) {
    if (levels_.size() == 1) return Move::kDone;
    levels_.pop_back();
  }
  path_.resize(levels_.back().path_length);
  if (levels_.size() < before && !CheckLevel()) {
    levels_.back().pending.clear();
    return Move::kFailed;
  }
  const std::string name = std::move(levels_.back().pending.back());
  levels_.back().pending.pop_back();
  AppendName(name);
  return Enter() ? Move::kEntered : Move::kFailed;
}

bool WindowsWalker::Enter() {
  OwnedHandle folder = OpenPath(NativePath(path_), FILE_LIST_DIRECTORY,
                                FILE_FLAG_OPEN_REPARSE_POINT);
  if (!folder.ok()) {
    error_ = FileError(LastSystemError());
    // It was there a moment ago.
    if (error_.code == ErrorCode::kNotFound) {
      error_ = {ErrorCode::kChanged, "the folder vanished during the scan"};
    }
    return false;
  }
  const Look look = LookAt(folder.get());
  if (look.error != 0) {
    error_ = FileError(look.error);
    return false;
  }
  if (look.facts.kind != EntryKind::kFolder) {
    error_ = {ErrorCode::kChanged, "the folder vanished during the scan"};
    return false;
  }
  folder_ = std::move(folder);
  levels_.push_back({look.facts.id, path_.size(), {}});
  return true;
}

}  // namespace

Result<FileFacts> LookAtPath(const std::string& path) {
  const Result<OwnedHandle> file =
      OpenToLook(path, FILE_FLAG_OPEN_REPARSE_POINT);
  if (!file.ok()) {
    if (file.error().code == ErrorCode::kNotFound && IsDeviceName(path)) {
      return FileFacts{EntryKind::kCharacterDevice, 0, {}, {}};
    }
    return file.error();
  }
  const Look look = LookAt(file.value().get());
  if (look.error != 0) return FileError(look.error);
  return look.facts;
}

Result<ResolvedPath> ResolvePath(const std::string& path) {
  const Result<OwnedHandle> file = OpenToLook(path, 0);
  if (!file.ok()) return file.error();
  const Look look = LookAt(file.value().get());
  if (look.error != 0) return FileError(look.error);
  return ResolvedPath{look.facts, RealPathOf(file.value().get()), {}};
}

std::string NearestRealPath(const std::string& path) {
  std::string rest = path;
  while (true) {
    const Result<ResolvedPath> resolved = ResolvePath(rest);
    if (resolved.ok() && !resolved.value().real_path.empty()) {
      return resolved.value().real_path;
    }
    const std::size_t slash = rest.rfind('/');
    if (slash == std::string::npos) {
      return rest == "." ? "" : NearestRealPath(".");
    }
    rest.resize(slash);
  }
}

Result<std::unique_ptr<DirectoryWalker>> DirectoryWalker::Open(
    const std::string& root) {
  const std::wstring native = NativePath(root);
  if (native.empty()) return FileError(ERROR_INVALID_NAME);
  OwnedHandle folder = OpenPath(native, FILE_LIST_DIRECTORY, 0);
  if (!folder.ok()) return FileError(LastSystemError());
  const Look look = LookAt(folder.get());
  if (look.error != 0) return FileError(look.error);
  if (look.facts.kind != EntryKind::kFolder) {
    return Error{ErrorCode::kNotFound, "no such file or folder"};
  }
  return std::unique_ptr<DirectoryWalker>(
      new WindowsWalker(root, std::move(folder), look.facts.id));
}

}  // namespace scanengine
