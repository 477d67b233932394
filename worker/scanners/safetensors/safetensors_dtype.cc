#include "worker/scanners/safetensors/safetensors_dtype.h"

#include <algorithm>
#include <iterator>

namespace scanengine::safetensors {
namespace {

struct Dtype {
  std::string_view name;
  std::uint32_t bits;
};

// enum Dtype of the reference implementation (safetensors/src/tensor.rs).
constexpr Dtype kDtypes[] = {
    {"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6},
    {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},     {"F8_E4M3", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},        {"BF16", 16},       {"I32", 32},
    {"U32", 32},    {"F32", 32},        {"C64", 64},        {"F64", 64},
    {"I64", 64},    {"U64", 64},
};

}  // namespace

std::uint32_t BitsOf(std::string_view dtype) {
  const auto at =
      std::find_if(std::begin(kDtypes), std::end(kDtypes),
                   [dtype](const Dtype& row) { return row.name == dtype; });
  return at == std::end(kDtypes) ? 0 : at->bits;
}

}  // namespace scanengine::safetensors
