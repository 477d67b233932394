// The loop over opcodes. What large pickles are made of is executed on pointers
// that stay in registers; all else goes through the handler of its opcode.

#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_nested.h"
#include "worker/parsing/pickle_plain_lines.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kOpcodesPerProgress = 4096;
// An opcode with the largest operand of fixed size.
constexpr std::ptrdiff_t kLongestPlain = 9;

template <typename Integer>
Integer Load(const std::uint8_t* bytes) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<Integer>(value | Integer{bytes[i]} << (8 * i));
  }
  return value;
}

}  // namespace

/// Reader and stack of a machine, taken out for the time of the loop.
class PickleMachine::Hot {
 public:
  explicit Hot(PickleMachine& machine)
      : m_(machine),
        at_(m_.reader_.at()),
        end_(m_.reader_.end()),
        top_(m_.stack_.end()),
        fence_(m_.stack_.data() + m_.fence_) {
    // No opcode of the loop may cross the end of a frame, or begin behind it.
    const std::uint64_t left = m_.frame_end_ - m_.reader_.offset();
    if (left < static_cast<std::uint64_t>(end_ - at_)) {
      end_ = at_ + static_cast<std::ptrdiff_t>(left);
    }
  }
  ~Hot() {
    m_.reader_.SetAt(at_);
    m_.stack_.SetEnd(top_);
  }
  Hot(const Hot&) = delete;
  Hot& operator=(const Hot&) = delete;

  bool HasRoom() const { return end_ - at_ > kLongestPlain; }
  bool IsMemoize() const {
    return *at_ == static_cast<std::uint8_t>(PickleOp::kMemoize);
  }
  bool Memoize() { return Put(m_.memo_.size() + m_.far_memo_.size(), 1); }
  /// Executes an opcode that is plain; false, with nothing done, if the next
  /// one is not, or is wrong. REQUIRES: HasRoom() and room on the stack.
  /// Without |kText| opcodes of protocol 0 that later ones have no use for are
  /// not plain: code that is not there leaves the registers to the rest.
  template <bool kText>
  bool Execute();
  /// Those opcodes of protocol 0.
  bool ExecuteText();

