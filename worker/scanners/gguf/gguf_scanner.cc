// The GGUF format, versions 1 to 3 in either byte order:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and what ggml's
// reader refuses (ggml/src/gguf.cpp).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/byte_reader.h"
#include "ipc/text.h"
#include "worker/parsing/checked_math.h"
#include "worker/parsing/defect_reporter.h"
#include "worker/parsing/extent_map.h"
#include "worker/parsing/hostile_name.h"
#include "worker/parsing/jinja_template.h"
#include "worker/parsing/unclaimed_bytes.h"
#include "worker/scanner.h"
#include "worker/scanners/gguf/gguf_reader.h"
#include "worker/scanners/gguf/gguf_types.h"

namespace scanengine::gguf {
namespace {

constexpr std::uint32_t kNewestVersion = 3;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint32_t kMaxDimensions = 4;       // GGML_MAX_DIMS
constexpr std::uint64_t kMaxNameBytes = 65535;    // gguf.md, "key"
constexpr std::uint32_t kMaxArrayNesting = 4;     // ggml reads none at all.
constexpr std::uint64_t kMaxEntries = 1'000'000;  // Keys, and tensors.
constexpr std::uint64_t kMaxGapsScanned = 16;
// Real templates have up to some 50 KB.
constexpr std::uint64_t kMaxTemplateBytes = 1 << 20;
constexpr std::uint32_t kCheckEvery = 1024;  // Elements of an array.

constexpr Rule kMalformed{
    "gguf-malformed",
    Severity::kMedium,
    "The GGUF header is not as the format requires",
    "Readers of the format have had memory errors on broken headers, and they "
    "disagree on what such a file holds.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-20"};
constexpr Rule kCount{
    "gguf-count",
    Severity::kMedium,
    "A count or length is larger than the file can hold",
    "A reader that allocates what the file asks for runs out of memory or "
    "overflows; this has been exploited.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-190 CVE-2024-25664 CVE-2024-25665 CVE-2024-25666"};
constexpr Rule kDuplicateKey{
    "gguf-duplicate-key",
    Severity::kMedium,
    "A key or tensor name occurs twice",
    "Readers differ in which of the two they take, so that one may load what "
    "another did not see.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-436"};
constexpr Rule kTensorBounds{
    "gguf-tensor-bounds",
    Severity::kMedium,
    "A tensor's place or size does not fit the file",
    "A reader that trusts it reads outside of the tensor's bytes.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-125"};
constexpr Rule kTensorOverlap{
    "gguf-tensor-overlap",
    Severity::kMedium,
    "Two tensors share bytes",
    "No writer makes such files; a small file can claim any amount of data.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-20"};
constexpr Rule kUnknownType{
    "gguf-unknown-type", Severity::kLow, "A tensor is of an unknown type",
    "It may be newer than this program, or of a fork; its size could not be "
    "checked.",
    "Check that your reader knows the type."};
constexpr Rule kName{
    "gguf-name",
    Severity::kMedium,
    "A key or tensor name holds a path or control characters",
    "Tools that write tensors to files by name, or print names, can be led "
    "astray by it.",
    "Look at the name before you unpack or convert the file.",
    "CWE-22"};
constexpr Rule kTemplate{
    "gguf-template-injection",
    Severity::kCritical,
    "The chat template reaches out of the template language",
    "Programs that render the template without a sandbox run what it says as "
    "soon as the model is used.",
    "Do not use the model; report it to its publisher.",
    "CVE-2024-34359 CWE-1336"};
constexpr Rule kLimit{
    "gguf-limit",
    Severity::kMedium,
    "The file has more of something than is looked at",
    "What lies beyond a limit was not looked at, and no real model comes near "
    "it.",
    "Do not load it unless you know why it is so large.",
    "CWE-770"};

constexpr const Rule* kRules[] = {
    &kMalformed,   &kCount, &kDuplicateKey, &kTensorBounds, &kTensorOverlap,
    &kUnknownType, &kName,  &kTemplate,     &kLimit,        &kUnclaimedBytes};

constexpr std::string_view kMagic = "GGUF";

/// A version whose low half is empty was written in the other byte order.
bool IsOtherOrder(std::uint32_t version) {
  return version != 0 && (version & 0xffff) == 0;
}
std::uint32_t Swap(std::uint32_t value) {
  return value >> 24 | (value >> 8 & 0xff00) | (value << 8 & 0xff0000) |
         value << 24;
}

Match Probe(const ProbeInput& input) {
  ByteReader head(input.head);
  if (head.Text(kMagic.size()) != kMagic) {
    return input.name.ends_with(".gguf") ? Match::kHint : Match::kNo;
  }
  std::uint32_t version = head.U32();
  if (IsOtherOrder(version)) version = Swap(version);
  return head.ok() && version >= 1 && version <= 0xff ? Match::kCertain
                                                      : Match::kLikely;
}

class Scan {
 public:
  explicit Scan(ScanContext& context)
      : context_(context),
        stream_(context.source()),
        reader_(context.source(), stream_),
        malformed_(context, kMalformed),
        counts_(context, kCount),
        bounds_(context, kTensorBounds),
        overlaps_(context, kTensorOverlap),
        types_(context, kUnknownType),
        names_(context, kName) {}

