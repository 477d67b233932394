#include "ipc/messages.h"

#include <cstring>
#include <new>

#include "ipc/bounded_archive.h"

namespace scanengine {

// Vectors of structures are read element by element: vector::resize(count)
// would multiply a hostile count by sizeof(element) before the first one is
// read.
template <typename T>
void LoadAll(BoundedInputArchive& archive, std::vector<T>& items) {
  const std::uint32_t count = archive.LoadCount();
  items.clear();
  for (std::uint32_t i = 0; i < count; ++i) archive(items.emplace_back());
}
template <typename T>
void SaveAll(BoundedOutputArchive& archive, const std::vector<T>& items) {
  const auto count = static_cast<std::uint32_t>(items.size());
  archive(count);
  for (const T& item : items) archive(item);
}
template <typename T>
void Sequence(BoundedInputArchive& archive, std::vector<T>& items) {
  LoadAll(archive, items);
}
template <typename T>
void Sequence(BoundedOutputArchive& archive, std::vector<T>& items) {
  SaveAll(archive, items);
}

template <typename E>
void Enumerator(BoundedOutputArchive& archive, E& value, std::uint8_t) {
  archive(static_cast<std::uint8_t>(value));
}
template <typename E>
void Enumerator(BoundedInputArchive& archive, E& value, std::uint8_t max) {
  std::uint8_t number = 0;
  archive(number);
  if (number > max) throw cereal::Exception("message has a bad enumerator");
  value = static_cast<E>(number);
}

template <typename Archive>
void serialize(Archive& archive, Finding& f) {
  archive(f.rule_id);
  Enumerator(archive, f.severity,
             static_cast<std::uint8_t>(Severity::kCritical));
  archive(f.message, f.member, f.offset, f.evidence, f.why, f.advice,
          f.reference, f.count);
}

template <typename Archive>
void serialize(Archive& archive, Asset& asset) {
  archive(asset.member, asset.format, asset.bytes);
  Sequence(archive, asset.facts);
}

template <typename Archive>
void serialize(Archive& archive, InspectedImport& import) {
  archive(import.name, import.written);
  Enumerator(archive, import.verdict, kNameVerdictCount - 1);
  archive(import.category, import.effect, import.reference, import.offset,
          import.imports, import.calls, import.by_attribute);
}

template <typename Archive>
void serialize(Archive& archive, InspectedStep& step) {
  archive(step.offset);
  Enumerator(archive, step.action, kStepActionCount - 1);
  Enumerator(archive, step.verdict, kNameVerdictCount - 1);
  archive(step.value, step.within, step.text, step.outcome);
  Sequence(archive, step.chain);
}

template <typename Archive>
void serialize(Archive& archive, InspectedLine& line) {
  archive(line.depth, line.text);
}

template <typename Archive>
void serialize(Archive& archive, InspectedOpcode& opcode) {
  archive(opcode.offset, opcode.name, opcode.operand);
}

template <typename Archive>
void serialize(Archive& archive, InspectionSection& section) {
  archive(section.member, section.kind, section.number, section.parent,
          section.parent_offset, section.begin, section.end);
  Sequence(archive, section.facts);
  Sequence(archive, section.imports);
  Sequence(archive, section.steps);
  Sequence(archive, section.outline);
  Sequence(archive, section.opcodes);
  archive(section.dropped);
}

template <typename Archive>
void serialize(Archive& archive, Inspection& inspection) {
  Sequence(archive, inspection.sections);
  archive(inspection.truncated);
}

template <typename Archive>
void serialize(Archive& archive, InspectOptions& options) {
  archive(options.member, options.opcodes);
}

template <typename Archive>
void serialize(Archive& archive, ScanReply& reply) {
  archive(reply.task);
  Enumerator(archive, reply.status, kOutcomeStatusCount - 1);
  archive(reply.detail, reply.format, reply.bytes);
  Sequence(archive, reply.scanners);
  Sequence(archive, reply.findings);
  Sequence(archive, reply.assets);
  archive(reply.inspection);
  archive(reply.duration_us, reply.peak_memory);
}

template <typename Archive>
void serialize(Archive& archive, TaskRequest& task) {
  archive(task.id, task.kind, task.path, task.inherited_fd,
          task.soft_deadline_us, task.inspect);
}

template <typename Archive>
void serialize(Archive& archive, ScanLimits& limits) {
  archive(limits.max_depth, limits.max_members, limits.max_unpacked,
          limits.max_ratio, limits.max_findings);
}

template <typename Archive>
void serialize(Archive& archive, SandboxRequest& request) {
  archive(request.enabled);
  Sequence(archive, request.read_roots);
  archive(request.memory_limit);
}

// What follows version and build; absent in a Hello of another version.
template <typename Archive>
void HelloBody(Archive& archive, SupervisorHello& hello) {
  archive(hello.supervisor_pid, hello.sandbox, hello.limits);
}
template <typename Archive>
void HelloBody(Archive& archive, WorkerHello& hello) {
  archive(hello.pid);
  Sequence(archive, hello.sandbox_active);
  Sequence(archive, hello.sandbox_missing);
}

namespace {

template <typename Hello>
std::vector<std::byte> EncodeHello(Hello hello) {
  std::vector<std::byte> out;
  BoundedOutputArchive archive(&out);
  archive(hello.protocol_version, hello.build_id);
  HelloBody(archive, hello);
  return out;
}

// Turns what a decoder throws into a Result, and refuses trailing bytes.
template <typename T, typename Decode>
Result<T> Guarded(std::span<const std::byte> payload, Decode decode) {
  try {
    T value;
    BoundedInputArchive archive(payload);
    const bool whole = decode(archive, value);
    if (whole && archive.remaining() != 0) {
      return Error{ErrorCode::kMalformed, "message has trailing bytes"};
    }
    return value;
  } catch (const cereal::Exception& e) {
    return Error{ErrorCode::kMalformed, e.what()};
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kLimitExceeded, "message needs too much memory"};
  }
}

template <typename Hello>
Result<Hello> DecodeHello(std::span<const std::byte> payload) {
  return Guarded<Hello>(payload, [](BoundedInputArchive& archive, Hello& out) {
    archive(out.protocol_version, out.build_id);
    if (out.protocol_version != kProtocolVersion) return false;
    HelloBody(archive, out);
    return true;
  });
}

template <typename T>
Result<std::vector<T>> DecodeSequence(std::span<const std::byte> payload) {
  return Guarded<std::vector<T>>(
      payload, [](BoundedInputArchive& archive, std::vector<T>& out) {
        LoadAll(archive, out);
        return true;
      });
}

template <typename T>
std::vector<std::byte> EncodeSequence(std::span<const T> items) {
  std::vector<std::byte> out;
  BoundedOutputArchive archive(&out);
  const auto count = static_cast<std::uint32_t>(items.size());
  archive(count);
  for (const T& item : items) archive(item);
  return out;
}

}  // namespace

std::vector<std::byte> Encode(const SupervisorHello& message) {
  return EncodeHello(message);
}
std::vector<std::byte> Encode(const WorkerHello& message) {
  return EncodeHello(message);
}
std::vector<std::byte> Encode(std::span<const TaskRequest> tasks) {
  return EncodeSequence(tasks);
}
std::vector<std::byte> Encode(std::span<const ScanReply> replies) {
  return EncodeSequence(replies);
}

Result<SupervisorHello> DecodeSupervisorHello(
    std::span<const std::byte> payload) {
  return DecodeHello<SupervisorHello>(payload);
}
Result<WorkerHello> DecodeWorkerHello(std::span<const std::byte> payload) {
  return DecodeHello<WorkerHello>(payload);
}
Result<std::vector<TaskRequest>> DecodeTasks(
    std::span<const std::byte> payload) {
  return DecodeSequence<TaskRequest>(payload);
}
Result<std::vector<ScanReply>> DecodeReplies(
    std::span<const std::byte> payload) {
  return DecodeSequence<ScanReply>(payload);
}

}  // namespace scanengine
