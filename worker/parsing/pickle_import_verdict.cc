#include "worker/parsing/pickle_import_verdict.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "worker/parsing/pickle_names.h"

namespace scanengine {
namespace {

int Badness(ImportVerdict verdict) {
  switch (verdict) {
    case ImportVerdict::kVetted:
      return 0;
    case ImportVerdict::kKnownLibrary:
      return 1;
    case ImportVerdict::kUnvetted:
      return 2;
    case ImportVerdict::kDangerous:
      return 3;
  }
  return 3;
}

// What str, bytes, list, dict, set, int and float have, sorted. They compute
// and do nothing else. Not format and format_map, which read attributes.
constexpr std::string_view kDataMethods[] = {"add",
                                             "append",
                                             "as_integer_ratio",
                                             "bit_count",
                                             "bit_length",
                                             "capitalize",
                                             "casefold",
                                             "center",
                                             "clear",
                                             "conjugate",
                                             "copy",
                                             "count",
                                             "decode",
                                             "denominator",
                                             "difference",
                                             "difference_update",
                                             "discard",
                                             "encode",
                                             "endswith",
                                             "expandtabs",
                                             "extend",
                                             "find",
                                             "from_bytes",
                                             "fromhex",
                                             "fromkeys",
                                             "get",
                                             "hex",
                                             "imag",
                                             "index",
                                             "insert",
                                             "intersection",
                                             "intersection_update",
                                             "is_integer",
                                             "isalnum",
                                             "isalpha",
                                             "isascii",
                                             "isdecimal",
                                             "isdigit",
                                             "isdisjoint",
                                             "isidentifier",
                                             "islower",
                                             "isnumeric",
                                             "isprintable",
                                             "isspace",
                                             "issubset",
                                             "issuperset",
                                             "istitle",
                                             "isupper",
                                             "items",
                                             "join",
                                             "keys",
                                             "ljust",
                                             "lower",
                                             "lstrip",
                                             "maketrans",
                                             "numerator",
                                             "partition",
                                             "pop",
                                             "popitem",
                                             "real",
                                             "remove",
                                             "removeprefix",
                                             "removesuffix",
                                             "replace",
                                             "reverse",
                                             "rfind",
                                             "rindex",
                                             "rjust",
                                             "rpartition",
                                             "rsplit",
                                             "rstrip",
                                             "setdefault",
                                             "sort",
                                             "split",
                                             "splitlines",
                                             "startswith",
                                             "strip",
                                             "swapcase",
                                             "symmetric_difference",
                                             "symmetric_difference_update",
                                             "title",
                                             "to_bytes",
                                             "translate",
                                             "union",
                                             "update",
                                             "upper",
                                             "values",
                                             "zfill"};

// str.upper, dict.get and the like.
bool IsPlainDataMethod(const PickleGlobal& global) {
  constexpr std::string_view kTypes[] = {
      "str", "bytes",     "bytearray", "list",  "tuple",   "dict",
      "set", "frozenset", "int",       "float", "complex", "bool"};
  if (global.module != "builtins" && global.module != "__builtin__") {
    return false;
  }
  const std::string_view name = global.name;
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view method = name.substr(dot + 1);
  return std::find(std::begin(kTypes), std::end(kTypes), name.substr(0, dot)) !=
             std::end(kTypes) &&
         std::binary_search(std::begin(kDataMethods), std::end(kDataMethods),
                            method);
}

// Protocol 2 makes an object whose __new__ takes keywords by a call of
// Class.__new__, which does what NEWOBJ does.
ImportJudgement JudgeWritten(const ImportPolicy& policy,
                             std::string_view module, std::string_view name) {
  constexpr std::string_view kNew = ".__new__";
  const ImportJudgement written = policy.Judge(module, name);
  if (written.verdict == ImportVerdict::kDangerous || !name.ends_with(kNew)) {
    return written;
  }
  name.remove_suffix(kNew.size());
  const ImportJudgement made = policy.Judge(module, name);
  const bool harmless = made.verdict == ImportVerdict::kVetted &&
                        policy.JudgeConstructor(module, name).verdict !=
                            ImportVerdict::kDangerous;
  return harmless ? made : written;
}

}  // namespace

ImportJudgement JudgeName(const ImportPolicy& policy,
                          const PickleGlobal& global) {
  if (IsPlainDataMethod(global)) return {ImportVerdict::kVetted, {}, {}, {}};
  const ImportJudgement plain =
      JudgeWritten(policy, global.module, global.name);
  const PickleName fixed = FixPythonTwoName(global.module, global.name);
  if (fixed.module == global.module && fixed.name == global.name) return plain;
  const ImportJudgement other = JudgeWritten(policy, fixed.module, fixed.name);
  // Old names of vetted ones are in no table.
  if (plain.verdict == ImportVerdict::kUnvetted) return other;
  return Badness(other.verdict) > Badness(plain.verdict) ? other : plain;
}

}  // namespace scanengine
