// PyTorch archives: torch.save() since 1.6, TorchScript, torch.package. A zip
// with one folder that holds data.pkl and the raw bytes of tensors in data/N.
// Format: caffe2/serialize/inline_container.h in the PyTorch sources.
//
// Every member is scanned by its content, whatever it is called: which pickle
// is loaded depends on the archive's name, the loader and its version. Members
// where raw tensor bytes belong are only probed, since no loader reads them as
// anything else and gigabytes of weights would match weak patterns by chance; a
// tensor that is in truth a pickle or another known format is scanned. What can
// be wrong with the archive itself: containers/zip_walk.h.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "worker/containers/zip_family.h"
#include "worker/containers/zip_rules.h"
#include "worker/containers/zip_walk.h"
#include "worker/format_detector.h"
#include "worker/scanner.h"

namespace scanengine::pytorch_zip {
namespace {

// ROOT/data/0, ROOT/constants/0, ROOT/.data/0.storage. The loader takes the
// root from the archive, so any folder will do.
bool IsStoragePath(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view leaf = name.substr(slash + 1);
  const std::string_view folder = name.substr(0, slash);
  if (folder.ends_with("/.data")) return leaf.ends_with(".storage");
  const bool place = folder.ends_with("/data") ||
                     folder.ends_with("/constants") || folder == "data" ||
                     folder == "constants";
  return place && !leaf.empty() &&
         std::all_of(leaf.begin(), leaf.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

class Sink final : public ContextZipSink {
 public:
  using ContextZipSink::ContextZipSink;

  void ScanMember(std::string_view name, ByteSource& member) override {
    family_.Add(name);
    if (IsStoragePath(name) && IsRaw(member)) {
      ++storages_;
      const std::uint64_t size = member.size();
      if (size != kUnknownSize) storage_bytes_ += size;
      return;
    }
    if (name.ends_with("/byteorder")) byte_order_ = Text(member);
    if (name.ends_with("/version")) version_ = Text(member);
    ContextZipSink::ScanMember(name, member);
  }

  std::vector<std::pair<std::string, std::string>> Facts(
      const ZipSummary& summary) const {
    std::vector<std::pair<std::string, std::string>> facts{
        {"root", family_.root()},
        {"kind", family_.torchscript() ? "torchscript" : "pickled"},
        {"members", std::to_string(summary.members)},
        {"storages", std::to_string(storages_)},
        {"storage_bytes", std::to_string(storage_bytes_)}};
    if (!version_.empty()) facts.emplace_back("version", version_);
    if (!byte_order_.empty()) facts.emplace_back("byteorder", byte_order_);
    return facts;
  }

 private:
  // No scanner recognises the bytes; a name would only make it guess.
  static bool IsRaw(ByteSource& member) {
    const auto detection = DetectFormat(member, "");
    return detection.ok() && detection.value().scanners.empty();
  }

  static std::string Text(ByteSource& member) {
    char text[32];
    const auto got = member.ReadAt(0, std::as_writable_bytes(std::span(text)));
    if (!got.ok()) return {};
    std::string_view line(text, got.value());
    return std::string(line.substr(0, line.find_first_of("\r\n")));
  }

  ZipFamily family_;
  std::uint64_t storages_ = 0;
  std::uint64_t storage_bytes_ = 0;
  std::string version_;
  std::string byte_order_;
};

Match Probe(const ProbeInput& input) {
  if (!StartsAsZip(input.head)) return Match::kNo;
  return ClassifyZip(input) == ZipKind::kPyTorch ? Match::kCertain : Match::kNo;
}

void Scan(ScanContext& context) {
  Sink sink(context);
  const ZipSummary summary = WalkZip(context.source(), sink);
  context.AddAsset("pytorch-zip", sink.Facts(summary));
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"pytorch-zip",
                       ".pt .pth .bin .ckpt .ptl .torchscript",
                       "PyTorch archive, TorchScript included",
                       Probe,
                       Scan,
                       ZipRules()};

}  // namespace scanengine::pytorch_zip
