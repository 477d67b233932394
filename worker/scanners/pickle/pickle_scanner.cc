#include "worker/scanner.h"

namespace scanengine::pickle {
namespace {
Match Probe(const ProbeInput&) { return Match::kNo; }
void Scan(ScanContext&) {}
}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"pickle", ".pkl .pickle", "Python pickle",
                       Probe,    Scan,           {}};

}  // namespace scanengine::pickle
