#include "worker/parsing/pickle_reader.h"

#include <algorithm>
#include <cstring>

namespace scanengine {

bool PickleReader::Refill(std::size_t size) {
  BeginRead(size);
  if (Has(size)) return true;
  stream_.Consume(static_cast<std::size_t>(at_ - begin_));
  stream_.Peek(size);
  const auto window = stream_.Window();
  window_offset_ = stream_.offset();
  begin_ = at_ = reinterpret_cast<const std::uint8_t*>(window.data());
  window_end_ = begin_ + window.size();
  ClampToFrame();
  return Has(size);
}

void PickleReader::EnterFrame(std::uint64_t size) {
  BeginRead(size);
  if (size == 0 || frame_end_ != kNoFrame || size > kNoFrame - 1 - offset()) {
    return;
  }
  frame_end_ = offset() + size;
  ClampToFrame();
}

void PickleReader::ClampToFrame() {
  end_ = window_end_;
  if (frame_end_ == kNoFrame) return;
  const std::uint64_t left = frame_end_ - offset();
  if (left < static_cast<std::uint64_t>(end_ - at_)) end_ = at_ + left;
}

void PickleReader::LeaveFrameFor(std::uint64_t size) {
  const std::uint64_t left = frame_end_ - offset();
  if (size <= left) return;
  frame_end_ = kNoFrame;
  end_ = window_end_;
  Skip(left);
}

void PickleReader::BeginWholeRead(std::uint64_t size) {
  if (frame_end_ == kNoFrame || size <= frame_end_ - offset()) return;
  frame_end_ = kNoFrame;
  end_ = window_end_;
}

bool PickleReader::Skip(std::uint64_t size) {
  BeginRead(size);
  if (size <= static_cast<std::uint64_t>(end_ - at_)) {
    at_ += size;
    return true;
  }
  stream_.Consume(static_cast<std::size_t>(at_ - begin_));
  const bool whole = stream_.Skip(size) == size;
  window_offset_ = stream_.offset();
  begin_ = at_ = end_ = window_end_ = nullptr;
  return whole;
}

bool PickleReader::TakeLine(std::string_view* line) {
  line_cut_ = false;
  const auto have = static_cast<std::size_t>(end_ - at_);
  if (have != 0) {
    if (const void* found = std::memchr(at_, '\n', have)) {
      const auto* newline = static_cast<const std::uint8_t*>(found);
      *line = {reinterpret_cast<const char*>(at_),
               static_cast<std::size_t>(newline - at_)};
      at_ = newline + 1;
      return true;
    }
  }
  return TakeLongLine(line);
}

bool PickleReader::TakeLongLine(std::string_view* line) {
  line_.clear();
  for (;;) {
    if (!Has(1)) {
      const bool framed = frame_end_ != kNoFrame;
      if (!Refill(1)) break;
      if (framed && frame_end_ == kNoFrame) line_.clear();
    }
    const auto have = static_cast<std::size_t>(end_ - at_);
    const void* found = std::memchr(at_, '\n', have);
    const std::size_t size =
        found == nullptr ? have
                         : static_cast<std::size_t>(
                               static_cast<const std::uint8_t*>(found) - at_);
    const std::size_t kept = std::min(size, kMaxLine - line_.size());
    line_cut_ = line_cut_ || kept < size;
    line_.append(reinterpret_cast<const char*>(at_), kept);
    at_ += size;
    if (found != nullptr) {
      ++at_;
      *line = line_;
      return true;
    }
  }
  *line = line_;
  return false;
}

}  // namespace scanengine
