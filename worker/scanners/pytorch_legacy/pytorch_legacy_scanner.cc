// PyTorch files as torch.save() wrote them before 1.6: five pickles (magic
// number, protocol version, system information, the object, the keys of its
// storages), then for each key the number of elements (64 bits) and the raw
// elements. Format: torch/serialization.py, _legacy_save() and _legacy_load().
//
// Looks for what the pickle scanner looks for, in each of the five. The raw
// storages are measured by what the object's persistent ids say; what is
// longer or shorter is reported, and what follows them is searched for
// pickles. They are not scanned as pickles: no loader reads them so.

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/parsing/pickle_file.h"
#include "worker/parsing/torch_storage.h"
#include "worker/scanner.h"

namespace scanengine::pytorch_legacy {
namespace {

constexpr std::uint32_t kPickles = 5;
constexpr std::size_t kMaxStorages = 1'000'000;

/// What the persistent ids say of the storages.
class Storages {
 public:
  // ('storage', class, key, location, elements, view).
  void Add(const PickleMachine& machine, PickleValue id) {
    const auto items = machine.ArgumentsOf(id);
    if (!items || items->size() < 5) return;
    const PickleValue type = (*items)[1];
    const PickleValue elements = (*items)[4];
    const auto key = machine.TextOf((*items)[2]);
    if (!key || !type.Is(PickleKind::kGlobal) ||
        !elements.Is(PickleKind::kInt) || elements.integer() < 0) {
      known_ = false;
      return;
    }
    const std::string& name = machine.global(type.index()).name;
    const auto bytes = TorchElementBytes(name);
    if (!bytes || sizes_.size() >= kMaxStorages) {
      known_ = false;
      return;
    }
    sizes_[*key] = 8 + static_cast<std::uint64_t>(elements.integer()) * *bytes;
  }

  bool known() const { return known_; }
  std::size_t count() const { return sizes_.size(); }
  /// Bytes of all storages with their counts; saturates.
  std::uint64_t Total() const {
    std::uint64_t total = 0;
    for (const auto& [key, size] : sizes_) {
      if (total + size < total) return kUnknownSize;
      total += size;
    }
    return total;
  }

 private:
  std::map<std::string, std::uint64_t, std::less<>> sizes_;
  bool known_ = true;
};

Match Probe(const ProbeInput& input) {
  return IsLegacyTorch(input.head) ? Match::kCertain : Match::kNo;
}

void CheckStorages(ScanContext& context, const Storages& storages,
                   std::uint64_t offset) {
  const std::uint64_t size = context.source().size();
  if (size == kUnknownSize || offset > size) return;
  const std::uint64_t rest = size - offset;
  const std::uint64_t wanted = storages.Total();
  if (!storages.known()) {
    SearchForPickles(context, context.source(), offset);
    return;
  }
  if (wanted > rest) {
    context.Report(kPickleMalformed,
                   {"the tensor data are cut short: " + std::to_string(rest) +
                        " bytes instead of " + std::to_string(wanted),
                    offset});
    SearchForPickles(context, context.source(), offset);
    return;
  }
  if (wanted < rest) {
    context.Report(kPickleTrailingData, {std::to_string(rest - wanted) +
                                             " bytes after the tensor data",
                                         offset + wanted});
    SearchForPickles(context, context.source(), offset + wanted);
  }
}

void Scan(ScanContext& context) {
  Storages storages;
  PickleOptions options;
  options.on_persistent = [&storages](const PickleMachine& machine,
                                      PickleValue id) {
    storages.Add(machine, id);
  };
  std::uint64_t offset = 0;
  for (std::uint32_t i = 0; i < kPickles; ++i) {
    const PickleEnd end = ScanPickle(context, offset, options);
    offset = end.offset;
    if (end.complete) continue;
    // What a loader that goes on elsewhere would find.
    SearchForPickles(context, context.source(), offset);
    return;
  }
  if (context.stopped()) return;
  CheckStorages(context, storages, offset);
  context.AddAsset("pytorch-legacy",
                   {{"storages", std::to_string(storages.count())},
                    {"storage_bytes", std::to_string(storages.Total())}});
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"pytorch-legacy",
                       ".pt .pth .bin .ckpt",
                       "PyTorch file before 1.6 (pickles and raw tensors)",
                       Probe,
                       Scan,
                       kPickleRules};

}  // namespace scanengine::pytorch_legacy