 private:
  bool Push(PickleValue value, std::ptrdiff_t size) {
    *top_++ = value;
    at_ += size;
    return true;
  }
  /// A text of any sort, by its opcode.
  bool Text(std::size_t size, std::ptrdiff_t head) {
    const auto op = static_cast<PickleOp>(*at_);
    const bool is_bytes =
        op == PickleOp::kShortBinBytes || op == PickleOp::kBinBytes;
    const bool python_two =
        op == PickleOp::kShortBinString || op == PickleOp::kBinString;
    const PickleNodeKind kind =
        is_bytes ? PickleNodeKind::kBytes : PickleNodeKind::kText;
    // The opcode that ends a frame is for Step().
    if (size > PickleArena::kMaxTextBytes ||
        end_ - at_ <= head + static_cast<std::ptrdiff_t>(size)) {
      return false;
    }
    const std::string_view text(reinterpret_cast<const char*>(at_ + head),
                                size);
    if (size >= kLeastPicklePayload && MayHoldPickle(text)) return false;
    PickleValue made = m_.arena_.AddText(kind, text);
    if (!made.Is(PickleKind::kNode)) {
      const std::uint64_t offset =
          m_.reader_.offset() +
          static_cast<std::uint64_t>(at_ + head - m_.reader_.at());
      const PickleKind far =
          is_bytes ? PickleKind::kFarBytes : PickleKind::kFarText;
      made = MayBeLookedUp(text) ? m_.FarText(text, far, offset, size)
                                 : PickleValue::Far(far, offset, size);
    } else if (python_two) {
      m_.arena_.node(made).python_two = true;
    }
    return Push(made, head + static_cast<std::ptrdiff_t>(size));
  }
  // What follows the opcode. Its last byte is for Step(), which sees that a
  // frame ends.
  PickleInput Operand() const { return {at_ + 1, end_ - 1}; }
  bool PlainLine(const PlainPickleText& line, bool python_two) {
    if (line.size == 0 ||
        (line.text.size() >= kLeastPicklePayload && MayHoldPickle(line.text))) {
      return false;
    }
    PickleValue made = m_.arena_.AddText(PickleNodeKind::kText, line.text);
    if (!made.Is(PickleKind::kNode)) {
      made = m_.NameWithoutRoom(line.text);
    } else if (python_two) {
      m_.arena_.node(made).python_two = true;
    }
    return Push(made, static_cast<std::ptrdiff_t>(line.size + 1));
  }
  bool Integer(bool is_long) {
    const PlainPickleNumber number = PlainInteger(Operand(), true, is_long);
    return number.size != 0 &&
           Push(PickleValue::Int(number.value),
                static_cast<std::ptrdiff_t>(number.size + 1));
  }
  bool Float() {
    const std::size_t size = PlainFloatSize(Operand());
    return size != 0 && Push(PickleValue::Of(PickleKind::kFloat),
                             static_cast<std::ptrdiff_t>(size + 1));
  }
  /// GET and PUT: the index is a line.
  bool WithIndex(bool (Hot::*execute)(std::uint64_t, std::ptrdiff_t)) {
    const PlainPickleNumber index = PlainInteger(Operand(), false, false);
    return index.size != 0 &&
           (this->*execute)(static_cast<std::uint64_t>(index.value),
                            static_cast<std::ptrdiff_t>(index.size + 1));
  }
  bool Long1(std::size_t size) {
    constexpr std::size_t kMostKept = 7;
    if (end_ - at_ <= static_cast<std::ptrdiff_t>(size + 2)) return false;
    PickleValue value = PickleValue::Of(PickleKind::kBigInt);
    if (size <= kMostKept) {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < size; ++i) {
        sum |= std::uint64_t{at_[i + 2]} << (8 * i);
      }
      if (size != 0 && (at_[size + 1] & 0x80U) != 0) {
        sum |= ~std::uint64_t{0} << (8 * size);
      }
      value = PickleValue::Int(static_cast<std::int64_t>(sum));
    }
    return Push(value, static_cast<std::ptrdiff_t>(size + 2));
  }
  bool Get(std::uint64_t index, std::ptrdiff_t size) {
    if (index > 0xffffffffU) return false;
    return Recall(static_cast<std::uint32_t>(index), size);
  }
  bool Recall(std::uint32_t index, std::ptrdiff_t size) {
    const PickleValue value = m_.memo_.Get(index);
    return value != PickleMemo::kEmpty && Push(value, size);
  }
  bool Put(std::uint64_t index, std::ptrdiff_t size) {
    if (top_ == fence_ || index > 0xffffffffU) return false;
    m_.memo_.Put(static_cast<std::uint32_t>(index), top_[-1]);
    at_ += size;
    return true;
  }
  bool Tuple(std::uint16_t size) {
    if (top_ - fence_ < size) return false;
    const PickleValue* first = top_ - size;
    PickleValue made = m_.arena_.Add(PickleNodeKind::kTuple, first[0],
                                     size > 1 ? first[1] : PickleValue(),
                                     size > 2 ? first[2] : PickleValue(), size);
    if (made.Is(PickleKind::kData)) [[unlikely]] {
      made = m_.TupleWithoutRoom({first, size});
    }
    top_ -= size;
    return Push(made, 1);
  }
  bool Mark() {
    if (m_.marks_.size() >= kMaxMarks) return false;
    fence_ = top_;
    m_.fence_ = static_cast<std::size_t>(top_ - m_.stack_.data());
    m_.marks_.push_back(static_cast<std::uint32_t>(m_.fence_));
    ++at_;
    return true;
  }
  /// Containers that there was no room for.
  static bool Drops(PickleValue target) { return target.Is(PickleKind::kData); }
  /// True if a key among the pairs from |first| on matters even so.
  bool AnyName(const PickleValue* first) const {
    for (const PickleValue* at = first; at < top_; at += 2) {
      if (at->kind() < PickleKind::kData) continue;
      // Most are texts of another length.
      const bool other = at->IsNode(PickleNodeKind::kText) &&
                         !MayBeLookedUp(m_.arena_.text(*at));
      if (!other && m_.MayNameAttribute(*at)) return true;
    }
    return false;
  }
  bool Append() {
    if (top_ - fence_ < 2) return false;
    const PickleValue list = top_[-2];
    const bool known = list.IsNode(PickleNodeKind::kList);
    if (!known && !Drops(list)) return false;
    if (known) m_.arena_.Append(list, top_[-1]);
    --top_;
    ++at_;
    return true;
  }
  /// Lists and sets take items; objects that take them by methods of their
  /// own are for the handlers.
  bool PutItems(PickleValue target, PickleNodeKind kind,
                const PickleValue* first) {
    const bool known = target.IsNode(kind);
    if (!known && !Drops(target)) return false;
    if (kind == PickleNodeKind::kSet && AnyUnhashable(first, 1)) return false;
    if (known) m_.arena_.AppendAll(target, {first, top_});
    return true;
  }
  /// Dicts take pairs; what else takes them is for the handlers.
  bool PutPairs(PickleValue target, const PickleValue* first) {
    if ((top_ - first) % 2 != 0) return false;
    if (Drops(target)) return !AnyName(first);
    if (!target.IsNode(PickleNodeKind::kDict)) return false;
    if (AnyUnhashable(first, 2)) return false;
    m_.arena_.AppendPairs(target, {first, top_});
    return true;
  }
  bool AnyUnhashable(const PickleValue* first, std::ptrdiff_t step) const {
    for (const PickleValue* at = first; at < top_; at += step) {
      if (!at->Is(PickleKind::kNode)) continue;
      if (m_.IsUnhashable(*at) || IsNestedKey(m_.arena_, *at)) return true;
    }
    return false;
  }
  std::size_t FenceBelowMark() const {
    return m_.marks_.size() > 1 ? m_.marks_[m_.marks_.size() - 2] : 0;
  }
  /// Takes the last mark and what is above it.
  void TakeMark() {
    top_ = m_.stack_.data() + m_.marks_.back();
    m_.fence_ = FenceBelowMark();
    fence_ = m_.stack_.data() + m_.fence_;
    m_.marks_.pop_back();
  }
  /// TUPLE, LIST and DICT.
  bool Collect(PickleNodeKind kind) {
    if (m_.marks_.empty()) return false;
    const PickleValue* const first = m_.stack_.data() + m_.marks_.back();
    const bool pairs = kind == PickleNodeKind::kDict;
    if (pairs && ((top_ - first) % 2 != 0 || AnyUnhashable(first, 2))) {
      return false;
    }
    const bool empty = kind == PickleNodeKind::kTuple && first == top_;
    const PickleValue made =
        empty ? PickleValue::Of(PickleKind::kEmptyTuple) : m_.arena_.Add(kind);
    const bool known = made.Is(PickleKind::kNode);
    // What is lost then is for the handlers.
    if (!known && !empty) return false;
    if (pairs) {
      m_.arena_.AppendPairs(made, {first, top_});
    } else {
      m_.arena_.AppendAll(made, {first, top_});
    }
    TakeMark();
    return Push(made, 1);
  }
  bool SetItem() {
    if (top_ - fence_ < 3 || !PutPairs(top_[-3], top_ - 2)) return false;
    top_ -= 2;
    ++at_;
    return true;
  }
  /// REDUCE and NEWOBJ.
  bool Call(Handler handler) {
    if (top_ - fence_ < 2) return false;
    top_ = m_.CallAtTop(handler, at_, top_);
    ++at_;
    return true;
  }
  /// APPENDS, ADDITEMS and SETITEMS, by what kind of container they are for.
  bool Items(PickleNodeKind kind) {
    if (m_.marks_.empty()) return false;
    const PickleValue* const first = m_.stack_.data() + m_.marks_.back();
    if (m_.marks_.back() <= FenceBelowMark()) return false;
    const bool put = kind == PickleNodeKind::kDict
                         ? PutPairs(first[-1], first)
                         : PutItems(first[-1], kind, first);
    if (!put) return false;
    TakeMark();
    ++at_;
    return true;
  }

  PickleMachine& m_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  PickleValue* top_;
  const PickleValue* fence_;
};

