// The opcodes that name and call things. What CPython does is in
// Modules/_pickle.c under load_ and the opcode's name.

#include <string>

#include "ipc/text.h"
#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

using Kind = PickleKind;
using Problem = PickleProblem;

constexpr std::size_t kMaxExtensions = PickleLimit<std::size_t>(65'536, 4);

}  // namespace

bool PickleMachine::DoPersId() {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return Truncated();
  if (!IsAscii(line)) Note(Problem::kRaises, "PERSID that is not ASCII");
  observer_.OnPersistent(*this, arena_.AddText(PickleNodeKind::kText, line));
  return Push(PickleValue::Unknown(PickleMystery::kPersistent));
}
bool PickleMachine::DoBinPersId() {
  if (available() == 0) return Underflow();
  const PickleValue id = stack_.back();
  observer_.OnPersistent(*this, id);
  stack_.back() = PickleValue::Unknown(PickleMystery::kPersistent);
  // Legacy torch files name classes so: ('module', class, file, source).
  if (id.IsNode(PickleNodeKind::kTuple) &&
      TextOf(arena_.Item(id, 0)) == "module" &&
      arena_.Item(id, 1).Is(Kind::kGlobal)) {
    stack_.back() = arena_.Item(id, 1);
  }
  return true;
}

// The two lines of GLOBAL and INST. Where the file ends within them, CPython's
// Python unpickler takes off the last character instead of a line end and goes
// on to import the name.
bool PickleMachine::TakeName(std::string* module, std::string* name) {
  bool ended = false;
  for (std::string* part : {module, name}) {
    std::string_view line;
    if (ended || !reader_.TakeLine(&line)) {
      if (!reader_.status().ok()) return false;
      if (!ended) Note(Problem::kReadersDiffer, "ends within a name");
      ended = true;
      if (!line.empty()) line.remove_suffix(1);
    }
    part->assign(line);
    if (line.empty() && !ended) {
      Note(Problem::kReadersDiffer, "an empty name");
    }
  }
  return true;
}

bool PickleMachine::DoGlobal() {
  std::string module;
  std::string name;
  if (!TakeName(&module, &name)) return false;
  if (!IsUtf8(module) || !IsUtf8(name)) {
    return Fail(Problem::kBadOperand, "a name that is no UTF-8");
  }
  return Push(ImportWritten(module, name));
}

bool PickleMachine::DoStackGlobal() {
  if (available() < 2) return Underflow();
  const PickleValue name = PopValue();
  const PickleValue module = PopValue();
  for (const PickleValue part : {name, module}) {
    // An attribute of an import may be a string, planted there by BUILD.
    if (!MayBeText(part)) {
      return Fail(Problem::kBadOperand, "STACK_GLOBAL of what is no text");
    }
  }
  computed_ = IsComputed(module) || IsComputed(name);
  const auto module_text = TextOf(module);
  const auto name_text = TextOf(name);
  if (!module_text || !name_text) {
    return Push(Import(kNoPickleGlobal, false,
                       Render(module, 200) + " . " + Render(name, 200)));
  }
  return Push(ImportWritten(*module_text, *name_text));
}

bool PickleMachine::Extension(std::uint32_t code) {
  if (code == 0 || code > 0x7fffffff) {
    return Fail(Problem::kBadOperand, "extension code is not positive");
  }
  const auto found = found_extensions_.find(code);
  if (found != found_extensions_.end()) return Push(found->second);
  const bool remembered = found_extensions_.size() < kMaxExtensions;
  const auto at = extensions_.find(code);
  if (at != extensions_.end()) {
    if (remembered) found_extensions_.emplace(code, at->second);
    return Push(Import(at->second.index(), false, {}));
  }
  const PickleValue unknown = PickleValue::Unknown(PickleMystery::kExtension);
  if (remembered) found_extensions_.emplace(code, unknown);
  PickleImport import;
  import.offset = op_offset_;
  import.detail = "extension code " + std::to_string(code);
  observer_.OnImport(*this, import);
  return Push(unknown);
}

