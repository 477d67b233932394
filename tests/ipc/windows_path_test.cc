#include "ipc/windows_path.h"

#include <catch2/catch.hpp>
#include <string>

namespace scanengine {
namespace {

TEST_CASE("Windows paths: what people write gets slashes and no prefix") {
  CHECK(WithSlashes(R"(C:\models\a.pkl)") == "C:/models/a.pkl");
  CHECK(WithSlashes(R"(models\sub/a.pkl)") == "models/sub/a.pkl");
  CHECK(WithSlashes(R"(\\server\share\a)") == "//server/share/a");
  CHECK(WithSlashes(R"(\\?\C:\a)") == "C:/a");
  CHECK(WithSlashes(R"(\\?\UNC\server\share\a)") == "//server/share/a");
  CHECK(WithSlashes(R"(\\?\unc\server\share)") == "//server/share");
  CHECK(WithSlashes(R"(\\?\Volume{1}\a)") == "//?/Volume{1}/a");
  CHECK(WithSlashes(R"(\\.\pipe\x)") == "//./pipe/x");
  CHECK(WithSlashes("").empty());
}

TEST_CASE("Windows paths: drives and shares are absolute, nothing else is") {
  for (const char* path : {"C:", "c:/", "Z:/a", "//server/share", "//s/s/a"}) {
    CAPTURE(path);
    CHECK(IsAbsoluteWindowsPath(path));
  }
  for (const char* path :
       {"", "a", "/a", "C:a", "1:/a", "//server", "//server/", "//./pipe/x",
        "//?/Volume{1}/a", "//./C:/a"}) {
    CAPTURE(path);
    CHECK_FALSE(IsAbsoluteWindowsPath(path));
  }
}

TEST_CASE("Windows paths: each form becomes one that the system takes as is") {
  const std::string here = "C:/work/now";
  const auto extended = [&](const char* path) {
    return ExtendedPath(path, here);
  };
  CHECK(extended("D:/a/b") == R"(\\?\D:\a\b)");
  CHECK(extended("D:") == R"(\\?\D:\)");
  CHECK(extended("D:/") == R"(\\?\D:\)");
  CHECK(extended("//server/share") == R"(\\?\UNC\server\share\)");
  CHECK(extended("//server/share/a") == R"(\\?\UNC\server\share\a)");
  CHECK(extended("a/b") == R"(\\?\C:\work\now\a\b)");
  CHECK(extended(".") == R"(\\?\C:\work\now)");
  CHECK(extended("/a") == R"(\\?\C:\a)");
  CHECK(extended("C:a") == R"(\\?\C:\work\now\a)");
  CHECK(extended("c:.") == R"(\\?\C:\work\now)");
  CHECK(ExtendedPath("a", "//server/share/x") == R"(\\?\UNC\server\share\x\a)");
  CHECK(ExtendedPath("/a", "//server/share/x") == R"(\\?\UNC\server\share\a)");
  CHECK(ExtendedPath("a", "C:/") == R"(\\?\C:\a)");
}

TEST_CASE("Windows paths: dots are taken out, never beyond the root") {
  CHECK(ExtendedPath("C:/a/./b/../c", "D:/") == R"(\\?\C:\a\c)");
  CHECK(ExtendedPath("C:/../../a", "D:/") == R"(\\?\C:\a)");
  CHECK(ExtendedPath("../../../a", "D:/b") == R"(\\?\D:\a)");
  CHECK(ExtendedPath("//s/s/../../a", "D:/b") == R"(\\?\UNC\s\s\a)");
  CHECK(ExtendedPath("C:/a//b/", "D:/") == R"(\\?\C:\a\b)");
  // Part of a name all the same.
  CHECK(ExtendedPath("C:/a./b ", "D:/") == R"(\\?\C:\a.\b )");
  CHECK(ExtendedPath("C:/...", "D:/") == R"(\\?\C:\...)");
}

TEST_CASE("Windows paths: devices and other drives' folders are no paths") {
  for (const char* path :
       {"//./pipe/x", "//./C:/a", "//?/Volume{1}/a", "//server", "D:a", "//"}) {
    CAPTURE(path);
    CHECK(ExtendedPath(path, "C:/now").empty());
  }
  CHECK(ExtendedPath("a", "").empty());
}

TEST_CASE("Windows paths: names that mean devices") {
  for (const char* name :
       {"CON", "nul", "Aux", "PRN", "com1", "LPT9", "COM0", "nul.txt", "con .x",
        "NUL:", "conin$", "CONOUT$", "COM\xc2\xb9", "nul.tar.gz"}) {
    CAPTURE(name);
    CHECK(IsReservedName(name));
  }
  for (const char* name : {"", "con1", "null", "com", "com10", "lpt", "a.nul",
                           "xcon", "auxiliary.pkl", "COM\xc2\xb4"}) {
    CAPTURE(name);
    CHECK_FALSE(IsReservedName(name));
  }
}

}  // namespace
}  // namespace scanengine