inline bool PickleMachine::Hot::ExecuteText() {
  switch (static_cast<PickleOp>(*at_)) {
    case PickleOp::kGet:
      return WithIndex(&Hot::Get);
    case PickleOp::kPut:
      return WithIndex(&Hot::Put);
    case PickleOp::kInt:
      return Integer(false);
    case PickleOp::kLong:
      return Integer(true);
    case PickleOp::kFloat:
      return Float();
    case PickleOp::kUnicode:
      return PlainLine(PlainText(Operand(), false), false);
    case PickleOp::kString:
      return PlainLine(PlainText(Operand(), true), true);
    case PickleOp::kList:
      return Collect(PickleNodeKind::kList);
    case PickleOp::kDict:
      return Collect(PickleNodeKind::kDict);
    default:
      return false;
  }
}

template <bool kText>
inline bool PickleMachine::Hot::Execute() {
  const std::uint8_t* operand = at_ + 1;
  switch (static_cast<PickleOp>(*at_)) {
    case PickleOp::kBinInt1:
      return Push(PickleValue::Int(*operand), 2);
    case PickleOp::kBinInt2:
      return Push(PickleValue::Int(Load<std::uint16_t>(operand)), 3);
    case PickleOp::kBinInt:
      return Push(PickleValue::Int(
                      static_cast<std::int32_t>(Load<std::uint32_t>(operand))),
                  5);
    case PickleOp::kBinFloat:
      return Push(PickleValue::Of(PickleKind::kFloat), 9);
    case PickleOp::kNone:
      return Push(PickleValue::None(), 1);
    case PickleOp::kNewTrue:
      return Push(PickleValue::Bool(true), 1);
    case PickleOp::kNewFalse:
      return Push(PickleValue::Bool(false), 1);
    case PickleOp::kEmptyTuple:
      return Push(PickleValue::Of(PickleKind::kEmptyTuple), 1);
    case PickleOp::kEmptyList:
      return Push(m_.arena_.Add(PickleNodeKind::kList), 1);
    case PickleOp::kEmptySet:
      return Push(m_.arena_.Add(PickleNodeKind::kSet), 1);
    case PickleOp::kEmptyDict:
      return Push(m_.arena_.Add(PickleNodeKind::kDict), 1);
    case PickleOp::kShortBinUnicode:
    case PickleOp::kShortBinString:
    case PickleOp::kShortBinBytes:
      return Text(*operand, 2);
    case PickleOp::kBinUnicode:
    case PickleOp::kBinString:
    case PickleOp::kBinBytes:
      return Text(Load<std::uint32_t>(operand), 5);
    case PickleOp::kBinGet:
      return Recall(*operand, 2);
    case PickleOp::kLongBinGet:
      return Recall(Load<std::uint32_t>(operand), 5);
    case PickleOp::kLong1:
      return Long1(*operand);
    case PickleOp::kMemoize:
      return Memoize();
    case PickleOp::kBinPut:
      return Put(*operand, 2);
    case PickleOp::kLongBinPut:
      return Put(Load<std::uint32_t>(operand), 5);
    case PickleOp::kTuple1:
      return Tuple(1);
    case PickleOp::kTuple2:
      return Tuple(2);
    case PickleOp::kTuple3:
      return Tuple(3);
    case PickleOp::kMark:
      return Mark();
    case PickleOp::kAppend:
      return Append();
    case PickleOp::kAppends:
      return Items(PickleNodeKind::kList);
    case PickleOp::kAddItems:
      return Items(PickleNodeKind::kSet);
    case PickleOp::kSetItem:
      return SetItem();
    case PickleOp::kSetItems:
      return Items(PickleNodeKind::kDict);
    case PickleOp::kTuple:
      return Collect(PickleNodeKind::kTuple);
    case PickleOp::kReduce:
    case PickleOp::kNewObj:
      return Call(*at_ == static_cast<std::uint8_t>(PickleOp::kReduce)
                      ? &PickleMachine::DoReduce
                      : &PickleMachine::DoNewObj);
    default:
      return kText && ExecuteText();
  }
}

