// The tables that come with the program: their form, and samples of what they
// must say, by advisory and by library.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/import_policy.h"

namespace scanengine {
namespace {

using Row = std::vector<std::string>;
using Import = std::pair<std::string_view, std::string_view>;

std::vector<Row> Rows(std::string_view text) {
  std::vector<Row> rows;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.front() == '#') continue;
    Row row;
    for (std::size_t tab = line.find('\t'); tab != std::string_view::npos;
         tab = line.find('\t')) {
      row.emplace_back(line.substr(0, tab));
      line.remove_prefix(tab + 1);
    }
    row.emplace_back(line);
    rows.push_back(std::move(row));
  }
  return rows;
}

const ImportPolicy& BuiltIn() {
  static const std::vector<std::byte> bytes = [] {
    auto compiled = CompileImportPolicy(BuiltInPolicy());
    INFO((compiled.ok() ? std::string() : compiled.error().detail));
    REQUIRE(compiled.ok());
    return std::move(compiled).value();
  }();
  static const ImportPolicy policy = ImportPolicy::FromBytes(bytes).value();
  return policy;
}

void CheckAll(ImportVerdict verdict, const std::vector<Import>& imports) {
  for (const auto& [module, name] : imports) {
    CAPTURE(module, name);
    CHECK(BuiltIn().Judge(module, name).verdict == verdict);
  }
}

}  // namespace

TEST_CASE("BuiltInPolicyBytes: what the build compiled is what the texts say") {
  const auto built = BuiltInPolicyBytes();
  const auto compiled = CompileImportPolicy(BuiltInPolicy());
  REQUIRE(compiled.ok());
  CHECK(std::vector<std::byte>(built.begin(), built.end()) == compiled.value());
}

TEST_CASE("Built-in policy: files are there, whole rows, sorted, no repeats") {
  std::set<std::string> sources;
  for (const PolicyText& text : BuiltInPolicy()) {
    CAPTURE(text.source);
    sources.insert(std::string(text.source));
    REQUIRE(text.text.ends_with('\n'));
    Row previous;
    for (const Row& row : Rows(text.text)) {
      CAPTURE(row);
      REQUIRE(row.size() == 6);
      CHECK(std::ranges::none_of(row, &std::string::empty));
      const Row key(row.begin(), row.begin() + 3);
      CHECK(previous < key);
      previous = key;
    }
  }
  REQUIRE(sources == std::set<std::string>{"dangerous.tsv", "libraries.tsv",
                                           "reexports.tsv", "vetted.tsv"});
}

TEST_CASE("Built-in policy: each row has what its verdict needs") {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"dangerous.tsv", {"dangerous", "attribute"}},
      {"libraries.tsv", {"library"}},
      {"reexports.tsv", {"dangerous"}},
      {"vetted.tsv", {"vetted"}}};
  for (const PolicyText& text : BuiltInPolicy()) {
    for (const Row& row : Rows(text.text)) {
      CAPTURE(row);
      CHECK(allowed.at(std::string(text.source)).contains(row[0]));
      // What it does, or where it was seen.
      CHECK(row[5] != "-");
      CHECK((row[3] != "-") ==
            (row[0] == "dangerous" || row[0] == "attribute"));
    }
  }
}

TEST_CASE("Built-in policy: nothing is vetted that is dangerous by name") {
  std::set<std::string> dangerous;
  std::set<std::string> attributes;
  for (const PolicyText& text : BuiltInPolicy()) {
    for (const Row& row : Rows(text.text)) {
      if (row[0] == "attribute") attributes.insert(row[2]);
      if (row[0] == "dangerous" && row[2].front() != '*') {
        dangerous.insert(row[1] + "." + row[2]);
      }
    }
  }
  for (const PolicyText& text : BuiltInPolicy()) {
    for (const Row& row : Rows(text.text)) {
      if (row[0] != "vetted") continue;
      const std::string path = row[1] + "." + row[2];
      CAPTURE(path);
      CHECK_FALSE(attributes.contains(row[2]));
      for (std::size_t dot = path.find('.'); dot != std::string::npos;
           dot = path.find('.', dot + 1)) {
        CHECK_FALSE(dangerous.contains(path.substr(0, dot)));
      }
      CHECK_FALSE(dangerous.contains(path));
      CHECK(BuiltIn().Judge(row[1], row[2]).verdict == ImportVerdict::kVetted);
    }
  }
}

