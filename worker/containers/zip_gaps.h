#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_GAPS_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_GAPS_H_

#include <cstdint>

#include "worker/byte_source.h"
#include "worker/containers/zip_checks.h"
#include "worker/containers/zip_member.h"
#include "worker/containers/zip_reader.h"
#include "worker/containers/zip_sink.h"

namespace scanengine {

/// Bytes of an archive that something accounts for: a member from its local
/// header to the end of its data, or records.
struct ZipSpan {
  ZipRange range;
  /// A member whose sizes and checksum are repeated behind its data.
  bool descriptor = false;
  std::uint32_t crc = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
};

/// Looks at what lies between, before and behind the members that a directory
/// lists: finds and scans members by their local headers, as readers do that go
/// from front to back, and reports bytes that belong to nothing. Every byte is
/// looked at about once.
class ZipGapScanner {
 public:
  struct Options {
    /// There is no directory to trust: members found here are no surprise.
    bool recovering = false;
    ZipRange comment;  ///< The archive comment: bytes there are no surprise.
  };

  /// Nothing is owned.
  ZipGapScanner(ByteSource& archive, ZipSink& sink, ZipReporter& reporter,
                ZipMemberScanner& members, const Options& options);

  /// |before| is what ends where |gap| begins; null at the start of the file.
  void Scan(const ZipRange& gap, const ZipSpan* before);

  std::uint64_t found() const { return found_; }

 private:
  std::uint64_t SkipDescriptor(const ZipRange& gap, const ZipSpan& before);
  std::uint64_t ScanHidden(std::uint64_t offset, std::uint64_t limit);
  void Loose(ZipRange range);
  bool AllZero(const ZipRange& range);

  ByteSource& archive_;
  ZipSink& sink_;
  ZipReporter& reporter_;
  ZipMemberScanner& members_;
  Options options_;
  std::uint64_t found_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_GAPS_H_
