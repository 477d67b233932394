#ifndef SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_METADATA_H_
#define SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_METADATA_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/scanners/gguf/gguf_session.h"

namespace scanengine::gguf {

/// The key-value pairs of a header. Arrays of numbers are skipped, however long
/// they are; texts are looked through for templates that run code.
class Metadata {
 public:
  explicit Metadata(Session& session) : session_(session) {}

  /// Reads |count| pairs from where the session stands.
  void Read(std::uint64_t count);

  /// Of tensors, in bytes; a power of two.
  std::uint64_t alignment() const { return alignment_; }
  /// For inventories.
  const std::vector<std::pair<std::string, std::string>>& facts() const {
    return facts_;
  }

 private:
  void ReadPair();
  void ReadValue(const std::string& key, std::uint32_t type);
  void ReadScalar(const std::string& key, std::uint32_t type);
  void ReadString(const std::string& key);
  void ReadArray(const std::string& key, std::uint32_t nesting);
  void Tell(const std::string& key, std::string_view value);
  void AddFact(std::string name, std::string value);
  void SetAlignment(std::uint64_t value);
  void InspectText(const std::string& key, std::string_view text,
                   std::uint64_t offset);

  Session& session_;
  std::uint64_t alignment_ = 32;
  std::vector<std::size_t> keys_;  // Hashes: names may be any length.
  std::vector<std::pair<std::string, std::string>> facts_;
};

}  // namespace scanengine::gguf

#endif  // SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_METADATA_H_