  void Run();

 private:
  bool ReadPreamble();
  void ReadMetadata();
  void ReadPair();
  void ReadValue(const std::string& key, std::uint32_t type);
  void ReadArray(const std::string& key, std::uint32_t nesting);
  void ReadString(const std::string& key);
  void ReadScalar(const std::string& key, std::uint32_t type);
  void SetAlignment(std::uint64_t value);
  void InspectText(const std::string& key, std::string_view text,
                   std::uint64_t offset);

  void ReadTensors();
  void ReadTensor();
  void MeasureTensor(const std::string& label, std::uint64_t place,
                     const std::vector<std::uint64_t>& dimensions,
                     std::uint32_t type, std::uint64_t offset);
  void CheckData();
  void CheckGap(std::uint64_t data, Extent gap, std::uint64_t data_size);

  std::string ReadName(std::string_view what);
  void CheckDuplicates(std::vector<std::size_t>& hashes, std::string_view what);
  bool WithinEntries(std::uint64_t count, std::string_view what);
  void ReachLimit(std::string message);
  void AddFacts();

  ScanContext& context_;
  ByteStream stream_;
  Reader reader_;
  DefectReporter malformed_;
  DefectReporter counts_;
  DefectReporter bounds_;
  DefectReporter overlaps_;
  DefectReporter types_;
  DefectReporter names_;

