#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <string_view>

#include "ipc/check.h"
#include "tests/engine/discovery_harness.h"

namespace scanengine::testing {
namespace {

constexpr uid_t kNobody = 65534;
constexpr char kCannotArrange = 'n';
constexpr char kArranged = 'y';

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    SCANENGINE_CHECK(wrote > 0);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

std::string ReadAll(int fd) {
  std::string bytes;
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    SCANENGINE_CHECK(got >= 0);
    if (got == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

// Lines may hold any byte but NUL.
std::optional<Lines> InChild(const std::function<bool()>& arrange,
                             const std::function<Lines()>& action) {
  std::array<int, 2> ends{};
  SCANENGINE_CHECK(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  SCANENGINE_CHECK(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    std::string bytes(1, kCannotArrange);
    if (arrange()) {
      bytes[0] = kArranged;
      for (const std::string& line : action()) bytes.append(line) += '\0';
    }
    WriteAll(ends[1], bytes);
    ::_exit(0);
  }
  ::close(ends[1]);
  const std::string bytes = ReadAll(ends[0]);
  ::close(ends[0]);
  int status = 0;
  SCANENGINE_CHECK(::waitpid(child, &status, 0) == child);
  SCANENGINE_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  SCANENGINE_CHECK(!bytes.empty());
  if (bytes[0] == kCannotArrange) return std::nullopt;
  Lines lines;
  for (std::size_t at = 1; at < bytes.size();) {
    const std::size_t end = bytes.find('\0', at);
    lines.push_back(bytes.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::size_t ResidentKiB() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

}  // namespace

Lines Describe(const std::vector<DiscoveredFile>& files,
               const std::string& base) {
  const auto relative = [&](std::string text) {
    for (std::size_t at = text.find(base); at != std::string::npos;
         at = text.find(base, at + 1)) {
      text.replace(at, base.size(), "$");
    }
    return text;
  };
  Lines lines;
  for (const DiscoveredFile& file : files) {
    std::string line(OutcomeStatusName(file.status));
    line += ' ' + relative(file.path);
    if (file.status == OutcomeStatus::kScanned) {
      line += ' ' + std::to_string(file.size);
    }
    if (!file.detail.empty()) line += ": " + relative(file.detail);
    lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

Lines Find(const DiscoveryOptions& options, const std::string& base) {
  CollectingSink sink;
  Discover(options, sink);
  return Describe(sink.files(), base);
}

DiscoveryOptions Walking(std::vector<std::string> paths) {
  DiscoveryOptions options;
  options.paths = std::move(paths);
  return options;
}

std::optional<Lines> WithoutPrivileges(const std::function<Lines()>& action) {
  return InChild(
      [] {
        if (::geteuid() != 0) return true;
        return ::setgroups(0, nullptr) == 0 &&
               ::setresgid(kNobody, kNobody, kNobody) == 0 &&
               ::setresuid(kNobody, kNobody, kNobody) == 0;
      },
      action);
}

Lines WithMemoryUse(const std::function<Lines()>& action) {
  return *InChild([] { return true; },
                  [&] {
                    const std::size_t before = ResidentKiB();
                    Lines lines = action();
                    struct rusage usage {};
                    ::getrusage(RUSAGE_SELF, &usage);
                    const auto peak = static_cast<std::size_t>(usage.ru_maxrss);
                    lines.insert(lines.begin(),
                                 std::to_string(peak - std::min(peak, before)));
                    return lines;
                  });
}

std::optional<Lines> WithPseudoMount(const std::string& folder,
                                     const std::function<Lines()>& action) {
  return InChild(
      [&] {
        const int own = CLONE_NEWNS | CLONE_NEWIPC;
        if (::unshare(own) != 0 && ::unshare(own | CLONE_NEWUSER) != 0) {
          return false;
        }
        return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ==
                   0 &&
               ::mount("mqueue", folder.c_str(), "mqueue", 0, nullptr) == 0;
      },
      action);
}

void MakeFifo(const std::string& path) {
  SCANENGINE_CHECK(::mkfifo(path.c_str(), 0644) == 0);
}

void MakeSocket(const std::string& path) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  SCANENGINE_CHECK(path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SCANENGINE_CHECK(::bind(fd, reinterpret_cast<struct sockaddr*>(&address),
                          sizeof(address)) == 0);
  ::close(fd);
}

void SetMode(const std::string& path, unsigned mode) {
  SCANENGINE_CHECK(::chmod(path.c_str(), static_cast<mode_t>(mode)) == 0);
}

std::string MakeChain(
    const std::string& path, const std::string& name, std::size_t depth,
    const std::function<void(std::size_t,
                             const std::function<void(const char*)>&)>& fill) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  int fd = ::open(path.c_str(), kFlags);
  SCANENGINE_CHECK(fd >= 0);
  const auto add_file = [&](const char* file) {
    const int made = ::openat(fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    SCANENGINE_CHECK(made >= 0);
    ::close(made);
  };
  std::string innermost = path;
  for (std::size_t level = 1; level <= depth; ++level) {
    SCANENGINE_CHECK(::mkdirat(fd, name.c_str(), 0755) == 0);
    const int below = ::openat(fd, name.c_str(), kFlags);
    SCANENGINE_CHECK(below >= 0);
    ::close(fd);
    fd = below;
    innermost += '/' + name;
    fill(level, add_file);
  }
  ::close(fd);
  return innermost;
}

std::size_t OpenDescriptors() {
  DIR* dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  std::size_t count = 0;
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

}  // namespace scanengine::testing
