// bzip2 streams, by libbz2. Takes 3.7 MB at most.

#include <bzlib.h>

#include "worker/containers/decoder.h"

namespace scanengine {
namespace {

class Bzip2Decoder final : public Decoder {
 public:
  Bzip2Decoder() = default;
  ~Bzip2Decoder() override {
    if (open_) BZ2_bzDecompressEnd(&stream_);
  }
  Bzip2Decoder(const Bzip2Decoder&) = delete;
  Bzip2Decoder& operator=(const Bzip2Decoder&) = delete;

  bool Open() {
    open_ = BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
    return open_;
  }

  Step Decode(std::span<const std::byte> in,
              std::span<std::byte> out) override {
    // The library does not write to its input, but does not say so.
    stream_.next_in =
        const_cast<char*>(reinterpret_cast<const char*>(in.data()));
    stream_.avail_in = static_cast<unsigned>(in.size());
    stream_.next_out = reinterpret_cast<char*>(out.data());
    stream_.avail_out = static_cast<unsigned>(out.size());
    const int code = BZ2_bzDecompress(&stream_);
    Step step{in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    if (code == BZ_STREAM_END) {
      step.outcome = Outcome::kEnd;
    } else if (code == BZ_MEM_ERROR) {
      step.outcome = Outcome::kLimit;
    } else if (code != BZ_OK) {
      step.outcome = Outcome::kBroken;
      step.detail = code == BZ_DATA_ERROR_MAGIC ? "no bzip2 stream"
                                                : "damaged bzip2 block";
    }
    return step;
  }

 private:
  bz_stream stream_{};
  bool open_ = false;
};

}  // namespace

const bool kHasBzip2 = true;

std::unique_ptr<Decoder> MakeBzip2Decoder() {
  auto decoder = std::make_unique<Bzip2Decoder>();
  if (!decoder->Open()) return nullptr;
  return decoder;
}

}  // namespace scanengine
