#include "engine/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/machine.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;

DoctorCheck Fine(std::string name, std::string found) {
  DoctorCheck check;
  check.name = std::move(name);
  check.found = std::move(found);
  return check;
}

// |check| with a state and what it means.
DoctorCheck Judged(DoctorCheck check, CheckState state, std::string consequence,
                   std::string advice) {
  check.state = state;
  check.consequence = std::move(consequence);
  check.advice = std::move(advice);
  return check;
}

std::string LimitText(std::uint64_t limit) {
  return limit == kUnlimited ? "unlimited" : std::to_string(limit);
}
std::string SizeLimitText(std::uint64_t limit) {
  return limit == kUnlimited ? "unlimited" : HumanSize(limit);
}

DoctorCheck JudgeCores(const MachineFacts& facts) {
  std::string found = fmt::format("{} of {} by affinity", facts.affinity_cores,
                                  facts.online_cores);
  found += facts.cgroup.cores > 0
               ? fmt::format(", quota {:.2g}", facts.cgroup.cores)
               : ", no quota";
  return Fine("cores", found);
}

DoctorCheck JudgeMemory(const MachineFacts& facts) {
  std::string found =
      fmt::format("{} available of {}", HumanSize(facts.available_memory),
                  HumanSize(facts.total_memory));
  found += facts.cgroup.memory > 0 ? fmt::format(", control group allows {}",
                                                 HumanSize(facts.cgroup.memory))
                                   : ", no limit by a control group";
  DoctorCheck check = Fine("memory", found);
  if (facts.available_memory == 0) {
    return Judged(check, CheckState::kWeaker,
                  "memory of workers is not bounded as a whole",
                  "give --memory-limit");
  }
  if (facts.available_memory >= 512 * kMiB) return check;
  return Judged(check, CheckState::kWeaker,
                "fewer workers run at a time, and large files may end as "
                "out-of-memory",
                "free some memory, or raise the limit of the control group");
}

DoctorCheck JudgeSharedMemory(const MachineFacts& facts) {
  DoctorCheck check =
      Fine("shared-memory",
           !facts.is_linux ? "sections without names, handed down read-only"
           : facts.has_shm_folder
               ? fmt::format("sealed memfd; /dev/shm ({} free) is not used",
                             HumanSize(facts.shm_free))
               : "sealed memfd; there is no /dev/shm, which is not used");
  check.vital = true;
  if (facts.shared_memory_error.empty()) return check;
  check.found = facts.shared_memory_error;
  return Judged(check, CheckState::kMissing,
                "workers cannot be given the import tables: scans would go on "
                "in this process, without isolation",
                facts.is_linux
                    ? "allow memfd_create (Linux 3.17), and memory for it"
                    : "free some memory");
}

DoctorCheck JudgeSeccomp(const MachineFacts& facts) {
  DoctorCheck check = Fine("seccomp", "filters that end a process");
  if (facts.seccomp_error.empty()) return check;
  check.found = facts.seccomp_error;
  return Judged(check, CheckState::kMissing,
                "a hijacked worker may make system calls: network, new "
                "processes, traces",
                "use a kernel with CONFIG_SECCOMP_FILTER (Linux 4.14), in a "
                "container one that passes seccomp() on");
}

DoctorCheck JudgeLandlock(const MachineFacts& facts) {
  DoctorCheck check =
      Fine("landlock", fmt::format("ABI {}", facts.landlock_abi));
  if (facts.landlock_abi >= 6) return check;
  const char* const advice =
      "use Linux 6.12 or newer with landlock in the lsm= list";
  if (facts.landlock_abi <= 0) {
    check.found = facts.landlock_error;
    return Judged(check, CheckState::kMissing,
                  "a hijacked worker may read every file that you may read",
                  advice);
  }
  std::string lacks = "signals and abstract sockets";
  if (facts.landlock_abi < 4) lacks += ", TCP";
  if (facts.landlock_abi < 3) lacks += ", truncation";
  return Judged(check, CheckState::kWeaker,
                "seccomp alone holds what this kernel's Landlock does not "
                "know: " +
                    lacks,
                advice);
}

