#ifndef SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_TENSORS_H_
#define SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_TENSORS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "worker/parsing/extent_map.h"
#include "worker/scanners/gguf/gguf_session.h"

namespace scanengine::gguf {

/// The table of tensors and how it fits the data behind it.
class Tensors {
 public:
  /// |alignment| is a power of two.
  Tensors(Session& session, std::uint64_t alignment)
      : session_(session), alignment_(alignment) {}

  /// Reads |count| entries from where the session stands.
  void Read(std::uint64_t count);

  /// Compares the entries with the data, which starts where the session stands
  /// after Read(). Tensors themselves are not read.
  void CheckData();

  void AddFacts(std::vector<std::pair<std::string, std::string>>& facts) const;

 private:
  void ReadTensor();
  void TellTensor(const std::string& name,
                  const std::vector<std::uint64_t>& dimensions,
                  std::uint32_t type, std::uint64_t offset);
  void MeasureTensor(const std::string& label, std::uint64_t place,
                     const std::vector<std::uint64_t>& dimensions,
                     std::uint32_t type, std::uint64_t offset);
  void CheckGap(std::uint64_t data, Extent gap, std::uint64_t data_size);

  Session& session_;
  std::uint64_t alignment_;
  std::vector<std::size_t> names_;  // Hashes: names may be any length.
  ExtentMap extents_;               // Relative to the data.
  bool all_types_known_ = true;
  std::uint64_t gaps_ = 0;
  std::uint64_t parameters_ = 0;
  std::array<std::pair<std::string, std::uint64_t>, 16> type_counts_;
};

}  // namespace scanengine::gguf

#endif  // SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_TENSORS_H_
