#include "worker/containers/unpacked_source.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "ipc/check.h"

namespace scanengine {
namespace {

constexpr std::size_t kInputBytes = 32 << 10;
constexpr std::size_t kBlockBytes = 64 << 10;
constexpr std::size_t kSmallestBlockBytes = 512;
// Decoder states take about 40 KiB each.
constexpr std::size_t kMaxSaved = 16;
constexpr std::uint64_t kFirstSaveEvery = 1 << 20;

}  // namespace

// A decoder and where it stands.
struct UnpackedSource::Position {
  /// Null if the decoder cannot be copied.
  std::unique_ptr<Position> Copy() const {
    auto copy = std::make_unique<Position>();
    copy->decoder = decoder->Copy();
    if (copy->decoder == nullptr) return nullptr;
    copy->in = in;
    copy->out = out;
    copy->streams = streams;
    copy->ended = ended;
    return copy;
  }

  std::unique_ptr<Decoder> decoder;
  std::uint64_t in = 0;       // Offset in the packed source of the next byte.
  std::uint64_t out = 0;      // Offset of the next unpacked byte.
  std::uint64_t streams = 0;  // That ended.
  bool ended = false;         // Nothing follows.
};

UnpackedSource::UnpackedSource(ScanContext& context, ByteSource& packed,
                               Compression compression,
                               std::uint64_t claimed_size)
    : UnpackedSource(
          [&context](std::uint64_t out, std::uint64_t in) {
            return context.ChargeUnpacked(out, in);
          },
          packed, compression, claimed_size) {}

UnpackedSource::UnpackedSource(UnpackBudget budget, ByteSource& packed,
                               Compression compression,
                               std::uint64_t claimed_size)
    : budget_(std::move(budget)),
      packed_(packed),
      compression_(compression),
      claimed_size_(claimed_size),
      save_every_(kFirstSaveEvery) {
  // Most members are small: do not pay for a block they cannot fill.
  block_bytes_ = claimed_size >= kBlockBytes
                     ? kBlockBytes
                     : std::max(static_cast<std::size_t>(claimed_size) + 1,
                                kSmallestBlockBytes);
}

UnpackedSource::~UnpackedSource() = default;

Result<std::size_t> UnpackedSource::ReadAt(std::uint64_t offset,
                                           std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint64_t at = offset + done;
    std::size_t got = 0;
    if (ReadKept(at, out.subspan(done), got)) {
      done += got;
      continue;
    }
    if (at >= failed_at_) break;
    if (!Seek(at)) break;
    if (Produce() == Step::kEnd) return done;
  }
  if (done == 0 && !out.empty()) return error_;
  return done;
}

// Copies what is in memory at |offset|. False if nothing is.
bool UnpackedSource::ReadKept(std::uint64_t offset, std::span<std::byte> out,
                              std::size_t& got) const {
  std::span<const std::byte> kept;
  if (offset < head_.size()) {
    kept = std::span(head_).subspan(static_cast<std::size_t>(offset));
  } else if (here_ != nullptr && offset < here_->out &&
             here_->out - offset <= history_size_) {
    kept = std::span(history_)
               .first(history_size_)
               .last(static_cast<std::size_t>(here_->out - offset));
  } else {
    return false;
  }
  got = std::min(kept.size(), out.size());
  std::memcpy(out.data(), kept.data(), got);
  return true;
}

// Puts the decoder at or before |offset|, as near as a saved state allows.
bool UnpackedSource::Seek(std::uint64_t offset) {
  Position* best = nullptr;
  for (const auto& saved : saved_) {
    if (saved->out <= offset) best = saved.get();
  }
  const bool forward = here_ != nullptr && here_->out <= offset;
  if (forward && (best == nullptr || best->out <= here_->out)) return true;
  std::unique_ptr<Position> next;
  if (best != nullptr) next = best->Copy();
  if (next == nullptr) {
    if (forward) return true;
    next = std::make_unique<Position>();
    next->decoder = MakeDecoder(compression_);
    if (next->decoder == nullptr) {
      Fail(ErrorCode::kLimitExceeded, CanUnpack(compression_)
                                          ? "no memory to unpack it"
                                          : "this build cannot unpack it");
      return false;
    }
  }
  here_ = std::move(next);
  history_size_ = 0;
  return true;
}

// Keeps at most kMaxSaved states; when there are more, every other one goes and
// the distance doubles.
void UnpackedSource::SaveState() {
  const std::uint64_t last = saved_.empty() ? 0 : saved_.back()->out;
  if (here_->out < last + save_every_) return;
  if (saved_.size() == kMaxSaved) {
    for (std::size_t i = 0; i < kMaxSaved / 2; ++i) {
      saved_[i] = std::move(saved_[2 * i + 1]);
    }
    saved_.resize(kMaxSaved / 2);
    save_every_ *= 2;
    if (here_->out < saved_.back()->out + save_every_) return;
  }
  if (auto copy = here_->Copy()) {
    saved_.push_back(std::move(copy));
  } else {
    history_bytes_ = kLongHistoryBytes;
  }
}

// Unpacks one block more, which may be empty; kEnd behind the last.
UnpackedSource::Step UnpackedSource::Produce() {
  if (here_->ended) return Step::kEnd;
  SaveState();
  return Decode();
}

