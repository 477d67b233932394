// Takes the place of bzip2_decoder.cc in a build without that library.

#include "worker/containers/decoder.h"

namespace scanengine {

const bool kHasBzip2 = false;

std::unique_ptr<Decoder> MakeBzip2Decoder() { return nullptr; }

}  // namespace scanengine