  std::uint32_t version_ = 0;
  bool big_endian_ = false;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t pair_count_ = 0;
  std::uint64_t alignment_ = kDefaultAlignment;
  bool whole_ = true;  // Everything up to here was read as it should be.
  std::vector<std::size_t> keys_;  // Hashes: names may be any length.
  std::vector<std::size_t> tensors_;
  ExtentMap extents_;
  bool all_types_known_ = true;
  std::uint64_t gaps_ = 0;
  std::uint64_t parameters_ = 0;
  std::array<std::pair<std::string, std::uint64_t>, 16> type_counts_;
  std::vector<std::pair<std::string, std::string>> facts_;
};

void Scan::ReachLimit(std::string message) {
  context_.Report(kLimit, {.message = message});
  context_.MarkIncomplete(OutcomeStatus::kLimit, std::move(message));
  whole_ = false;
}

bool Scan::ReadPreamble() {
  if (reader_.Text(kMagic.size()) != kMagic) {
    if (stream_.status().ok()) {
      malformed_.Report({.message = "the file does not start with GGUF"});
    }
    return false;
  }
  version_ = reader_.U32();
  big_endian_ = IsOtherOrder(version_);
  if (big_endian_) version_ = Swap(version_);
  reader_.SetLayout(big_endian_, version_ != 1);
  if (reader_.ok() && (version_ == 0 || version_ > kNewestVersion)) {
    const std::string text = "GGUF version " + std::to_string(version_);
    malformed_.Report({.message = text + " is unknown", .offset = 4});
    context_.MarkIncomplete(OutcomeStatus::kUnsupported,
                            text + " is not supported");
    return false;
  }
  tensor_count_ = reader_.Length();
  pair_count_ = reader_.Length();
  // Smallest possible entries: an empty name, a type and one byte; an empty
  // name, no dimensions, a type and an offset.
  const std::uint64_t pair = reader_.length_width() + 4 + 1;
  const std::uint64_t tensor = reader_.length_width() + 4 + 4 + 8;
  if (pair_count_ > reader_.Remaining() / pair) {
    counts_.Report({.message = std::to_string(pair_count_) +
                               " metadata keys in a file of " +
                               HumanSize(context_.source().size())});
  }
  if (tensor_count_ > reader_.Remaining() / tensor) {
    counts_.Report({.message = std::to_string(tensor_count_) +
                               " tensors in a file of " +
                               HumanSize(context_.source().size())});
  }
  return reader_.ok();
}

bool Scan::WithinEntries(std::uint64_t count, std::string_view what) {
  if (count < kMaxEntries) return true;
  ReachLimit("more than " + std::to_string(kMaxEntries) + " " +
             std::string(what));
  return false;
}

std::string Scan::ReadName(std::string_view what) {
  const std::uint64_t place = reader_.offset();
  const std::uint64_t length = reader_.Length();
  if (length <= kMaxNameBytes) {
    std::string name = reader_.Text(static_cast<std::size_t>(length));
    if (IsHostileName(name)) {
      names_.Report(
          {.message = std::string(what) + " \"" + Printable(name, 100) + "\"",
           .offset = place});
    }
    return name;
  }
  counts_.Report(
      {.message = "a name of " + HumanSize(length), .offset = place});
  reader_.Skip(length);
  return {};
}

void Scan::ReadMetadata() {
  context_.SetPhase("gguf metadata");
  for (std::uint64_t i = 0; i < pair_count_ && whole_; ++i) {
    if (!WithinEntries(i, "metadata keys")) return;
    if (!context_.Checkpoint(reader_.offset())) return;
    ReadPair();
    whole_ = whole_ && reader_.ok();
  }
}

void Scan::ReadPair() {
  const std::string key = ReadName("key");
  const std::uint32_t type = reader_.U32();
  if (!reader_.ok()) return;
  keys_.push_back(std::hash<std::string>{}(key));
  ReadValue(key, type);
}

void Scan::ReadValue(const std::string& key, std::uint32_t type) {
  if (type == kString) {
    ReadString(key);
  } else if (type == kArray) {
    ReadArray(key, 1);
  } else if (WidthOf(type) != 0) {
    ReadScalar(key, type);
  } else {
    // Its width is unknown, so nothing after it can be read.
    malformed_.Report({.message = "key \"" + Printable(key, 100) +
                                  "\" is of the unknown type " +
                                  std::to_string(type),
                       .offset = reader_.offset()});
    whole_ = false;
  }
}

void Scan::ReadScalar(const std::string& key, std::uint32_t type) {
  const std::uint64_t place = reader_.offset();
  if (type == kUint32) {
    const std::uint32_t value = reader_.U32();
    if (key == "general.alignment") SetAlignment(value);
    if (key == "general.file_type" && reader_.ok()) {
      facts_.emplace_back("file type", std::to_string(value));
    }
    return;
  }
  if (key == "general.alignment") {
    malformed_.Report(
        {.message = "general.alignment is no 32-bit number", .offset = place});
  }
  if (type == kBool) {
    if (reader_.U8() > 1) {
      malformed_.Report({.message = "key \"" + Printable(key, 100) +
                                    "\" is neither true nor false",
                         .offset = place});
    }
    return;
  }
  reader_.Skip(WidthOf(type));
}

void Scan::SetAlignment(std::uint64_t value) {
  if (!reader_.ok()) return;
  if (value == 0 || (value & (value - 1)) != 0) {
    malformed_.Report({.message = "the alignment " + std::to_string(value) +
                                  " is no power of two"});
    return;
  }
  alignment_ = value;
}

void Scan::ReadString(const std::string& key) {
  const std::uint64_t length = reader_.Length();
  const std::uint64_t place = reader_.offset();
  if (length > reader_.Remaining()) {
    counts_.Report({.message = "a string of " + HumanSize(length) + " in \"" +
                               Printable(key, 100) + "\"",
                    .offset = place});
  }
  if (length <= kMaxTemplateBytes) {
    InspectText(key, reader_.Text(static_cast<std::size_t>(length)), place);
    return;
  }
  // Nothing but templates is run by anyone; long vocabularies are skipped.
  if (key.find("template") != std::string::npos) {
    const std::string message =
        "the template \"" + Printable(key, 100) + "\" has " + HumanSize(length);
    context_.Report(kLimit, {.message = message, .offset = place});
    context_.MarkIncomplete(OutcomeStatus::kLimit, message);
  }
  reader_.Skip(length);
}

void Scan::InspectText(const std::string& key, std::string_view text,
                       std::uint64_t offset) {
  if (key == "general.architecture" || key == "general.name") {
    facts_.emplace_back(key.substr(8), std::string(text.substr(0, 200)));
  }
  const std::vector<TemplateSighting> sightings = InspectTemplate(text);
  if (sightings.empty()) return;
  const auto worst = std::max_element(
      sightings.begin(), sightings.end(),
      [](const TemplateSighting& a, const TemplateSighting& b) {
        return a.severity < b.severity;
      });
  std::string uses;
  for (const TemplateSighting& sighting : sightings) {
    if (uses.find(sighting.what) != std::string::npos) continue;
    uses += (uses.empty() ? "" : ", ") + sighting.what;
  }
  const std::size_t from =
      worst->offset - std::min<std::size_t>(worst->offset, 60);
  context_.Report(kTemplate, worst->severity,
                  {.message = "\"" + Printable(key, 100) + "\" uses " + uses,
                   .offset = offset + worst->offset,
                   .evidence = std::string(text.substr(from, 200))});
}

void Scan::ReadArray(const std::string& key, std::uint32_t nesting) {
  const std::uint64_t place = reader_.offset();
  const std::uint32_t type = reader_.U32();
  const std::uint64_t count = reader_.Length();
  if (!reader_.ok()) return;
  const std::string label = "array \"" + Printable(key, 100) + "\"";
  std::uint64_t smallest = WidthOf(type);
  if (type == kString) smallest = reader_.length_width();
  if (type == kArray) smallest = 4 + reader_.length_width();
  if (smallest == 0 || (type == kArray && nesting >= kMaxArrayNesting)) {
    malformed_.Report(
        {.message = label + (smallest == 0 ? " has elements of the "
                                             "unknown type " +
                                                 std::to_string(type)
                                           : " is nested too deep"),
         .offset = place});
    whole_ = false;
    return;
  }
  if (count > reader_.Remaining() / smallest) {
    counts_.Report(
        {.message = label + " has " + std::to_string(count) + " elements",
         .offset = place});
    whole_ = false;
    return;
  }
  if (WidthOf(type) != 0) {
    reader_.Skip(CheckedMultiply(count, smallest)
                     .value_or(std::numeric_limits<std::uint64_t>::max()));
    return;
  }
  const bool templates = key.find("template") != std::string::npos;
  for (std::uint64_t i = 0; i < count && whole_ && reader_.ok(); ++i) {
    if (i % kCheckEvery == 0 && !context_.Checkpoint(reader_.offset())) return;
    if (type == kArray) {
      ReadArray(key, nesting + 1);
    } else if (templates) {
      ReadString(key);
    } else {
      reader_.Skip(reader_.Length());
    }
  }
}

void Scan::ReadTensors() {
  context_.SetPhase("gguf tensors");
  for (std::uint64_t i = 0; i < tensor_count_ && whole_; ++i) {
    if (!WithinEntries(i, "tensors")) return;
    if (!context_.Checkpoint(reader_.offset())) return;
    ReadTensor();
    whole_ = whole_ && reader_.ok();
  }
}

void Scan::ReadTensor() {
  const std::uint64_t place = reader_.offset();
  const std::string name = ReadName("tensor");
  const std::string label = "tensor \"" + Printable(name, 100) + "\"";
  const std::uint32_t count = reader_.U32();
  if (!reader_.ok()) return;
  if (count > kMaxDimensions) {
    malformed_.Report(
        {.message = label + " has " + std::to_string(count) + " dimensions",
         .offset = place});
    whole_ = false;
    return;
  }
  std::vector<std::uint64_t> dimensions;
  for (std::uint32_t i = 0; i < count; ++i) {
    dimensions.push_back(reader_.Length());
  }
  const std::uint32_t type = reader_.U32();
  const std::uint64_t offset = reader_.U64();
  if (!reader_.ok()) return;
  tensors_.push_back(std::hash<std::string>{}(name));
  MeasureTensor(label, place, dimensions, type, offset);
}

void Scan::MeasureTensor(const std::string& label, std::uint64_t place,
                         const std::vector<std::uint64_t>& dimensions,
                         std::uint32_t type, std::uint64_t offset) {
  if (offset % alignment_ != 0) {
    malformed_.Report({.message = label + " is not aligned to " +
                                  std::to_string(alignment_) + " bytes",
                       .offset = place});
  }
  const TensorType layout = TensorTypeOf(type);
  if (layout.elements == 0) {
    all_types_known_ = false;
    // Forks number their own types up to some hundreds.
    types_.Report(type < 1024 ? Severity::kLow : Severity::kMedium,
                  {.message = label + " is of type " + std::to_string(type),
                   .offset = place});
    return;
  }
  for (auto& [known, count] : type_counts_) {
    if (count != 0 && known != layout.name) continue;
    if (count++ == 0) known = layout.name;
    break;
  }
  std::optional<std::uint64_t> elements = 1;
  for (const std::uint64_t dimension : dimensions) {
    if (elements) elements = CheckedMultiply(*elements, dimension);
  }
  constexpr auto kMost =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::uint64_t row = dimensions.empty() ? 1 : dimensions.front();
  if (!elements || *elements > kMost) {
    bounds_.Report(
        {.message = label + " is larger than any file", .offset = place});
    return;
  }
  if (row % layout.elements != 0) {
    malformed_.Report({.message = label + " has rows of " +
                                  std::to_string(row) + " elements, which " +
                                  std::string(layout.name) +
                                  " cannot hold in whole blocks",
                       .offset = place});
    return;
  }
  parameters_ = CheckedAdd(parameters_, *elements).value_or(kMost);
  const auto bytes = CheckedMultiply(*elements / layout.elements, layout.bytes);
  const auto end = bytes ? CheckedAdd(offset, *bytes) : std::nullopt;
  if (!end) {
    bounds_.Report(
        {.message = label + " is larger than any file", .offset = place});
    return;
  }
  extents_.Add({offset, *end});
}

void Scan::CheckData() {
  const std::uint64_t header_end = reader_.offset();
  const std::uint64_t padding =
      (alignment_ - header_end % alignment_) % alignment_;
  const std::uint64_t skipped = stream_.Skip(padding);
  const std::uint64_t data = stream_.offset();
  const std::uint64_t data_size =
      stream_.Skip(std::numeric_limits<std::uint64_t>::max() - data);
  if (!stream_.status().ok()) return;
  ScanPadding(context_, header_end, skipped, "padding after the header");
  if (extents_.size() == 0 && !all_types_known_) return;
  ExtentMap::Visitor visitor;
  visitor.outside = [&](Extent extent) {
    bounds_.Report(
        {.message = "a tensor claims bytes " + std::to_string(extent.begin) +
                    " to " + std::to_string(extent.end) +
                    " of the data, which has " + std::to_string(data_size)});
    return true;
  };
  visitor.overlap = [&](Extent extent) {
    overlaps_.Report({.message = "at bytes " + std::to_string(extent.begin) +
                                 " to " + std::to_string(extent.end) +
                                 " of the data"});
    return true;
  };
  visitor.gap = [&](Extent gap) {
    CheckGap(data, gap, data_size);
    return context_.Checkpoint(data + gap.begin);
  };
  extents_.Check(data_size, visitor);
  if (gaps_ > kMaxGapsScanned) {
    ReachLimit("only the first of " + std::to_string(gaps_) +
               " gaps between tensors were looked at");
  }
}

void Scan::CheckGap(std::uint64_t data, Extent gap, std::uint64_t data_size) {
  const bool trailing = gap.end == data_size;
  const std::string_view where =
      trailing ? "trailing bytes" : "gap between tensors";
  if (gap.size() < alignment_) {
    ScanPadding(context_, data + gap.begin, gap.size(), where);
    return;
  }
  // What a type of unknown size takes looks like a gap.
  if (!all_types_known_) return;
  if (++gaps_ > kMaxGapsScanned) return;
  ScanUnclaimed(context_, data + gap.begin, gap.size(), where);
}

void Scan::CheckDuplicates(std::vector<std::size_t>& hashes,
                           std::string_view what) {
  std::sort(hashes.begin(), hashes.end());
  std::uint64_t duplicates = 0;
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i] == hashes[i - 1]) ++duplicates;
  }
  if (duplicates == 0) return;
  context_.Report(kDuplicateKey,
                  {.message = std::to_string(duplicates) + " duplicate " +
                              std::string(what)});
}