bool UnpackedSource::Refill() {
  if (here_->in >= input_base_ && here_->in < input_base_ + input_size_) {
    return true;
  }
  if (input_.empty()) {
    std::uint64_t size = kInputBytes;
    if (packed_.size() != kUnknownSize) {
      size = std::clamp<std::uint64_t>(packed_.size(), 64, kInputBytes);
    }
    input_.resize(static_cast<std::size_t>(size));
  }
  input_base_ = here_->in;
  input_size_ = 0;
  const auto got = packed_.ReadAt(here_->in, input_);
  if (!got.ok()) {
    Fail(got.error().code, got.error().detail);
    return false;
  }
  SCANENGINE_CHECK(got.value() <= input_.size());
  input_size_ = got.value();
  return true;
}

// One call of the decoder.
UnpackedSource::Step UnpackedSource::Decode() {
  if (!Refill()) return Step::kFailed;
  MakeRoom();
  const std::size_t skip =
      input_size_ == 0 ? 0 : static_cast<std::size_t>(here_->in - input_base_);
  const Decoder::Step step = here_->decoder->Decode(
      std::span(input_).subspan(skip, input_size_ - skip),
      std::span(history_).subspan(history_size_, block_bytes_));
  Keep(step.out);
  here_->in += step.in;
  here_->out += step.out;
  if (!budget_(step.out, step.in)) {
    Fail(ErrorCode::kLimitExceeded, "unpacks to more than is allowed");
    return Step::kFailed;
  }
  switch (step.outcome) {
    case Decoder::Outcome::kEnd:
      return StreamEnded();
    case Decoder::Outcome::kBroken:
      Fail(ErrorCode::kMalformed, "compressed data are broken: " + step.detail);
      return Step::kFailed;
    case Decoder::Outcome::kLimit:
      memory_short_ = true;
      Fail(ErrorCode::kLimitExceeded, "needs too much memory to unpack");
      return Step::kFailed;
    case Decoder::Outcome::kGoesOn:
      break;
  }
  if (step.in == 0 && step.out == 0) {
    Fail(ErrorCode::kMalformed, "compressed data end too early");
    return Step::kFailed;
  }
  return Step::kBytes;
}

// Makes room for a block behind what is kept.
void UnpackedSource::MakeRoom() {
  if (history_size_ > history_bytes_) {
    const std::size_t drop = history_size_ - history_bytes_;
    std::memmove(history_.data(), history_.data() + drop, history_bytes_);
    history_size_ = history_bytes_;
  }
  if (history_.size() < history_size_ + block_bytes_) {
    history_.resize(history_size_ + block_bytes_);
  }
}

// Takes the |size| bytes that were unpacked into the room.
void UnpackedSource::Keep(std::size_t size) {
  const std::uint64_t end = here_->out + size;
  if (head_.size() < kHeadBytes && here_->out <= head_.size() &&
      head_.size() < end) {
    const auto skip = static_cast<std::size_t>(head_.size() - here_->out);
    const auto fresh =
        std::span(history_).subspan(history_size_, size).subspan(skip);
    const auto part =
        fresh.first(std::min(fresh.size(), kHeadBytes - head_.size()));
    head_.insert(head_.end(), part.begin(), part.end());
  }
  history_size_ += size;
}

// Goes on with the next stream, if one follows.
UnpackedSource::Step UnpackedSource::StreamEnded() {
  const std::uint64_t end = here_->in;
  streams_ = std::max(streams_, ++here_->streams);
  if (compression_ != Compression::kDeflate) {
    if (!SkipZeros()) return Step::kFailed;
    padding_ = std::max(padding_, here_->in - end);
    std::byte head[kCompressionHeadBytes] = {};
    const auto got = packed_.ReadAt(here_->in, head);
    if (!got.ok()) {
      Fail(got.error().code, got.error().detail);
      return Step::kFailed;
    }
    const auto next = std::span<const std::byte>(head).first(got.value());
    if (ContinuesStream(compression_, next)) {
      here_->decoder = MakeDecoder(CompressionOf(next).value_or(compression_));
      if (here_->decoder != nullptr) return Step::kBytes;
      Fail(ErrorCode::kLimitExceeded, "no memory to unpack it");
      return Step::kFailed;
    }
  }
  here_->in = end;
  here_->ended = true;
  packed_end_ = end;
  return Step::kBytes;
}

// Moves over the zeros that may pad a stream. False on failure.
bool UnpackedSource::SkipZeros() {
  while (true) {
    if (!Refill()) return false;
    if (input_size_ == 0) return true;
    const auto start = static_cast<std::size_t>(here_->in - input_base_);
    std::size_t at = start;
    while (at < input_size_ && input_[at] == std::byte{0}) ++at;
    here_->in = input_base_ + at;
    if (at != start && !budget_(0, at - start)) {
      Fail(ErrorCode::kLimitExceeded, "unpacks to more than is allowed");
      return false;
    }
    if (at < input_size_) return true;
  }
}

void UnpackedSource::Fail(ErrorCode code, std::string detail) {
  failed_at_ = here_ != nullptr ? here_->out : 0;
  error_ = Error{code, std::move(detail)};
}

}  // namespace scanengine
