// Deflate in its three wrappings, by zlib.

#define ZLIB_CONST
#include <zlib.h>

#include "worker/containers/decoder.h"

namespace scanengine {
namespace {

int WindowBits(Compression compression) {
  switch (compression) {
    case Compression::kDeflate:
      return -MAX_WBITS;
    case Compression::kGzip:
      return MAX_WBITS + 16;
    default:
      return MAX_WBITS;
  }
}

class DeflateDecoder final : public Decoder {
 public:
  DeflateDecoder() = default;
  ~DeflateDecoder() override {
    if (open_) inflateEnd(&stream_);
  }
  DeflateDecoder(const DeflateDecoder&) = delete;
  DeflateDecoder& operator=(const DeflateDecoder&) = delete;

  bool Open(Compression compression) {
    open_ = inflateInit2(&stream_, WindowBits(compression)) == Z_OK;
    return open_;
  }

  Step Decode(std::span<const std::byte> in,
              std::span<std::byte> out) override {
    stream_.next_in = reinterpret_cast<const Bytef*>(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int code = inflate(&stream_, Z_NO_FLUSH);
    Step step{in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    if (code == Z_STREAM_END) {
      step.outcome = Outcome::kEnd;
    } else if (code == Z_MEM_ERROR) {
      step.outcome = Outcome::kLimit;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      step.outcome = Outcome::kBroken;
      step.detail =
          stream_.msg != nullptr ? stream_.msg : "no valid deflate stream";
    }
    return step;
  }

  std::unique_ptr<Decoder> Copy() override {
    auto copy = std::make_unique<DeflateDecoder>();
    if (inflateCopy(&copy->stream_, &stream_) != Z_OK) return nullptr;
    copy->open_ = true;
    return copy;
  }

 private:
  z_stream stream_{};
  bool open_ = false;
};

}  // namespace

std::unique_ptr<Decoder> MakeDeflateDecoder(Compression compression) {
  auto decoder = std::make_unique<DeflateDecoder>();
  if (!decoder->Open(compression)) return nullptr;
  return decoder;
}

}  // namespace scanengine
