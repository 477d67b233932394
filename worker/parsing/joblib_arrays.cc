#include "worker/parsing/joblib_arrays.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "worker/parsing/pickle_file.h"
#include "worker/parsing/pickle_scan.h"

namespace scanengine {
namespace {

constexpr std::uint32_t kMaxObjectDepth = 8;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::uint64_t Multiply(std::uint64_t a, std::uint64_t b) {
  return b != 0 && a > kMax / b ? kMax : a * b;
}

bool IsArrayWrapper(const PickleMachine& machine, PickleValue object) {
  const std::uint32_t made_by = machine.ClassOf(object);
  if (made_by == kNoPickleGlobal) return false;
  const PickleGlobal& maker = machine.global(made_by);
  return maker.module.ends_with("numpy_pickle") &&
         maker.name == "NumpyArrayWrapper";
}

// A dtype with fields carries its size as the sixth item of its state:
// (version, order, subdtype, names, fields, itemsize, alignment, flags).
std::optional<std::uint64_t> ItemBytesOfState(const PickleMachine& machine,
                                              PickleValue state,
                                              bool* objects) {
  constexpr std::int64_t kHasObject = 1;  // NPY_ITEM_REFCOUNT
  const auto items = machine.ArgumentsOf(state);
  if (!items || items->size() < 8) return std::nullopt;
  const PickleValue flags = (*items)[7];
  if (flags.Is(PickleKind::kInt) && (flags.integer() & kHasObject) != 0) {
    *objects = true;
  }
  const PickleValue size = (*items)[5];
  if (!size.Is(PickleKind::kInt) || size.integer() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(size.integer());
}

}  // namespace

std::optional<std::uint64_t> NumpyItemBytes(const PickleMachine& machine,
                                            PickleValue value, bool* objects) {
  if (!value.IsNode(PickleNodeKind::kCall)) {
    return std::nullopt;
  }
  const PickleNode& call = machine.arena().node(value);
  const auto arguments = machine.ArgumentsOf(call.items[1]);
  if (!arguments || arguments->empty()) return std::nullopt;
  const auto code = machine.TextOf((*arguments)[0]);
  if (!code || code->empty()) return std::nullopt;
  *objects =
      *code == "O" || *code == "O8" || *code == "O4" || *code == "object";
  if (*objects) return 8;
  const auto from_state = ItemBytesOfState(machine, call.items[2], objects);
  if (from_state && *from_state > 0) return from_state;
  if (*code == "bool" || *code == "?") return 1;
  // "f8", "<i4", "U12": the number counts bytes, or characters of four.
  const std::size_t digits = code->find_first_of("0123456789");
  if (digits == std::string::npos || digits == 0 || code->size() > 12) {
    return std::nullopt;
  }
  std::uint64_t size = 0;
  for (std::size_t i = digits; i < code->size(); ++i) {
    const char c = (*code)[i];
    if (c < '0' || c > '9') return std::nullopt;
    size = size * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return (*code)[digits - 1] == 'U' ? size * 4 : size;
}

std::optional<JoblibArrays::Shape> JoblibArrays::ShapeOf(
    const PickleMachine& machine, PickleValue state) const {
  const auto shape = machine.Lookup(state, "shape");
  const auto dtype = machine.Lookup(state, "dtype");
  if (!shape || !dtype) return std::nullopt;
  Shape result;
  const auto item = NumpyItemBytes(machine, *dtype, &result.objects);
  if (!item && !result.objects) return std::nullopt;
  result.item_bytes = item.value_or(8);
  const auto dimensions = machine.ArgumentsOf(*shape);
  if (!dimensions) return std::nullopt;
  result.elements = 1;
  for (const PickleValue dimension : *dimensions) {
    if (!dimension.Is(PickleKind::kInt) || dimension.integer() < 0) {
      return std::nullopt;
    }
    result.elements = Multiply(result.elements,
                               static_cast<std::uint64_t>(dimension.integer()));
  }
  const auto alignment = machine.Lookup(state, "numpy_array_alignment_bytes");
  result.aligned = alignment && alignment->Is(PickleKind::kInt);
  return result;
}

// To a plain unpickler these bytes are opcodes.
void JoblibArrays::SearchRaw(std::uint64_t offset, std::uint64_t size) {
  PickleOptions options;
  options.report_everything = false;
  ScanPickleIn(context_, source_, offset, options);
  SearchForPickles(context_, source_, offset, offset + size);
}

std::uint64_t JoblibArrays::PassOver(const PickleMachine& machine,
                                     PickleValue object, std::uint64_t next) {
  if (!IsArrayWrapper(machine, object)) return next;
  if (!object.IsNode(PickleNodeKind::kCall)) return next;
  const auto shape = ShapeOf(machine, machine.arena().node(object).items[2]);
  if (!shape) {
    context_.Report(kPickleMalformed,
                    {"the size of a joblib array cannot be told", next});
    return next;
  }
  ++count_;
  if (shape->objects) {
    if (depth_ >= kMaxObjectDepth) {
      context_.Report(kPickleNestedLimit,
                      {"object arrays are nested too deep", next});
      context_.MarkIncomplete(OutcomeStatus::kLimit,
                              "object arrays are nested too deep");
      return next;
    }
    ++depth_;
    PickleOptions options;
    options.on_built = [this](const PickleMachine& inner, PickleValue built,
                              std::uint64_t after) {
      return PassOver(inner, built, after);
    };
    const PickleEnd end = ScanPickleIn(context_, source_, next, options);
    --depth_;
    return end.offset;
  }
  std::uint64_t start = next;
  if (shape->aligned) {
    std::array<std::byte, 1> padding{};
    const auto got = source_.ReadAt(next, padding);
    if (!got.ok() || got.value() == 0) return next;
    start += 1 + std::to_integer<std::uint64_t>(padding[0]);
  }
  const std::uint64_t size = Multiply(shape->elements, shape->item_bytes);
  SearchRaw(next, start - next + size < size ? size : start - next + size);
  return start + size < start ? kMax : start + size;
}

}  // namespace scanengine
