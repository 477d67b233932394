// What calls, BUILD and items do to values: see PickleMeaning.

#include <algorithm>
#include <utility>

#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_nested.h"
#include "worker/parsing/pickle_text.h"
#include "worker/parsing/pickle_text_calls.h"

namespace scanengine {
namespace {

constexpr std::uint32_t kMaxCallDepth = 16;
constexpr std::size_t kMaxExtensions = PickleLimit<std::size_t>(4096, 4);
constexpr std::size_t kMaxArguments = 64;

using Kind = PickleKind;
using Values = std::vector<PickleValue>;

PickleValue UnknownAttribute() {
  return PickleValue::Unknown(PickleMystery::kAttribute);
}
PickleValue UnknownItem() { return PickleValue::Unknown(PickleMystery::kItem); }

}  // namespace

/// Works out one call. Lives for the call only.
class PickleCaller {
 public:
  explicit PickleCaller(PickleMachine& machine) : m_(machine) {}

  PickleValue CallName(PickleValue callee, PickleValue arguments);
  PickleValue CallObject(PickleCall call);
  PickleValue GetAttribute(PickleValue object, std::string_view name);
  /// What a call returns that is known by nothing but the call.
  PickleValue Result(PickleValue callee, PickleValue arguments) {
    return m_.ResultOf(callee, arguments, m_.op_offset_);
  }

 private:
  PickleValue Tuple(const Values& values) {
    if (values.empty()) return PickleValue::Of(Kind::kEmptyTuple);
    const PickleValue made = m_.arena_.Add(PickleNodeKind::kTuple);
    if (!made.Is(Kind::kNode)) return m_.TupleWithoutRoom(values);
    m_.arena_.AppendAll(made, values);
    return made;
  }
  // arguments[first..] as a tuple.
  PickleValue Rest(const Values& arguments, std::size_t first) {
    if (first >= arguments.size()) return Tuple({});
    return Tuple({arguments.begin() + static_cast<std::ptrdiff_t>(first),
                  arguments.end()});
  }
  PickleValue At(const Values& arguments, std::size_t i) const {
    return i < arguments.size() ? arguments[i] : UnknownItem();
  }
  PickleValue Reach(PickleValue callee, PickleValue arguments,
                    PickleCall::Via via = PickleCall::Via::kCallee) {
    return m_.Call(via, callee, arguments);
  }
  PickleValue ImportPath(std::string_view module, std::string_view name) {
    return m_.Import(m_.Intern(module, name, {}), true, name);
  }
  PickleValue NewText(PickleNodeKind kind, std::string_view text);
  PickleValue FromContainer(PickleValue item);
  void Touch(PickleValue arguments);
  PickleValue GetNamedAttribute(PickleValue object, PickleValue name);
  PickleValue Apply(PickleValue function, PickleValue arguments,
                    PickleValue state);
  PickleValue GetAttributePath(PickleValue object, std::string_view path);
  PickleValue BoundMethod(std::string_view type, PickleValue object,
                          std::string_view name);
  PickleValue GetItem(PickleValue object, PickleValue key);
  PickleValue GetDictItem(PickleValue dict, PickleValue key,
                          std::string_view text);
  PickleValue ImportModule(const PickleGlobal& importer, const Values& a);
  PickleValue ImportName(const Values& a);
  PickleValue ResolveName(const Values& a);
  PickleValue Reconstruct(const Values& a);
  PickleValue AddExtension(const Values& a);
  std::optional<PickleValue> TextCall(PickleMeaning meaning, const Values& a);
  std::optional<std::string> Joined(const std::string& separator,
                                    PickleValue list);
  PickleValue Getters(const Values& names, PickleValue object, bool items);
  PickleValue CallMethod(const Values& bound, PickleValue object);

