#ifndef SCANENGINE_IPC_BYTE_CHANNEL_H_
#define SCANENGINE_IPC_BYTE_CHANNEL_H_

#include <cstddef>
#include <span>

#include "ipc/result.h"

namespace scanengine {

/// A blocking stream of bytes to a peer and one from it. Not thread-safe.
///
/// Abstract so that the worker's loop can be tested without a process.
class ByteChannel {
 public:
  virtual ~ByteChannel() = default;

  /// Waits for bytes and reads up to out.size() of them; 0 only at the end,
  /// when the peer has closed its side. Fails with kIo.
  /// REQUIRES: !out.empty().
  virtual Result<std::size_t> Read(std::span<std::byte> out) = 0;

  /// Writes all of |bytes|, however long the peer takes to read them. Fails
  /// with kIo; then some of them may have been written.
  virtual Status Write(std::span<const std::byte> bytes) = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_BYTE_CHANNEL_H_
