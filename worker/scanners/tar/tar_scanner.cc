// Tar archives, and PyTorch files as torch.save() wrote them before 0.1.10: tar
// archives with the members sys_info, pickle, storages and tensors.
//
// Every member is scanned by its content, whatever it is called. What is wrong
// with the archive itself is reported: containers/tar_walk.h. Archives that are
// compressed as a whole come here through the compressed scanner.
// Specification: POSIX.1-2001 pax, GNU tar manual, CPython Lib/tarfile.py,
// torch/serialization.py.

#include <array>
#include <cstring>
#include <string>

#include "worker/containers/tar_format.h"
#include "worker/containers/tar_rules.h"
#include "worker/containers/tar_walk.h"
#include "worker/scanner.h"
#include "worker/scanners/tar/torch_tar.h"

namespace scanengine::tar {
namespace {

constexpr std::size_t kMagicAt = 257;

constexpr auto kRules = [] {
  std::array<const Rule*, std::size(kPickleRules) + std::size(kTarRules)>
      rules{};
  std::size_t n = 0;
  for (const Rule* rule : kTarRules) rules[n++] = rule;
  for (const Rule* rule : kPickleRules) rules[n++] = rule;
  return rules;
}();

Match Probe(const ProbeInput& input) {
  if (StartsAsTar(input.head)) return Match::kCertain;
  const bool magic = input.head.size() >= kTarBlock &&
                     std::memcmp(input.head.data() + kMagicAt, "ustar", 5) == 0;
  return magic ? Match::kLikely : Match::kNo;
}

void Scan(ScanContext& context) {
  TorchTar torch(context);
  const TarSummary summary =
      WalkTar(context, [&torch](std::string_view name, ByteSource& archive,
                                std::uint64_t offset) {
        return torch.Scan(name, archive, offset);
      });
  std::vector<std::pair<std::string, std::string>> facts{
      {"members", std::to_string(summary.members)},
      {"folders", std::to_string(summary.folders)},
      {"links", std::to_string(summary.links)}};
  if (torch.whole()) {
    facts.emplace_back("storages", std::to_string(torch.storages()));
  }
  context.AddAsset(torch.whole() ? "pytorch-tar" : "tar", std::move(facts));
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"tar",
                       ".tar .pt .pth .nemo",
                       "Tar archive, PyTorch before 0.1.10 included",
                       Probe,
                       Scan,
                       kRules};

}  // namespace scanengine::tar
