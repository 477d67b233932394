// What the machine says of itself, and standard input. Labelled process: a
// child of its own plays the program with another standard input.

#include "engine/machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <string>

#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::TempDir;

/// Runs |body| in a child with |fd| as descriptor 0, or none; true if it
/// returned true there.
bool InChildWithInput(int fd, const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (fd >= 0) {
      ::dup2(fd, 0);
    } else {
      ::close(0);
    }
    ::_exit(body() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string ReadAt0(const StandardInput& input) {
  std::string text(input.size + 100, '\0');
  const ssize_t got =
      ::pread(static_cast<int>(input.handle), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

bool Holds(const Result<StandardInput>& input, const std::string& text) {
  if (!input.ok()) return false;
  const int fd = static_cast<int>(input.value().handle);
  const bool closes_on_exec = (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
  const bool read_only = (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
  const bool ok = fd > 2 && closes_on_exec && read_only &&
                  input.value().size == text.size() &&
                  ReadAt0(input.value()) == text;
  CloseHandle(input.value().handle);
  return ok && ::fcntl(fd, F_GETFD) < 0;
}

/// A pipe that holds |text| and then ends.
int PipeWith(const std::string& text) {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  REQUIRE(::write(fds[1], text.data(), text.size()) ==
          static_cast<ssize_t>(text.size()));
  ::close(fds[1]);
  return fds[0];
}

TEST_CASE("Machine: says sane things of itself") {
  CHECK(UsableCores() >= 1);
  CHECK(UsableCores() <= 4096);
  CHECK(AvailableMemory() > 1U << 20);
  CHECK(AvailableMemory() < 1ULL << 50);
  const auto before = ProcessorTime();
  volatile unsigned sum = 0;
  while (ProcessorTime() == before) sum = sum + 1;
  CHECK(ProcessorTime() > before);
}

TEST_CASE("Standard input: a pipe is copied, whatever it holds") {
  for (const std::string& text :
       {std::string("hello"), std::string(), std::string(60'000, 'x')}) {
    const int fd = PipeWith(text);
    CHECK(InChildWithInput(
        fd, [&] { return Holds(CaptureStandardInput(0), text); }));
    ::close(fd);
  }
}

TEST_CASE("Standard input: a pipe larger than is allowed is a limit") {
  const int fd = PipeWith("123456");
  CHECK(InChildWithInput(fd, [] {
    const auto input = CaptureStandardInput(5);
    return !input.ok() && input.error().code == ErrorCode::kLimitExceeded;
  }));
  ::close(fd);
  const int fits = PipeWith("12345");
  CHECK(InChildWithInput(
      fits, [] { return Holds(CaptureStandardInput(5), "12345"); }));
  ::close(fits);
}

TEST_CASE("Standard input: a file is not copied") {
  TempDir folder;
  const std::string path = folder.File("a", "content");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  REQUIRE(::fstat(fd, &info) == 0);
  CHECK(InChildWithInput(fd, [&] {
    const auto input = CaptureStandardInput(7);
    struct stat now {};
    return input.ok() &&
           ::fstat(static_cast<int>(input.value().handle), &now) == 0 &&
           now.st_ino == info.st_ino && Holds(input, "content");
  }));
  CHECK(InChildWithInput(fd, [] {
    const auto input = CaptureStandardInput(6);
    return !input.ok() && input.error().code == ErrorCode::kLimitExceeded;
  }));
  ::close(fd);
}

TEST_CASE("Standard input: of a file that is half read the rest is taken") {
  TempDir folder;
  const int fd =
      ::open(folder.File("a", "content").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::lseek(fd, 3, SEEK_SET) == 3);
  CHECK(InChildWithInput(
      fd, [] { return Holds(CaptureStandardInput(0), "tent"); }));
  ::close(fd);
}

TEST_CASE("Standard input: workers never get a descriptor that can write") {
  TempDir folder;
  const int fd =
      ::open(folder.File("a", "content").c_str(), O_RDWR | O_CLOEXEC);
  CHECK(InChildWithInput(
      fd, [] { return Holds(CaptureStandardInput(0), "content"); }));
  ::close(fd);
}

TEST_CASE("Standard input: a file that tells no size is read all the same") {
  const int fd = ::open("/proc/version", O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK(InChildWithInput(fd, [] {
    const auto input = CaptureStandardInput(0);
    return input.ok() && input.value().size > 10;
  }));
  ::close(fd);
}

TEST_CASE("Standard input: one that cannot be read is an error with a reason") {
  const auto fails = [] {
    const auto input = CaptureStandardInput(0);
    return !input.ok() && input.error().code == ErrorCode::kIo &&
           !input.error().detail.empty();
  };
  CHECK(InChildWithInput(-1, fails));
  TempDir folder;
  const int folder_fd = ::open(folder.path().c_str(), O_RDONLY | O_CLOEXEC);
  CHECK(InChildWithInput(folder_fd, fails));
  ::close(folder_fd);
  const int write_only =
      ::open(folder.File("a", "x").c_str(), O_WRONLY | O_CLOEXEC);
  CHECK(InChildWithInput(write_only, fails));
  ::close(write_only);
  const int fd = PipeWith("x");
  CHECK(InChildWithInput(fd, [&] {
    ::setenv("TMPDIR", "/nonexistent", 1);
    return fails();
  }));
  ::close(fd);
}

}  // namespace
}  // namespace scanengine
