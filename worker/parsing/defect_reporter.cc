#include "worker/parsing/defect_reporter.h"

#include <algorithm>
#include <string>
#include <utility>

namespace scanengine {

void DefectReporter::Report(const Sighting& sighting) {
  Report(rule_.severity, sighting);
}

void DefectReporter::Report(Severity severity, const Sighting& sighting) {
  if (++count_ > kMaxListed) {
    worst_unlisted_ = std::max(worst_unlisted_, severity);
    return;
  }
  context_.Report(rule_, severity, sighting);
}

void DefectReporter::Finish() {
  if (count_ <= kMaxListed) return;
  context_.Report(rule_, worst_unlisted_,
                  {.message = std::to_string(count_ - kMaxListed) +
                              " more of this kind are not listed"});
}

}  // namespace scanengine
