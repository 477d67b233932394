#include "cli/report_writer.h"

#include <utility>

namespace scanengine::cli {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;

}  // namespace

ReportWriter::ReportWriter(std::unique_ptr<ByteSink> sink)
    : sink_(std::move(sink)) {}

void ReportWriter::Write(std::string_view bytes) {
  if (error_) return;
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) Flush();
}

void ReportWriter::Flush() {
  if (error_ || buffer_.empty()) return;
  const Status status = sink_->Write(buffer_);
  buffer_.clear();
  if (!status.ok()) error_ = status.error();
}

Status ReportWriter::Commit() {
  Flush();
  if (error_) return *error_;
  Status status = sink_->Commit();
  if (!status.ok()) error_ = status.error();
  return status;
}

}  // namespace scanengine::cli
