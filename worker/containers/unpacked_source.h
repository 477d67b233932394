#ifndef SCANENGINE_WORKER_CONTAINERS_UNPACKED_SOURCE_H_
#define SCANENGINE_WORKER_CONTAINERS_UNPACKED_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "worker/byte_source.h"
#include "worker/containers/decoder.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Asked for every block that is unpacked: |out| bytes came from |in|. False
/// ends the unpacking with kLimitExceeded.
using UnpackBudget = std::function<bool(std::uint64_t out, std::uint64_t in)>;

/// The unpacked bytes of a compressed stream, read on demand in bounded memory
/// (under 2 MiB and what the decoder takes, a few 10 KiB for a small stream).
///
/// Made for reading from front to back, which takes one pass. The first
/// kHeadBytes are kept, so that probing and then scanning costs nothing more;
/// so are the last kHistoryBytes. A read further back resumes at the nearest of
/// a few saved decoder states, or at the front if the decoder cannot save its
/// state; what is unpacked twice is charged twice, so the total work is bounded
/// by the budget whatever the reader does.
///
/// Several streams of one kind after one another are one source, as gzip, bz2
/// and joblib read them; zeros between them are skipped. Anything else after
/// the end of the stream is left alone (packed_end() tells where it is).
class UnpackedSource final : public ByteSource {
 public:
  static constexpr std::size_t kHeadBytes = 64 << 10;
  static constexpr std::size_t kHistoryBytes = 128 << 10;
  /// Of decoders that cannot save their state.
  static constexpr std::size_t kLongHistoryBytes = 768 << 10;

  /// |packed| is not owned. |claimed_size| is what size() says; the bytes end
  /// where the stream ends, whatever was claimed.
  UnpackedSource(ScanContext& context, ByteSource& packed,
                 Compression compression,
                 std::uint64_t claimed_size = kUnknownSize);
  UnpackedSource(UnpackBudget budget, ByteSource& packed,
                 Compression compression,
                 std::uint64_t claimed_size = kUnknownSize);
  ~UnpackedSource() override;
  UnpackedSource(const UnpackedSource&) = delete;
  UnpackedSource& operator=(const UnpackedSource&) = delete;

  std::uint64_t size() const override { return claimed_size_; }

  /// Fails with kMalformed where a broken stream stops, after every byte
  /// before that could be read; with kLimitExceeded once the budget is spent;
  /// else as |packed| does.
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override;
  bool random_access() const override { return false; }

  /// Offset in |packed| behind the end of the stream; kUnknownSize if the end
  /// was not reached yet.
  std::uint64_t packed_end() const { return packed_end_; }

  /// Streams that were unpacked to their end, and zeros between and after them.
  std::uint64_t streams() const { return streams_; }
  std::uint64_t padding() const { return padding_; }

  /// It failed since the decoder may not have the memory that it asks for.
  bool memory_short() const { return memory_short_; }

 private:
  struct Position;
  enum class Step { kBytes, kEnd, kFailed };

  bool ReadKept(std::uint64_t offset, std::span<std::byte> out,
                std::size_t& got) const;
  bool Seek(std::uint64_t offset);
  void SaveState();
  Step Produce();
  Step Decode();
  void MakeRoom();
  void Keep(std::size_t size);
  Step StreamEnded();
  bool SkipZeros();
  bool Refill();
  void Fail(ErrorCode code, std::string detail);

  UnpackBudget budget_;
  ByteSource& packed_;
  Compression compression_;
  std::uint64_t claimed_size_;
  std::size_t block_bytes_ = 0;  // Unpacked at once.
  std::size_t history_bytes_ = kHistoryBytes;

  std::unique_ptr<Position> here_;                // Null before the first read.
  std::vector<std::unique_ptr<Position>> saved_;  // By offset.
  std::uint64_t save_every_;

  std::vector<std::byte> input_;  // Packed bytes that were read.
  std::uint64_t input_base_ = 0;  // Offset in packed_ of input_[0].
  std::size_t input_size_ = 0;

  std::vector<std::byte> head_;
  std::vector<std::byte> history_;  // Unpacked bytes before here_'s offset.
  std::size_t history_size_ = 0;

  std::uint64_t packed_end_ = kUnknownSize;
  std::uint64_t streams_ = 0;
  std::uint64_t padding_ = 0;
  bool memory_short_ = false;
  // Where unpacking fails, and why; at any other offset reads go on working.
  std::uint64_t failed_at_ = kUnknownSize;
  Error error_{ErrorCode::kMalformed, ""};
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_UNPACKED_SOURCE_H_
