#include "engine/cgroup.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/temp_dir.h"

namespace scanengine {
namespace {

using testing::TempDir;

class Groups {
 public:
  void Add(const std::string& file, const std::string& text) {
    folder_.File("fs/" + file, text);
  }
  CgroupLimits Read(const std::string& membership) {
    return ReadCgroupLimits(folder_ / "fs", folder_.File("self", membership));
  }

 private:
  TempDir folder_;
};

void CheckNoLimit(const CgroupLimits& limits) {
  CHECK(limits.cores == 0);
  CHECK(limits.memory == 0);
}

TEST_CASE("Control groups: version 2 limits cores and memory") {
  Groups groups;
  groups.Add("a/b/cpu.max", "150000 100000\n");
  groups.Add("a/b/memory.max", "1000\n");
  groups.Add("a/b/memory.current", "400\n");
  const CgroupLimits limits = groups.Read("0::/a/b\n");
  CHECK(limits.cores == 1.5);
  CHECK(limits.memory == 1000);
  CHECK(limits.memory_left == 600);
}

TEST_CASE("Control groups: the tightest of all that hold counts") {
  Groups groups;
  groups.Add("a/b/cpu.max", "max 100000\n");
  groups.Add("a/b/memory.max", "max\n");
  groups.Add("a/cpu.max", "50000 100000\n");
  groups.Add("a/memory.max", "1000\n");
  groups.Add("a/memory.current", "100\n");
  groups.Add("cpu.max", "200000 100000\n");
  groups.Add("memory.max", "5000\n");
  groups.Add("memory.current", "4800\n");
  const CgroupLimits limits = groups.Read("0::/a/b\n");
  CHECK(limits.cores == 0.5);
  CHECK(limits.memory == 1000);
  CHECK(limits.memory_left == 200);  // Of the group above.
}

TEST_CASE("Control groups: a container sees its own as the top") {
  Groups groups;
  groups.Add("cpu.max", "100000 100000\n");
  CHECK(groups.Read("0::/not/to/be/seen\n").cores == 1);
}

TEST_CASE("Control groups: version 1 has a folder for each controller") {
  Groups groups;
  groups.Add("cpu/x/cpu.cfs_quota_us", "25000\n");
  groups.Add("cpu/x/cpu.cfs_period_us", "50000\n");
  groups.Add("cpu/cpu.cfs_quota_us", "-1\n");
  groups.Add("cpu/cpu.cfs_period_us", "100000\n");
  groups.Add("memory/y/memory.limit_in_bytes", "2000\n");
  groups.Add("memory/y/memory.usage_in_bytes", "2500\n");
  groups.Add("memory/memory.limit_in_bytes", "9223372036854771712\n");
  const CgroupLimits limits = groups.Read("5:cpu,cpuacct:/x\n4:memory:/y\n");
  CHECK(limits.cores == 0.5);
  CHECK(limits.memory == 2000);
  CHECK(limits.memory_left == 0);
}

TEST_CASE("Control groups: what cannot be understood limits nothing") {
  Groups groups;
  groups.Add("a/cpu.max", "many 100000\n");
  groups.Add("a/memory.max", "");
  groups.Add("cpu.max", "100000 0\n");
  for (const char* membership :
       {"", "\n", "0::\n", "0:\n", "no colon", "0::a\n", "0::/a\n",
        "7:cpuset:/a\n", "4:memory:/a\n", "0::/a/////\n"}) {
    CAPTURE(membership);
    CheckNoLimit(groups.Read(membership));
  }
  CheckNoLimit(ReadCgroupLimits("/nowhere", "/nowhere/self"));
}

}  // namespace
}  // namespace scanengine
