#include "worker/scanners/tar/torch_tar.h"

#include <limits>
#include <string>
#include <vector>

#include "worker/parsing/pickle_file.h"
#include "worker/parsing/torch_storage.h"

namespace scanengine::tar {
namespace {

constexpr std::uint64_t kMaxParts = 1'000'000;
constexpr std::uint64_t kMaxDimensions = 1 << 16;

std::string_view WithoutDot(std::string_view name) {
  return name.starts_with("./") ? name.substr(2) : name;
}

}  // namespace

bool TorchTar::Scan(std::string_view name, ByteSource& archive,
                    std::uint64_t offset) {
  name = WithoutDot(name);
  if (name == "pickle") pickle_ = true;
  const bool storages = name == "storages";
  if (!storages && name != "tensors") return false;
  std::vector<std::byte> head(64);
  const auto got = archive.ReadAt(offset, head);
  if (!got.ok()) return false;
  head.resize(got.value());
  if (!LooksLikePickle(head, PickleDoubt::kLoose)) return false;
  (storages ? storages_ : tensors_) = true;
  ScanParts(archive, offset, storages);
  return true;
}

TorchTar::Made TorchTar::ScanOne(ByteSource& archive, std::uint64_t offset) {
  Made made;
  PickleOptions options;
  options.on_result = [&made](const PickleMachine& machine,
                              PickleValue result) {
    if (result.Is(PickleKind::kInt) && result.integer() >= 0) {
      made.number = static_cast<std::uint64_t>(result.integer());
    }
    const auto items = machine.ArgumentsOf(result);
    if (!items || items->size() != 3) return;
    const PickleValue type = (*items)[2];
    if (!type.Is(PickleKind::kGlobal)) return;
    made.element_bytes = TorchElementBytes(machine.global(type.index()).name);
  };
  const PickleEnd end = ScanPickleIn(context_, archive, offset, options);
  made.end = end.offset;
  made.complete = end.complete;
  return made;
}

bool TorchTar::Number(ByteSource& archive, std::uint64_t offset,
                      std::size_t size, std::uint64_t* number) {
  const auto bytes = ReadExactly(archive, offset, size);
  if (!bytes.ok()) return false;
  *number = 0;
  for (std::size_t i = 0; i < size; ++i) {
    *number |= std::to_integer<std::uint64_t>(bytes.value()[i]) << (8 * i);
  }
  return true;
}

bool TorchTar::PassOver(ByteSource& archive, bool storages, const Made& made,
                        std::uint64_t* offset) {
  std::uint64_t count = 0;
  if (!Number(archive, *offset, storages ? 8 : 4, &count)) return false;
  std::uint64_t size = 0;
  if (storages) {
    if (!made.element_bytes) return false;
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (count > kMost / 16) return false;
    size = 8 + count * *made.element_bytes;
  } else {
    if (count > kMaxDimensions) return false;
    size = 8 + count * 16 + 8;
  }
  // The last of them must be there.
  std::uint64_t last = 0;
  if (*offset + size < size || !Number(archive, *offset + size - 1, 1, &last)) {
    return false;
  }
  *offset += size;
  return true;
}

void TorchTar::ScanParts(ByteSource& archive, std::uint64_t offset,
                         bool storages) {
  Made made = ScanOne(archive, offset);
  offset = made.end;
  bool whole = made.complete && made.number && *made.number <= kMaxParts;
  const std::uint64_t parts = whole ? *made.number : 0;
  for (std::uint64_t i = 0; whole && i < parts; ++i) {
    if (!context_.Checkpoint(offset)) return;
    made = ScanOne(archive, offset);
    offset = made.end;
    whole = made.complete && PassOver(archive, storages, made, &offset);
  }
  if (whole && storages) {
    storage_count_ = parts;
    made = ScanOne(archive, offset);
    offset = made.end;
    whole = made.complete;
  }
  if (context_.stopped()) return;
  if (!whole) {
    context_.Report(kPickleMalformed,
                    {std::string("the ") + (storages ? "storages" : "tensors") +
                         " of a PyTorch tar file are broken",
                     offset});
  }
  SearchForPickles(context_, archive, offset);
}

}  // namespace scanengine::tar