DoctorCheck JudgePidfd(const MachineFacts& facts) {
  DoctorCheck check = Fine("pidfd", "available");
  check.vital = true;
  if (facts.pidfd_error.empty()) return check;
  check.found = facts.pidfd_error;
  return Judged(check, CheckState::kMissing,
                "the ends of workers cannot be watched: none is started",
                "use Linux 5.3 or newer, or a container that passes "
                "pidfd_open() on");
}

DoctorCheck JudgeWorkerProgram(const MachineFacts& facts) {
  DoctorCheck check = Fine("worker-program", facts.worker_path);
  check.vital = true;
  if (facts.worker_error.empty()) return check;
  check.found += ": " + facts.worker_error;
  return Judged(check, CheckState::kMissing,
                "no worker can be started: scans would go on in this process, "
                "without isolation",
                "install scanengine-worker beside scanengine, or give "
                "--worker-path");
}

DoctorCheck JudgeUser(const MachineFacts& facts) {
  if (!facts.is_root) return Fine("user", "an ordinary user");
  return Fine("user",
              "root; workers keep no right of it but to read every file below "
              "what is scanned");
}

DoctorCheck JudgeOpenFiles(const MachineFacts& facts) {
  DoctorCheck check =
      Fine("limit-files",
           fmt::format("{} (ulimit -n), {} free", LimitText(facts.open_files),
                       facts.free_descriptors));
  const WorkerCount count =
      ChooseWorkerCount({.cores = facts.affinity_cores,
                         .free_descriptors = facts.free_descriptors});
  if (count.shortage.empty()) return check;
  return Judged(
      check, CheckState::kWeaker,
      fmt::format("no more than {} worker(s) can be started", count.count),
      "raise the limit: ulimit -n 1024");
}

DoctorCheck JudgeProcesses(const MachineFacts& facts) {
  DoctorCheck check =
      Fine("limit-processes", LimitText(facts.processes) + " (ulimit -u)");
  // Three threads of the program, its workers, and what else the user runs.
  const std::uint64_t wanted =
      16 + static_cast<std::uint64_t>(facts.affinity_cores);
  if (facts.is_root || facts.processes >= wanted) return check;
  return Judged(check, CheckState::kWeaker,
                "workers may not start, if the user has other processes",
                "raise the limit: ulimit -u 1024");
}

DoctorCheck JudgeMemoryLimits(const MachineFacts& facts) {
  DoctorCheck check =
      Fine("limit-memory", fmt::format("address space {} (ulimit -v), data {} "
                                       "(ulimit -d)",
                                       SizeLimitText(facts.address_space),
                                       SizeLimitText(facts.data)));
  if (std::min(facts.address_space, facts.data) >= 1024 * kMiB) return check;
  return Judged(check, CheckState::kWeaker,
                "workers inherit it: large files may end as out-of-memory",
                "lift the limit (ulimit -v unlimited) and use --worker-memory");
}

DoctorCheck JudgeFileSize(const MachineFacts& facts) {
  DoctorCheck check =
      Fine("limit-file-size", SizeLimitText(facts.file_size) + " (ulimit -f)");
  if (facts.file_size >= 1024 * kMiB) return check;
  return Judged(check, CheckState::kWeaker, "large reports cannot be written",
                "lift the limit: ulimit -f unlimited");
}

DoctorCheck JudgeSignals(const MachineFacts& facts) {
  DoctorCheck check =
      Fine("limit-signals", LimitText(facts.pending_signals) + " (ulimit -i)");
  check.vital = facts.pending_signals == 0;
  if (facts.pending_signals >=
      16 + static_cast<std::uint64_t>(facts.affinity_cores)) {
    return check;
  }
  return Judged(check, check.vital ? CheckState::kMissing : CheckState::kWeaker,
                "each worker needs one for the timer of its watchdog, and does "
                "not start without",
                "raise the limit: ulimit -i 1024");
}

