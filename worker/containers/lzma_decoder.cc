// .xz and .lzma streams, by liblzma.

#include <lzma.h>

#include "worker/containers/decoder.h"

namespace scanengine {
namespace {

// The largest preset of xz has a dictionary of 64 MiB and takes 65 MiB.
constexpr std::uint64_t kMostMemory = 80 << 20;

std::string_view Describe(lzma_ret code) {
  switch (code) {
    case LZMA_FORMAT_ERROR:
      return "no xz or lzma stream";
    case LZMA_OPTIONS_ERROR:
      return "unknown options";
    case LZMA_UNSUPPORTED_CHECK:
      return "unknown kind of checksum";
    case LZMA_BUF_ERROR:
      return "ends too early";
    default:
      return "damaged data";
  }
}

class LzmaDecoder final : public Decoder {
 public:
  LzmaDecoder() = default;
  ~LzmaDecoder() override { lzma_end(&stream_); }
  LzmaDecoder(const LzmaDecoder&) = delete;
  LzmaDecoder& operator=(const LzmaDecoder&) = delete;

  bool Open(Compression compression) {
    const lzma_ret code = compression == Compression::kLzma
                              ? lzma_alone_decoder(&stream_, kMostMemory)
                              : lzma_stream_decoder(&stream_, kMostMemory, 0);
    return code == LZMA_OK;
  }

  Step Decode(std::span<const std::byte> in,
              std::span<std::byte> out) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret code = lzma_code(&stream_, LZMA_RUN);
    Step step{in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    switch (code) {
      case LZMA_OK:
      case LZMA_BUF_ERROR:  // Nothing to be done: the caller sees that.
      case LZMA_NO_CHECK:
      case LZMA_UNSUPPORTED_CHECK:
      case LZMA_GET_CHECK:
        break;
      case LZMA_STREAM_END:
        step.outcome = Outcome::kEnd;
        break;
      case LZMA_MEM_ERROR:
      case LZMA_MEMLIMIT_ERROR:
        step.outcome = Outcome::kLimit;
        break;
      default:
        step.outcome = Outcome::kBroken;
        step.detail = Describe(code);
        break;
    }
    return step;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

const bool kHasLzma = true;

std::unique_ptr<Decoder> MakeLzmaDecoder(Compression compression) {
  auto decoder = std::make_unique<LzmaDecoder>();
  if (!decoder->Open(compression)) return nullptr;
  return decoder;
}

}  // namespace scanengine
