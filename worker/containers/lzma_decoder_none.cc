// Takes the place of lzma_decoder.cc in a build without that library.

#include "worker/containers/decoder.h"

namespace scanengine {

const bool kHasLzma = false;

std::unique_ptr<Decoder> MakeLzmaDecoder(Compression) { return nullptr; }

}  // namespace scanengine
