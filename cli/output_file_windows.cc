#include <windows.h>
//
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/console_windows.h"
#include "cli/output_file.h"
#include "ipc/windows_path.h"
#include "ipc/windows_system.h"

namespace scanengine::cli {
namespace {

constexpr int kNameAttempts = 100;
constexpr DWORD kMostAtOnce = 1U << 30;
constexpr DWORD kShareAll =
    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

// Returns 0 or an error of the system.
DWORD WriteAll(HANDLE file, std::string_view bytes) {
  while (!bytes.empty()) {
    DWORD put = 0;
    const auto most =
        static_cast<DWORD>(std::min<std::size_t>(bytes.size(), kMostAtOnce));
    if (!::WriteFile(file, bytes.data(), most, &put, nullptr)) {
      return LastSystemError();
    }
    bytes.remove_prefix(put);
  }
  return 0;
}

// Writes to what is already open and has no name to protect.
class DirectSink final : public ByteSink {
 public:
  // |owned| is closed in the end; |file| is only used.
  DirectSink(HANDLE file, OwnedHandle owned)
      : file_(file), owned_(std::move(owned)) {
    DWORD mode = 0;
    is_console_ = ::GetConsoleMode(file, &mode);
  }

  Status Write(std::string_view bytes) override {
    const DWORD error =
        is_console_ ? console_.Write(bytes) : WriteAll(file_, bytes);
    reader_gone_ = error == ERROR_NO_DATA || error == ERROR_BROKEN_PIPE;
    if (error != 0) return FileError(error);
    return OkStatus();
  }
  Status Commit() override { return OkStatus(); }
  bool reader_gone() const override { return reader_gone_; }

 private:
  HANDLE file_;
  OwnedHandle owned_;
  ConsoleWriter console_{file_};
  bool is_console_ = false;
  bool reader_gone_ = false;
};

// A new file beside |target|, gone when it is closed if |keep| is false.
Result<OwnedHandle> NewFileBeside(const std::wstring& target, bool keep,
                                  std::wstring* name) {
  const std::wstring folder = target.substr(0, target.rfind(L'\\'));
  for (int i = 0; i < kNameAttempts; ++i) {
    *name = folder + Wide(fmt::format("\\.scanengine-{}-{}.tmp",
                                      ::GetCurrentProcessId(), i));
    OwnedHandle file(::CreateFileW(
        name->c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, kShareAll,
        nullptr, CREATE_NEW,
        FILE_ATTRIBUTE_NORMAL | (keep ? 0 : FILE_FLAG_DELETE_ON_CLOSE),
        nullptr));
    if (file.ok()) return file;
    const DWORD error = LastSystemError();
    if (error != ERROR_FILE_EXISTS) return FileError(error);
  }
  return FileError(ERROR_FILE_EXISTS);
}

// There are no files without a name here: until Commit() the bytes are in the
// system's temporary folder, in a file that goes with its handle.
class AtomicFileSink final : public ByteSink {
 public:
  AtomicFileSink(std::wstring target, OwnedHandle draft)
      : target_(std::move(target)), draft_(std::move(draft)) {}

  Status Write(std::string_view bytes) override {
    const DWORD error = WriteAll(draft_.get(), bytes);
    if (error != 0) return FileError(error);
    return OkStatus();
  }

  Status Commit() override {
    std::wstring name;
    Result<OwnedHandle> file = NewFileBeside(target_, true, &name);
    if (!file.ok()) return file.error();
    DWORD error = CopyTo(file.value().get());
    if (error == 0 && !::FlushFileBuffers(file.value().get())) {
      error = LastSystemError();
    }
    file.value().Reset();
    if (error == 0 && !Replace(name)) error = LastSystemError();
    if (error == 0) return OkStatus();
    ::DeleteFileW(name.c_str());
    return FileError(error);
  }

 private:
  DWORD CopyTo(HANDLE file) {
    std::vector<char> buffer(256 << 10);
    if (!::SetFilePointerEx(draft_.get(), LARGE_INTEGER{}, nullptr,
                            FILE_BEGIN)) {
      return LastSystemError();
    }
    while (true) {
      DWORD got = 0;
      if (!::ReadFile(draft_.get(), buffer.data(),
                      static_cast<DWORD>(buffer.size()), &got, nullptr)) {
        return LastSystemError();
      }
      if (got == 0) return 0;
      const DWORD error = WriteAll(file, {buffer.data(), got});
      if (error != 0) return error;
    }
  }

  // The first way keeps the replaced file's rights; it needs one to be there.
  bool Replace(const std::wstring& name) {
    if (::ReplaceFileW(target_.c_str(), name.c_str(), nullptr, 0, nullptr,
                       nullptr)) {
      return true;
    }
    return ::MoveFileExW(name.c_str(), target_.c_str(),
                         MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
  }

  std::wstring target_;
  OwnedHandle draft_;
};

}  // namespace

std::unique_ptr<ByteSink> OpenStandardOutput() {
  return std::make_unique<DirectSink>(::GetStdHandle(STD_OUTPUT_HANDLE),
                                      OwnedHandle());
}

Result<std::unique_ptr<ByteSink>> OpenOutputFile(const std::string& path) {
  // "NUL" is what people mean by it, and no file of that name.
  const std::string spelled = WithSlashes(path);
  const bool device = IsReservedName(spelled.substr(spelled.rfind('/') + 1)) ||
                      spelled.starts_with("//./");
  const std::wstring target = device ? Wide(path) : NativePath(path);
  if (target.empty()) return FileError(ERROR_INVALID_NAME);
  // Some file systems let administrators write to such a file.
  const DWORD attributes =
      device ? FILE_ATTRIBUTE_NORMAL : ::GetFileAttributesW(target.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES &&
      (attributes & FILE_ATTRIBUTE_READONLY) != 0) {
    return FileError(ERROR_ACCESS_DENIED);
  }
  OwnedHandle there(::CreateFileW(target.c_str(), GENERIC_WRITE, kShareAll,
                                  nullptr, OPEN_EXISTING, 0, nullptr));
  if (there.ok() && ::GetFileType(there.get()) != FILE_TYPE_DISK) {
    const HANDLE file = there.get();
    return std::unique_ptr<ByteSink>(
        std::make_unique<DirectSink>(file, std::move(there)));
  }
  // A file that may not be written is not replaced behind its owner's back.
  if (!there.ok() && LastSystemError() != ERROR_FILE_NOT_FOUND) {
    return FileError(LastSystemError());
  }
  there.Reset();
  std::wstring name;
  const Result<OwnedHandle> probe = NewFileBeside(target, false, &name);
  if (!probe.ok()) return probe.error();
  Result<OwnedHandle> draft = NewTemporaryFile();
  if (!draft.ok()) return draft.error();
  return std::unique_ptr<ByteSink>(
      std::make_unique<AtomicFileSink>(target, std::move(draft).value()));
}

}  // namespace scanengine::cli
