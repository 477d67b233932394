#include "worker/parsing/pickle_outline.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "worker/parsing/pickle_inspector.h"
#include "worker/parsing/pickle_render.h"

namespace scanengine {
namespace {

constexpr std::size_t kOneLine = 72;
constexpr std::size_t kKeyBytes = 100;
constexpr std::size_t kFactBytes = 80;

std::string_view WordOf(PickleNodeKind kind) {
  switch (kind) {
    case PickleNodeKind::kTuple:
      return "tuple";
    case PickleNodeKind::kList:
      return "list";
    case PickleNodeKind::kDict:
      return "dict";
    case PickleNodeKind::kSet:
      return "set";
    case PickleNodeKind::kFrozenSet:
      return "frozenset";
    default:
      return "";
  }
}

std::string Counted(std::uint64_t count, std::string_view one,
                    std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

}  // namespace

void PickleOutline::AddLine(std::uint16_t depth, std::string text) {
  if (lines_.size() >= kMaxLines) {
    ++dropped_;
    return;
  }
  lines_.push_back({depth, std::move(text)});
}

std::string PickleOutline::Short(PickleValue value,
                                 std::size_t max_bytes) const {
  PickleRenderer renderer(machine_, max_bytes, [this](PickleValue made) {
    return inspector_.NameOf(machine_, made);
  });
  renderer.Write(value);
  return renderer.Finish();
}

bool PickleOutline::IsPlain(PickleValue value) const {
  if (!value.Is(PickleKind::kNode)) return !value.Is(PickleKind::kGlobal);
  const PickleNodeKind kind = machine_.arena().node(value).kind;
  return kind == PickleNodeKind::kText || kind == PickleNodeKind::kBytes;
}

void PickleOutline::AddToRow(std::uint16_t depth, std::string_view text) {
  if (!row_.empty() && row_.size() + text.size() > kOneLine) EndRow(depth);
  if (!row_.empty()) row_ += ", ";
  row_ += text;
}

void PickleOutline::EndRow(std::uint16_t depth) {
  if (!row_.empty()) AddLine(depth, std::exchange(row_, {}));
}

bool PickleOutline::FitsOneLine(PickleValue container) const {
  const PickleArena& arena = machine_.arena();
  const auto items = arena.Items(container, 13);
  if (items.size() > 12 || items.size() != arena.node(container).count) {
    return false;
  }
  for (const PickleValue item : items) {
    if (!item.Is(PickleKind::kNode)) continue;
    const PickleNodeKind kind = arena.node(item).kind;
    if (kind != PickleNodeKind::kText && kind != PickleNodeKind::kBytes) {
      return false;
    }
  }
  return Short(container, kMaxLineBytes).size() <= kOneLine;
}

void PickleOutline::WriteValue(PickleValue value, const std::string& label,
                               std::uint16_t depth) {
  if (value.Is(PickleKind::kNode)) {
    const PickleNodeKind kind = machine_.arena().node(value).kind;
    if (value.IsContainer()) return WriteContainer(value, label, depth);
    if (kind == PickleNodeKind::kCall) return WriteObject(value, label, depth);
  }
  AddLine(depth, label + Short(value, kMaxLineBytes));
}

void PickleOutline::WriteContainer(PickleValue value, const std::string& label,
                                   std::uint16_t depth) {
  const PickleNode& node = machine_.arena().node(value);
  if (FitsOneLine(value)) {
    AddLine(depth, label + Short(value, kMaxLineBytes));
    return;
  }
  const bool pairs = node.kind == PickleNodeKind::kDict;
  const std::uint64_t count = pairs ? node.count / 2 : node.count;
  std::string text = label + std::string(WordOf(node.kind)) + ", " +
                     (pairs ? Counted(count, "entry", "entries")
                            : Counted(count, "item", "items"));
  if (!seen_.insert(value.index()).second) {
    AddLine(depth, text + " (shown above)");
    return;
  }
  if (depth >= kMaxDepth) {
    AddLine(depth, text + " (not shown: too deep)");
    return;
  }
  AddLine(depth, std::move(text));
  WriteEntries(machine_.arena().Items(value), pairs, node.count,
               static_cast<std::uint16_t>(depth + 1));
}

void PickleOutline::WriteEntries(const std::vector<PickleValue>& items,
                                 bool pairs, std::uint64_t count,
                                 std::uint16_t depth) {
  const std::size_t step = pairs ? 2 : 1;
  std::size_t at = 0;
  for (; at + step <= items.size() && at / step < kMaxEntries; at += step) {
    const std::string label =
        pairs ? Short(items[at], kKeyBytes) + ": " : std::string();
    const PickleValue value = items[at + step - 1];
    if (!pairs && IsPlain(value)) {
      AddToRow(depth, Short(value, kMaxLineBytes));
    } else {
      EndRow(depth);
      WriteValue(value, label, depth);
    }
    if (lines_.size() >= kMaxLines) {
      at += step;
      break;
    }
  }
  EndRow(depth);
  if (count > at) {
    AddLine(depth, "... " + std::to_string((count - at) / step) + " more");
  }
}

std::string PickleOutline::SummaryOf(PickleValue object) const {
  const std::uint32_t made_by = machine_.ClassOf(object);
  if (made_by == kNoPickleGlobal) return {};
  const PickleGlobal& of = machine_.global(made_by);
  const PickleArena& arena = machine_.arena();
  const PickleNode& node = arena.node(object);
  if (of.module == "torch._utils" && of.name.starts_with("_rebuild_tensor")) {
    const auto arguments = machine_.ArgumentsOf(node.items[1]);
    if (!arguments || arguments->size() < 3) return {};
    std::string text = "tensor " + Short((*arguments)[2], kFactBytes);
    const InspectedObject* known = inspector_.ObjectOf(machine_, object);
    if (known != nullptr && !known->storage.empty()) {
      text += " of " + known->storage;
    }
    return text;
  }
  const PickleValue state = node.items[2];
  if (of.name == "NumpyArrayWrapper") {
    const auto shape = machine_.Lookup(state, "shape");
    return shape ? "array " + Short(*shape, kFactBytes) : std::string();
  }
  if (of.name == "_reconstruct" && of.module.starts_with("numpy")) {
    const auto parts = machine_.ArgumentsOf(state);
    if (parts && parts->size() > 1) {
      return "array " + Short((*parts)[1], kFactBytes);
    }
  }
  return {};
}

void PickleOutline::WriteObject(PickleValue value, const std::string& label,
                                std::uint16_t depth) {
  const std::string name = inspector_.NameOf(machine_, value);
  const PickleNode& node = machine_.arena().node(value);
  std::string text = label + (name.empty() ? "" : name + " = ") +
                     Short(node.items[0], kKeyBytes) + "(...)";
  if (const std::string summary = SummaryOf(value); !summary.empty()) {
    text += ", " + summary;
  }
  const InspectedObject* known = inspector_.ObjectOf(machine_, value);
  const bool items = known != nullptr && known->item_count != 0;
  const std::uint64_t step = items && known->pairs ? 2 : 1;
  if (items) {
    text += ", " + (known->pairs
                        ? Counted(known->item_count / step, "entry", "entries")
                        : Counted(known->item_count, "item", "items"));
  }
  const bool state = !node.items[2].Is(PickleKind::kNone);
  if (!seen_.insert(value.index()).second) {
    AddLine(depth, text + (items || state ? " (shown above)" : ""));
    return;
  }
  if (depth >= kMaxDepth) {
    AddLine(depth, text + (items || state ? " (not shown: too deep)" : ""));
    return;
  }
  AddLine(depth, std::move(text));
  const auto below = static_cast<std::uint16_t>(depth + 1);
  if (items) {
    const bool fresh = known->sweeps == machine_.arena().sweeps();
    WriteEntries(fresh ? known->items : std::vector<PickleValue>(),
                 known->pairs, known->item_count, below);
  }
  if (state) WriteValue(node.items[2], "state: ", below);
}

}  // namespace scanengine
