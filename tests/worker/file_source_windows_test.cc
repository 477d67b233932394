#include <windows.h>
//
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "ipc/windows_system.h"
#include "tests/support/temp_dir.h"
#include "worker/file_source.h"

namespace scanengine {
namespace {

using testing::TempDir;

Result<std::unique_ptr<FileSource>> OpenPath(const std::string& path) {
  TaskRequest task;
  task.path = path;
  return FileSource::Open(task);
}

std::string ReadAll(FileSource& source) {
  std::string text(static_cast<std::size_t>(source.size()), '\0');
  const auto got =
      source.ReadAt(0, std::as_writable_bytes(std::span(text))).value();
  text.resize(got);
  return text;
}

std::string TextAt(const std::string& path) {
  auto source = OpenPath(path);
  return source.ok() ? ReadAll(*source.value())
                     : "error: " + source.error().detail;
}

ErrorCode CodeOf(const std::string& path) {
  const auto source = OpenPath(path);
  REQUIRE_FALSE(source.ok());
  return source.error().code;
}

TEST_CASE("File source: reads by place, and nothing behind the first size") {
  TempDir dir;
  const std::string path = dir.File("a", "0123456789");
  const auto source = OpenPath(path).value();
  CHECK(source->size() == 10);
  CHECK(ReadAll(*source) == "0123456789");
  std::string two(2, ' ');
  CHECK(source->ReadAt(9, std::as_writable_bytes(std::span(two))).value() == 1);
  CHECK(source->ReadAt(10, std::as_writable_bytes(std::span(two))).value() ==
        0);
  CHECK(source->ReadAt(~0ULL, std::as_writable_bytes(std::span(two))).value() ==
        0);
  CHECK(source->Unchanged());
}

TEST_CASE("File source: a file that others change says so") {
  TempDir dir;
  const std::string path = dir.File("a", "0123456789");
  const auto source = OpenPath(path).value();
  {
    const OwnedHandle file(::CreateFileW(NativePath(path).c_str(),
                                         GENERIC_WRITE,
                                         FILE_SHARE_READ | FILE_SHARE_WRITE,
                                         nullptr, OPEN_EXISTING, 0, nullptr));
    REQUIRE(file.ok());
    ::SetFilePointer(file.get(), 4, nullptr, FILE_BEGIN);
    REQUIRE(::SetEndOfFile(file.get()));
  }
  CHECK_FALSE(source->Unchanged());
  std::string more(4, ' ');
  const auto got = source->ReadAt(6, std::as_writable_bytes(std::span(more)));
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == ErrorCode::kChanged);
}

TEST_CASE("File source: a file that lost its name says so") {
  TempDir dir;
  const std::string path = dir.File("a", "0123456789");
  const std::string other = dir.File("b", "0123456789");
  const auto source = OpenPath(path).value();
  CHECK(source->Unchanged());
  if (!::MoveFileExW(NativePath(other).c_str(), NativePath(path).c_str(),
                     MOVEFILE_REPLACE_EXISTING)) {
    WARN("not run: this system keeps the names of open files");
    return;
  }
  CHECK_FALSE(source->Unchanged());
}

TEST_CASE("File source: what is no file is refused with its reason") {
  TempDir dir;
  dir.Folder("folder");
  dir.File("a");
  CHECK(CodeOf(dir / "missing") == ErrorCode::kNotFound);
  CHECK(CodeOf(dir / "no/such/folder") == ErrorCode::kNotFound);
  CHECK(CodeOf(dir / "a/b") == ErrorCode::kNotFound);
  CHECK(CodeOf(dir / "folder") == ErrorCode::kInvalidArgument);
  CHECK(CodeOf(dir / std::string_view("a\0b", 3)) == ErrorCode::kNotFound);
  CHECK(CodeOf("") == ErrorCode::kNotFound);
  CHECK(CodeOf("//./pipe/x") == ErrorCode::kNotFound);
  CHECK(CodeOf("//./C:") == ErrorCode::kNotFound);
  CHECK(CodeOf("NUL") == ErrorCode::kNotFound);
  CHECK(CodeOf("CON") == ErrorCode::kNotFound);
}

TEST_CASE("File source: names that mean devices elsewhere are files") {
  TempDir dir;
  for (const char* name : {"NUL", "con.pkl", "aux", "dot.", "blank "}) {
    CAPTURE(name);
    CHECK(TextAt(dir.File(name, name)) == name);
  }
}

TEST_CASE("File source: paths longer than 260 characters are opened") {
  TempDir dir;
  std::string path;
  for (int i = 0; i < 20; ++i) path += std::string(50, 'd') + '/';
  CHECK(TextAt(dir.File(path + "file", "deep")) == "deep");
}

TEST_CASE("File source: names in any script, and halves of pairs") {
  TempDir dir;
  for (const char* name :
       {"mod\xc3\xa8le", "\xe6\xa8\xa1\xe5\x9e\x8b", "\xf0\x9f\xa4\x96"}) {
    CAPTURE(name);
    CHECK(TextAt(dir.File(name, name)) == name);
  }
}

TEST_CASE("File source: a file that another program locks is no abort") {
  TempDir dir;
  const std::string path = dir.File("locked");
  const OwnedHandle holder(::CreateFileW(NativePath(path).c_str(),
                                         GENERIC_READ | GENERIC_WRITE, 0,
                                         nullptr, OPEN_EXISTING, 0, nullptr));
  REQUIRE(holder.ok());
  const auto source = OpenPath(path);
  REQUIRE_FALSE(source.ok());
  CHECK(source.error().code == ErrorCode::kPermission);
  CHECK(source.error().detail == "is locked by another program");
}

TEST_CASE("File source: bytes that another program locks are no abort") {
  TempDir dir;
  const std::string path = dir.File("locked", "0123456789");
  const OwnedHandle holder(::CreateFileW(
      NativePath(path).c_str(), GENERIC_READ | GENERIC_WRITE,
      FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0, nullptr));
  REQUIRE(::LockFile(holder.get(), 0, 0, 5, 0));
  const auto source = OpenPath(path).value();
  std::string text(10, ' ');
  const auto got = source->ReadAt(0, std::as_writable_bytes(std::span(text)));
  if (got.ok()) {
    WARN("not run: this system does not hold such locks");
    return;
  }
  CHECK(got.error().code == ErrorCode::kPermission);
}

TEST_CASE("File source: an inherited handle is read from its beginning") {
  TempDir dir;
  const std::string path = dir.File("a", "0123456789");
  const OwnedHandle file(::CreateFileW(NativePath(path).c_str(), GENERIC_READ,
                                       FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                       0, nullptr));
  ::SetFilePointer(file.get(), 4, nullptr, FILE_BEGIN);
  TaskRequest task;
  task.path = "-";
  task.inherited_fd =
      static_cast<std::int32_t>(reinterpret_cast<std::intptr_t>(file.get()));
  CHECK(ReadAll(*FileSource::Open(task).value()) == "0123456789");

  HANDLE read_end = nullptr;
  HANDLE write_end = nullptr;
  REQUIRE(::CreatePipe(&read_end, &write_end, nullptr, 0));
  const OwnedHandle reader(read_end);
  const OwnedHandle writer(write_end);
  task.inherited_fd =
      static_cast<std::int32_t>(reinterpret_cast<std::intptr_t>(read_end));
  CHECK_FALSE(FileSource::Open(task).ok());
}

}  // namespace
}  // namespace scanengine
