#ifndef SCANENGINE_TESTS_SUPPORT_MEMORY_CHANNEL_H_
#define SCANENGINE_TESTS_SUPPORT_MEMORY_CHANNEL_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "ipc/byte_channel.h"

namespace scanengine::testing {

/// A peer that said everything beforehand: reads come from a list of pieces,
/// writes are kept. After the last piece comes the end of the input.
class MemoryChannel final : public ByteChannel {
 public:
  /// One piece is the most that one Read() returns.
  void Add(std::vector<std::byte> piece) {
    if (!piece.empty()) pieces_.push_back(std::move(piece));
  }
  /// The same bytes, |size| of them at a time.
  void AddInPieces(std::span<const std::byte> bytes, std::size_t size) {
    for (; !bytes.empty();
         bytes = bytes.subspan(std::min(size, bytes.size()))) {
      const auto piece = bytes.first(std::min(size, bytes.size()));
      Add({piece.begin(), piece.end()});
    }
  }

  Result<std::size_t> Read(std::span<std::byte> out) override {
    if (on_read) on_read();
    if (pieces_.empty()) {
      if (fail_reads) return Error{ErrorCode::kIo, "scripted read failure"};
      return std::size_t{0};
    }
    std::vector<std::byte>& piece = pieces_.front();
    const std::size_t size = std::min(out.size(), piece.size());
    std::memcpy(out.data(), piece.data(), size);
    if (size == piece.size()) {
      pieces_.pop_front();
    } else {
      piece.erase(piece.begin(),
                  piece.begin() + static_cast<std::ptrdiff_t>(size));
    }
    return size;
  }

  Status Write(std::span<const std::byte> bytes) override {
    if (writes_left == 0) return Error{ErrorCode::kIo, "scripted failure"};
    --writes_left;
    written.insert(written.end(), bytes.begin(), bytes.end());
    return OkStatus();
  }

  std::vector<std::byte> written;
  bool fail_reads = false;  ///< Instead of the end of the input.
  std::size_t writes_left = ~std::size_t{0};
  std::function<void()> on_read;  ///< Before each Read().

 private:
  std::deque<std::vector<std::byte>> pieces_;
};

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_MEMORY_CHANNEL_H_