// What is called with |arguments|: the C unpickler wants a tuple, the Python
// one takes whatever can be iterated.
void PickleMachine::CheckArguments(PickleValue arguments) {
  if (arguments.Is(Kind::kEmptyTuple) ||
      arguments.IsNode(PickleNodeKind::kTuple) || MayBeAnything(arguments)) {
    return;
  }
  const bool iterable = arguments.Is(Kind::kNode) ||
                        arguments.Is(Kind::kFarText) ||
                        arguments.Is(Kind::kFarBytes);
  Note(iterable ? Problem::kReadersDiffer : Problem::kRaises,
       "arguments that are no tuple");
}

void PickleMachine::CheckKeywords(PickleValue keywords) {
  if (MayBeAnything(keywords)) return;
  if (!keywords.IsNode(PickleNodeKind::kDict)) {
    Note(Problem::kRaises, "keyword arguments that are no dict");
    return;
  }
  const auto pairs = arena_.Items(keywords);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (!MayBeText(pairs[i])) {
      Note(Problem::kRaises, "a keyword that is no text");
      return;
    }
  }
}

bool PickleMachine::DoReduce() {
  if (available() < 2) return Underflow();
  const PickleValue arguments = PopValue();
  CheckArguments(arguments);
  stack_.back() = Call(PickleCall::Via::kReduce, stack_.back(), arguments);
  return true;
}
bool PickleMachine::DoNewObj() {
  if (available() < 2) return Underflow();
  const PickleValue arguments = PopValue();
  CheckArguments(arguments);
  CallPlantedNew(stack_.back(), arguments);
  stack_.back() = Call(PickleCall::Via::kNewObject, stack_.back(), arguments);
  return true;
}
bool PickleMachine::DoNewObjEx() {
  if (available() < 3) return Underflow();
  const PickleValue keywords = PopValue();
  const PickleValue arguments = PopValue();
  CheckArguments(arguments);
  CheckKeywords(keywords);
  CallPlantedNew(stack_.back(), arguments);
  stack_.back() =
      Call(PickleCall::Via::kNewObject, stack_.back(), arguments, keywords);
  return true;
}
bool PickleMachine::DoInst() {
  std::string module;
  std::string name;
  if (!TakeName(&module, &name)) return false;
  if (!IsAscii(module) || !IsAscii(name)) {
    return Fail(Problem::kBadOperand, "a name that is not ASCII");
  }
  if (marks_.empty()) {
    // CPython's Python unpickler imports before it looks for the mark.
    Note(Problem::kReadersDiffer, "INST without a mark");
  }
  const PickleValue callee = ImportWritten(module, name);
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  const PickleValue arguments = CollectTail(PickleNodeKind::kTuple, start);
  if (arguments.Is(Kind::kEmptyTuple)) CallPlantedNew(callee, arguments);
  return Push(Call(PickleCall::Via::kObject, callee, arguments));
}
bool PickleMachine::DoObj() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  if (stack_.size() == start) return Underflow();
  const PickleValue arguments = CollectTail(PickleNodeKind::kTuple, start + 1);
  if (arguments.Is(Kind::kEmptyTuple)) {
    CallPlantedNew(stack_.back(), arguments);
  }
  stack_.back() = Call(PickleCall::Via::kObject, stack_.back(), arguments);
  return true;
}
// Returns how many bytes that follow are no opcodes.
std::uint64_t PickleMachine::Build() {
  const PickleValue state = PopValue();
  BuildState(stack_.back(), state);
  const std::uint64_t here = reader_.offset();
  const std::uint64_t next = observer_.OnBuilt(*this, stack_.back(), here);
  return next > here ? next - here : 0;
}
bool PickleMachine::PassOver(std::uint64_t bytes) {
  // joblib ends the frame before it writes an array.
  if (reader_.offset() >= frame_end_) LeaveFrame();
  frame_end_ = ~std::uint64_t{0};
  return reader_.Skip(bytes) ? true : Truncated();
}
bool PickleMachine::DoBuild() {
  if (available() < 2) return Underflow();
  const std::uint64_t bytes = Build();
  return bytes == 0 || PassOver(bytes);
}

}  // namespace scanengine
