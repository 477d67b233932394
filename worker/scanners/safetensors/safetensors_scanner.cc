// The safetensors format: https://github.com/huggingface/safetensors, README
// section "Format", and what its reference implementation refuses
// (safetensors/src/tensor.rs, SafeTensors::read_metadata and
// Metadata::validate).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/byte_reader.h"
#include "ipc/text.h"
#include "worker/parsing/checked_math.h"
#include "worker/parsing/defect_reporter.h"
#include "worker/parsing/extent_map.h"
#include "worker/parsing/hostile_name.h"
#include "worker/parsing/unclaimed_bytes.h"
#include "worker/scanner.h"
#include "worker/scanners/safetensors/safetensors_dtype.h"
#include "worker/scanners/safetensors/safetensors_header.h"

namespace scanengine::safetensors {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
// MAX_HEADER_SIZE of the reference implementation.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
// Tensors and metadata keys of one file. The largest models have some 10^5.
constexpr std::size_t kMaxEntries = 1'000'000;
// Well-formed files have no gap at all.
constexpr std::uint64_t kMaxGapsScanned = 16;

constexpr Rule kMalformed{
    "safetensors-malformed",
    Severity::kMedium,
    "The safetensors header is not as the format requires",
    "Loaders disagree on broken headers: one refuses the file, another reads "
    "something that a scanner did not see.",
    "Do not load it; get the file again or convert it with the reference "
    "library.",
    "CWE-20"};
constexpr Rule kDuplicateKey{
    "safetensors-duplicate-key",
    Severity::kMedium,
    "A key occurs twice in the safetensors header",
    "The format forbids it, and loaders differ in which of the two they take.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-436"};
constexpr Rule kTensorBounds{
    "safetensors-tensor-bounds",
    Severity::kMedium,
    "A tensor's place or size does not fit the file",
    "A loader that trusts it reads outside of the tensor's bytes.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-125"};
constexpr Rule kTensorOverlap{
    "safetensors-tensor-overlap",
    Severity::kMedium,
    "Two tensors share bytes",
    "The format forbids it; it makes a small file claim any amount of data and "
    "lets one tensor change another.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-20"};
constexpr Rule kTensorName{
    "safetensors-tensor-name",
    Severity::kMedium,
    "A tensor's name holds a path or control characters",
    "Tools that write tensors to files by name, or print names, can be led "
    "astray by it.",
    "Look at the name before you unpack or convert the file.",
    "CWE-22"};
constexpr Rule kMetadataCode{
    "safetensors-metadata-code",
    Severity::kLow,
    "The metadata holds text that looks like code",
    "No loader of the format runs it; a web page or a tool that shows or "
    "evaluates metadata might.",
    "Read the text before you give the metadata to other tools.",
    "CWE-94"};
constexpr Rule kMetadataUrl{"safetensors-metadata-url", Severity::kInfo,
                            "The metadata holds web addresses",
                            "Loaders do not follow them.",
                            "Nothing needs to be done."};
constexpr Rule kLimit{
    "safetensors-limit",
    Severity::kMedium,
    "The file has more of something than is looked at",
    "What lies beyond a limit was not looked at. The reference implementation "
    "refuses headers above 100 MB.",
    "Do not load it unless you know why it is so large.",
    "CWE-770"};

constexpr const Rule* kRules[] = {
    &kMalformed,     &kDuplicateKey, &kTensorBounds,
    &kTensorOverlap, &kTensorName,   &kMetadataCode,
    &kMetadataUrl,   &kLimit,        &kUnclaimedBytes};

// Text that makes sense to a shell, an interpreter or a browser only.
constexpr std::string_view kCodeMarks[] = {
    "__import__(", "eval(",       "exec(",     "os.system(",  "os.popen(",
    "subprocess.", "pickle.load", "<script",   "javascript:", "#!/bin/",
    "b64decode(",  "curl http",   "wget http", "| bash",      "powershell"};

std::uint64_t HeaderLength(std::span<const std::byte> head) {
  return ByteReader(head).U64();
}

Match Probe(const ProbeInput& input) {
  const bool named = input.name.ends_with(".safetensors");
  const Match otherwise = named ? Match::kHint : Match::kNo;
  if (input.head.size() <= kLengthBytes) return otherwise;
  const std::uint64_t length = HeaderLength(input.head);
  if (input.head[kLengthBytes] != std::byte{'{'} || length < 2) {
    return otherwise;
  }
  if (length > kMaxHeaderBytes) {
    // Eight characters of a text in front of a brace are no length.
    return named ? Match::kLikely : Match::kNo;
  }
  std::size_t next = kLengthBytes + 1;
  while (next < input.head.size() && input.head[next] == std::byte{' '}) ++next;
  const bool structured =
      next < input.head.size() && (input.head[next] == std::byte{'"'} ||
                                   input.head[next] == std::byte{'}'});
  const bool fits = input.source.size() == kUnknownSize ||
                    length <= input.source.size() - kLengthBytes;
  return structured && fits ? Match::kCertain : Match::kLikely;
}

/// Scan of one file: collects the header's entries, then compares their places.
class Scan final : public HeaderSink {
 public:
  explicit Scan(ScanContext& context)
      : context_(context),
        malformed_(context, kMalformed),
        bounds_(context, kTensorBounds),
        overlaps_(context, kTensorOverlap),
        names_(context, kTensorName),
        code_(context, kMetadataCode) {}

