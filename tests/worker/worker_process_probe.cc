// A worker that does one thing for worker_process_test.cc.
//
//   worker_process_probe MODE [SUPERVISOR-PID [KEPT-DESCRIPTOR...]]
//
// Exit code 0 unless the mode says otherwise; 3 for a wrong usage, 10 and more
// for a failure of PrepareWorkerProcess(), by its code.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/sandbox.h"
#include "worker/worker_process.h"

namespace scanengine::testing {
namespace {

void Send(ByteChannel& channel, const std::string& text) {
  if (!channel.Write(std::as_bytes(std::span(text))).ok()) std::_Exit(5);
}

// Sends back what comes, until the end. A chatty library runs along.
void Echo(ByteChannel& channel) {
  std::puts("noise on standard output");
  std::fflush(stdout);
  std::array<std::byte, 1000> buffer;
  while (true) {
    const auto got = channel.Read(buffer);
    if (!got.ok()) std::_Exit(6);
    if (got.value() == 0) return;
    if (!channel.Write(std::span(buffer).first(got.value())).ok()) return;
  }
}

void ListDescriptors(ByteChannel& channel) {
  DIR* const folder = ::opendir("/proc/self/fd");
  std::string names;
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == ::dirfd(folder)) continue;
    std::array<char, 256> target{};
    (void)!::readlinkat(::dirfd(folder), entry->d_name, target.data(),
                        target.size() - 1);
    names += std::to_string(fd) +
             ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? " cloexec " : " ") +
             target.data() + "\n";
  }
  ::closedir(folder);
  Send(channel, names);
}

std::string_view ActionName(int number) {
  struct sigaction action {};
  ::sigaction(number, nullptr, &action);
  if (action.sa_handler == SIG_DFL) return "default";
  return action.sa_handler == SIG_IGN ? "ignored" : "handled";
}

void ListSignals(ByteChannel& channel) {
  sigset_t blocked;
  ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
  std::string text;
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) {
    text += std::string(::strsignal(number)) + ": ";
    text += ActionName(number);
    text += ::sigismember(&blocked, number) == 1 ? ", blocked\n" : "\n";
  }
  Send(channel, text);
}

// Memory before, and after touching 64 MiB, inside the sandbox.
void TellMemory(ByteChannel& channel) {
  if (!EnterSandbox({}).ok()) std::_Exit(7);
  const std::uint64_t before = PeakMemory();
  constexpr std::size_t kSize = 64 << 20;
  void* const block = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memset(block, 1, kSize);
  ::munmap(block, kSize);
  Send(channel, std::to_string(before) + " " + std::to_string(PeakMemory()));
}

// Busy for ever, deaf to the end of its input, in the sandbox.
void Outlive(ByteChannel& channel) {
  if (!EnterSandbox({}).ok()) std::_Exit(7);
  Send(channel, "busy");
  volatile std::uint64_t counter = 0;
  while (true) counter = counter + 1;
}

int Main(int argc, char** argv) {
  const std::map<std::string_view, std::function<void(ByteChannel&)>> modes{
      {"echo", Echo},
      {"descriptors", ListDescriptors},
      {"signals", ListSignals},
      {"memory", TellMemory},
      {"outlive", Outlive},
      {"read-standard-input",
       [](ByteChannel& channel) {
         char byte = 0;
         Send(channel, std::to_string(::read(STDIN_FILENO, &byte, 1)));
       }},
  };
  if (argc < 2 || !modes.contains(argv[1])) return 3;
  WorkerProcessOptions options;
  if (argc > 2) {
    options.supervisor_pid = static_cast<std::uint32_t>(std::atol(argv[2]));
  }
  for (int i = 3; i < argc; ++i) options.keep.push_back(std::atoi(argv[i]));
  const auto channel = PrepareWorkerProcess(options);
  if (!channel.ok()) return 10 + static_cast<int>(channel.error().code);
  modes.at(argv[1])(*channel.value());
  return 0;
}

}  // namespace
}  // namespace scanengine::testing

int main(int argc, char** argv) {
  return scanengine::testing::Main(argc, argv);
}