TEST_CASE("Built-in policy: callables of the advisories are dangerous") {
  CheckAll(ImportVerdict::kDangerous,
           {{"cProfile", "run"},
            {"cProfile", "runctx"},
            {"profile", "Profile.run"},
            {"profile", "Profile.runctx"},
            {"trace", "Trace.run"},
            {"trace", "Trace.runctx"},
            {"doctest", "debug_script"},
            {"code", "InteractiveInterpreter.runcode"},
            {"idlelib.pyshell", "ModifiedInterpreter.runcommand"},
            {"idlelib.autocomplete", "AutoComplete.fetch_completions"},
            {"idlelib.calltip", "get_entity"},
            {"idlelib.debugobj", "ObjectTreeItem.SetText"},
            {"idlelib.run", "Executive.runcode"},
            {"lib2to3.pgen2.grammar", "Grammar.loads"},
            {"lib2to3.pgen2.pgen", "ParserGenerator.make_label"},
            {"numpy.f2py.crackfortran", "getlincoef"},
            {"numpy.testing._private.utils", "runstring"},
            {"timeit", "timeit"},
            {"bdb", "Bdb.run"},
            {"pdb", "run"},
            {"torch.jit.unsupported_tensor_ops", "execWrapper"},
            {"torch.utils.bottleneck.__main__", "run_cprofile"},
            {"torch._dynamo.guards", "GuardBuilder.get"},
            {"torch.fx.experimental.symbolic_shapes",
             "ShapeEnv.evaluate_guards_expression"},
            {"torch.utils.collect_env", "run"},
            {"torch.utils.data.datapipes.utils.decoder", "basichandlers"},
            {"torch.utils._config_module", "ConfigModule.load_config"},
            {"torch._inductor.codecache", "compile_file"},
            {"torch.serialization", "load"},
            {"torch.distributed.rpc", "remote"},
            {"pty", "spawn"},
            {"asyncio.unix_events", "_UnixSubprocessTransport._start"},
            {"uuid", "_get_command_stdout"},
            {"imaplib", "IMAP4_stream"},
            {"_osx_support", "_read_output"},
            {"_aix_support", "_read_cmd_output"},
            {"_pyrepl.pager", "pipe_pager"},
            {"test.support.script_helper", "assert_python_ok"},
            {"ensurepip", "_run_pip"},
            {"pip", "main"},
            {"pip._internal.cli.main", "main"},
            {"venv", "create"},
            {"distutils.file_util", "write_file"},
            {"_io", "FileIO"},
            {"logging", "FileHandler"},
            {"ctypes", "CDLL"},
            {"pkgutil", "resolve_name"},
            {"pydoc", "locate"},
            {"operator", "methodcaller"},
            {"_operator", "attrgetter"},
            {"cloudpickle.cloudpickle", "_make_function"},
            {"types", "CodeType"},
            {"importlib", "import_module"},
            {"inspect", "getattr_static"},
            {"sh", "bash"},
            {"_bootsubprocess", "Popen"},
            {"_winapi", "CreateProcess"},
            {"codecs", "open"},
            {"asteval", "Interpreter"},
            {"simpleeval", "simple_eval"},
            {"_xxsubinterpreters", "create"},
            {"multiprocessing.util", "spawnv_passfds"},
            {"mlflow.projects.backend.local", "_run_entry_point"},
            {"pandas", "read_csv"},
            {"functools", "reduce"},
            {"functools", "partialmethod"},
            {"typing", "get_type_hints"},
            {"pathlib", "Path.write_text"},
            {"random", "_os.popen"},
            {"linecache", "getline"}});
}

