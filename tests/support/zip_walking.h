#ifndef SCANENGINE_TESTS_SUPPORT_ZIP_WALKING_H_
#define SCANENGINE_TESTS_SUPPORT_ZIP_WALKING_H_

#include <random>
#include <string>
#include <vector>

#include "tests/support/recording_zip_sink.h"
#include "tests/support/zip_builder.h"

namespace scanengine::testing {

using Members = std::vector<RecordingZipSink::Member>;
using Rules = std::vector<std::string>;

/// Everything a walk over |bytes| says.
inline RecordingZipSink Walk(const std::string& bytes) {
  RecordingZipSink sink;
  StringSource source(bytes);
  WalkZip(source, sink);
  return sink;
}
inline RecordingZipSink Walk(const ZipBuilder& builder) {
  return Walk(builder.Build());
}

/// Neither constant nor easy to pack.
inline std::string Text(std::size_t size) {
  std::mt19937 random(5);
  std::string text;
  while (text.size() < size) text += std::to_string(random());
  text.resize(size);
  return text;
}

/// Members of every ordinary kind.
inline ZipBuilder Ordinary() {
  return {.items = {{.name = "a.txt", .data = "stored"},
                    {.name = "sub/", .data = ""},
                    {.name = "sub/b", .data = Text(5000), .method = 8},
                    {.name = "c", .data = "streamed", .descriptor = true}}};
}
/// What a walk over Ordinary() finds.
inline Members OrdinaryMembers() {
  return {{"a.txt", "stored"}, {"sub/b", Text(5000)}, {"c", "streamed"}};
}

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_ZIP_WALKING_H_
