#include "worker/byte_source.h"

namespace scanengine {

SubSource::SubSource(ByteSource& base, std::uint64_t offset, std::uint64_t size)
    : base_(base), offset_(offset), size_(size) {
  if (base.size() != kUnknownSize) {
    offset_ = std::min(offset, base.size());
    size_ = std::min(size, base.size() - offset_);
  }
}

Result<std::size_t> SubSource::ReadAt(std::uint64_t offset,
                                      std::span<std::byte> out) {
  if (offset >= size_) return std::size_t{0};
  // The end of |base| may not be known, and an offset is only a claim.
  if (offset > kUnknownSize - offset_) return std::size_t{0};
  const std::uint64_t rest = size_ - offset;
  if (out.size() > rest) out = out.first(static_cast<std::size_t>(rest));
  return base_.ReadAt(offset_ + offset, out);
}

std::uint64_t SubSource::NextData(std::uint64_t offset) {
  if (offset >= size_) return size_;
  if (offset > kUnknownSize - offset_) return offset;
  return std::min(size_, base_.NextData(offset_ + offset) - offset_);
}

ByteStream::ByteStream(ByteSource& source, std::uint64_t offset,
                       std::size_t window)
    : source_(source), base_(offset) {
  std::size_t wanted = window;
  if (source.size() != kUnknownSize) {
    // Most members are small: do not pay for a window they cannot fill.
    const std::uint64_t rest = source.size() - std::min(source.size(), offset);
    wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(window, std::max<std::uint64_t>(rest, 64)));
  }
  buffer_.resize(wanted);
}

void ByteStream::Fill(std::size_t wanted) {
  if (!status_.ok()) return;
  if (at_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
    base_ += at_;
    end_ -= at_;
    at_ = 0;
  }
  // A source may be longer than it said when the window was sized.
  if (wanted > buffer_.size()) buffer_.resize(wanted);
  while (end_ < wanted) {
    const auto got =
        source_.ReadAt(base_ + end_, std::span(buffer_).subspan(end_));
    if (!got.ok()) {
      status_ = got.error();
      return;
    }
    if (got.value() == 0) return;
    end_ += got.value();
  }
}

void ByteStream::SkipHole() {
  const std::uint64_t here = offset();
  const std::uint64_t data = source_.NextData(here);
  if (data > here) Skip(data - here);
}

std::uint64_t ByteStream::Skip(std::uint64_t size) {
  const std::uint64_t buffered = std::min<std::uint64_t>(size, end_ - at_);
  at_ += static_cast<std::size_t>(buffered);
  std::uint64_t left = size - buffered;
  if (left == 0 || !status_.ok()) return buffered;
  if (source_.size() != kUnknownSize) {
    const std::uint64_t end = source_.size();
    const std::uint64_t here = offset();
    const std::uint64_t step = std::min(left, end - std::min(end, here));
    base_ = here + step;
    at_ = end_ = 0;
    return buffered + step;
  }
  // The last byte is there: so are those before it.
  const std::uint64_t here = offset();
  std::byte last[1];
  if (size != kUnknownSize && left <= kUnknownSize - here) {
    const auto got = source_.ReadAt(here + left - 1, last);
    if (got.ok() && got.value() == 1) {
      base_ = here + left;
      at_ = end_ = 0;
      return buffered + left;
    }
  }
  std::uint64_t skipped = buffered;
  while (left != 0) {
    const auto window = Window();
    if (window.empty()) break;
    const std::uint64_t step = std::min<std::uint64_t>(left, window.size());
    at_ += static_cast<std::size_t>(step);
    left -= step;
    skipped += step;
  }
  return skipped;
}

Result<std::vector<std::byte>> ReadExactly(ByteSource& source,
                                           std::uint64_t offset,
                                           std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::size_t have = 0;
  while (have < size) {
    auto got = source.ReadAt(offset + have, std::span(bytes).subspan(have));
    if (!got.ok()) return got.error();
    if (got.value() == 0) {
      return Error{ErrorCode::kTruncated, "ends before it should"};
    }
    have += got.value();
  }
  return bytes;
}

}  // namespace scanengine
