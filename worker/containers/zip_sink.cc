#include "worker/containers/zip_sink.h"

#include <utility>

#include "worker/format_detector.h"

namespace scanengine {

void ContextZipSink::Report(const Rule& rule, Severity severity,
                            Sighting sighting) {
  context_.Report(rule, severity, sighting);
}

void ContextZipSink::MarkIncomplete(OutcomeStatus status, std::string detail) {
  context_.MarkIncomplete(status, std::move(detail));
}

void ContextZipSink::ScanMember(std::string_view name, ByteSource& member) {
  context_.ScanMember(name, member);
}

void ContextZipSink::ScanOutside(std::string_view what, std::uint64_t offset,
                                 ByteSource& bytes) {
  if (offset == 0) {
    // Where the file starts as another format, that format's scanner runs
    // beside this one.
    const auto whole = DetectFormat(context_.source(), context_.name());
    if (!whole.ok() || whole.value().scanners.size() > 1) return;
  }
  context_.ScanMember(what, bytes);
}

bool ContextZipSink::ChargeUnpacked(std::uint64_t out, std::uint64_t in) {
  return context_.ChargeUnpacked(out, in);
}

bool ContextZipSink::Checkpoint(std::uint64_t offset) {
  return context_.Checkpoint(offset);
}

const ScanLimits& ContextZipSink::limits() const { return context_.limits(); }

}  // namespace scanengine
