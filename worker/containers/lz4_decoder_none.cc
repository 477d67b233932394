// Takes the place of lz4_decoder.cc in a build without that library.

#include "worker/containers/decoder.h"

namespace scanengine {

const bool kHasLz4 = false;

std::unique_ptr<Decoder> MakeLz4Decoder() { return nullptr; }

}  // namespace scanengine
