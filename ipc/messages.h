#ifndef SCANENGINE_IPC_MESSAGES_H_
#define SCANENGINE_IPC_MESSAGES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ipc/outcome.h"
#include "ipc/result.h"

namespace scanengine {

/// Version of the wire protocol. A worker of another version is refused at the
/// handshake. Raise it with every change to a message (ARCHITECTURE.md, "Wire
/// protocol", keeps the history).
inline constexpr std::uint32_t kProtocolVersion = 2;

/// Identifies the build (version and a hash of the sources' configuration).
/// Supervisor and worker must agree: message layouts may differ otherwise.
const std::string& BuildId();

enum class MessageType : std::uint8_t {
  kSupervisorHello = 1,
  kWorkerHello = 2,
  kTasks = 3,
  kReplies = 4,
};

/// Bounds on what one file may cost. All are checked; reaching one is a
/// finding and the status kLimit.
struct ScanLimits {
  std::uint32_t max_depth = 8;               ///< Containers inside containers.
  std::uint64_t max_members = 100'000;       ///< In all containers of a file.
  std::uint64_t max_unpacked = 64ULL << 30;  ///< Bytes unpacked for one file.
  std::uint64_t max_ratio = 2'000;  ///< Bytes out per byte in, past 64 MiB out.
  std::uint32_t max_findings = 1'000;  ///< Distinct ones kept for a file.

  bool operator==(const ScanLimits&) const = default;
};

/// What a worker is to give up before it reads its first file.
struct SandboxRequest {
  bool enabled = true;
  /// Files and folders that the worker may read; nothing else is visible.
  std::vector<std::string> read_roots;
  /// Private memory a worker may have, in bytes; 0 for no limit.
  std::uint64_t memory_limit = 0;

  bool operator==(const SandboxRequest&) const = default;
};

/// First message from the supervisor. Version and build come first, in every
/// version of the protocol, so that a mismatch can be told.
struct SupervisorHello {
  std::uint32_t protocol_version = kProtocolVersion;
  std::string build_id;
  std::uint32_t supervisor_pid = 0;
  SandboxRequest sandbox;
  ScanLimits limits;

  bool operator==(const SupervisorHello&) const = default;
};

/// First message from a worker, sent when its sandbox is in force.
struct WorkerHello {
  std::uint32_t protocol_version = kProtocolVersion;
  std::string build_id;
  std::uint32_t pid = 0;
  std::vector<std::string> sandbox_active;   ///< "landlock-7", "seccomp", ...
  std::vector<std::string> sandbox_missing;  ///< "landlock: not in kernel".

  bool operator==(const WorkerHello&) const = default;
};

/// One unit of work as a worker sees it.
struct TaskRequest {
  TaskId id = 0;
  std::string kind{kScanTask};  ///< One that IsTaskKind() knows.
  std::string path;             ///< Bytes as the operating system has them.
  /// A descriptor that the worker inherited and reads instead of opening
  /// |path|; -1 for none. Used for standard input.
  std::int32_t inherited_fd = -1;
  std::uint64_t soft_deadline_us = 0;  ///< From the start; 0 for none.
  InspectOptions inspect;

  bool operator==(const TaskRequest&) const = default;
};

/// Serialise to the payload of a frame (frame_codec.h).
std::vector<std::byte> Encode(const SupervisorHello& message);
std::vector<std::byte> Encode(const WorkerHello& message);
std::vector<std::byte> Encode(std::span<const TaskRequest> tasks);
std::vector<std::byte> Encode(std::span<const ScanReply> replies);

/// Parse a payload from a peer that is not trusted. Fail with kMalformed; a
/// count never allocates more than the bytes that remain can back, trailing
/// bytes and enumerators out of range are errors.
///
/// A Hello of another protocol version decodes with only its version and build
/// set.
Result<SupervisorHello> DecodeSupervisorHello(
    std::span<const std::byte> payload);
Result<WorkerHello> DecodeWorkerHello(std::span<const std::byte> payload);
Result<std::vector<TaskRequest>> DecodeTasks(
    std::span<const std::byte> payload);
Result<std::vector<ScanReply>> DecodeReplies(
    std::span<const std::byte> payload);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_MESSAGES_H_
