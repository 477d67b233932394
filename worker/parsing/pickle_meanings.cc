#include "worker/parsing/pickle_meanings.h"

#include <algorithm>
#include <iterator>

namespace scanengine {
namespace {

struct Row {
  std::string_view module;
  std::string_view name;
  PickleMeaning meaning;
};

using M = PickleMeaning;

constexpr Row kRows[] = {
    {"builtins", "getattr", M::kGetAttr},
    {"operator", "attrgetter", M::kAttrGetter},
    {"operator", "itemgetter", M::kItemGetter},
    {"operator", "methodcaller", M::kMethodCaller},
    {"operator", "getitem", M::kGetItem},
    {"operator", "__getitem__", M::kGetItem},
    {"builtins", "dict.get", M::kGetItem},
    {"builtins", "dict.pop", M::kGetItem},
    {"builtins", "dict.setdefault", M::kGetItem},
    {"builtins", "dict.__getitem__", M::kGetItem},
    {"builtins", "list.__getitem__", M::kGetItem},
    {"builtins", "tuple.__getitem__", M::kGetItem},
    {"functools", "partial", M::kPartial},
    {"types", "MethodType", M::kPartial},
    {"functools", "reduce", M::kCallFirst},
    {"builtins", "map", M::kCallFirst},
    {"builtins", "filter", M::kCallFirst},
    {"builtins", "iter", M::kCallFirst},
    {"itertools", "starmap", M::kCallFirst},
    {"itertools", "filterfalse", M::kCallFirst},
    {"itertools", "takewhile", M::kCallFirst},
    {"itertools", "dropwhile", M::kCallFirst},
    {"operator", "call", M::kCallWithRest},
    {"copyreg", "__newobj__", M::kCallWithRest},
    {"copyreg", "__newobj_ex__", M::kNewObjectEx},
    {"numpy.core", "_ufunc_reconstruct", M::kImportName},
    {"numpy._core", "_ufunc_reconstruct", M::kImportName},
    {"sklearn.metrics._dist_metrics", "newObj", M::kCallWithRest},
    {"sklearn.neighbors._ball_tree", "newObj", M::kCallWithRest},
    {"sklearn.neighbors._dist_metrics", "newObj", M::kCallWithRest},
    {"sklearn.neighbors._kd_tree", "newObj", M::kCallWithRest},
    {"copyreg", "_reconstructor", M::kReconstructor},
    {"copyreg", "add_extension", M::kAddExtension},
    {"torch._tensor", "_rebuild_from_type", M::kApply},
    {"torch._tensor", "_rebuild_from_type_v2", M::kApply},
    {"torch.tensor", "_rebuild_from_type", M::kApply},
    {"jax._src.array", "_reconstruct_array", M::kApplyNext},
    {"jax._src.device_array", "reconstruct_device_array", M::kApplyNext},
    {"importlib", "import_module", M::kImportModule},
    {"importlib", "__import__", M::kImportModule},
    {"importlib._bootstrap", "__import__", M::kImportModule},
    {"importlib._bootstrap", "_gcd_import", M::kImportModule},
    {"builtins", "__import__", M::kImportModule},
    {"pkgutil", "resolve_name", M::kResolveName},
    {"pydoc", "locate", M::kResolveName},
    {"operator", "add", M::kConcat},
    {"operator", "iadd", M::kConcat},
    {"operator", "concat", M::kConcat},
    {"operator", "iconcat", M::kConcat},
    {"operator", "__add__", M::kConcat},
    {"operator", "__concat__", M::kConcat},
    {"builtins", "str.__add__", M::kConcat},
    {"builtins", "bytes.__add__", M::kConcat},
    {"builtins", "str.join", M::kJoin},
    {"builtins", "bytes.join", M::kJoin},
    {"builtins", "chr", M::kChr},
    {"builtins", "str", M::kText},
    {"builtins", "bytes", M::kText},
    {"builtins", "str.encode", M::kText},
    {"builtins", "bytes.decode", M::kText},
    {"codecs", "decode", M::kText},
    {"codecs", "encode", M::kText},
    {"base64", "b64decode", M::kBase64},
    {"base64", "standard_b64decode", M::kBase64},
    {"base64", "urlsafe_b64decode", M::kBase64},
    {"base64", "decodebytes", M::kBase64},
    {"binascii", "a2b_base64", M::kBase64},
    {"binascii", "unhexlify", M::kHex},
    {"binascii", "a2b_hex", M::kHex},
    {"builtins", "bytes.fromhex", M::kHex},
    {"builtins", "bytearray.fromhex", M::kHex},
    {"base64", "b16decode", M::kHex},
    {"builtins", "str.replace", M::kReplace},
    {"operator", "pos", M::kIdentity},
    {"copy", "copy", M::kIdentity},
    {"copy", "deepcopy", M::kIdentity},
    {"builtins", "vars", M::kVars},
    {"torch.storage", "_load_from_bytes", M::kLoadBytes},
};

// Private modules that hold the same names.
std::string_view PublicModule(std::string_view module) {
  if (module == "_operator") return "operator";
  if (module == "_functools") return "functools";
  if (module == "_codecs") return "codecs";
  if (module == "__builtin__") return "builtins";
  if (module == "copy_reg") return "copyreg";
  if (module == "importlib._bootstrap_external") return "importlib._bootstrap";
  if (module == "_frozen_importlib") return "importlib._bootstrap";
  return module;
}

}  // namespace

PickleMeaning MeaningOf(std::string_view module, std::string_view name) {
  module = PublicModule(module);
  const auto at = std::find_if(
      std::begin(kRows), std::end(kRows),
      [&](const Row& row) { return row.module == module && row.name == name; });
  return at == std::end(kRows) ? PickleMeaning::kOpaque : at->meaning;
}

bool IsTransparent(PickleMeaning meaning) {
  switch (meaning) {
    case PickleMeaning::kGetAttr:
    case PickleMeaning::kAttrGetter:
    case PickleMeaning::kItemGetter:
    case PickleMeaning::kPartial:
    case PickleMeaning::kReconstructor:
    case PickleMeaning::kConcat:
    case PickleMeaning::kJoin:
    case PickleMeaning::kChr:
    case PickleMeaning::kText:
    case PickleMeaning::kBase64:
    case PickleMeaning::kHex:
    case PickleMeaning::kReplace:
      return true;
    default:
      return false;
  }
}

}  // namespace scanengine
