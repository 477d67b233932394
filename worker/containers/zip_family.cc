#include "worker/containers/zip_family.h"

#include <algorithm>
#include <cstring>

#include "worker/containers/zip_reader.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kDirectoryBytes = 1 << 20;
// The end of a compressed stream is looked at only if that is cheap.
constexpr std::uint64_t kCheapEndBytes = 1 << 20;
constexpr std::size_t kTarMagicOffset = 257;

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= '0' && c <= '9';
  });
}

bool EndsAsZip(const ProbeInput& input) {
  const std::uint64_t size = input.source.size();
  if (size == kUnknownSize || size < kZipEndBytes) return false;
  if (!input.source.random_access() && size > kCheapEndBytes) return false;
  // A tar archive often has a zip among its last members; its scanner sees it.
  if (input.head.size() >= kTarMagicOffset + 5 &&
      std::memcmp(input.head.data() + kTarMagicOffset, "ustar", 5) == 0) {
    return false;
  }
  const auto layout = ReadZipLayout(input.source);
  return layout.ok() && !layout.value().directories.empty();
}

}  // namespace

bool StartsAsZip(std::span<const std::byte> head) {
  const std::uint32_t first = ZipU32(head);
  if (first == kZipLocalSignature || first == kZipEndSignature) return true;
  const bool marker =
      first == kZipDescriptorSignature || first == kZipOnePartSignature;
  return marker && head.size() >= 8 &&
         ZipU32(head.subspan(4)) == kZipLocalSignature;
}

void ZipFamily::Add(std::string_view name) {
  ++names_;
  if (name.ends_with(".npy")) ++arrays_;
  if (name == "config.json") keras_config_ = true;
  if (name == "metadata.json") keras_metadata_ = true;
  if (name == "schema.json") skops_schema_ = true;
  if (name == "MAR-INF/MANIFEST.json") torchserve_ = true;
  if (name == "model.ini") mojo_ = true;

  const std::size_t slash = name.rfind('/');
  const std::string_view leaf =
      slash == std::string_view::npos ? name : name.substr(slash + 1);
  const std::string_view folder = slash == std::string_view::npos
                                      ? std::string_view()
                                      : name.substr(0, slash);
  if (leaf == "data.pkl" && !data_pickle_) {
    data_pickle_ = true;
    root_ = folder;
  }
  if (leaf == "constants.pkl") constants_ = true;
  if (name.find("/code/") != std::string_view::npos &&
      name.find(".py") != std::string_view::npos) {
    code_ = true;
  }
  if (folder.ends_with("/data") && AllDigits(leaf)) storages_ = true;
  if (!data_pickle_ && root_.empty() && (storages_ || constants_)) {
    const std::size_t first = name.find('/');
    if (first != std::string_view::npos) root_ = name.substr(0, first);
  }
}

ZipKind ZipFamily::kind() const {
  if (data_pickle_ || constants_ || storages_) return ZipKind::kPyTorch;
  if (names_ != 0 && arrays_ == names_) return ZipKind::kNpz;
  return ZipKind::kOther;
}

std::string_view ZipFamily::unsupported() const {
  if (torchserve_) return "torchserve-mar";
  if (keras_config_ && keras_metadata_) return "keras";
  if (skops_schema_) return "skops";
  if (mojo_) return "h2o-mojo";
  return {};
}

ZipKind ClassifyZip(const ProbeInput& input) {
  if (!StartsAsZip(input.head)) {
    return EndsAsZip(input) ? ZipKind::kOther : ZipKind::kNone;
  }
  ZipFamily family;
  const bool end_is_cheap =
      input.source.size() != kUnknownSize &&
      (input.source.random_access() || input.source.size() <= kCheapEndBytes);
  const auto layout = end_is_cheap ? ReadZipLayout(input.source)
                                   : Result<ZipLayout>(ZipLayout());
  if (layout.ok() && !layout.value().directories.empty()) {
    const ZipDirectory& directory = layout.value().directories.front();
    ZipDirectoryReader reader(input.source, directory);
    while (reader.offset() - directory.offset < kDirectoryBytes) {
      const auto entry = reader.Next();
      if (!entry) break;
      if (!entry->IsFolder()) family.Add(entry->name);
      if (family.decided()) break;
    }
    return family.kind();
  }
  // Nothing but the first member is known.
  const bool marked = ZipU32(input.head) != kZipLocalSignature;
  const auto local = ReadZipLocal(input.source, marked ? 4 : 0);
  if (local.ok() && local.value()) family.Add(local.value()->name);
  return family.kind();
}

}  // namespace scanengine
