#include "engine/cgroup.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>

namespace scanengine {
namespace {

// The first number in a file; nothing if there is none ("max") or it is
// negative (no limit in version 1).
std::optional<double> ReadNumber(const std::string& path) {
  std::ifstream in(path);
  double number = 0;
  if (!(in >> number) || number < 0) return std::nullopt;
  return number;
}

// Version 1 says "no limit" by the largest number of whole pages.
constexpr double kNoMemoryLimit = 1e18;

class Tightest {
 public:
  void AddCores(std::optional<double> quota, std::optional<double> period) {
    if (!quota || !period || *period <= 0) return;
    const double cores = *quota / *period;
    limits_.cores = limits_.cores == 0 ? cores : std::min(limits_.cores, cores);
  }
  void AddMemory(std::optional<double> limit, std::optional<double> used) {
    if (!limit || *limit >= kNoMemoryLimit) return;
    const auto most = static_cast<std::uint64_t>(*limit);
    const auto taken = static_cast<std::uint64_t>(used.value_or(0));
    const std::uint64_t left = most - std::min(most, taken);
    const bool first = limits_.memory == 0;
    limits_.memory = first ? most : std::min(limits_.memory, most);
    limits_.memory_left = first ? left : std::min(limits_.memory_left, left);
  }
  // "max 100000" or "150000 100000".
  void AddQuota(const std::string& path) {
    std::ifstream in(path);
    double quota = 0;
    double period = 0;
    if (in >> quota >> period) AddCores(quota, period);
  }
  const CgroupLimits& limits() const { return limits_; }

 private:
  CgroupLimits limits_;
};

// Calls |add| for the folder |top| + |path| and for each above it up to |top|.
template <typename Add>
void Upwards(const std::string& top, std::string path, Add add) {
  while (true) {
    while (path.ends_with('/')) path.pop_back();
    add(top + path);
    if (path.empty()) return;
    path.erase(path.rfind('/') + 1);
  }
}

bool Lists(std::string_view controllers, std::string_view one) {
  while (!controllers.empty()) {
    const std::size_t comma =
        std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == one) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

CgroupLimits ReadCgroupLimits(const std::string& mount,
                              const std::string& membership) {
  Tightest tightest;
  std::ifstream in(membership);
  // "hierarchy:controllers:path"; version 2 has hierarchy 0, no controllers.
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (!path.starts_with('/')) continue;
    if (controllers.empty()) {
      Upwards(mount, path, [&](const std::string& folder) {
        tightest.AddQuota(folder + "/cpu.max");
        tightest.AddMemory(ReadNumber(folder + "/memory.max"),
                           ReadNumber(folder + "/memory.current"));
      });
    }
    if (Lists(controllers, "cpu")) {
      Upwards(mount + "/cpu", path, [&](const std::string& folder) {
        tightest.AddCores(ReadNumber(folder + "/cpu.cfs_quota_us"),
                          ReadNumber(folder + "/cpu.cfs_period_us"));
      });
    }
    if (Lists(controllers, "memory")) {
      Upwards(mount + "/memory", path, [&](const std::string& folder) {
        tightest.AddMemory(ReadNumber(folder + "/memory.limit_in_bytes"),
                           ReadNumber(folder + "/memory.usage_in_bytes"));
      });
    }
  }
  return tightest.limits();
}

}  // namespace scanengine
