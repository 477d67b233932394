// Frames of LZ4 (lz4_Frame_format.md 1.6.3) and skippable frames, by liblz4.
// Takes 8.3 MB at most, for blocks of 4 MB.

#include <lz4frame.h>

#include <algorithm>

#include "worker/containers/decoder.h"

namespace scanengine {
namespace {

class Lz4Decoder final : public Decoder {
 public:
  Lz4Decoder() = default;
  ~Lz4Decoder() override { LZ4F_freeDecompressionContext(frame_); }
  Lz4Decoder(const Lz4Decoder&) = delete;
  Lz4Decoder& operator=(const Lz4Decoder&) = delete;

  bool Open() {
    return LZ4F_isError(
               LZ4F_createDecompressionContext(&frame_, LZ4F_VERSION)) == 0;
  }

  Step Decode(std::span<const std::byte> in,
              std::span<std::byte> out) override {
    // One block for each call, without the header of the next: on an error the
    // library does not say what it made before.
    const std::size_t wanted =
        wanted_ > kBlockHeader ? wanted_ - kBlockHeader : wanted_;
    Step step{std::min(in.size(), wanted), out.size()};
    const std::size_t code = LZ4F_decompress(frame_, out.data(), &step.out,
                                             in.data(), &step.in, nullptr);
    if (LZ4F_isError(code) != 0) {
      return {0, 0, Outcome::kBroken, LZ4F_getErrorName(code)};
    }
    if (code == 0) step.outcome = Outcome::kEnd;
    wanted_ = code;
    return step;
  }

 private:
  static constexpr std::size_t kBlockHeader = 4;
  static constexpr std::size_t kLeastHeader = 7;

  LZ4F_dctx* frame_ = nullptr;
  std::size_t wanted_ = kLeastHeader;
};

}  // namespace

const bool kHasLz4 = true;

std::unique_ptr<Decoder> MakeLz4Decoder() {
  auto decoder = std::make_unique<Lz4Decoder>();
  if (!decoder->Open()) return nullptr;
  return decoder;
}

}  // namespace scanengine
