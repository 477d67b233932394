#ifndef SCANENGINE_TESTS_SUPPORT_PACK_H_
#define SCANENGINE_TESTS_SUPPORT_PACK_H_

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>

#include <string>
#include <string_view>

#include "ipc/check.h"
#include "tests/support/deflate.h"
#include "worker/containers/decoder.h"

namespace scanengine::testing {

inline std::string PackBzip2(std::string_view text) {
  std::string out(text.size() + text.size() / 50 + 1000, '\0');
  auto size = static_cast<unsigned>(out.size());
  SCANENGINE_CHECK(BZ2_bzBuffToBuffCompress(
                       out.data(), &size, const_cast<char*>(text.data()),
                       static_cast<unsigned>(text.size()), 1, 0, 0) == BZ_OK);
  out.resize(size);
  return out;
}

inline std::string PackLzma(std::string_view text, bool xz,
                            std::uint32_t dictionary = 1 << 20) {
  lzma_options_lzma options;
  SCANENGINE_CHECK(lzma_lzma_preset(&options, 0) == 0);
  options.dict_size = dictionary;
  const lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options},
                                 {LZMA_VLI_UNKNOWN, nullptr}};
  lzma_stream stream = LZMA_STREAM_INIT;
  SCANENGINE_CHECK((xz ? lzma_stream_encoder(&stream, filters, LZMA_CHECK_CRC32)
                       : lzma_alone_encoder(&stream, &options)) == LZMA_OK);
  std::string out(text.size() + text.size() / 50 + 1000, '\0');
  stream.next_in = reinterpret_cast<const std::uint8_t*>(text.data());
  stream.avail_in = text.size();
  stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  stream.avail_out = out.size();
  SCANENGINE_CHECK(lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  lzma_end(&stream);
  return out;
}

inline std::string PackLz4(std::string_view text) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  std::string out(LZ4F_compressFrameBound(text.size(), &preferences), '\0');
  const std::size_t size = LZ4F_compressFrame(
      out.data(), out.size(), text.data(), text.size(), &preferences);
  SCANENGINE_CHECK(LZ4F_isError(size) == 0);
  out.resize(size);
  return out;
}

inline std::string Pack(std::string_view text, Compression compression) {
  switch (compression) {
    case Compression::kDeflate:
      return Deflate(text, kRawBits);
    case Compression::kZlib:
      return Deflate(text, kZlibBits);
    case Compression::kGzip:
      return Deflate(text, kGzipBits);
    case Compression::kBzip2:
      return PackBzip2(text);
    case Compression::kXz:
      return PackLzma(text, true);
    case Compression::kLzma:
      return PackLzma(text, false);
    case Compression::kLz4:
      return PackLz4(text);
  }
  return {};
}

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_PACK_H_
