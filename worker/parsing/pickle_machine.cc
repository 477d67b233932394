#include "worker/parsing/pickle_machine.h"

#include <algorithm>
#include <utility>

#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_meanings.h"
#include "worker/parsing/pickle_names.h"
#include "worker/parsing/pickle_nested.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kNoFrame = ~std::uint64_t{0};
constexpr std::uint32_t kMaxFarReads = PickleLimit<std::uint32_t>(4096, 16);
constexpr std::size_t kMaxFarMemo = PickleLimit<std::size_t>(4096, 4);
constexpr std::size_t kMaxFarDigits = 256;

// A key for two names of at most kMaxNameBytes bytes. Their lengths are part
// of it, since a name may have any byte in it.
void JoinName(std::string_view module, std::string_view name,
              std::string* key) {
  key->clear();
  for (const std::size_t size : {module.size(), name.size()}) {
    *key += static_cast<char>(size & 0xff);
    *key += static_cast<char>(size >> 8 & 0xff);
  }
  *key += module;
  *key += name;
}

}  // namespace

PickleMachine::PickleMachine(ByteSource& source, std::uint64_t offset,
                             PickleObserver& observer, PickleMode mode)
    : source_(source),
      observer_(observer),
      mode_(mode),
      reader_(source, offset),
      stack_(256),
      start_(offset) {
  const auto keep = [this](std::string_view name) {
    const PickleValue made = arena_.AddText(PickleNodeKind::kText, name);
    arena_.node(made).python_two = true;
    return made;
  };
  const auto hooks = std::ranges::transform(kLookedUp, names_.begin(), keep);
  std::ranges::transform(kHookAttributes, hooks.out, keep);
}

bool PickleMachine::Fail(PickleProblem problem, std::string detail) {
  observer_.OnProblem(problem, op_offset_, std::move(detail));
  return false;
}

void PickleMachine::Note(PickleProblem problem, std::string detail) {
  observer_.OnProblem(problem, op_offset_, std::move(detail));
}

bool PickleMachine::Truncated() {
  // A source that failed has said so itself.
  if (!reader_.status().ok()) return false;
  return Fail(PickleProblem::kTruncated, "ends before its STOP opcode");
}

bool PickleMachine::Underflow() {
  return Fail(PickleProblem::kUnderflow, "takes more values than there are");
}

bool PickleMachine::StackFull() {
  return Fail(PickleProblem::kLimit, "more than " + std::to_string(kMaxStack) +
                                         " values on the stack");
}

void PickleMachine::Collect() {
  // Picklers put all that they can into the memo, which keeps it.
  if (memo_.HasMoreNodesThan(arena_.heads() / 8 * 7)) {
    arena_.PutOffCollection();
    return;
  }
  arena_.BeginCollection();
  for (const PickleValue value : stack_.all()) arena_.Mark(value);
  for (const auto& [digits, value] : far_memo_) arena_.Mark(value);
  for (const auto& [path, value] : global_attributes_) arena_.Mark(value);
  for (const PickleValue name : names_) arena_.Mark(name);
  for (const auto& [items, tuple] : shared_tuples_) arena_.Mark(tuple);
  for (const LooseAttribute& loose : loose_) arena_.Mark(loose.value);
  for (const LooseAttribute& loose : lost_) arena_.Mark(loose.value);
  for (const auto& [instance, list] : of_instances_) {
    for (const LooseAttribute& loose : list) arena_.Mark(loose.value);
  }
  memo_.MarkAll(arena_);
  arena_.Sweep(stack_.size() + memo_.roots() + far_memo_.size() +
               global_attributes_.size() + of_instances_.size());
}

void PickleMachine::LeaveFrame() {
  if (reader_.offset() > frame_end_ && !frame_noted_) {
    frame_noted_ = true;
    Note(PickleProblem::kFrame, "an opcode crosses the end of its frame");
  }
  if (reader_.offset() > frame_end_) TellCrossing(frame_end_);
  frame_end_ = kNoFrame;
}

void PickleMachine::TellCrossing(std::uint64_t frame_end) {
  if (crossing_told_ || mode_.drops_rest_of_frame) return;
  crossing_told_ = true;
  observer_.OnFrameCrossed(frame_end);
}

bool PickleMachine::PopMark(std::size_t* start) {
  if (marks_.empty()) {
    return Fail(PickleProblem::kUnderflow, "no MARK on the stack");
  }
  *start = marks_.back();
  marks_.pop_back();
  fence_ = marks_.empty() ? 0 : marks_.back();
  return true;
}

