#include "worker/parsing/torch_storage.h"

namespace scanengine {
namespace {

struct ElementSize {
  std::string_view storage;
  std::uint64_t bytes;
};
constexpr ElementSize kElementSizes[] = {
    {"DoubleStorage", 8},         {"FloatStorage", 4},
    {"HalfStorage", 2},           {"BFloat16Storage", 2},
    {"LongStorage", 8},           {"IntStorage", 4},
    {"ShortStorage", 2},          {"CharStorage", 1},
    {"ByteStorage", 1},           {"BoolStorage", 1},
    {"ComplexDoubleStorage", 16}, {"ComplexFloatStorage", 8},
    {"QUInt8Storage", 1},         {"QInt8Storage", 1},
    {"QInt32Storage", 4},         {"QUInt4x2Storage", 1},
    {"QUInt2x4Storage", 1},       {"UntypedStorage", 1},
};

}  // namespace

std::optional<std::uint64_t> TorchElementBytes(std::string_view name) {
  for (const ElementSize& size : kElementSizes) {
    if (name == size.storage) return size.bytes;
  }
  return std::nullopt;
}

}  // namespace scanengine