  PickleMachine& m_;
};

PickleValue PickleCaller::NewText(PickleNodeKind kind, std::string_view text) {
  if (text.size() >= kLeastPicklePayload && MayHoldPickle(text)) {
    m_.observer_.OnPayload(m_.op_offset_, text.size(), text, true);
  }
  const PickleValue made = m_.arena_.AddText(kind, text);
  if (made.Is(Kind::kNode)) m_.arena_.node(made).computed = true;
  return made;
}

// What a container gives out. Functions may have changed it unseen, so that
// text from it is not taken for a name as if it stood in the file.
PickleValue PickleCaller::FromContainer(PickleValue item) {
  if (item.Is(Kind::kFarText) || item.Is(Kind::kFarBytes)) return UnknownItem();
  if (!item.IsTextNode()) return item;
  const std::string text(m_.arena_.text(item));
  return NewText(item.node_kind(), text);
}

// Lists, dicts and sets among |arguments| may be changed by what is called.
void PickleCaller::Touch(PickleValue arguments) {
  if (!m_.HasArguments(arguments)) return;
  m_.arena_.AnyItem(
      arguments, PickleArena::kMaxKeptAlive, [this](PickleValue value) {
        const bool mutable_kind = value.IsNode(PickleNodeKind::kList) ||
                                  value.IsNode(PickleNodeKind::kDict) ||
                                  value.IsNode(PickleNodeKind::kSet);
        if (mutable_kind) m_.arena_.node(value).touched = true;
        return false;
      });
}

PickleValue PickleCaller::BoundMethod(std::string_view type, PickleValue object,
                                      std::string_view name) {
  const PickleValue method =
      ImportPath("builtins", std::string(type) + "." + std::string(name));
  const std::uint32_t partial = m_.Intern("functools", "partial", {});
  if (partial == kNoPickleGlobal) return UnknownAttribute();
  return Result(PickleValue::Of(Kind::kGlobal, partial),
                Tuple({method, object}));
}

PickleValue PickleCaller::GetAttribute(PickleValue object,
                                       std::string_view name) {
  if (object.Is(Kind::kGlobal)) {
    const PickleGlobal of = m_.globals_[object.index()];
    if (of.name.empty()) return ImportPath(of.module, name);
    return ImportPath(of.module, of.name + "." + std::string(name));
  }
  const std::uint32_t made_by = m_.ClassOf(object);
  if (made_by != kNoPickleGlobal) {
    const PickleGlobal of = m_.globals_[made_by];
    m_.of_result_ = made_by;
    return ImportPath(of.module, of.name + "." + std::string(name));
  }
  if (object.Is(Kind::kFarText)) return BoundMethod("str", object, name);
  if (object.Is(Kind::kFarBytes)) return BoundMethod("bytes", object, name);
  if (object.Is(Kind::kInt)) return BoundMethod("int", object, name);
  if (object.Is(Kind::kEmptyTuple)) return BoundMethod("tuple", object, name);
  if (!object.Is(Kind::kNode)) return UnknownAttribute();
  switch (object.node_kind()) {
    case PickleNodeKind::kText:
      return BoundMethod("str", object, name);
    case PickleNodeKind::kBytes:
      return BoundMethod("bytes", object, name);
    case PickleNodeKind::kTuple:
      return BoundMethod("tuple", object, name);
    case PickleNodeKind::kList:
      return BoundMethod("list", object, name);
    case PickleNodeKind::kDict:
      return BoundMethod("dict", object, name);
    case PickleNodeKind::kSet:
    case PickleNodeKind::kFrozenSet:
      return BoundMethod("set", object, name);
    default:
      return UnknownAttribute();
  }
}

PickleValue PickleCaller::GetNamedAttribute(PickleValue object,
                                            PickleValue name) {
  const auto text = m_.TextOf(name);
  if (!text) return UnknownAttribute();
  m_.computed_ = m_.IsComputed(name);
  const PickleValue found = GetAttribute(object, *text);
  m_.computed_ = false;
  return found;
}

// function(*arguments); then |state| is set on what it returned.
PickleValue PickleCaller::Apply(PickleValue function, PickleValue arguments,
                                PickleValue state) {
  const PickleValue made = Reach(function, arguments);
  if (!state.Is(Kind::kNone)) m_.BuildState(made, state);
  return made;
}

PickleValue PickleCaller::GetAttributePath(PickleValue object,
                                           std::string_view path) {
  for (std::size_t steps = 0; steps < kMaxArguments; ++steps) {
    const std::size_t dot = path.find('.');
    object = GetAttribute(object, path.substr(0, dot));
    if (dot == std::string_view::npos) return object;
    path.remove_prefix(dot + 1);
  }
  return UnknownAttribute();
}

PickleValue PickleCaller::GetDictItem(PickleValue dict, PickleValue key,
                                      std::string_view text) {
  const PickleNode& node = m_.arena_.node(dict);
  if (node.touched || node.lost) return UnknownItem();
  const auto found = m_.FindKey(dict, text, m_.SortOf(key));
  const bool certain = found.sure && !found.any && found.values.size() == 1;
  return certain ? FromContainer(found.values[0]) : UnknownItem();
}

PickleValue PickleCaller::GetItem(PickleValue object, PickleValue key) {
  const auto text = m_.TextOf(key);
  if (object.Is(Kind::kGlobal)) {
    if (!text) return UnknownItem();
    const PickleGlobal of = m_.globals_[object.index()];
    if (of.Path() == "sys.modules") return ImportPath(*text, "");
    if (of.name == "__builtins__" || of.name.ends_with(".__builtins__")) {
      return ImportPath("builtins", *text);
    }
    constexpr std::string_view kDict = "__dict__";
    if (of.name == kDict) return ImportPath(of.module, *text);
    if (of.name.ends_with(".__dict__")) {
      return ImportPath(
          of.module, of.name.substr(0, of.name.size() - kDict.size()) + *text);
    }
    return GetAttribute(object, *text);
  }
  if (object.IsNode(PickleNodeKind::kDict)) {
    return text ? GetDictItem(object, key, *text) : UnknownItem();
  }
  const bool sequence = object.IsNode(PickleNodeKind::kTuple) ||
                        object.IsNode(PickleNodeKind::kList);
  if (!sequence || !key.Is(Kind::kInt)) return UnknownItem();
  const PickleNode& list = m_.arena_.node(object);
  // Past the first ones, dull items are left out.
  if (list.touched || list.kept != list.count) return UnknownItem();
  std::int64_t index = key.integer();
  if (index < 0) index += list.count;
  if (index < 0) return UnknownItem();
  return FromContainer(m_.arena_.Item(object, static_cast<std::size_t>(index)));
}

PickleValue PickleCaller::ImportModule(const PickleGlobal& importer,
                                       const Values& a) {
  const auto name = m_.TextOf(At(a, 0));
  if (!name) return m_.Import(kNoPickleGlobal, true, "module of unknown name");
  m_.computed_ = m_.IsComputed(At(a, 0));
  // __import__("a.b") gives a; with a fromlist, and import_module, a.b.
  if (importer.name == "__import__" && a.size() < 4) {
    return ImportPath(std::string_view(*name).substr(0, name->find('.')), "");
  }
  return ImportPath(*name, "");
}

PickleValue PickleCaller::ImportName(const Values& a) {
  const auto module = m_.TextOf(At(a, 0));
  const auto name = m_.TextOf(At(a, 1));
  if (!module || !name) {
    return m_.Import(kNoPickleGlobal, true, "object of unknown name");
  }
  m_.computed_ = m_.IsComputed(At(a, 0)) || m_.IsComputed(At(a, 1));
  return ImportPath(*module, *name);
}

PickleValue PickleCaller::ResolveName(const Values& a) {
  const auto name = m_.TextOf(At(a, 0));
  if (!name) return m_.Import(kNoPickleGlobal, true, "object of unknown name");
  m_.computed_ = m_.IsComputed(At(a, 0));
  std::size_t at = name->find(':');
  if (at == std::string::npos) at = name->rfind('.');
  if (at == std::string::npos) return ImportPath(*name, "");
  return ImportPath(std::string_view(*name).substr(0, at),
                    std::string_view(*name).substr(at + 1));
}

// copyreg._reconstructor: base.__new__(cls, state), then base.__init__.
PickleValue PickleCaller::Reconstruct(const Values& a) {
  const PickleValue base = At(a, 1);
  const PickleValue none = PickleValue::Of(Kind::kEmptyTuple);
  const PickleValue made = Reach(At(a, 0), none, PickleCall::Via::kNewObject);
  const bool plain = base.Is(Kind::kGlobal) &&
                     m_.globals_[base.index()].Path() == "builtins.object";
  if (!plain) Reach(base, Rest(a, 2), PickleCall::Via::kNewObject);
  return made;
}

PickleValue PickleCaller::AddExtension(const Values& a) {
  const auto module = m_.TextOf(At(a, 0));
  const auto name = m_.TextOf(At(a, 1));
  const PickleValue code = At(a, 2);
  if (module && name && code.Is(Kind::kInt) && code.integer() > 0 &&
      code.integer() <= 0x7fffffff && m_.extensions_.size() < kMaxExtensions) {
    const std::uint32_t id = m_.Intern(*module, *name, {});
    if (id != kNoPickleGlobal) {
      m_.extensions_[static_cast<std::uint32_t>(code.integer())] =
          PickleValue::Of(Kind::kGlobal, id);
    }
  }
  return PickleValue::None();
}

// Functions of strings whose result can be told; nothing if it cannot.
std::optional<PickleValue> PickleCaller::TextCall(PickleMeaning meaning,
                                                  const Values& a) {
  const PickleValue first = At(a, 0);
  if (meaning == PickleMeaning::kChr) {
    if (!first.Is(Kind::kInt) || first.integer() < 0) return std::nullopt;
    std::string text;
    AppendUtf8(static_cast<char32_t>(first.integer() & 0x1fffff), &text);
    return NewText(PickleNodeKind::kText, text);
  }
  if (!first.IsTextNode()) return std::nullopt;
  const PickleText text{std::string(m_.arena_.text(first)),
                        first.IsNode(PickleNodeKind::kBytes)};
  std::optional<PickleText> made;
  if (meaning == PickleMeaning::kJoin) {
    if (auto joined = Joined(text.text, At(a, 1))) {
      made = PickleText{*std::move(joined), text.is_bytes};
    }
  } else {
    std::vector<std::optional<std::string>> rest;
    for (std::size_t i = 1; i < a.size(); ++i) rest.push_back(m_.TextOf(a[i]));
    made = CallOnText(meaning, text, rest);
  }
  if (!made) return std::nullopt;
  return NewText(
      made->is_bytes ? PickleNodeKind::kBytes : PickleNodeKind::kText,
      made->text);
}

std::optional<std::string> PickleCaller::Joined(const std::string& separator,
                                                PickleValue list) {
  const auto parts = m_.ArgumentsOf(list);
  if (!parts || !list.Is(Kind::kNode) || m_.arena_.node(list).touched ||
      parts->size() != m_.arena_.node(list).count) {
    return std::nullopt;
  }
  std::string out;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const auto part = m_.TextOf((*parts)[i]);
    if (!part || out.size() > PickleArena::kMaxTextBytes) return std::nullopt;
    if (i != 0) out += separator;
    out += *part;
  }
  return out;
}

