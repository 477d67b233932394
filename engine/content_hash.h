#ifndef SCANENGINE_ENGINE_CONTENT_HASH_H_
#define SCANENGINE_ENGINE_CONTENT_HASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ipc/file_stamp.h"
#include "ipc/result.h"

namespace scanengine {

/// SHA-256 (FIPS 180-4): whoever supplies files must not find two contents
/// that pass for one another.
using Sha256 = std::array<std::uint8_t, 32>;

class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;

  void Add(std::span<const std::byte> bytes);
  void Add(std::string_view text) {
    Add(std::as_bytes(std::span(text.data(), text.size())));
  }
  /// Eight bytes, little-endian.
  void Add(std::uint64_t number);
  /// The last call.
  Sha256 Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of a file, read once to its end and not parsed.
struct FileHash {
  Sha256 hash{};
  /// True if every write to the file since it was opened would show in its
  /// stamp: it is on a local file system that stamps to the tick of the kernel.
  /// Network and user-space file systems may tell us what they like.
  bool stamps_are_exact = false;
};

/// Fails with kChanged unless the file has the stamp |expected| before and
/// after it was read, else with the error of the system. Blocks for as long as
/// reading takes; never on a FIFO or a device.
Result<FileHash> HashFile(const std::string& path, const FileStamp& expected);

/// Of a file that nobody changes.
Result<Sha256> HashProgram(const std::string& path);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_CONTENT_HASH_H_
