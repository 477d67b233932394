#ifndef SCANENGINE_WORKER_SCANNERS_TAR_TORCH_TAR_H_
#define SCANENGINE_WORKER_SCANNERS_TAR_TORCH_TAR_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "worker/parsing/pickle_scan.h"
#include "worker/scan_context.h"

namespace scanengine::tar {

/// The two members of torch.save() before 0.1.10 that are pickles with raw
/// bytes between them. Format: torch/serialization.py, legacy_load().
///
/// storages: a pickle of their number; for each a pickle (key, location, class)
/// and the number of elements (64 bits) with the elements; a pickle of views.
/// tensors: a pickle of their number; for each a pickle (key, storage, class),
/// the number of dimensions (32 bits), four bytes, sizes, strides and offset
/// (64 bits each).
///
/// Every pickle is scanned; raw bytes are passed over, since no loader reads
/// them as opcodes. Where the structure breaks, the rest is searched.
class TorchTar {
 public:
  explicit TorchTar(ScanContext& context) : context_(context) {}

  /// Scans a member if it is one of the two by name and by content.
  /// It is what |archive| has from |offset| to its end.
  bool Scan(std::string_view name, ByteSource& archive, std::uint64_t offset);

  /// Members that torch.load() asks for were seen, all of them.
  bool whole() const { return pickle_ && storages_ && tensors_; }
  std::uint64_t storages() const { return storage_count_; }

 private:
  /// What one pickle of a member made.
  struct Made {
    std::uint64_t end = 0;
    std::optional<std::uint64_t> number;         ///< If it is one.
    std::optional<std::uint64_t> element_bytes;  ///< If it describes a storage.
    bool complete = false;
  };
  Made ScanOne(ByteSource& archive, std::uint64_t offset);
  bool Number(ByteSource& archive, std::uint64_t offset, std::size_t size,
              std::uint64_t* number);
  /// Raw bytes of one storage or tensor at |offset|; false if they are not
  /// known.
  bool PassOver(ByteSource& archive, bool storages, const Made& made,
                std::uint64_t* offset);
  void ScanParts(ByteSource& archive, std::uint64_t offset, bool storages);

  ScanContext& context_;
  bool pickle_ = false;
  bool storages_ = false;
  bool tensors_ = false;
  std::uint64_t storage_count_ = 0;
};

}  // namespace scanengine::tar

#endif  // SCANENGINE_WORKER_SCANNERS_TAR_TORCH_TAR_H_