PickleValue PickleCaller::CallName(PickleValue callee, PickleValue arguments) {
  if (m_.globals_[callee.index()].meaning == PickleMeaning::kOpaque) {
    Touch(arguments);
    return Result(callee, arguments);
  }
  // A copy: the table grows while the call is worked out.
  const PickleGlobal of = m_.globals_[callee.index()];
  const auto known = m_.ArgumentsOf(arguments);
  const Values a = known.value_or(Values());
  const PickleValue unknown_arguments =
      PickleValue::Unknown(PickleMystery::kForgotten);
  switch (of.meaning) {
    case PickleMeaning::kGetAttr:
      return GetNamedAttribute(At(a, 0), At(a, 1));
    case PickleMeaning::kVars:
      return GetAttribute(At(a, 0), "__dict__");
    case PickleMeaning::kGetItem: {
      const PickleValue found = GetItem(At(a, 0), At(a, 1));
      if (of.name == "dict.pop" || of.name == "dict.setdefault") {
        Touch(arguments);
      }
      return found;
    }
    case PickleMeaning::kCallFirst:
      if (a.size() > 1) Reach(a[0], unknown_arguments);
      return Result(callee, arguments);
    case PickleMeaning::kCallWithRest:
      return Reach(At(a, 0), Rest(a, 1));
    case PickleMeaning::kReconstructor:
      return Reconstruct(a);
    case PickleMeaning::kApply:
      return Apply(At(a, 0), At(a, 2), At(a, 3));
    case PickleMeaning::kNewObjectEx:
      return Reach(At(a, 0), At(a, 1), PickleCall::Via::kNewObject);
    case PickleMeaning::kApplyNext:
      return Apply(At(a, 0), At(a, 1), At(a, 2));
    case PickleMeaning::kImportModule:
      return ImportModule(of, a);
    case PickleMeaning::kImportName:
      return ImportName(a);
    case PickleMeaning::kResolveName:
      return ResolveName(a);
    case PickleMeaning::kAddExtension:
      return AddExtension(a);
    case PickleMeaning::kIdentity:
      return At(a, 0);
    default:
      break;
  }
  if (const auto text = TextCall(of.meaning, a)) return *text;
  return Result(callee, arguments);
}