PickleValue PickleMachine::CollectTail(PickleNodeKind kind, std::size_t start,
                                       bool pairs) {
  const std::size_t size = stack_.size() - start;
  if (kind == PickleNodeKind::kTuple && size == 0) {
    return PickleValue::Of(PickleKind::kEmptyTuple);
  }
  PickleValue made = arena_.Add(kind);
  if (kind == PickleNodeKind::kTuple && made.Is(PickleKind::kData)) {
    made = TupleWithoutRoom(stack_.all().subspan(start));
  }
  PutItems(made, start, pairs);
  return made;
}

void PickleMachine::PutItems(PickleValue target, std::size_t start,
                             bool pairs) {
  if (target.Is(PickleKind::kNode)) {
    const auto items = stack_.all().subspan(start);
    if (pairs) {
      arena_.AppendPairs(target, items.first(items.size() / 2 * 2));
    } else {
      arena_.AppendAll(target, items);
    }
  } else if (pairs) {
    for (std::size_t i = start; i + 1 < stack_.size(); i += 2) {
      Lose(stack_[i], stack_[i + 1]);
    }
  } else {
    arena_.LoseItems(stack_.all().subspan(start));
  }
  stack_.Shrink(start);
}

bool PickleMachine::PushText(PickleKind kind, std::uint64_t size,
                             bool python_two) {
  const bool is_text = kind == PickleKind::kFarText;
  const auto kept = static_cast<std::size_t>(
      std::min<std::uint64_t>(size, PickleArena::kMaxTextBytes));
  if (is_text) {
    reader_.BeginRead(size);
  } else {
    reader_.BeginWholeRead(size);
  }
  const std::uint64_t offset = reader_.offset();
  const std::string_view head = reader_.Peek(kept);
  if (head.size() < kept) return Truncated();
  if (size >= kLeastPicklePayload && MayHoldPickle(head)) {
    observer_.OnPayload(offset, size, head, false);
  }
  PickleValue value = PickleValue::Of(PickleKind::kData);
  if (kept == size) {
    value = arena_.AddText(
        is_text ? PickleNodeKind::kText : PickleNodeKind::kBytes, head);
  }
  if (value.Is(PickleKind::kData)) {
    value = FarText(is_text && kept == size ? head : std::string_view(), kind,
                    offset, size);
  } else {
    arena_.node(value).python_two = python_two;
  }
  if (!reader_.Skip(size)) return Truncated();
  return Push(value);
}

// A text that there is no room for; |text| is empty if it is a long one. Names
// that matter are always kept.
PickleValue PickleMachine::FarText(std::string_view text, PickleKind kind,
                                   std::uint64_t offset,
                                   std::uint64_t size) const {
  if (kind == PickleKind::kFarText) {
    const PickleValue name = KeptName(text);
    if (name.Is(PickleKind::kNode)) return name;
  }
  return PickleValue::Far(kind, offset, size);
}

bool PickleMachine::PushDecoded(std::string_view text, bool python_two) {
  if (text.size() >= kLeastPicklePayload && MayHoldPickle(text)) {
    observer_.OnPayload(op_offset_ + 1, text.size(), text, true);
  }
  const PickleValue made = arena_.AddText(PickleNodeKind::kText, text);
  if (!made.Is(PickleKind::kNode)) return Push(NameWithoutRoom(text));
  arena_.node(made).python_two = python_two;
  return Push(made);
}

bool PickleMachine::Memoize(std::uint32_t index) {
  if (available() == 0) return Underflow();
  memo_.Put(index, stack_.back());
  return true;
}

bool PickleMachine::Recall(std::uint32_t index) {
  const PickleValue value = memo_.Get(index);
  if (value == PickleMemo::kEmpty) {
    return Fail(PickleProblem::kMemoMiss,
                "memo entry " + std::to_string(index) + " was never set");
  }
  return Push(value);
}

bool PickleMachine::MemoizeFar(const std::string& digits) {
  if (available() == 0) return Underflow();
  if (digits.size() > kMaxFarDigits || far_memo_.size() >= kMaxFarMemo) {
    return Fail(PickleProblem::kLimit, "too many huge memo indices");
  }
  far_memo_[digits] = stack_.back();
  return true;
}

bool PickleMachine::RecallFar(const std::string& digits) {
  const auto at = far_memo_.find(digits);
  if (at == far_memo_.end()) {
    return Fail(
        PickleProblem::kMemoMiss,
        "memo entry " + digits.substr(0, kMaxFarDigits) + " was never set");
  }
  return Push(at->second);
}

