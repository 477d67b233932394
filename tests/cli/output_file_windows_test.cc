#include <windows.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "cli/output_file.h"
#include "ipc/windows_system.h"
#include "tests/support/temp_dir.h"

namespace scanengine::cli {
namespace {

using testing::TempDir;

std::string TextAt(const std::string& path) {
  const OwnedHandle file(::CreateFileW(NativePath(path).c_str(), GENERIC_READ,
                                       FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                       0, nullptr));
  if (!file.ok()) return "missing";
  std::string text(100, ' ');
  DWORD got = 0;
  ::ReadFile(file.get(), text.data(), 100, &got, nullptr);
  text.resize(got);
  return text;
}

int FilesIn(const std::string& folder) {
  WIN32_FIND_DATAW found;
  const HANDLE search =
      ::FindFirstFileW((NativePath(folder) + L"\\*").c_str(), &found);
  int count = -1;  // "." and ".." are two.
  while (::FindNextFileW(search, &found)) ++count;
  ::FindClose(search);
  return count;
}

TEST_CASE("OutputFile: appears at Commit and not before") {
  TempDir dir;
  const std::string path = dir / "r\xc3\xa9port.json";
  {
    const auto sink = OpenOutputFile(path).value();
    REQUIRE(sink->Write("text\n").ok());
    CHECK(FilesIn(dir.path()) == 0);
    REQUIRE(sink->Commit().ok());
  }
  CHECK(TextAt(path) == "text\n");
  CHECK(FilesIn(dir.path()) == 1);
}

TEST_CASE("OutputFile: an earlier file stays until Commit") {
  TempDir dir;
  const std::string path = dir.File("report", "before");
  {
    const auto sink = OpenOutputFile(path).value();
    REQUIRE(sink->Write("never").ok());
  }
  CHECK(TextAt(path) == "before");
  const auto sink = OpenOutputFile(path).value();
  REQUIRE(sink->Write("after").ok());
  CHECK(TextAt(path) == "before");
  REQUIRE(sink->Commit().ok());
  CHECK(TextAt(path) == "after");
  CHECK(FilesIn(dir.path()) == 1);
}

TEST_CASE("OutputFile: what cannot be written is refused at once") {
  TempDir dir;
  CHECK(OpenOutputFile(dir / "no/such/folder").error().code ==
        ErrorCode::kNotFound);
  CHECK_FALSE(OpenOutputFile(dir.Folder("folder")).ok());
  const std::string fixed = dir.File("fixed", "fixed");
  REQUIRE(
      ::SetFileAttributesW(NativePath(fixed).c_str(), FILE_ATTRIBUTE_READONLY));
  CHECK_FALSE(OpenOutputFile(fixed).ok());
  CHECK(FilesIn(dir.path()) == 2);
}

TEST_CASE("OutputFile: the null device swallows all and is no file") {
  const auto sink = OpenOutputFile("NUL");
  REQUIRE(sink.ok());
  CHECK(sink.value()->Write("text").ok());
  CHECK(sink.value()->Commit().ok());
}

TEST_CASE("OutputFile: a long path") {
  TempDir dir;
  std::string path;
  for (int i = 0; i < 20; ++i) path += std::string(50, 'd') + '/';
  const std::string file = dir.Folder(path) + "report";
  const auto sink = OpenOutputFile(file).value();
  REQUIRE(sink->Write("text").ok());
  REQUIRE(sink->Commit().ok());
  CHECK(TextAt(file) == "text");
}

}  // namespace
}  // namespace scanengine::cli
