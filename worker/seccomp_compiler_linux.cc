// Compiles the filter of system calls when the program is built, so that no
// start of a worker has to: seccomp_compiler OUTPUT.cc

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "worker/seccomp_filter_linux.h"

namespace scanengine {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "seccomp_compiler: %s\n", what.c_str());
  std::exit(1);
}

using Word = scmp_datum_t;

// Reading files that are open or that openat() may open, private memory, time,
// signals of its own, and the end.
constexpr int kAllowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(statx),
    SCMP_SYS(getdents64),
    SCMP_SYS(fadvise64),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getrusage),
    SCMP_SYS(timer_settime),
    SCMP_SYS(timer_gettime),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrlimit),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(getcwd),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    // The start of a thread, for one that is just about to run.
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
};

struct Refusal {
  int call;
  int error;
};

// What libraries try now and then and live without. Everything that is in no
// list ends the process.
constexpr Refusal kRefused[] = {
    // Is this a terminal?
    {SCMP_SYS(ioctl), ENOTTY},
    // Is there a configuration file?
    {SCMP_SYS(open), EACCES},
    {SCMP_SYS(access), EACCES},
    {SCMP_SYS(faccessat), EACCES},
    {SCMP_SYS(faccessat2), EACCES},
    {SCMP_SYS(readlink), EACCES},
    {SCMP_SYS(readlinkat), EACCES},
    {SCMP_SYS(statfs), EACCES},
    {SCMP_SYS(fstatfs), EACCES},
    {SCMP_SYS(chdir), EACCES},
    // Newer ways, from which the C library falls back.
    {SCMP_SYS(clone3), ENOSYS},
    {SCMP_SYS(openat2), ENOSYS},
    {SCMP_SYS(close_range), ENOSYS},
    {SCMP_SYS(membarrier), ENOSYS},
    {SCMP_SYS(pkey_alloc), ENOSYS},
    // Locks, tuning, plumbing.
    {SCMP_SYS(prctl), EPERM},
    {SCMP_SYS(arch_prctl), EPERM},
    {SCMP_SYS(setrlimit), EPERM},
    {SCMP_SYS(sched_setaffinity), EPERM},
    {SCMP_SYS(mlock), EPERM},
    {SCMP_SYS(mincore), EPERM},
    {SCMP_SYS(msync), EPERM},
    {SCMP_SYS(flock), EPERM},
    {SCMP_SYS(dup), EPERM},
    {SCMP_SYS(dup2), EPERM},
    {SCMP_SYS(dup3), EPERM},
    {SCMP_SYS(pipe), EPERM},
    {SCMP_SYS(pipe2), EPERM},
    {SCMP_SYS(eventfd2), EPERM},
    {SCMP_SYS(setitimer), EPERM},
    {SCMP_SYS(umask), EPERM},
    {SCMP_SYS(readahead), EPERM},
};

// Calls too new for libseccomp to have names for, that a newer C library may
// try on its own: to it, the kernel is too old for them.
constexpr int kNewCalls[] = {453 /* map_shadow_stack */, 454 /* futex_wake */,
                             455 /* futex_wait */, 456 /* futex_requeue */,
                             462 /* mseal */};

constexpr std::uint32_t kKill = SCMP_ACT_KILL_PROCESS;

// Adds rules to a filter; the first failure stays.
class FilterBuilder {
 public:
  FilterBuilder() : filter_(seccomp_init(kKill)) {
    if (filter_ == nullptr) result_ = -ENOMEM;
  }
  ~FilterBuilder() {
    if (filter_ != nullptr) seccomp_release(filter_);
  }
  FilterBuilder(const FilterBuilder&) = delete;
  FilterBuilder& operator=(const FilterBuilder&) = delete;

  void Set(scmp_filter_attr attribute, std::uint32_t value) {
    if (result_ == 0) result_ = seccomp_attr_set(filter_, attribute, value);
  }

  /// |action| where all |conditions| on arguments hold.
  template <typename... Condition>
  void Rule(std::uint32_t action, int call, Condition... conditions) {
    if (result_ != 0) return;
    result_ = seccomp_rule_add(filter_, action, call, sizeof...(conditions),
                               conditions...);
  }
  template <typename... Condition>
  void Allow(int call, Condition... conditions) {
    Rule(SCMP_ACT_ALLOW, call, conditions...);
  }
  template <typename... Condition>
  void Refuse(int error, int call, Condition... conditions) {
    Rule(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), call,
         conditions...);
  }

  /// The program for the kernel, or why there is none.
  std::vector<sock_filter> Export() {
    std::FILE* const file = std::tmpfile();
    if (file == nullptr) Die("no temporary file");
    if (result_ == 0) result_ = seccomp_export_bpf(filter_, fileno(file));
    if (result_ != 0) Die(std::strerror(-result_));
    std::vector<sock_filter> program;
    std::rewind(file);
    sock_filter instruction;
    while (std::fread(&instruction, sizeof(instruction), 1, file) == 1) {
      program.push_back(instruction);
    }
    std::fclose(file);
    return program;
  }

 private:
  scmp_filter_ctx filter_;
  int result_ = 0;
};