  void Run();

  bool OnTensor(const TensorEntry& entry) override;
  bool OnMetadata(std::string_view key, std::string_view value,
                  std::uint64_t place) override;
  bool OnDefect(std::string message, std::uint64_t place) override {
    malformed_.Report({.message = std::move(message), .offset = place});
    return !context_.stopped();
  }
  bool OnProgress(std::uint64_t place) override {
    return context_.Checkpoint(place);
  }

 private:
  void TellTensor(const TensorEntry& entry);
  bool ReadHeader(ByteStream& stream, std::uint64_t length);
  void CheckExtents(std::uint64_t buffer, std::uint64_t buffer_size);
  void CheckDuplicates(std::vector<std::size_t>& hashes, std::string_view what);
  bool RoomFor(std::size_t entries);
  void ReachLimit(std::string message);
  void AddFacts();

  ScanContext& context_;
  DefectReporter malformed_;
  DefectReporter bounds_;
  DefectReporter overlaps_;
  DefectReporter names_;
  DefectReporter code_;
  ExtentMap extents_;  // Relative to the buffer, as in the header.
  std::vector<std::size_t> tensor_keys_;  // Hashes: names may be any length.
  std::vector<std::size_t> metadata_keys_;
  std::uint64_t tensors_ = 0;
  std::uint64_t parameters_ = 0;
  std::array<std::pair<std::string, std::uint64_t>, 8> dtypes_;
  std::string metadata_names_;
  bool has_url_ = false;
};

bool Scan::RoomFor(std::size_t entries) {
  if (entries < kMaxEntries) return true;
  ReachLimit("the header has more than " + std::to_string(kMaxEntries) +
             " entries");
  return false;
}

void Scan::ReachLimit(std::string message) {
  context_.Report(kLimit, {.message = message});
  context_.MarkIncomplete(OutcomeStatus::kLimit, std::move(message));
}

void Scan::TellTensor(const TensorEntry& entry) {
  std::string text = "tensor " + Printable(entry.name, 200) + ": " +
                     Printable(entry.dtype, 32) + " [";
  for (std::size_t i = 0; i < entry.shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(entry.shape[i]);
  }
  context_.Tell(text + "], bytes " + std::to_string(entry.begin) + " to " +
                std::to_string(entry.end));
}

bool Scan::OnTensor(const TensorEntry& entry) {
  if (!RoomFor(tensors_)) return false;
  if (context_.inspection() != nullptr) TellTensor(entry);
  ++tensors_;
  tensor_keys_.push_back(std::hash<std::string_view>{}(entry.name));
  const std::string label = "tensor \"" + Printable(entry.name, 100) + "\"";
  if (IsHostileName(entry.name)) {
    names_.Report({.message = label, .offset = entry.place});
  }
  for (auto& [dtype, count] : dtypes_) {
    if (count != 0 && dtype != entry.dtype) continue;
    if (count++ == 0) dtype = Printable(entry.dtype, 32);
    break;
  }
  if (entry.end < entry.begin) {
    bounds_.Report(
        {.message = label + " ends before it begins", .offset = entry.place});
    return true;
  }
  extents_.Add({entry.begin, entry.end});
  const std::uint32_t bits = BitsOf(entry.dtype);
  if (bits == 0) {
    return OnDefect(
        label + " has the unknown dtype \"" + Printable(entry.dtype, 32) + "\"",
        entry.place);
  }
  const auto all_bits = CheckedMultiply(entry.elements, bits);
  if (entry.overflow || !all_bits) {
    bounds_.Report(
        {.message = label + " is larger than any file", .offset = entry.place});
    return true;
  }
  parameters_ = CheckedAdd(parameters_, entry.elements)
                    .value_or(std::numeric_limits<std::uint64_t>::max());
  // Elements of less than a byte are packed; only whole bytes can be stored.
  if (*all_bits % 8 != 0 || *all_bits / 8 != entry.end - entry.begin) {
    bounds_.Report({.message = label + " needs " + std::to_string(*all_bits) +
                               " bits by type and shape but has " +
                               std::to_string(entry.end - entry.begin) +
                               " bytes",
                    .offset = entry.place});
  }
  return true;
}

bool Scan::OnMetadata(std::string_view key, std::string_view value,
                      std::uint64_t place) {
  if (!RoomFor(metadata_keys_.size())) return false;
  metadata_keys_.push_back(std::hash<std::string_view>{}(key));
  if (context_.inspection() != nullptr) {
    context_.Tell("metadata " + Printable(key, 100) + ": " +
                  Printable(value.substr(0, 400), 400));
  }
  if (metadata_names_.size() < 200) {
    metadata_names_ += (metadata_names_.empty() ? "" : ", ");
    metadata_names_ += key.substr(0, 100);
  }
  for (const std::string_view mark : kCodeMarks) {
    const std::size_t at = value.find(mark);
    if (at == std::string_view::npos) continue;
    code_.Report({.message = "metadata \"" + Printable(key, 100) +
                             "\" contains \"" + std::string(mark) + "\"",
                  .offset = place,
                  .evidence = std::string(
                      value.substr(at - std::min<std::size_t>(at, 40), 160))});
    break;
  }
  if (!has_url_ && (value.find("http://") != std::string_view::npos ||
                    value.find("https://") != std::string_view::npos)) {
    has_url_ = true;
    context_.Report(kMetadataUrl,
                    {.message = "metadata \"" + Printable(key, 100) + "\"",
                     .offset = place});
  }
  return true;
}

bool Scan::ReadHeader(ByteStream& stream, std::uint64_t length) {
  context_.SetPhase("safetensors header");
  const HeaderEnd end = ParseHeader(stream, length, *this);
  switch (end) {
    case HeaderEnd::kComplete:
      return true;
    case HeaderEnd::kInvalidJson:
      malformed_.Report({.message = "the header is not valid JSON",
                         .offset = stream.offset()});
      return false;
    case HeaderEnd::kTruncated:
      malformed_.Report({.message = "the file ends within its header"});
      return false;
    case HeaderEnd::kTooLong:
      ReachLimit("a string of the header is longer than " +
                 HumanSize(kMaxTokenBytes));
      return false;
    case HeaderEnd::kStopped:
      return false;
  }
  return false;
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

void Scan::CheckExtents(std::uint64_t buffer, std::uint64_t buffer_size) {
  const auto place = [](Extent extent) {
    return "bytes " + std::to_string(extent.begin) + " to " +
           std::to_string(extent.end) + " of the buffer";
  };
  std::uint64_t gaps = 0;
  ExtentMap::Visitor visitor;
  visitor.outside = [&](Extent extent) {
    bounds_.Report({.message = "a tensor claims " + place(extent) +
                               ", which has " + std::to_string(buffer_size)});
    return true;
  };
  visitor.overlap = [&](Extent extent) {
    overlaps_.Report({.message = "at " + place(extent)});
    return true;
  };
  visitor.gap = [&](Extent gap) {
    if (++gaps > kMaxGapsScanned) return true;
    ScanUnclaimed(
        context_, buffer + gap.begin, gap.size(),
        gap.end == buffer_size ? "trailing bytes" : "gap between tensors");
    return !context_.stopped();
  };
  extents_.Check(buffer_size, visitor);
  if (gaps > kMaxGapsScanned) {
    ReachLimit("only the first of " + std::to_string(gaps) +
               " gaps between tensors were looked at");
  }
}

void Scan::AddFacts() {
  std::vector<std::pair<std::string, std::string>> facts;
  facts.emplace_back("tensors", std::to_string(tensors_));
  facts.emplace_back("parameters", std::to_string(parameters_));
  std::string types;
  for (const auto& [dtype, count] : dtypes_) {
    if (count == 0) break;
    types += (types.empty() ? "" : ", ") + dtype;
  }
  if (!types.empty()) facts.emplace_back("dtypes", types);
  if (!metadata_names_.empty()) facts.emplace_back("metadata", metadata_names_);
  context_.AddAsset("safetensors", std::move(facts));
}

void Scan::Run() {
  ByteStream stream(context_.source());
  const auto head = stream.Take(kLengthBytes);
  if (!stream.status().ok()) return;
  if (head.size() < kLengthBytes) {
    malformed_.Report({.message = "the file ends within its first 8 bytes"});
    return;
  }
  const std::uint64_t length = HeaderLength(head);
  const std::uint64_t size = context_.source().size();
  if (size != kUnknownSize && length > size - kLengthBytes) {
    malformed_.Report({.message = "the header claims " + HumanSize(length) +
                                  " in a file of " + HumanSize(size),
                       .offset = 0});
    return;
  }
  if (length > kMaxHeaderBytes) {
    ReachLimit("the header claims " + HumanSize(length));
    return;
  }
  const auto first = stream.Peek(1);
  if (length == 0 || first.empty() || first.front() != std::byte{'{'}) {
    malformed_.Report({.message = "the header does not start with {",
                       .offset = kLengthBytes});
    return;
  }
  const bool read = ReadHeader(stream, length);
  CheckDuplicates(tensor_keys_, "tensor names");
  CheckDuplicates(metadata_keys_, "metadata keys");
  if (read) {
    const std::uint64_t buffer = stream.offset();
    const std::uint64_t buffer_size =
        stream.Skip(std::numeric_limits<std::uint64_t>::max() - buffer);
    if (!stream.status().ok()) return;
    context_.SetPhase("safetensors tensors");
    CheckExtents(buffer, buffer_size);
  }
  AddFacts();
  for (DefectReporter* reporter :
       {&malformed_, &bounds_, &overlaps_, &names_, &code_}) {
    reporter->Finish();
  }
}

void ScanFile(ScanContext& context) { Scan(context).Run(); }

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{
    "safetensors", ".safetensors", "Tensors behind a JSON header",
    Probe,         ScanFile,       kRules};

}  // namespace scanengine::safetensors
