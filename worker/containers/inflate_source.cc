#include "worker/containers/inflate_source.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#define ZLIB_CONST
#include <zlib.h>

#include "ipc/check.h"

namespace scanengine {
namespace {

constexpr std::size_t kInputBytes = 32 << 10;
constexpr std::size_t kBlockBytes = 64 << 10;
constexpr std::size_t kSmallestBlockBytes = 512;
// Decoder states take about 40 KiB each.
constexpr std::size_t kMaxSaved = 16;
constexpr std::uint64_t kFirstSaveEvery = 1 << 20;

int WindowBits(InflateFormat format) {
  switch (format) {
    case InflateFormat::kRaw:
      return -MAX_WBITS;
    case InflateFormat::kZlib:
      return MAX_WBITS;
    case InflateFormat::kGzip:
      return MAX_WBITS + 16;
  }
  return MAX_WBITS;
}

}  // namespace

// A zlib state and where it stands.
struct InflateSource::Decoder {
  Decoder() = default;
  ~Decoder() {
    if (open) inflateEnd(&stream);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool Start(InflateFormat format) {
    open = inflateInit2(&stream, WindowBits(format)) == Z_OK;
    return open;
  }
  std::unique_ptr<Decoder> Copy() {
    auto copy = std::make_unique<Decoder>();
    if (inflateCopy(&copy->stream, &stream) != Z_OK) return nullptr;
    copy->open = true;
    copy->in = in;
    copy->out = out;
    copy->ended = ended;
    return copy;
  }

  z_stream stream{};
  bool open = false;
  std::uint64_t in = 0;   // Offset in the packed source of the next byte.
  std::uint64_t out = 0;  // Offset of the next unpacked byte.
  bool ended = false;     // Nothing follows.
};

InflateSource::InflateSource(ScanContext& context, ByteSource& packed,
                             InflateFormat format, std::uint64_t claimed_size)
    : InflateSource(
          [&context](std::uint64_t out, std::uint64_t in) {
            return context.ChargeUnpacked(out, in);
          },
          packed, format, claimed_size) {}

InflateSource::InflateSource(UnpackBudget budget, ByteSource& packed,
                             InflateFormat format, std::uint64_t claimed_size)
    : budget_(std::move(budget)),
      packed_(packed),
      format_(format),
      claimed_size_(claimed_size),
      save_every_(kFirstSaveEvery) {
  // Most members are small: do not pay for a block they cannot fill.
  block_bytes_ = claimed_size >= kBlockBytes
                     ? kBlockBytes
                     : std::max(static_cast<std::size_t>(claimed_size) + 1,
                                kSmallestBlockBytes);
}

InflateSource::~InflateSource() = default;

Result<std::size_t> InflateSource::ReadAt(std::uint64_t offset,
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
bool InflateSource::ReadKept(std::uint64_t offset, std::span<std::byte> out,
                             std::size_t& got) const {
  std::span<const std::byte> kept;
  if (offset < head_.size()) {
    kept = std::span(head_).subspan(static_cast<std::size_t>(offset));
  } else if (decoder_ != nullptr && offset < decoder_->out &&
             decoder_->out - offset <= history_size_) {
    kept = std::span(history_)
               .first(history_size_)
               .last(static_cast<std::size_t>(decoder_->out - offset));
  } else {
    return false;
  }
  got = std::min(kept.size(), out.size());
  std::memcpy(out.data(), kept.data(), got);
  return true;
}

// Puts the decoder at or before |offset|, as near as a saved state allows.
bool InflateSource::Seek(std::uint64_t offset) {
  Decoder* best = nullptr;
  for (const auto& saved : saved_) {
    if (saved->out <= offset) best = saved.get();
  }
  const bool forward = decoder_ != nullptr && decoder_->out <= offset;
  if (forward && (best == nullptr || best->out <= decoder_->out)) return true;
  std::unique_ptr<Decoder> next;
  if (best != nullptr) next = best->Copy();
  if (next == nullptr) {
    if (forward) return true;
    next = std::make_unique<Decoder>();
    if (!next->Start(format_)) {
      Fail(ErrorCode::kLimitExceeded, "no memory to unpack it");
      return false;
    }
  }
  decoder_ = std::move(next);
  history_size_ = 0;
  return true;
}

// Keeps at most kMaxSaved states; when there are more, every other one goes and
// the distance doubles.
void InflateSource::SaveState() {
  const std::uint64_t last = saved_.empty() ? 0 : saved_.back()->out;
  if (decoder_->out < last + save_every_) return;
  if (saved_.size() == kMaxSaved) {
    for (std::size_t i = 0; i < kMaxSaved / 2; ++i) {
      saved_[i] = std::move(saved_[2 * i + 1]);
    }
    saved_.resize(kMaxSaved / 2);
    save_every_ *= 2;
    if (decoder_->out < saved_.back()->out + save_every_) return;
  }
  if (auto copy = decoder_->Copy()) saved_.push_back(std::move(copy));
}

// Unpacks one block more, which may be empty; kEnd behind the last.
InflateSource::Step InflateSource::Produce() {
  if (decoder_->ended) return Step::kEnd;
  SaveState();
  return Inflate();
}

bool InflateSource::Refill() {
  if (decoder_->in >= input_base_ && decoder_->in < input_base_ + input_size_) {
    return true;
  }
  if (input_.empty()) {
    std::uint64_t size = kInputBytes;
    if (packed_.size() != kUnknownSize) {
      size = std::clamp<std::uint64_t>(packed_.size(), 64, kInputBytes);
    }
    input_.resize(static_cast<std::size_t>(size));
  }
  input_base_ = decoder_->in;
  input_size_ = 0;
  const auto got = packed_.ReadAt(decoder_->in, input_);
  if (!got.ok()) {
    Fail(got.error().code, got.error().detail);
    return false;
  }
  SCANENGINE_CHECK(got.value() <= input_.size());
  input_size_ = got.value();
  return true;
}

// One call of inflate().
InflateSource::Step InflateSource::Inflate() {
  if (!Refill()) return Step::kFailed;
  MakeRoom();
  const std::size_t skip =
      input_size_ == 0 ? 0
                       : static_cast<std::size_t>(decoder_->in - input_base_);
  z_stream& stream = decoder_->stream;
  stream.next_in = reinterpret_cast<const Bytef*>(input_.data() + skip);
  stream.avail_in = static_cast<uInt>(input_size_ - skip);
  stream.next_out = reinterpret_cast<Bytef*>(history_.data() + history_size_);
  stream.avail_out = static_cast<uInt>(block_bytes_);
  const int code = inflate(&stream, Z_NO_FLUSH);
  const std::size_t in = input_size_ - skip - stream.avail_in;
  const std::size_t out = block_bytes_ - stream.avail_out;
  Keep(out);
  decoder_->in += in;
  decoder_->out += out;
  if (!budget_(out, in)) {
    Fail(ErrorCode::kLimitExceeded, "unpacks to more than is allowed");
    return Step::kFailed;
  }
  if (code == Z_STREAM_END) return StreamEnded();
  if (code != Z_OK && code != Z_BUF_ERROR) {
    Fail(ErrorCode::kMalformed,
         std::string("compressed data are broken: ") +
             (stream.msg != nullptr ? stream.msg : "no valid deflate stream"));
    return Step::kFailed;
  }
  if (in == 0 && out == 0) {
    Fail(ErrorCode::kMalformed, "compressed data end too early");
    return Step::kFailed;
  }
  return Step::kBytes;
}

// Makes room for a block behind what is kept.
void InflateSource::MakeRoom() {
  if (history_size_ > kHistoryBytes) {
    const std::size_t drop = history_size_ - kHistoryBytes;
    std::memmove(history_.data(), history_.data() + drop, kHistoryBytes);
    history_size_ = kHistoryBytes;
  }
  if (history_.size() < history_size_ + block_bytes_) {
    history_.resize(history_size_ + block_bytes_);
  }
}

// Takes the |size| bytes that were unpacked into the room.
void InflateSource::Keep(std::size_t size) {
  const std::uint64_t end = decoder_->out + size;
  if (head_.size() < kHeadBytes && decoder_->out <= head_.size() &&
      head_.size() < end) {
    const auto skip = static_cast<std::size_t>(head_.size() - decoder_->out);
    const auto fresh =
        std::span(history_).subspan(history_size_, size).subspan(skip);
    const auto part =
        fresh.first(std::min(fresh.size(), kHeadBytes - head_.size()));
    head_.insert(head_.end(), part.begin(), part.end());
  }
  history_size_ += size;
}

// Goes on with the next gzip member or zlib stream, if one follows.
InflateSource::Step InflateSource::StreamEnded() {
  const std::uint64_t end = decoder_->in;
  if (format_ != InflateFormat::kRaw) {
    if (!SkipZeros()) return Step::kFailed;
    std::byte magic[2] = {};
    const auto got = packed_.ReadAt(decoder_->in, magic);
    if (!got.ok()) {
      Fail(got.error().code, got.error().detail);
      return Step::kFailed;
    }
    const unsigned first = std::to_integer<unsigned>(magic[0]);
    const unsigned second = std::to_integer<unsigned>(magic[1]);
    const bool another =
        got.value() == 2 &&
        (format_ == InflateFormat::kGzip
             ? first == 0x1f && second == 0x8b
             : (first & 0x0f) == 8 && (first * 256 + second) % 31 == 0);
    if (another && inflateReset(&decoder_->stream) == Z_OK) return Step::kBytes;
  }
  decoder_->in = end;
  decoder_->ended = true;
  packed_end_ = end;
  return Step::kBytes;
}

// Moves over the zeros that may pad a stream. False on failure.
bool InflateSource::SkipZeros() {
  while (true) {
    if (!Refill()) return false;
    if (input_size_ == 0) return true;
    const auto start = static_cast<std::size_t>(decoder_->in - input_base_);
    std::size_t at = start;
    while (at < input_size_ && input_[at] == std::byte{0}) ++at;
    decoder_->in = input_base_ + at;
    if (at != start && !budget_(0, at - start)) {
      Fail(ErrorCode::kLimitExceeded, "unpacks to more than is allowed");
      return false;
    }
    if (at < input_size_) return true;
  }
}

void InflateSource::Fail(ErrorCode code, std::string detail) {
  failed_at_ = decoder_ != nullptr ? decoder_->out : 0;
  error_ = Error{code, std::move(detail)};
}

}  // namespace scanengine
