#ifndef SCANENGINE_ENGINE_CGROUP_H_
#define SCANENGINE_ENGINE_CGROUP_H_

#include <cstdint>
#include <string>

namespace scanengine {

/// What the control groups of this process allow it. 0: no limit.
struct CgroupLimits {
  double cores = 0;               ///< Processor time per time.
  std::uint64_t memory = 0;       ///< Bytes, in all.
  std::uint64_t memory_left = 0;  ///< Bytes, of it; 0 also if none is left.
};

/// The tightest limits of the groups that |membership| (proc/self/cgroup) names
/// and of all groups above them, below |mount|. Both versions of control groups
/// are read (https://docs.kernel.org/admin-guide/cgroup-v2.html, cgroup-v1/).
/// What cannot be read limits nothing. A container sees its own group as the
/// top, whatever the membership says.
CgroupLimits ReadCgroupLimits(
    const std::string& mount = "/sys/fs/cgroup",
    const std::string& membership = "/proc/self/cgroup");

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_CGROUP_H_
