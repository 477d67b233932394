#ifndef SCANENGINE_ENGINE_MACHINE_FACTS_H_
#define SCANENGINE_ENGINE_MACHINE_FACTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engine/cgroup.h"

namespace scanengine {

/// A limit that is none.
inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

/// A folder that the program may want to write to.
struct FolderFact {
  std::string path;
  bool writable = false;   ///< It, or the first one above it that is there.
  std::uint64_t free = 0;  ///< Bytes.
};

/// A part of the system that workers depend on, where it is not Linux.
struct SystemPart {
  std::string name;  ///< As in DoctorCheck.
  std::string found;
  std::string weakness;  ///< Empty: it does all that is wanted of it.
  std::string advice;
};

/// What a machine offers, as found; doctor.h judges it. An empty error means
/// that the thing works.
struct MachineFacts {
  std::string system;  ///< "Linux 6.1.0 x86_64".
  /// It has descriptors, limits and sandbox of Linux: the fields for those say
  /// something. Else |other_parts| tells what there is in their place.
  bool is_linux = true;
  std::vector<SystemPart> other_parts;
  bool is_root = false;

  int online_cores = 1;
  int affinity_cores = 1;  ///< That this process may run on.
  CgroupLimits cgroup;
  std::uint64_t total_memory = 0;
  std::uint64_t available_memory = 0;  ///< Control groups included.

  std::string shared_memory_error;  ///< Of a sealed, anonymous piece.
  bool has_shm_folder = false;      ///< /dev/shm.
  std::uint64_t shm_free = 0;       ///< In there, bytes.

  std::string seccomp_error;
  int landlock_abi = 0;
  std::string landlock_error;
  std::string pidfd_error;

  std::uint64_t open_files = kUnlimited;  ///< Soft limits.
  std::uint64_t processes = kUnlimited;
  std::uint64_t address_space = kUnlimited;
  std::uint64_t data = kUnlimited;
  std::uint64_t file_size = kUnlimited;
  std::uint64_t pending_signals = kUnlimited;
  int free_descriptors = -1;

  FolderFact state;      ///< Where journals go.
  FolderFact temporary;  ///< Where copies of standard input go.

  std::string worker_path;
  std::string worker_error;
};

/// Looks at this machine. |worker_path| as in ScanOptions. Changes nothing that
/// lasts: no file is made, no process started.
MachineFacts ReadMachineFacts(const std::string& worker_path);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_MACHINE_FACTS_H_
