#include "worker/scanners/gguf/gguf_tensors.h"

#include <functional>
#include <limits>
#include <optional>
#include <string_view>

#include "ipc/text.h"
#include "worker/parsing/checked_math.h"
#include "worker/parsing/unclaimed_bytes.h"
#include "worker/scanners/gguf/gguf_types.h"

namespace scanengine::gguf {
namespace {

constexpr std::uint32_t kMaxDimensions = 4;  // GGML_MAX_DIMS
constexpr std::uint64_t kMaxGapsScanned = 16;

}  // namespace

void Tensors::Read(std::uint64_t count) {
  session_.context.SetPhase("gguf tensors");
  for (std::uint64_t i = 0; i < count && session_.whole; ++i) {
    if (!session_.WithinEntries(i, "tensors")) return;
    if (!session_.context.Checkpoint(session_.reader.offset())) return;
    ReadTensor();
    session_.whole = session_.whole && session_.reader.ok();
  }
  session_.ReportDuplicates(names_, "tensor names");
}

void Tensors::TellTensor(const std::string& name,
                         const std::vector<std::uint64_t>& dimensions,
                         std::uint32_t type, std::uint64_t offset) {
  const TensorType layout = TensorTypeOf(type);
  std::string text = "tensor " + Printable(name, 200) + ": " +
                     (layout.name.empty() ? "type " + std::to_string(type)
                                          : std::string(layout.name)) +
                     " [";
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(dimensions[i]);
  }
  session_.context.Tell(text + "], at byte " + std::to_string(offset) +
                        " of the data");
}

void Tensors::ReadTensor() {
  const std::uint64_t place = session_.reader.offset();
  const std::string name = session_.ReadName("tensor");
  const std::string label = "tensor \"" + Printable(name, 100) + "\"";
  const std::uint32_t count = session_.reader.U32();
  if (!session_.reader.ok()) return;
  if (count > kMaxDimensions) {
    session_.malformed.Report(
        {.message = label + " has " + std::to_string(count) + " dimensions",
         .offset = place});
    session_.whole = false;
    return;
  }
  std::vector<std::uint64_t> dimensions;
  for (std::uint32_t i = 0; i < count; ++i) {
    dimensions.push_back(session_.reader.Length());
  }
  const std::uint32_t type = session_.reader.U32();
  const std::uint64_t offset = session_.reader.U64();
  if (!session_.reader.ok()) return;
  names_.push_back(std::hash<std::string>{}(name));
  if (session_.context.inspection() != nullptr) {
    TellTensor(name, dimensions, type, offset);
  }
  MeasureTensor(label, place, dimensions, type, offset);
}

void Tensors::MeasureTensor(const std::string& label, std::uint64_t place,
                            const std::vector<std::uint64_t>& dimensions,
                            std::uint32_t type, std::uint64_t offset) {
  if (offset % alignment_ != 0) {
    session_.malformed.Report({.message = label + " is not aligned to " +
                                          std::to_string(alignment_) + " bytes",
                               .offset = place});
  }
  const TensorType layout = TensorTypeOf(type);
  if (layout.elements == 0) {
    all_types_known_ = false;
    // Forks number their own types up to some hundreds.
    session_.types.Report(
        type < 1024 ? Severity::kLow : Severity::kMedium,
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
    session_.bounds.Report(
        {.message = label + " is larger than any file", .offset = place});
    return;
  }
  if (row % layout.elements != 0) {
    session_.malformed.Report(
        {.message = label + " has rows of " + std::to_string(row) +
                    " elements, which " + std::string(layout.name) +
                    " cannot hold in whole blocks",
         .offset = place});
    return;
  }
  parameters_ = CheckedAdd(parameters_, *elements).value_or(kMost);
  const auto bytes = CheckedMultiply(*elements / layout.elements, layout.bytes);
  const auto end = bytes ? CheckedAdd(offset, *bytes) : std::nullopt;
  if (!end) {
    session_.bounds.Report(
        {.message = label + " is larger than any file", .offset = place});
    return;
  }
  extents_.Add({offset, *end});
}

void Tensors::CheckData() {
  const std::uint64_t header_end = session_.reader.offset();
  const std::uint64_t padding =
      (alignment_ - header_end % alignment_) % alignment_;
  const std::uint64_t skipped = session_.stream.Skip(padding);
  const std::uint64_t data = session_.stream.offset();
  const std::uint64_t data_size =
      session_.stream.Skip(std::numeric_limits<std::uint64_t>::max() - data);
  if (!session_.stream.status().ok()) return;
  ScanPadding(session_.context, header_end, skipped,
              "padding after the header");
  if (extents_.size() == 0 && !all_types_known_) return;
  ExtentMap::Visitor visitor;
  visitor.outside = [&](Extent extent) {
    session_.bounds.Report(
        {.message = "a tensor claims bytes " + std::to_string(extent.begin) +
                    " to " + std::to_string(extent.end) +
                    " of the data, which has " + std::to_string(data_size)});
    return true;
  };
  visitor.overlap = [&](Extent extent) {
    session_.overlaps.Report(
        {.message = "at bytes " + std::to_string(extent.begin) + " to " +
                    std::to_string(extent.end) + " of the data"});
    return true;
  };
  visitor.gap = [&](Extent gap) {
    CheckGap(data, gap, data_size);
    return session_.context.Checkpoint(data + gap.begin);
  };
  extents_.Check(data_size, visitor);
  if (gaps_ > kMaxGapsScanned) {
    session_.ReachLimit("only the first of " + std::to_string(gaps_) +
                        " gaps between tensors were looked at");
  }
}

void Tensors::CheckGap(std::uint64_t data, Extent gap,
                       std::uint64_t data_size) {
  const bool trailing = gap.end == data_size;
  const std::string_view where =
      trailing ? "trailing bytes" : "gap between tensors";
  if (gap.size() < alignment_) {
    ScanPadding(session_.context, data + gap.begin, gap.size(), where);
    return;
  }
  // What a type of unknown size takes looks like a gap.
  if (!all_types_known_) return;
  if (++gaps_ > kMaxGapsScanned) return;
  ScanUnclaimed(session_.context, data + gap.begin, gap.size(), where);
}

void Tensors::AddFacts(
    std::vector<std::pair<std::string, std::string>>& facts) const {
  std::string types;
  for (const auto& [type, count] : type_counts_) {
    if (count == 0) break;
    types += (types.empty() ? "" : ", ") + type + " x " + std::to_string(count);
  }
  facts.emplace_back("tensors", std::to_string(names_.size()));
  facts.emplace_back("parameters", std::to_string(parameters_));
  if (!types.empty()) facts.emplace_back("quantisation", types);
}

}  // namespace scanengine::gguf
