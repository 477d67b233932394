#ifndef SCANENGINE_WORKER_PARSING_PICKLE_NAMES_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_NAMES_H_

#include <string_view>
#include <utility>

namespace scanengine {

/// A module and a name in it.
struct PickleName {
  std::string_view module;
  std::string_view name;

  bool operator==(const PickleName&) const = default;
};

/// Where Python 3 finds what Python 2 called module.name, as unpicklers with
/// fix_imports translate it for protocols below 3: `__builtin__.xrange` is
/// `builtins.range`, `commands.getoutput` is `subprocess.getoutput`. The same
/// pair if there is nothing to translate. The views live for ever or as long
/// as the arguments.
PickleName FixPythonTwoName(std::string_view module, std::string_view name);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_NAMES_H_