PickleValue PickleCaller::Getters(const Values& names, PickleValue object,
                                  bool items) {
  Values found;
  for (const PickleValue name : names) {
    if (items) {
      found.push_back(GetItem(object, name));
      continue;
    }
    const auto path = m_.TextOf(name);
    m_.computed_ = m_.IsComputed(name);
    found.push_back(path ? GetAttributePath(object, *path)
                         : UnknownAttribute());
    m_.computed_ = false;
  }
  if (found.size() == 1) return found[0];
  return found.empty() ? UnknownAttribute() : Tuple(found);
}

PickleValue PickleCaller::CallMethod(const Values& bound, PickleValue object) {
  return Reach(GetNamedAttribute(object, At(bound, 0)), Rest(bound, 1));
}

// The callee is itself what a call returned.
PickleValue PickleCaller::CallObject(PickleCall call) {
  const PickleNode made = m_.arena_.node(call.callee);
  const std::uint32_t maker = m_.ClassOf(call.callee);
  const PickleMeaning meaning = maker == kNoPickleGlobal
                                    ? PickleMeaning::kOpaque
                                    : m_.globals_[maker].meaning;
  const auto bound = m_.ArgumentsOf(made.items[1]);
  const auto given = m_.ArgumentsOf(call.arguments);
  const Values a = given.value_or(Values());
  if (bound) {
    switch (meaning) {
      case PickleMeaning::kPartial: {
        Values all(*bound);
        if (all.empty()) break;
        const PickleValue function = all[0];
        all.erase(all.begin());
        if (!given) all.push_back(UnknownItem());
        all.insert(all.end(), a.begin(), a.end());
        if (all.size() > kMaxArguments) all.resize(kMaxArguments);
        return Reach(function, Tuple(all), call.via);
      }
      case PickleMeaning::kAttrGetter:
        return Getters(*bound, At(a, 0), false);
      case PickleMeaning::kItemGetter:
        return Getters(*bound, At(a, 0), true);
      case PickleMeaning::kMethodCaller:
        return CallMethod(*bound, At(a, 0));
      default:
        break;
    }
  }
  call.target = maker == kNoPickleGlobal ? PickleCall::Target::kUnknown
                                         : PickleCall::Target::kResult;
  call.global = maker;
  call.mystery = PickleMystery::kResult;
  m_.observer_.OnCall(m_, call);
  return Result(call.callee, call.arguments);
}

