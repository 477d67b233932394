#ifndef SCANENGINE_TESTS_SUPPORT_DEFLATE_H_
#define SCANENGINE_TESTS_SUPPORT_DEFLATE_H_

#include <zlib.h>

#include <string>
#include <string_view>

#include "ipc/check.h"

namespace scanengine::testing {

inline constexpr int kRawBits = -MAX_WBITS;
inline constexpr int kZlibBits = MAX_WBITS;
inline constexpr int kGzipBits = MAX_WBITS + 16;

/// |text| packed by zlib with these window bits.
inline std::string Deflate(std::string_view text, int window_bits,
                           int level = 6) {
  z_stream stream{};
  SCANENGINE_CHECK(deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8,
                                Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  SCANENGINE_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_DEFLATE_H_
