#ifndef SCANENGINE_WORKER_SECCOMP_FILTER_LINUX_H_
#define SCANENGINE_WORKER_SECCOMP_FILTER_LINUX_H_

#include <linux/filter.h>

#include <cstdint>
#include <span>

namespace scanengine {

/// Stands in the filter for the id of the process that it will hold; greater
/// than any (the most that Linux gives is 2^22).
constexpr std::uint32_t kOwnProcessPlaceholder = 0x7e5e1f1d;

/// True if |instruction| compares with kOwnProcessPlaceholder.
constexpr bool ComparesOwnProcess(const sock_filter& instruction) {
  return BPF_CLASS(instruction.code) == BPF_JMP &&
         BPF_SRC(instruction.code) == BPF_K &&
         BPF_OP(instruction.code) != BPF_JA &&
         instruction.k == kOwnProcessPlaceholder;
}

/// The filter of RestrictSystemCalls(), made by seccomp_compiler_linux.cc from
/// its lists when the program is built. Static.
std::span<const sock_filter> SystemCallFilter();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_SECCOMP_FILTER_LINUX_H_
