#ifndef SCANENGINE_WORKER_PARSING_PICKLE_STATE_TEXTS_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_STATE_TEXTS_H_

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

/// True for an attribute that libraries look up on an instance, and call or
/// trust (numpy's array interface holds an address): objects have no reason to
/// bring one of their own in their state. All begin with two underscores.
bool IsHookAttribute(std::string_view name);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_STATE_TEXTS_H_