TEST_CASE("Built-in policy: aliases and paths leave no hole") {
  CheckAll(ImportVerdict::kDangerous,
           {{"posix", "system"},
            {"nt", "system"},
            {"__builtin__", "eval"},
            {"__builtins__", "eval"},
            {"six.moves.builtins", "eval"},
            {"builtins", "eval.__call__"},
            {"builtins", "str.format"},
            {"_pickle", "loads"},
            {"commands", "getoutput"},
            {"torch.serialization", "os.system"},
            {"torch", "serialization.os.system"},
            {"pathlib", "os.system"},
            {"numpy", "__builtins__"},
            {"numpy", "core._internal.sys.modules"},
            {"numpy", "f2py.crackfortran.getlincoef"},
            {"torch", "hub.load"},
            {"sklearn.utils", "np.load"},
            {"collections", "_sys.modules"},
            {"collections", "OrderedDict.__init__.__globals__"},
            {"enum", "sys"},
            {"functools", "partial.__class__"},
            {"transformers", "AutoModel.from_pretrained"}});
}

TEST_CASE("Built-in policy: built-in functions are vetted or dangerous") {
  CheckAll(ImportVerdict::kDangerous, {{"builtins", "getattr"},
                                       {"builtins", "setattr"},
                                       {"builtins", "type"},
                                       {"builtins", "globals"},
                                       {"builtins", "print"},
                                       {"builtins", "anything_new"},
                                       {"__builtin__", "execfile"},
                                       {"__builtin__", "apply"}});
  CHECK(BuiltIn().Judge("builtins", "getattr").category == "attribute");
  CheckAll(ImportVerdict::kVetted, {{"builtins", "set"},
                                    {"builtins", "frozenset"},
                                    {"builtins", "complex"},
                                    {"builtins", "ValueError"},
                                    {"__builtin__", "xrange"},
                                    {"__builtin__", "long"}});
}

TEST_CASE("Built-in policy: constructors of real models are vetted") {
  CheckAll(ImportVerdict::kVetted,
           {{"collections", "OrderedDict"},
            {"copyreg", "_reconstructor"},
            {"copy_reg", "_reconstructor"},
            {"datetime", "timedelta"},
            {"functools", "partial"},
            {"operator", "itemgetter"},
            {"uuid", "UUID"},
            {"pathlib", "PosixPath"},
            {"_codecs", "encode"},
            {"argparse", "Namespace"},
            {"numpy", "dtype"},
            {"numpy", "ndarray"},
            {"numpy.core.multiarray", "_reconstruct"},
            {"numpy._core.multiarray", "scalar"},
            {"numpy.random._pickle", "__randomstate_ctor"},
            {"torch", "FloatStorage"},
            {"torch", "bfloat16"},
            {"torch._utils", "_rebuild_tensor_v2"},
            {"torch._utils", "_rebuild_parameter"},
            {"torch.nn.modules.linear", "Linear"},
            {"torch.jit._pickle", "build_intlist"},
            {"joblib.numpy_pickle", "NumpyArrayWrapper"},
            {"sklearn.ensemble._forest", "RandomForestClassifier"},
            {"sklearn.tree._tree", "Tree"},
            {"scipy.sparse._csr", "csr_matrix"},
            {"pandas.core.frame", "DataFrame"},
            {"xgboost.core", "Booster"},
            {"transformers.training_args", "TrainingArguments"}});
}

TEST_CASE("Built-in policy: classes of model libraries are told apart") {
  CheckAll(ImportVerdict::kKnownLibrary,
           {{"torchvision.models.new_net", "NewNet"},
            {"sklearn.new", "Estimator"},
            {"scipy.signal", "Filter"},
            {"transformers.models.new", "NewModel"}});
  CheckAll(ImportVerdict::kUnvetted, {{"mypackage", "Model"},
                                      {"__main__", "Model"},
                                      {"sklearn.new", "run"},
                                      {"mypackage.test.code", "Model"},
                                      {"mypackage.logging.io", "Reader"}});
}

}  // namespace scanengine
