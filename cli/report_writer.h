#ifndef SCANENGINE_CLI_REPORT_WRITER_H_
#define SCANENGINE_CLI_REPORT_WRITER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/result.h"

namespace scanengine::cli {

/// Where the bytes of a report go. Not thread-safe.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  /// Writes all of |bytes| or fails with kIo.
  virtual Status Write(std::string_view bytes) = 0;

  /// Makes what was written count: on disk, under its name. Call once, after
  /// the last Write(). A sink that is destroyed without it leaves nothing.
  virtual Status Commit() = 0;

  /// True if a write failed because nobody reads the other end any more.
  virtual bool reader_gone() const { return false; }
};

/// A buffer before a sink that remembers the first failure, so that reports
/// need not check each write. Not thread-safe.
class ReportWriter {
 public:
  explicit ReportWriter(std::unique_ptr<ByteSink> sink);

  /// Does nothing after a failure.
  void Write(std::string_view bytes);
  void Flush();

  /// Flushes and commits, or says what failed first.
  Status Commit();

  bool failed() const { return error_.has_value(); }
  bool reader_gone() const { return sink_->reader_gone(); }

 private:
  std::unique_ptr<ByteSink> sink_;
  std::string buffer_;
  std::optional<Error> error_;
};

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_REPORT_WRITER_H_
