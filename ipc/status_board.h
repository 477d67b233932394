#ifndef SCANENGINE_IPC_STATUS_BOARD_H_
#define SCANENGINE_IPC_STATUS_BOARD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ipc/result.h"
#include "ipc/shared_memory.h"

namespace scanengine {

/// One reading of a worker's board. Written by a process that is not trusted:
/// every field may be a lie.
struct BoardSnapshot {
  std::uint64_t task = 0;    ///< 0: none.
  std::string phase;         ///< Printable ASCII, at most 31 characters.
  std::uint64_t offset = 0;  ///< In the file or member being read.
  std::uint64_t bytes = 0;   ///< Read so far for this task.
};

/// One page, written by one worker and read by the supervisor without any
/// message or lock: which task the worker is in and how far it got.
///
/// The supervisor creates it and never trusts it; it is sealed in size, since a
/// shrink would kill the reader.
class StatusBoard {
 public:
  static Result<std::unique_ptr<StatusBoard>> Create();
  virtual ~StatusBoard() = default;
  StatusBoard(const StatusBoard&) = delete;
  StatusBoard& operator=(const StatusBoard&) = delete;

  /// Copies each field once, then checks the copy.
  virtual BoardSnapshot Read() const = 0;
  virtual NativeHandle handle() const = 0;

 protected:
  StatusBoard() = default;
};

/// The worker's side. All writes are relaxed stores to the shared page; they
/// cost nanoseconds and are safe in a signal handler.
class StatusBoardWriter {
 public:
  /// A board that nobody reads, for in-process scans and tests.
  static std::unique_ptr<StatusBoardWriter> Detached();
  static Result<std::unique_ptr<StatusBoardWriter>> Attach(NativeHandle handle);

  virtual ~StatusBoardWriter() = default;
  StatusBoardWriter(const StatusBoardWriter&) = delete;
  StatusBoardWriter& operator=(const StatusBoardWriter&) = delete;

  virtual void BeginTask(std::uint64_t task) = 0;
  virtual void EndTask() = 0;
  virtual void SetPhase(std::string_view phase) = 0;
  virtual void SetProgress(std::uint64_t offset, std::uint64_t bytes) = 0;

 protected:
  StatusBoardWriter() = default;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_STATUS_BOARD_H_