DoctorCheck JudgeFolder(const char* name, const FolderFact& folder,
                        const char* consequence, const char* advice) {
  DoctorCheck check =
      Fine(name, folder.path.empty()
                     ? "none: the environment names no home"
                     : fmt::format("{}, {} free", Printable(folder.path, 300),
                                   HumanSize(folder.free)));
  if (folder.writable && folder.free >= 16 * kMiB) return check;
  if (!folder.writable && !folder.path.empty()) {
    check.found += ", not writable";
  }
  return Judged(check, CheckState::kWeaker, consequence, advice);
}

std::vector<DoctorCheck> JudgeOtherMachine(const MachineFacts& facts) {
  std::vector<DoctorCheck> checks{Fine("system", facts.system),
                                  JudgeWorkerProgram(facts), JudgeCores(facts),
                                  JudgeMemory(facts), JudgeSharedMemory(facts)};
  for (const SystemPart& part : facts.other_parts) {
    DoctorCheck check = Fine(part.name, part.found);
    checks.push_back(part.weakness.empty()
                         ? std::move(check)
                         : Judged(std::move(check), CheckState::kWeaker,
                                  part.weakness, part.advice));
  }
  checks.push_back(
      JudgeFolder("state-folder", facts.state,
                  "no journal is kept: a run that is cut short starts anew",
                  "set LOCALAPPDATA to a folder that you may write to"));
  checks.push_back(JudgeFolder("temporary-folder", facts.temporary,
                               "standard input from a pipe cannot be scanned",
                               "set TMP to a folder that you may write to"));
  return checks;
}

}  // namespace

std::string_view CheckStateName(CheckState state) {
  switch (state) {
    case CheckState::kOk:
      return "ok";
    case CheckState::kWeaker:
      return "weaker";
    case CheckState::kMissing:
      return "missing";
  }
  return "missing";
}

std::string_view FitnessName(Fitness fitness) {
  switch (fitness) {
    case Fitness::kFull:
      return "capable";
    case Fitness::kWeaker:
      return "weaker";
    case Fitness::kUnable:
      return "unable";
  }
  return "unable";
}

std::vector<DoctorCheck> JudgeMachine(const MachineFacts& facts) {
  if (!facts.is_linux) return JudgeOtherMachine(facts);
  return {
      Fine("system", facts.system),
      JudgeUser(facts),
      JudgeWorkerProgram(facts),
      JudgeCores(facts),
      JudgeMemory(facts),
      JudgeSharedMemory(facts),
      JudgePidfd(facts),
      JudgeSeccomp(facts),
      JudgeLandlock(facts),
      JudgeOpenFiles(facts),
      JudgeProcesses(facts),
      JudgeMemoryLimits(facts),
      JudgeFileSize(facts),
      JudgeSignals(facts),
      JudgeFolder("state-folder", facts.state,
                  "no journal is kept: a run that is cut short starts anew",
                  "set XDG_STATE_HOME to a folder that you may write to"),
      JudgeFolder("temporary-folder", facts.temporary,
                  "standard input from a pipe cannot be scanned",
                  "set TMPDIR to a folder that you may write to"),
  };
}

Fitness JudgeFitness(const std::vector<DoctorCheck>& checks,
                     const RoundTrip& round_trip) {
  bool weaker = !round_trip.sandbox_missing.empty();
  for (const DoctorCheck& check : checks) {
    if (check.vital && check.state == CheckState::kMissing) {
      return Fitness::kUnable;
    }
    weaker = weaker || check.state != CheckState::kOk;
  }
  if (!round_trip.complete) return Fitness::kUnable;
  return weaker ? Fitness::kWeaker : Fitness::kFull;
}

Diagnosis Diagnose(const ScanOptions& options) {
  Diagnosis diagnosis;
  const MachineFacts facts = ReadMachineFacts(options.worker_path);
  diagnosis.checks = JudgeMachine(facts);
  diagnosis.workers =
      ChooseWorkerCount({.asked = options.workers,
                         .cores = UsableCores(),
                         .memory_limit = options.memory_limit != 0
                                             ? options.memory_limit
                                             : facts.available_memory / 10 * 8,
                         .free_descriptors = facts.free_descriptors});
  diagnosis.round_trip = TryWorker(options);
  diagnosis.fitness = JudgeFitness(diagnosis.checks, diagnosis.round_trip);
  return diagnosis;
}

}  // namespace scanengine
