// NumPy archives (numpy.savez, savez_compressed; scipy.sparse.save_npz): a zip
// of .npy members. Format: numpy.lib.format, NEP 1. The arrays, and the pickles
// in those with objects, are the business of the scanner of each member; what
// can be wrong with the archive: containers/zip_walk.h.

#include <string>

#include "worker/containers/zip_family.h"
#include "worker/containers/zip_rules.h"
#include "worker/containers/zip_walk.h"
#include "worker/scanner.h"

namespace scanengine::npz {
namespace {

Match Probe(const ProbeInput& input) {
  if (!StartsAsZip(input.head)) return Match::kNo;
  return ClassifyZip(input) == ZipKind::kNpz ? Match::kCertain : Match::kNo;
}

void Scan(ScanContext& context) {
  ContextZipSink sink(context);
  const ZipSummary summary = WalkZip(context.source(), sink);
  context.AddAsset("npz", {{"arrays", std::to_string(summary.members)}});
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"npz", ".npz", "NumPy archive of arrays",
                       Probe, Scan,   ZipRules()};

}  // namespace scanengine::npz
