// Runs a program on a kernel that seems to lack system calls.
//
//   deny_calls CALL=ERROR[,CALL=ERROR]... PROGRAM [ARGUMENT]...
//
// CALL is a name, ERROR a number of errno. Holds for all that PROGRAM starts.
// Exit code 126 if the filter cannot be had, 127 if the program cannot.

#include <seccomp.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

bool Deny(scmp_filter_ctx filter, std::string_view rule) {
  const std::size_t equals = rule.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string call(rule.substr(0, equals));
  const int error = std::atoi(std::string(rule.substr(equals + 1)).c_str());
  const int number = seccomp_syscall_resolve_name(call.c_str());
  return number != __NR_SCMP_ERROR && error > 0 &&
         seccomp_rule_add(filter,
                          SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)),
                          number, 0) == 0;
}

bool DenyAll(std::string_view rules) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return false;
  bool ok = true;
  while (ok && !rules.empty()) {
    const std::size_t end = std::min(rules.find(','), rules.size());
    ok = Deny(filter, rules.substr(0, end));
    rules.remove_prefix(std::min(end + 1, rules.size()));
  }
  ok = ok && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return ok;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || !DenyAll(argv[1])) {
    std::fputs("deny_calls: no such filter\n", stderr);
    return 126;
  }
  ::execv(argv[2], argv + 2);
  std::perror(argv[2]);
  return 127;
}
