#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_CHECKS_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_CHECKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "worker/containers/zip_format.h"
#include "worker/containers/zip_sink.h"

namespace scanengine {

/// Passes findings on to a sink, but of each rule only the first few one by
/// one and the rest as a count: an archive with 100,000 odd members must not
/// use up the findings that a file may have before its payload is reached.
class ZipReporter {
 public:
  explicit ZipReporter(ZipSink& sink) : sink_(sink) {}

  void Report(const Rule& rule, Sighting sighting) {
    Report(rule, rule.severity, std::move(sighting));
  }
  void Report(const Rule& rule, Severity severity, Sighting sighting);

  /// Reports the counts. Call it once, at the end.
  void Finish();

 private:
  struct Tally {
    std::uint64_t reported = 0;
    std::uint64_t more = 0;
    Severity worst_more = Severity::kInfo;
  };
  ZipSink& sink_;
  std::map<const Rule*, Tally> tallies_;
};

/// |name| in quotes, printable, at most about 120 characters.
std::string QuoteZipName(std::string_view name);

/// Why unpacking to the path |name| would leave the folder ("it is an absolute
/// path"); empty if it would not.
std::string_view ZipPathLeadsOut(std::string_view name);

/// Reports what is wrong with an entry's name: paths that lead out of the
/// folder, NUL bytes, bytes that are no UTF-8, a second name in an extra field.
void CheckZipName(const ZipEntry& entry, ZipReporter& reporter);

/// How a local header departs from the central record.
struct ZipDifference {
  bool name = false;
  /// A reader that trusts the local header takes other bytes as the data.
  bool data = false;
};

/// Compares the two headers of one member and reports every contradiction.
ZipDifference CompareZipHeaders(const ZipEntry& entry, const ZipLocal& local,
                                ZipReporter& reporter);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_CHECKS_H_
