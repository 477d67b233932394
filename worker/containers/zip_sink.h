#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_SINK_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_SINK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "worker/byte_source.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Where WalkZip() puts what it meets. Abstract so that the walk can be tested
/// without scanners; ContextZipSink is the one for scans.
class ZipSink {
 public:
  virtual ~ZipSink() = default;

  virtual void Report(const Rule& rule, Severity severity,
                      Sighting sighting) = 0;
  virtual void MarkIncomplete(OutcomeStatus status, std::string detail) = 0;

  /// |name| is what the archive says, any bytes. |member| is valid during the
  /// call.
  virtual void ScanMember(std::string_view name, ByteSource& member) = 0;

  /// Bytes around the archive, at |offset|; |what| names them for people.
  virtual void ScanOutside(std::string_view what, std::uint64_t offset,
                           ByteSource& bytes) = 0;

  /// As in ScanContext.
  virtual bool ChargeUnpacked(std::uint64_t out, std::uint64_t in) = 0;
  virtual bool Checkpoint(std::uint64_t offset) = 0;
  virtual const ScanLimits& limits() const = 0;
};

/// Scans every member under the budgets of |context|.
class ContextZipSink : public ZipSink {
 public:
  explicit ContextZipSink(ScanContext& context) : context_(context) {}

  void Report(const Rule& rule, Severity severity, Sighting sighting) override;
  void MarkIncomplete(OutcomeStatus status, std::string detail) override;
  void ScanMember(std::string_view name, ByteSource& member) override;
  void ScanOutside(std::string_view what, std::uint64_t offset,
                   ByteSource& bytes) override;
  bool ChargeUnpacked(std::uint64_t out, std::uint64_t in) override;
  bool Checkpoint(std::uint64_t offset) override;
  const ScanLimits& limits() const override;

 protected:
  ScanContext& context() { return context_; }

 private:
  ScanContext& context_;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_SINK_H_
