#include "tests/worker/probe_run.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "ipc/check.h"

namespace scanengine::testing {
namespace {

[[noreturn]] void Exec(const std::vector<std::string>& command, int out) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  // Sanitizers would turn deaths by signal into exits.
  constexpr const char* kPlain = "handle_segv=0:handle_abort=0:handle_sigill=0";
  ::setenv("ASAN_OPTIONS", kPlain, 1);
  ::setenv("TSAN_OPTIONS", kPlain, 1);
  ::dup2(out, STDOUT_FILENO);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

ProbeRun RunProbe(const std::vector<std::string>& command) {
  int ends[2];
  SCANENGINE_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t pid = ::fork();
  SCANENGINE_CHECK(pid >= 0);
  if (pid == 0) Exec(command, ends[1]);
  ::close(ends[1]);
  ProbeRun run;
  run.out = ReadAll(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) SCANENGINE_CHECK(errno == EINTR);
  if (WIFSIGNALED(status)) run.signal = WTERMSIG(status);
  if (WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  return run;
}

TempFolder::TempFolder() {
  std::string name =
      std::filesystem::temp_directory_path() / "scanengine-test-XXXXXX";
  SCANENGINE_CHECK(::mkdtemp(name.data()) != nullptr);
  path_ = std::filesystem::canonical(name);
}

TempFolder::~TempFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  SCANENGINE_CHECK(!error);
}

}  // namespace scanengine::testing
