#ifndef SCANENGINE_IPC_SHARED_MEMORY_H_
#define SCANENGINE_IPC_SHARED_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "ipc/result.h"

namespace scanengine {

/// What the operating system knows a piece of shared memory by, in this
/// process: a file descriptor on POSIX, a handle on Windows.
using NativeHandle = std::intptr_t;
inline constexpr NativeHandle kNoHandle = -1;

/// A piece of anonymous shared memory, mapped into this process.
///
/// It has no name: it goes with the last process that has it, however that
/// ends, and others get at it only through a handle that they inherit. All of
/// it is backed when it is made, so that a machine without memory is an error
/// there and not a signal at some later access. Its size never changes.
class SharedMemory {
 public:
  /// What may be done through a mapping, and, for a new piece, through any.
  enum class Access {
    kRead,       ///< The content is sealed.
    kReadWrite,  ///< The size alone is sealed.
  };

  /// Makes a piece of |size| bytes, lets |fill| write them once and seals size
  /// and content. |label| is for diagnostics of the system only. Fails with
  /// kIo. REQUIRES: size > 0.
  static Result<std::unique_ptr<SharedMemory>> CreateSealed(
      const char* label, std::size_t size,
      const std::function<void(std::span<std::byte>)>& fill);

  /// Makes a piece of |size| zero bytes that whoever inherits its handle may
  /// write to; this process maps it read-only. Fails with kIo.
  /// REQUIRES: size > 0.
  static Result<std::unique_ptr<SharedMemory>> CreateWritable(const char* label,
                                                              std::size_t size);

  /// Maps all of what is behind |handle|, which stays the caller's. Fails with
  /// kMalformed unless it is sealed as |access| says, with kIo if it cannot be
  /// mapped.
  static Result<std::unique_ptr<SharedMemory>> Attach(NativeHandle handle,
                                                      Access access);

  virtual ~SharedMemory() = default;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  /// Aligned to a page; valid as long as this object.
  virtual std::span<const std::byte> bytes() const = 0;
  /// The same; empty unless attached for kReadWrite.
  virtual std::span<std::byte> writable() = 0;
  /// To be inherited; kNoHandle for what was attached.
  virtual NativeHandle handle() const = 0;

 protected:
  SharedMemory() = default;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_SHARED_MEMORY_H_