void Scan::AddFacts() {
  std::string types;
  for (const auto& [type, count] : type_counts_) {
    if (count == 0) break;
    types += (types.empty() ? "" : ", ") + type + " x " + std::to_string(count);
  }
  facts_.emplace_back("version", std::to_string(version_) +
                                     (big_endian_ ? ", big-endian" : ""));
  facts_.emplace_back("tensors", std::to_string(tensors_.size()));
  facts_.emplace_back("parameters", std::to_string(parameters_));
  if (!types.empty()) facts_.emplace_back("quantisation", types);
  context_.AddAsset("gguf", std::move(facts_));
}

void Scan::Run() {
  if (ReadPreamble()) {
    ReadMetadata();
    if (whole_) ReadTensors();
    CheckDuplicates(keys_, "metadata keys");
    CheckDuplicates(tensors_, "tensor names");
    if (whole_) CheckData();
    AddFacts();
  }
  if (!reader_.ok() && stream_.status().ok() && !context_.stopped() &&
      malformed_.count() == 0) {
    malformed_.Report({.message = "the file ends within its header",
                       .offset = reader_.offset()});
  }
  for (DefectReporter* reporter :
       {&malformed_, &counts_, &bounds_, &overlaps_, &types_, &names_}) {
    reporter->Finish();
  }
}

void ScanFile(ScanContext& context) { Scan(context).Run(); }

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"gguf", ".gguf",  "GGUF of llama.cpp and others",
                       Probe,  ScanFile, kRules};

}  // namespace scanengine::gguf
