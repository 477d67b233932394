#ifndef SCANENGINE_WORKER_PARSING_PICKLE_SCAN_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "worker/byte_source.h"
#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_rules.h"
#include "worker/scan_context.h"

namespace scanengine {

/// How a pickle stream is scanned.
struct PickleOptions {
  /// Pickles around this one (a pickle in a string); 0 for a file or member.
  std::uint32_t depth = 0;
  /// If set, findings are reported there: the stream is decoded from something
  /// and its own offsets mean nothing to people.
  std::uint64_t report_offset = kNoOffset;
  /// Reported as is; false: only what is dangerous (bytes that some loaders
  /// take for a pickle and others do not).
  bool report_everything = true;
  /// This is already another reading of a stream whose frames lie.
  bool second_reading = false;
  /// Findings before this offset were reported already by another reading.
  std::uint64_t report_from = 0;
  PickleMode mode = {};
  /// See PickleObserver::OnBuilt(). May be empty.
  std::function<std::uint64_t(const PickleMachine&, PickleValue, std::uint64_t)>
      on_built;
  /// See PickleObserver::OnPersistent() and OnResult(). May be empty.
  std::function<void(const PickleMachine&, PickleValue)> on_persistent;
  std::function<void(const PickleMachine&, PickleValue)> on_result;
};

/// Scans one pickle stream that starts at |offset| of context.source() and
/// reports what an unpickler would import and call. Reads up to and with the
/// STOP opcode; what follows is the caller's. Linear, in bounded memory.
PickleEnd ScanPickle(ScanContext& context, std::uint64_t offset,
                     const PickleOptions& options = {});

/// The same for another source than the context's own.
PickleEnd ScanPickleIn(ScanContext& context, ByteSource& source,
                       std::uint64_t offset, const PickleOptions& options);

/// How much a walk over the first opcodes must show.
enum class PickleDoubt : std::uint8_t {
  kStrict,  ///< Must not claim text or chance bytes: for unknown files.
  kString,  ///< Nor the digests that fill whole pickles: for strings.
  kLoose,   ///< Something says already that it is a pickle.
};

/// True if |head|, the first bytes of something, reads as the beginning of a
/// pickle (or as all of it). Walks at most a few hundred opcodes.
bool LooksLikePickle(std::span<const std::byte> head,
                     PickleDoubt doubt = PickleDoubt::kStrict);

/// False only if nothing that begins with |start| looks so to the strict one.
bool MayBecomePickle(std::span<const std::byte> start);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_SCAN_H_
