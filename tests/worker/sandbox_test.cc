#include "worker/sandbox.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/worker/probe_run.h"
#include "worker/sanitizer.h"
#include "worker/watchdog.h"

namespace scanengine {
namespace {

using testing::ProbeRun;
using testing::RunProbe;
using testing::TempFolder;

// What an attack comes to. Positive: refused with that error.
constexpr int kKilled = -1;  // By the kernel, with SIGSYS.
// Refused by a seal; or killed with SIGXFSZ where no file may grow, which is so
// unless the output of this test goes to a file.
constexpr int kSealed = -2;

// Which part of the sandbox holds it.
enum class By {
  kSeccomp,
  kLandlock,
  kSeal,  ///< The seal of shared memory holds it, even without a sandbox.
};

// Whether it works on every machine without the sandbox.
enum class Bare { kWorks, kMayFail };

struct Expectation {
  const char* attack;
  int result;
  By by = By::kSeccomp;
  Bare bare = Bare::kWorks;
};

constexpr Expectation kFileAttacks[] = {
    {"read-absolute", EACCES, By::kLandlock},
    {"read-dotdot", EACCES, By::kLandlock},
    {"read-link", EACCES, By::kLandlock},
    {"read-from-folder", EACCES, By::kLandlock},
    {"read-etc", EACCES, By::kLandlock},
    {"list-outside", EACCES, By::kLandlock},
    {"read-device", EACCES, By::kLandlock},
    {"read-by-handle", kKilled, By::kSeccomp, Bare::kMayFail},
    {"write-outside", EACCES},
    {"write-inside", EACCES},
    {"append", EACCES},
    {"cut-by-open", EACCES},
    {"make-file", EACCES},
    {"make-file-readonly", EACCES},
    {"make-unnamed", EACCES, By::kSeccomp, Bare::kMayFail},
    {"make-by-openat2", ENOSYS, By::kSeccomp, Bare::kMayFail},
    {"unlink", kKilled},
    {"unlink-link", kKilled},
    {"rename", kKilled},
    {"mkdir", kKilled},
    {"rmdir", kKilled},
    {"symlink", kKilled},
    {"link", kKilled},
    {"mkfifo", kKilled},
    {"chmod", kKilled},
    {"chown", kKilled},
    {"truncate", kKilled},
    {"touch", kKilled},
    {"chroot", kKilled, By::kSeccomp, Bare::kMayFail},
    {"chdir", EACCES},
    {"flock", EPERM},
    {"watch-file", kKilled},
    {"signal-on-input", kKilled},
    {"ioctl", ENOTTY},
};

constexpr Expectation kProcessAttacks[] = {
    {"fork", kKilled},
    {"fork-bomb", kKilled},
    {"clone3", ENOSYS, By::kSeccomp, Bare::kMayFail},
    {"thread", EPERM},
    {"execve", kKilled},
    {"execveat", kKilled},
    {"exec-from-memory", kKilled},
    {"exec-open-file", kKilled},
    {"kill-supervisor", kKilled},
    {"kill-sibling", kKilled},
    {"kill-group", kKilled},
    {"tgkill-supervisor", kKilled},
    {"tkill-supervisor", kKilled},
    {"sigqueue-sibling", kKilled},
    {"pidfd-open", kKilled, By::kSeccomp, Bare::kMayFail},
    {"ptrace-sibling", kKilled, By::kSeccomp, Bare::kMayFail},
    {"ptrace-supervisor", kKilled, By::kSeccomp, Bare::kMayFail},
    {"read-sibling", kKilled, By::kSeccomp, Bare::kMayFail},
    {"write-sibling", kKilled, By::kSeccomp, Bare::kMayFail},
    {"read-supervisor", kKilled, By::kSeccomp, Bare::kMayFail},
    {"write-supervisor", kKilled, By::kSeccomp, Bare::kMayFail},
    {"read-sibling-mem", EACCES, By::kLandlock, Bare::kMayFail},
    {"read-supervisor-maps", EACCES, By::kLandlock, Bare::kMayFail},
    {"read-supervisor-mem", EACCES, By::kLandlock, Bare::kMayFail},
    {"read-supervisor-environment", EACCES, By::kLandlock, Bare::kMayFail},
    {"write-own-code", EACCES, By::kSeccomp, Bare::kMayFail},
    {"limit-sibling", kKilled, By::kSeccomp, Bare::kMayFail},
    {"set-own-limit", EPERM},
    {"slow-supervisor", kKilled, By::kSeccomp, Bare::kMayFail},
    {"pin-supervisor", EPERM, By::kSeccomp, Bare::kMayFail},
    {"setuid", kKilled},
    {"become-dumpable", EPERM},
    {"outlive-supervisor", EPERM},
    {"new-session", kKilled},
};

constexpr Expectation kNetworkAttacks[] = {
    {"tcp", kKilled},
    {"tcp6", kKilled, By::kSeccomp, Bare::kMayFail},
    {"udp", kKilled},
    {"unix-socket", kKilled},
    {"netlink", kKilled},
    {"packet", kKilled, By::kSeccomp, Bare::kMayFail},
    {"socketpair", kKilled},
    {"connect-open-socket", kKilled},
    {"send-open-socket", kKilled},
    {"listen-open-socket", kKilled},
    {"connect-abstract-socket", kKilled},
};

constexpr Expectation kSharedAttacks[] = {
    {"write-cache", kSealed, By::kSeal}, {"write-cache-at", kKilled, By::kSeal},
    {"map-cache", EPERM, By::kSeal},     {"shrink-cache", kKilled, By::kSeal},
    {"punch-cache", kKilled, By::kSeal}, {"shrink-board", kKilled, By::kSeal},
    {"grow-board", kKilled, By::kSeal},
};

constexpr Expectation kMemoryAttacks[] = {
    {"map-code", kKilled},
    {"map-file-code", kKilled, By::kSeccomp, Bare::kMayFail},
    {"map-shared", EPERM},
    {"map-shared-file", EPERM},
    {"map-shared-validate", kKilled},
    {"map-growing-stack", kKilled},
    {"make-code", kKilled},
    {"make-code-pkey", kKilled, By::kSeccomp, Bare::kMayFail},
    {"read-implies-exec", kKilled},
    {"memfd", kKilled},
    {"sysv-memory", kKilled, By::kSeccomp, Bare::kMayFail},
    {"lock-memory", kKilled, By::kSeccomp, Bare::kMayFail},
};

constexpr Expectation kKernelAttacks[] = {
    {"mount", kKilled, By::kSeccomp, Bare::kMayFail},
    {"unshare", kKilled, By::kSeccomp, Bare::kMayFail},
    {"unshare-user", kKilled, By::kSeccomp, Bare::kMayFail},
    {"bpf", kKilled, By::kSeccomp, Bare::kMayFail},
    {"io-uring", kKilled, By::kSeccomp, Bare::kMayFail},
    {"perf-event", kKilled, By::kSeccomp, Bare::kMayFail},
    {"userfaultfd", kKilled, By::kSeccomp, Bare::kMayFail},
    {"keyctl", kKilled, By::kSeccomp, Bare::kMayFail},
    {"kernel-log", kKilled, By::kSeccomp, Bare::kMayFail},
    {"seccomp", kKilled, By::kSeccomp, Bare::kMayFail},
    {"clock", kKilled, By::kSeccomp, Bare::kMayFail},
    {"abi-32", kKilled, By::kSeccomp, Bare::kMayFail},
    {"abi-x32", kKilled, By::kSeccomp, Bare::kMayFail},
};

void WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

// What sandbox_probe.h calls a scene.
class SceneFolder {
 public:
  SceneFolder() {
    const auto inside = folder_.path() / "inside";
    const auto outside = folder_.path() / "outside";
    std::filesystem::create_directory(inside);
    std::filesystem::create_directory(inside / "empty");
    std::filesystem::create_directory(outside);
    WriteFile(inside / "file", "inside");
    WriteFile(folder_.path() / "single", "single");
    WriteFile(outside / "secret", "secret");
    std::filesystem::create_symlink("file", inside / "link-in");
    std::filesystem::create_symlink("../outside/secret", inside / "link-out");
  }
  std::string path() const { return folder_.path(); }
  std::string Path(const char* name) const { return folder_.path() / name; }

