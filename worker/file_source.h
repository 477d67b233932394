#ifndef SCANENGINE_WORKER_FILE_SOURCE_H_
#define SCANENGINE_WORKER_FILE_SOURCE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ipc/messages.h"
#include "worker/byte_source.h"

namespace scanengine {

/// A regular file, opened for reading once and read with positional reads.
///
/// Opening never blocks and never follows into a device: the file is opened
/// without waiting and looked at again by its descriptor. Paths longer than the
/// system's limit are opened component by component.
class FileSource : public ByteSource {
 public:
  /// Opens the file that |task| names. Fails with kNotFound, kPermission,
  /// kInvalidArgument (not a regular file) or kIo.
  static Result<std::unique_ptr<FileSource>> Open(const TaskRequest& task);

  /// True if size, times of writing and of change, links and identity are what
  /// they were when the file was opened.
  virtual bool Unchanged() const = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_FILE_SOURCE_H_