// Executes the opcode at |at|, of one byte, by its handler, which leaves the
// reader alone. |top| is the end of the stack; returns where it then is.
PickleValue* PickleMachine::CallAtTop(Handler handler, const std::uint8_t* at,
                                      const PickleValue* top) {
  reader_.SetAt(at);
  op_offset_ = reader_.offset();
  reader_.SetAt(at + 1);
  stack_.SetEnd(top);
  (this->*handler)();
  return stack_.end();
}

template <bool kText>
void PickleMachine::RunPlain() {
  const std::uint64_t room =
      kOpcodesPerProgress - opcodes_ % kOpcodesPerProgress;
  // One is left over for Step(), which counts it.
  std::uint64_t left = room - 1;
  // The limits of the stack are for Step() to see.
  if (stack_.size() + left > kMaxStack) return;
  stack_.Reserve(left);
  Hot hot(*this);
  while (left != 0 && hot.HasRoom() && hot.Execute<kText>()) {
    --left;
    // Picklers write MEMOIZE behind whatever goes into the memo. A test that
    // comes out the same way most times is cheaper than a jump to anywhere.
    if (hot.IsMemoize() && left != 0 && hot.HasRoom() && hot.Memoize()) --left;
  }
  opcodes_ += room - 1 - left;
}

PickleEnd PickleMachine::Run() {
  for (;;) {
    if (protocol_ == 0) {
      RunPlain<true>();
    } else {
      RunPlain<false>();
    }
    if (!Step()) break;
    if (reader_.offset() >= frame_end_) [[unlikely]]
      LeaveFrame();
    if (++opcodes_ % kOpcodesPerProgress == 0) [[unlikely]] {
      if (!observer_.OnProgress(reader_.offset())) break;
      if (arena_.WantsCollection()) Collect();
    }
  }
  // The last opcode may have failed for a reason of its own.
  if (reader_.offset() > frame_end_) LeaveFrame();
  return {reader_.offset(), complete_};
}

}  // namespace scanengine
