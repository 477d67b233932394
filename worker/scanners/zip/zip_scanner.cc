// Zip archives that are no format of their own: every member is scanned by its
// content. Specification: APPNOTE.TXT 6.3.10; what readers make of it and what
// is reported: containers/zip_walk.h.
//
// Also takes what is appended to a file of another kind, since zipfile and
// keras look for an archive from the end of a file, and model formats made of a
// zip archive that have no scanner yet; those are named and marked as
// unsupported, with their members scanned all the same.

#include <string>

#include "worker/containers/zip_family.h"
#include "worker/containers/zip_rules.h"
#include "worker/containers/zip_walk.h"
#include "worker/scanner.h"

namespace scanengine::zip {
namespace {

class Sink final : public ContextZipSink {
 public:
  using ContextZipSink::ContextZipSink;

  void ScanMember(std::string_view name, ByteSource& member) override {
    family_.Add(name);
    ContextZipSink::ScanMember(name, member);
  }
  const ZipFamily& family() const { return family_; }

 private:
  ZipFamily family_;
};

Match Probe(const ProbeInput& input) {
  return ClassifyZip(input) == ZipKind::kOther ? Match::kCertain : Match::kNo;
}

void Scan(ScanContext& context) {
  Sink sink(context);
  const ZipSummary summary = WalkZip(context.source(), sink);
  const std::string_view unsupported = sink.family().unsupported();
  context.AddAsset(unsupported.empty() ? "zip" : unsupported,
                   {{"members", std::to_string(summary.members)}});
  if (!unsupported.empty()) {
    context.MarkIncomplete(OutcomeStatus::kUnsupported,
                           std::string(unsupported) + " is not supported yet");
  }
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"zip", ".zip", "Zip archive, every member scanned",
                       Probe, Scan,   ZipRules()};

}  // namespace scanengine::zip