std::uint32_t PickleMachine::Intern(std::string_view module,
                                    std::string_view name,
                                    std::string_view written) {
  if (module.size() > kMaxNameBytes || name.size() > kMaxNameBytes) {
    return kNoPickleGlobal;
  }
  JoinName(module, name, &key_);
  if (!written.empty()) {
    key_ += '\n';
    key_ += written;
  }
  const auto at = global_index_.find(key_);
  if (at != global_index_.end()) return at->second;
  if (globals_.size() >= kMaxGlobals) {
    if (!limit_noted_) {
      limit_noted_ = true;
      Note(PickleProblem::kLimit,
           "more than " + std::to_string(kMaxGlobals) + " different imports");
    }
    return kNoPickleGlobal;
  }
  PickleGlobal made;
  made.module = module;
  made.name = name;
  made.written = written.empty() ? made.Path() : std::string(written);
  if (mode_.knows_meanings) made.meaning = MeaningOf(module, name);
  const auto id = static_cast<std::uint32_t>(globals_.size());
  globals_.push_back(std::move(made));
  global_index_.emplace(key_, id);
  return id;
}

PickleValue PickleMachine::Import(std::uint32_t id, bool by_attribute,
                                  std::string_view name) {
  PickleImport import;
  import.global = id;
  import.offset = op_offset_;
  import.by_attribute = by_attribute;
  import.computed = std::exchange(computed_, false);
  import.of_result = std::exchange(of_result_, kNoPickleGlobal);
  if (id == kNoPickleGlobal) import.detail = name.substr(0, kMaxNameBytes);
  observer_.OnImport(*this, import);
  if (id == kNoPickleGlobal) return PickleValue::Unknown(PickleMystery::kName);
  globals_[id].plain_calls = false;
  return PickleValue::Of(PickleKind::kGlobal, id);
}

PickleValue PickleMachine::ImportWritten(std::string_view module,
                                         std::string_view name) {
  if (module.size() > kMaxNameBytes || name.size() > kMaxNameBytes) {
    return Import(kNoPickleGlobal, false, name);
  }
  JoinName(module, name, &written_key_);
  if (protocol_ < 3) written_key_ += "\n2";
  const auto known = written_index_.find(written_key_);
  if (known != written_index_.end()) {
    return Import(known->second, false, name);
  }
  const std::uint32_t id = InternWritten(module, name);
  if (id != kNoPickleGlobal) written_index_.emplace(written_key_, id);
  return Import(id, false, name);
}

std::uint32_t PickleMachine::InternWritten(std::string_view module,
                                           std::string_view name) {
  if (protocol_ < 3) {
    const PickleName fixed = FixPythonTwoName(module, name);
    if (fixed.module != module || fixed.name != name) {
      const std::string written = std::string(module) + "." + std::string(name);
      return Intern(fixed.module, fixed.name, written);
    }
  }
  return Intern(module, name, {});
}

std::optional<std::string> PickleMachine::TextOf(PickleValue value) const {
  if (value.IsTextNode()) return std::string(arena_.text(value));
  if (!value.Is(PickleKind::kFarText) && !value.Is(PickleKind::kFarBytes)) {
    return std::nullopt;
  }
  if (value.far_size() == PickleValue::kFarSizeMax) return std::nullopt;
  if (++far_reads_ > kMaxFarReads) return std::nullopt;
  const auto bytes = ReadExactly(source_, value.far_offset(),
                                 static_cast<std::size_t>(value.far_size()));
  if (!bytes.ok()) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes.value().data()),
                     bytes.value().size());
}

std::string PickleMachine::HeadOf(PickleValue value, std::size_t size) const {
  if (value.Is(PickleKind::kNode)) {
    return TextOf(value).value_or(std::string()).substr(0, size);
  }
  if (!value.Is(PickleKind::kFarText) && !value.Is(PickleKind::kFarBytes)) {
    return {};
  }
  if (++far_reads_ > kMaxFarReads) return {};
  const auto bytes = ReadExactly(
      source_, value.far_offset(),
      std::min<std::size_t>(size, static_cast<std::size_t>(value.far_size())));
  if (!bytes.ok()) return {};
  return {reinterpret_cast<const char*>(bytes.value().data()),
          bytes.value().size()};
}

std::optional<std::vector<PickleValue>> PickleMachine::ArgumentsOf(
    PickleValue value) const {
  if (value.Is(PickleKind::kEmptyTuple)) return std::vector<PickleValue>();
  if (!HasArguments(value)) return std::nullopt;
  return arena_.Items(value);
}

std::uint32_t PickleMachine::ClassOf(PickleValue value) const {
  if (value.Is(PickleKind::kInstance)) return value.index();
  if (!value.IsNode(PickleNodeKind::kCall)) return kNoPickleGlobal;
  const PickleValue callee = arena_.node(value).items[0];
  return callee.Is(PickleKind::kGlobal) ? callee.index() : kNoPickleGlobal;
}

}  // namespace scanengine