 private:
  TempFolder folder_;
};

bool Has(const ProbeRun& run, const std::string& line) {
  return ("\n" + run.out).find("\n" + line + "\n") != std::string::npos;
}

ProbeRun RunAttack(const char* attack, const char* where) {
  const SceneFolder scene;
  return RunProbe({SANDBOX_PROBE, "attack", scene.path(), where, attack});
}

// A program that took our place ends well and says nothing.
bool Worked(const ProbeRun& run) {
  return run.exit_code == 0 && run.out.find("refused") == std::string::npos;
}

bool IsHeld(const ProbeRun& run, const Expectation& expected) {
  if (expected.result == kKilled) return run.signal == SIGSYS;
  if (expected.result == kSealed) {
    return run.signal == SIGXFSZ ||
           (run.exit_code == 0 && Has(run, "refused " + std::to_string(EPERM)));
  }
  return run.exit_code == 0 &&
         Has(run, "refused " + std::to_string(expected.result));
}

std::string Describe(const ProbeRun& run) {
  return run.out + "(exit code " + std::to_string(run.exit_code) + ", signal " +
         std::to_string(run.signal) + ")";
}

// True if the attack works without the sandbox. Else the test of it would be
// void: said aloud, and a failure where nothing excuses it.
bool WorksBare(const Expectation& expected) {
  const ProbeRun run = RunAttack(expected.attack, "bare");
  if (Worked(run)) return true;
  const std::string what =
      std::string("not run: ") + expected.attack +
      " does not work here without a sandbox: " + Describe(run);
  if (expected.bare == Bare::kMayFail) {
    WARN(what);
  } else {
    FAIL_CHECK(what);
  }
  return false;
}

bool CanHold(By by) {
  static const ProbeRun report = RunProbe({SANDBOX_PROBE, "report"});
  return by == By::kLandlock
             ? report.out.find("active landlock-") != std::string::npos
             : Has(report, "active seccomp");
}

void NotRun(const char* why) { WARN("not run: " << why); }

template <std::size_t kCount>
void CheckAttacks(const Expectation (&attacks)[kCount]) {
  for (const Expectation& expected : attacks) {
    DYNAMIC_SECTION(expected.attack) {
      if (!CanHold(expected.by)) {
        NotRun("this build or kernel lacks what holds it");
        continue;
      }
      if (!WorksBare(expected)) continue;
      if (expected.by == By::kSeal) {
        const ProbeRun sealed = RunAttack(expected.attack, "sealed");
        INFO("by the seal alone: " << Describe(sealed));
        CHECK(Has(sealed, "refused " + std::to_string(EPERM)));
      }
      const ProbeRun run = RunAttack(expected.attack, "sandbox");
      INFO(Describe(run));
      CHECK(IsHeld(run, expected));

      const ProbeRun thread = RunAttack(expected.attack, "thread");
      INFO("in a thread that ran before: " << Describe(thread));
      if (expected.by != By::kLandlock) {
        CHECK(IsHeld(thread, expected));
      } else if (!IsHeld(thread, expected)) {
        // Landlock holds the caller and what it starts later: then it is said.
        CHECK(Has(thread, "missing landlock: does not hold threads that ran"));
      }
    }
  }
}

}  // namespace

TEST_CASE("Sandbox: attacks on files are held") { CheckAttacks(kFileAttacks); }

TEST_CASE("Sandbox: attacks on processes are held") {
  CheckAttacks(kProcessAttacks);
}

TEST_CASE("Sandbox: attacks over the network are held") {
  CheckAttacks(kNetworkAttacks);
}

TEST_CASE("Sandbox: attacks on what the supervisor shares are held") {
  CheckAttacks(kSharedAttacks);
}

TEST_CASE("Sandbox: attacks by memory are held") {
  CheckAttacks(kMemoryAttacks);
}

TEST_CASE("Sandbox: attacks on the kernel are held") {
  CheckAttacks(kKernelAttacks);
}

TEST_CASE("Sandbox: a worker can read what it is asked to scan") {
  const SceneFolder scene;
  const std::map<const char*, std::string> expected{
      {"inside/file", "read inside"},
      {"inside/link-in", "read inside"},
      {"single", "read single"},
  };
  for (const auto& [name, text] : expected) {
    CAPTURE(name);
    const ProbeRun run =
        RunProbe({SANDBOX_PROBE, "read", scene.path(), scene.Path(name)});
    INFO(Describe(run));
    CHECK(Has(run, text));
  }
}

TEST_CASE("Sandbox: a worker cannot read beside a root that is a file") {
  if (!CanHold(By::kLandlock)) return NotRun("no Landlock here");
  const SceneFolder scene;
  WriteFile(scene.Path("single-too"), "beside");
  const ProbeRun run =
      RunProbe({SANDBOX_PROBE, "read", scene.path(), scene.Path("single-too")});
  CHECK(Has(run, "refused " + std::to_string(EACCES)));
}

TEST_CASE("Sandbox: a root that is gone is left out") {
  const ProbeRun run = RunProbe({SANDBOX_PROBE, "root", "/nowhere/at/all"});
  INFO(Describe(run));
  CHECK(run.exit_code == 0);
}

TEST_CASE("Sandbox: a root that cannot be opened is an error") {
  if (!CanHold(By::kLandlock)) return NotRun("no Landlock here");
  const TempFolder folder;
  const auto loop = folder.path() / "loop";
  std::filesystem::create_symlink(loop, loop);
  const ProbeRun run = RunProbe({SANDBOX_PROBE, "root", loop});
  INFO(Describe(run));
  CHECK(run.exit_code == 4);
  CHECK(run.out.find("error landlock: cannot open " + loop.string()) == 0);
}

TEST_CASE("Sandbox: what is in force is reported") {
  const ProbeRun run = RunProbe({SANDBOX_PROBE, "report"});
  INFO(Describe(run));
  CHECK(Has(run, "active limits"));
  CHECK(Has(run, "active no-new-privs"));
  CHECK(Has(run, "active no-capabilities"));
  CHECK(Has(run, kSanitizedBuild ? "missing seccomp: sanitizer build"
                                 : "active seccomp"));
  CHECK(Has(run, kSanitizedBuild ? "missing memory limit: sanitizer build"
                                 : "active memory-limit"));
}

TEST_CASE("Sandbox: switched off it limits resources only, and says so") {
  const ProbeRun run = RunProbe({SANDBOX_PROBE, "off"});
  INFO(Describe(run));
  CHECK(run.exit_code == 0);
  CHECK(Has(run, "active limits"));
  CHECK(Has(run, "missing sandbox: switched off"));
  CHECK(run.out.find("seccomp") == std::string::npos);
  CHECK(run.out.find("landlock") == std::string::npos);
}

TEST_CASE("Sandbox: what the kernel lacks is missing, not an error") {
  struct Lack {
    const char* call;
    int error;
    const char* line;
  };
  const Lack lacks[] = {
      {"landlock_create_ruleset", ENOSYS,
       "missing landlock: not in this kernel"},
      {"landlock_create_ruleset", EOPNOTSUPP,
       "missing landlock: switched off in this kernel"},
      {"landlock_create_ruleset", EPERM,
       "missing landlock: refused by what this program runs in"},
      {"seccomp", ENOSYS, "missing seccomp: not in this kernel"},
      {"seccomp", EINVAL, "missing seccomp: not in this kernel"},
      {"seccomp", EOPNOTSUPP, "missing seccomp: this kernel is too old"},
      {"seccomp", EPERM,
       "missing seccomp: refused by what this program runs in"},
  };
  for (const Lack& lack : lacks) {
    CAPTURE(lack.call, lack.error);
    if (kSanitizedBuild && std::string(lack.call) == "seccomp") continue;
    const ProbeRun run = RunProbe(
        {SANDBOX_PROBE, "report", lack.call, std::to_string(lack.error)});
    INFO(Describe(run));
    CHECK(run.exit_code == 0);
    CHECK(Has(run, lack.line));
  }
}

TEST_CASE("Sandbox: a part that cannot be put in force is an error") {
  if (!CanHold(By::kLandlock)) return NotRun("no Landlock here");
  for (const char* call : {"landlock_restrict_self", "capset", "setrlimit"}) {
    CAPTURE(call);
    // The C library sets limits by another call on 64-bit systems.
    const std::string name =
        call == std::string("setrlimit") ? "prlimit64" : call;
    const ProbeRun run =
        RunProbe({SANDBOX_PROBE, "report", name, std::to_string(EPERM)});
    INFO(Describe(run));
    CHECK(run.exit_code == 4);
    CHECK(run.out.find("error ") == 0);
  }
}

TEST_CASE("Sandbox: memory beyond the limit is bad_alloc, or an abort") {
  if (kSanitizedBuild) return NotRun("no memory limit in this build");
  CHECK(RunProbe({SANDBOX_PROBE, "crash", "hoard"}).exit_code == 50);
  CHECK(RunProbe({SANDBOX_PROBE, "crash", "hoard-uncaught"}).signal == SIGABRT);
}

TEST_CASE("Sandbox: crashes keep their signals") {
  CHECK(RunProbe({SANDBOX_PROBE, "crash", "abort"}).signal == SIGABRT);
  CHECK(RunProbe({SANDBOX_PROBE, "crash", "overflow"}).signal == SIGSEGV);
}

TEST_CASE("Watchdog: ends a task that hangs, wherever its stack is") {
  // There a signal waits until the program makes a call.
  if (DEFERS_SIGNALS) return NotRun("ThreadSanitizer holds signals back");
  for (const char* way : {"hang", "hang-deep", "at-once"}) {
    CAPTURE(way);
    const ProbeRun run = RunProbe({SANDBOX_PROBE, "crash", way});
    INFO(Describe(run));
    CHECK(run.exit_code == kWatchdogExitCode);
  }
}

TEST_CASE("Watchdog: does not bite when disarmed or armed anew") {
  CHECK(RunProbe({SANDBOX_PROBE, "crash", "disarmed"}).exit_code == 0);
  CHECK(RunProbe({SANDBOX_PROBE, "crash", "rearmed"}).exit_code == 0);
}

}  // namespace scanengine