scmp_arg_cmp Is(unsigned argument, Word value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp IsNot(unsigned argument, Word value) {
  return {argument, SCMP_CMP_NE, value, 0};
}
scmp_arg_cmp AtMost(unsigned argument, Word value) {
  return {argument, SCMP_CMP_LE, value, 0};
}
scmp_arg_cmp Above(unsigned argument, Word value) {
  return {argument, SCMP_CMP_GT, value, 0};
}
scmp_arg_cmp Masked(unsigned argument, Word mask, Word value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// The bits of open() that write or make files.
constexpr Word kWriteBits[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC,
                               O_TMPFILE & ~O_DIRECTORY};

void AddFileRules(FilterBuilder* filter) {
  Word all = 0;
  for (const Word bit : kWriteBits) {
    all |= bit;
    filter->Refuse(EACCES, SCMP_SYS(openat), Masked(2, bit, bit));
  }
  filter->Allow(SCMP_SYS(openat), Masked(2, all, 0));

  static_assert(F_DUPFD == 0 && F_GETFD == 1 && F_SETFD == 2 && F_GETFL == 3);
  filter->Allow(SCMP_SYS(fcntl), AtMost(1, F_GETFL));
  filter->Allow(SCMP_SYS(fcntl), Is(1, F_DUPFD_CLOEXEC));
  for (const int lock : {F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK,
                         F_OFD_SETLK, F_OFD_SETLKW}) {
    filter->Refuse(EPERM, SCMP_SYS(fcntl), Is(1, static_cast<Word>(lock)));
  }
  filter->Refuse(EPERM, SCMP_SYS(fcntl), Above(1, F_DUPFD_CLOEXEC));
}

void AddMemoryRules(FilterBuilder* filter) {
  // Neither shared memory nor a stack that grows counts against RLIMIT_DATA.
  constexpr Word kType = 0x0f;  // MAP_TYPE
  const scmp_arg_cmp no_code = Masked(2, PROT_EXEC, 0);
  filter->Allow(SCMP_SYS(mmap), no_code,
                Masked(3, kType | MAP_GROWSDOWN, MAP_PRIVATE));
  filter->Refuse(EPERM, SCMP_SYS(mmap), no_code,
                 Masked(3, kType | MAP_GROWSDOWN, MAP_SHARED));
  filter->Allow(SCMP_SYS(mprotect), no_code);

  // MADV_DONTNEED and below. Others act on memory of others or on the machine.
  filter->Allow(SCMP_SYS(madvise), AtMost(2, MADV_DONTNEED));
  for (const int advice : {MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE}) {
    filter->Allow(SCMP_SYS(madvise), Is(2, static_cast<Word>(advice)));
  }
  filter->Refuse(EPERM, SCMP_SYS(madvise), Above(2, MADV_NOHUGEPAGE));
}

void AddProcessRules(FilterBuilder* filter) {
  // abort() signals its own thread.
  constexpr Word self = kOwnProcessPlaceholder;
  filter->Allow(SCMP_SYS(tgkill), Is(0, self));
  filter->Allow(SCMP_SYS(kill), Is(0, self));
  // A thread is what a library may ask for; a process is not.
  filter->Refuse(EPERM, SCMP_SYS(clone), Masked(0, CLONE_THREAD, CLONE_THREAD));
  for (const Word pid : {Word{0}, self}) {
    filter->Allow(SCMP_SYS(prlimit64), Is(0, pid), Is(2, 0));
    filter->Refuse(EPERM, SCMP_SYS(prlimit64), Is(0, pid), IsNot(2, 0));
  }
}

void AddRules(FilterBuilder* filter) {
  filter->Set(SCMP_FLTATR_ACT_BADARCH, kKill);
  filter->Set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // A tree, not a chain.
  for (const int call : kAllowed) filter->Allow(call);
  for (const Refusal& refusal : kRefused) {
    filter->Refuse(refusal.error, refusal.call);
  }
  for (const int call : kNewCalls) filter->Refuse(ENOSYS, call);
  AddFileRules(filter);
  AddMemoryRules(filter);
  AddProcessRules(filter);
}

std::string Source(const std::vector<sock_filter>& program) {
  std::string text =
      "// Generated by seccomp_compiler. Do not edit.\n"
      "#include \"worker/seccomp_filter_linux.h\"\n\n"
      "namespace scanengine {\n\n"
      "std::span<const sock_filter> SystemCallFilter() {\n"
      "  static constexpr sock_filter kFilter[] = {\n";
  for (const sock_filter& each : program) {
    text += "    {" + std::to_string(each.code) + ", " +
            std::to_string(each.jt) + ", " + std::to_string(each.jf) + ", " +
            std::to_string(each.k) + "U},\n";
  }
  return text + "  };\n  return kFilter;\n}\n\n}  // namespace scanengine\n";
}

int Main(int argc, char** argv) {
  if (argc != 2) Die("usage: seccomp_compiler OUTPUT.cc");
  // What the running kernel of a build machine knows does not matter.
  constexpr unsigned kLevelOfKillProcess = 3;
  if (seccomp_api_set(kLevelOfKillProcess) != 0) Die("libseccomp is too old");
  FilterBuilder filter;
  AddRules(&filter);
  const std::vector<sock_filter> program = filter.Export();
  std::size_t own = 0;
  for (const sock_filter& each : program) own += ComparesOwnProcess(each);
  if (own == 0) Die("the filter does not name the process that it is for");
  std::ofstream out(argv[1], std::ios::binary);
  out << Source(program);
  if (!out.flush()) Die(std::string("cannot write ") + argv[1]);
  return 0;
}

}  // namespace
}  // namespace scanengine

int main(int argc, char** argv) { return scanengine::Main(argc, argv); }
