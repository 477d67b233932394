#ifndef SCANENGINE_WORKER_PARSING_PICKLE_STATE_TEXTS_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_STATE_TEXTS_H_

#include <algorithm>
#include <array>
#include <string_view>

namespace scanengine {

/// Key under which distributions of scipy.stats keep the source of three small
/// functions in their state, which they run when they are unpickled.
inline constexpr std::string_view kScipyTemplate = "_parse_arg_template";

/// True for what scipy writes there: three definitions that return their
/// arguments. No call fits in, since a line has one opening parenthesis and no
/// string but 'mv'.
bool IsScipyTemplate(std::string_view text);

/// Keys under which statsmodels keeps a formula in its state, from which it
/// makes its matrices again when it is unpickled: patsy evaluates the terms of
/// the formula as Python.
inline constexpr std::string_view kFormula = "formula";
inline constexpr std::string_view kRestoreDesign = "restore_design_info";

/// True for a formula of names, numbers and well-known transformations.
bool IsPlainFormula(std::string_view text);

/// True if |text| names a way to run programs or code, as a call: it is worth
/// a word where something that is not vetted is given it.
bool ReadsAsCode(std::string_view text);

/// Attributes that libraries look up on an instance, and call or trust (numpy's
/// array interface holds an address): objects have no reason to bring one of
/// their own in their state. Sorted.
inline constexpr std::array kHookAttributes = std::to_array<std::string_view>(
    {"__array__", "__array_finalize__", "__array_function__",
     "__array_interface__", "__array_prepare__", "__array_struct__",
     "__array_ufunc__", "__array_wrap__", "__buffer__", "__class__",
     "__cuda_array_interface__", "__dataframe__", "__dlpack__", "__reduce__",
     "__reduce_ex__", "__torch_dispatch__", "__torch_function__"});
static_assert(kHookAttributes.size() <= 32 &&
              std::ranges::is_sorted(kHookAttributes) &&
              std::ranges::all_of(kHookAttributes, [](std::string_view name) {
                return name.starts_with("__");
              }));

/// Its place among those; their number for any other name.
inline std::size_t IndexOfHook(std::string_view name) {
  if (!name.starts_with("__")) return kHookAttributes.size();
  const auto at = std::ranges::lower_bound(kHookAttributes, name);
  const bool found = at != kHookAttributes.end() && *at == name;
  return found ? static_cast<std::size_t>(at - kHookAttributes.begin())
               : kHookAttributes.size();
}
inline bool IsHookAttribute(std::string_view name) {
  return IndexOfHook(name) < kHookAttributes.size();
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_STATE_TEXTS_H_