PickleValue PickleMachine::ResultOf(PickleValue callee, PickleValue arguments,
                                    std::uint64_t offset) {
  const PickleValue made =
      arena_.Add(PickleNodeKind::kCall, callee, arguments, {}, 3);
  if (made.Is(Kind::kNode)) {
    arena_.node(made).tail = static_cast<std::uint32_t>(offset);
    return made;
  }
  if (!callee.Is(Kind::kGlobal)) {
    return PickleValue::Unknown(PickleMystery::kResult);
  }
  // So that one object can be told from others, within limits.
  const std::uint64_t serial = ++instances_ & 0xffffff;
  return PickleValue::Of(Kind::kInstance, serial << 32 | callee.index());
}

// A call that does nothing but make an object of plain data, or of what was
// forgotten, and that the observer knows.
bool PickleMachine::IsPlainCall(PickleValue callee,
                                PickleValue arguments) const {
  if (!callee.Is(Kind::kGlobal) || !globals_[callee.index()].plain_calls) {
    return false;
  }
  if (arguments.Is(Kind::kEmptyTuple) || arguments.Is(Kind::kData)) return true;
  return arguments.IsNode(PickleNodeKind::kTuple) &&
         arena_.HoldsPlainData(arguments);
}

PickleValue PickleMachine::Call(PickleCall::Via via, PickleValue callee,
                                PickleValue arguments, PickleValue keywords) {
  PickleCall call;
  call.via = via;
  call.callee = callee;
  call.arguments = arguments;
  call.keywords = keywords;
  call.offset = op_offset_;
  const PickleValue unknown = PickleValue::Unknown(PickleMystery::kResult);
  if (call_depth_ >= kMaxCallDepth) {
    observer_.OnCall(*this, call);
    return unknown;
  }
  ++call_depth_;
  PickleValue result = unknown;
  PickleCaller caller(*this);
  const bool object = callee.IsNode(PickleNodeKind::kCall);
  if (callee.Is(PickleKind::kGlobal)) {
    call.target = PickleCall::Target::kName;
    call.global = callee.index();
    observer_.OnCall(*this, call);
    result = caller.CallName(callee, arguments);
    PickleGlobal& of = globals_[callee.index()];
    of.plain_calls = of.meaning == PickleMeaning::kOpaque &&
                     observer_.PassesOverPlainCalls(*this, callee.index());
  } else if (object) {
    result = caller.CallObject(call);
  } else if (callee.Is(PickleKind::kInstance)) {
    call.target = PickleCall::Target::kResult;
    call.global = callee.index();
    observer_.OnCall(*this, call);
    result = caller.Result(callee, arguments);
  } else if (callee.Is(PickleKind::kUnknown)) {
    call.mystery = static_cast<PickleMystery>(callee.content());
    observer_.OnCall(*this, call);
    result = caller.Result(callee, arguments);
  } else if (callee.Is(PickleKind::kData)) {
    call.mystery = PickleMystery::kForgotten;
    observer_.OnCall(*this, call);
    result = caller.Result(callee, arguments);
  } else {
    Note(PickleProblem::kNotCallable,
         "calls " + Render(callee, 100) + ", which is not callable");
  }
  observer_.OnReturn(*this, call, result);
  --call_depth_;
  return result;
}

}  // namespace scanengine
