#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_MEMBER_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_MEMBER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "worker/byte_source.h"
#include "worker/containers/checked_source.h"
#include "worker/containers/unpacked_source.h"
#include "worker/containers/zip_checks.h"
#include "worker/containers/zip_format.h"
#include "worker/containers/zip_sink.h"

namespace scanengine {

/// One reading of a member: where its bytes are and what is said of them.
struct ZipData {
  std::uint64_t offset = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = kUnknownSize;  ///< Unpacked, as claimed.
  std::uint16_t flags = 0;
  std::uint16_t method = kZipStored;
  std::uint32_t crc = 0;
  /// Sizes and checksum are not known: |packed_size| is only a bound.
  bool open_ended = false;

  static ZipData Of(const ZipFields& fields, std::uint64_t offset) {
    return {offset,        fields.packed_size, fields.size, fields.flags,
            fields.method, fields.crc,         false};
  }
};

/// What became of a reading.
struct ZipDataResult {
  /// The deflate stream does not end well within the packed bytes.
  bool broken = false;
  /// Packed bytes that the deflate stream takes; kUnknownSize if that was not
  /// seen.
  std::uint64_t packed_end = kUnknownSize;
};

/// Unpacks members of one archive and hands them to the sink, and checks what
/// the headers said against the bytes that came.
///
/// A broken checksum or a false mark of encryption never keeps a member from
/// being scanned. What members take of the archive may add up to about twice
/// its size, so that overlapping members cannot multiply the work; a member
/// costs no more than what was read of it, so that lies about sizes do not use
/// that up.
class ZipMemberScanner {
 public:
  /// Nothing is owned.
  ZipMemberScanner(ByteSource& archive, ZipSink& sink, ZipReporter& reporter);

  ZipDataResult Scan(std::string_view name, const ZipData& data);

  /// The first |most| unpacked bytes; fewer if they cannot be had.
  std::string Head(const ZipData& data, std::size_t most);

 private:
  struct Opened;

  bool Affordable();
  void Pay(const Opened& opened);
  bool LooksPlain(const ZipData& data);
  bool Readable(std::string_view name, const ZipData& data);
  std::unique_ptr<Opened> Open(const ZipData& data);
  void Judge(std::string_view name, const ZipData& data, const Opened& opened);

  ByteSource& archive_;
  ZipSink& sink_;
  ZipReporter& reporter_;
  std::uint64_t allowance_;  // Bytes that members may still take.
  bool refused_ = false;     // One was not scanned, which has been said.
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_MEMBER_H_
