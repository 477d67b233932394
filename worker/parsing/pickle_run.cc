// The loop over opcodes. What large pickles are made of is executed on pointers
// that stay in registers; all else goes through the handler of its opcode.

#include <algorithm>
#include <array>

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
///
/// Each opcode is a function of its own that ends by jumping to that of the
/// next one, so that what they share stays in registers and each jump is
/// foretold by itself. A compiler that calls instead of jumping goes
/// kMostBytes deep at most.
class PickleMachine::Hot {
 public:
  Hot(PickleMachine& machine, bool text)
      : m_(machine),
        table_(text ? kWithText : kBinary),
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

  /// Executes opcodes that are plain, up to |most|, until one is not, or is
  /// wrong. Returns how many. REQUIRES: room for |most| on the stack.
  std::uint64_t Run(std::uint64_t most);
  /// Bytes that follow the last opcode and are none.
  std::uint64_t pass_over() const { return pass_over_; }

 private:
  /// Where the loop is.
  struct Place {
    const std::uint8_t* at;
    PickleValue* top;
  };
  using Op = void (*)(Hot& hot, const std::uint8_t* at, PickleValue* top,
                      std::uint64_t done);
  using Table = std::array<Op, 256>;

  static constexpr std::uint64_t kMostBytes = 256;

  /// Executes |kOp|, at |r|; false, with nothing done, if it is not plain, or
  /// is wrong.
  template <PickleOp kOp>
  bool Execute(Place& r);
  /// Those opcodes of protocol 0 that later ones have no use for.
  template <PickleOp kOp>
  bool ExecuteText(Place& r);
  template <PickleOp kOp>
  static void RunOp(Hot& hot, const std::uint8_t* at, PickleValue* top,
                    std::uint64_t done) {
    Place place{at, top};
    if (!hot.Execute<kOp>(place)) return Leave(hot, at, top, done);
    ++done;
    // Picklers write MEMOIZE behind whatever goes into the memo. A test that
    // comes out the same way most times is cheaper than a jump to anywhere.
    if (IsMemoized(kOp) && place.at < hot.stop_ &&
        *place.at == static_cast<std::uint8_t>(PickleOp::kMemoize) &&
        hot.Memoize(place)) {
      ++done;
    }
    Next(hot, place.at, place.top, done);
  }
  static void Next(Hot& hot, const std::uint8_t* at, PickleValue* top,
                   std::uint64_t done) {
    if (at >= hot.stop_) return Leave(hot, at, top, done);
    hot.table_[*at](hot, at, top, done);
  }
  static void Leave(Hot& hot, const std::uint8_t* at, PickleValue* top,
                    std::uint64_t done) {
    hot.at_ = at;
    hot.top_ = top;
    hot.done_ = done;
  }
  static constexpr bool IsMemoized(PickleOp op) {
    using enum PickleOp;
    return op == kShortBinUnicode || op == kShortBinBytes || op == kEmptyList ||
           op == kEmptySet || op == kEmptyDict || op == kTuple1 ||
           op == kTuple2 || op == kTuple3 || op == kTuple || op == kReduce ||
           op == kNewObj;
  }
  template <PickleOp... kOps>
  static constexpr void Fill(Table* table) {
    (((*table)[static_cast<std::uint8_t>(kOps)] = &RunOp<kOps>), ...);
  }
  static constexpr Table MakeTable(bool text);
  static const Table kBinary;
  static const Table kWithText;  // With ExecuteText().

  bool Memoize(Place& r) {
    return Put(r, m_.memo_.size() + m_.far_memo_.size(), 1);
  }
  static bool Push(Place& r, PickleValue value, std::ptrdiff_t size) {
    *r.top++ = value;
    r.at += size;
    return true;
  }
  /// A text of any sort, by its opcode.
  template <PickleOp kOp>
  bool Text(Place& r, std::size_t size, std::ptrdiff_t head) {
    constexpr bool is_bytes =
        kOp == PickleOp::kShortBinBytes || kOp == PickleOp::kBinBytes;
    constexpr bool python_two =
        kOp == PickleOp::kShortBinString || kOp == PickleOp::kBinString;
    constexpr PickleNodeKind kind =
        is_bytes ? PickleNodeKind::kBytes : PickleNodeKind::kText;
    // The opcode that ends a frame is for Step().
    if (size > PickleArena::kMaxTextBytes ||
        end_ - r.at <= head + static_cast<std::ptrdiff_t>(size)) {
      return false;
    }
    const std::string_view text(reinterpret_cast<const char*>(r.at + head),
                                size);
    if (size >= kLeastPicklePayload && MayHoldPickle(text)) return false;
    PickleValue made = m_.arena_.AddText(kind, text);
    if (!made.Is(PickleKind::kNode)) {
      const std::uint64_t offset = OffsetOf(r.at + head);
      const PickleKind far =
          is_bytes ? PickleKind::kFarBytes : PickleKind::kFarText;
      made = MayBeKept(text) ? m_.FarText(text, far, offset, size)
                             : PickleValue::Far(far, offset, size);
    } else if (python_two) {
      m_.arena_.node(made).python_two = true;
    }
    return Push(r, made, head + static_cast<std::ptrdiff_t>(size));
  }
  std::uint64_t OffsetOf(const std::uint8_t* at) const {
    return m_.reader_.offset() +
           static_cast<std::uint64_t>(at - m_.reader_.at());
  }
  // What follows the opcode. Its last byte is for Step(), which sees that a
  // frame ends.
  PickleInput Operand(const Place& r) const { return {r.at + 1, end_ - 1}; }
  bool PlainLine(Place& r, const PlainPickleText& line, bool python_two) {
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
    return Push(r, made, static_cast<std::ptrdiff_t>(line.size + 1));
  }
  bool Integer(Place& r, bool is_long) {
    const PlainPickleNumber number = PlainInteger(Operand(r), true, is_long);
    return number.size != 0 &&
           Push(r, PickleValue::Int(number.value),
                static_cast<std::ptrdiff_t>(number.size + 1));
  }
  bool Float(Place& r) {
    const std::size_t size = PlainFloatSize(Operand(r));
    return size != 0 && Push(r, PickleValue::Of(PickleKind::kFloat),
                             static_cast<std::ptrdiff_t>(size + 1));
  }
  /// GET and PUT: the index is a line.
  bool WithIndex(Place& r,
                 bool (Hot::*execute)(Place&, std::uint64_t, std::ptrdiff_t)) {
    const PlainPickleNumber index = PlainInteger(Operand(r), false, false);
    return index.size != 0 &&
           (this->*execute)(r, static_cast<std::uint64_t>(index.value),
                            static_cast<std::ptrdiff_t>(index.size + 1));
  }
  bool Long1(Place& r, std::size_t size) {
    constexpr std::size_t kMostKept = 7;
    if (end_ - r.at <= static_cast<std::ptrdiff_t>(size + 2)) return false;
    PickleValue value = PickleValue::Of(PickleKind::kBigInt);
    if (size <= kMostKept) {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < size; ++i) {
        sum |= std::uint64_t{r.at[i + 2]} << (8 * i);
      }
      if (size != 0 && (r.at[size + 1] & 0x80U) != 0) {
        sum |= ~std::uint64_t{0} << (8 * size);
      }
      value = PickleValue::Int(static_cast<std::int64_t>(sum));
    }
    return Push(r, value, static_cast<std::ptrdiff_t>(size + 2));
  }
  bool Get(Place& r, std::uint64_t index, std::ptrdiff_t size) {
    if (index > 0xffffffffU) return false;
    return Recall(r, static_cast<std::uint32_t>(index), size);
  }
  bool Recall(Place& r, std::uint32_t index, std::ptrdiff_t size) {
    const PickleValue value = m_.memo_.Get(index);
    return value != PickleMemo::kEmpty && Push(r, value, size);
  }
  bool Put(Place& r, std::uint64_t index, std::ptrdiff_t size) {
    if (r.top == fence_ || index > 0xffffffffU) return false;
    m_.memo_.Put(static_cast<std::uint32_t>(index), r.top[-1]);
    r.at += size;
    return true;
  }
  bool Tuple(Place& r, std::uint16_t size) {
    if (r.top - fence_ < size) return false;
    const PickleValue* first = r.top - size;
    PickleValue made = m_.arena_.Add(PickleNodeKind::kTuple, first[0],
                                     size > 1 ? first[1] : PickleValue(),
                                     size > 2 ? first[2] : PickleValue(), size);
    // Of numbers and forgotten texts nothing is kept.
    const bool plain = std::all_of(first, first + size, [](PickleValue item) {
      return item.kind() < PickleKind::kGlobal;
    });
    if (!plain && made.Is(PickleKind::kData)) [[unlikely]] {
      made = m_.TupleWithoutRoom({first, size});
    }
    r.top -= size;
    return Push(r, made, 1);
  }
  bool Mark(Place& r) {
    if (m_.marks_.size() >= kMaxMarks) return false;
    fence_ = r.top;
    m_.fence_ = static_cast<std::size_t>(r.top - m_.stack_.data());
    m_.marks_.push_back(static_cast<std::uint32_t>(m_.fence_));
    ++r.at;
    return true;
  }
  /// Containers that there was no room for.
  static bool Drops(PickleValue target) { return target.Is(PickleKind::kData); }
  /// True if a key among the pairs from |first| on matters even so.
  bool AnyName(const Place& r, const PickleValue* first) const {
    for (const PickleValue* at = first; at < r.top; at += 2) {
      if (at->kind() < PickleKind::kData) continue;
      // Most are told without a call.
      const bool other = at->IsNode(PickleNodeKind::kText) &&
                         !MayBeLookedUp(m_.arena_.text(*at));
      if (!other && m_.MayNameAttribute(*at)) return true;
    }
    return false;
  }
  bool Append(Place& r) {
    if (r.top - fence_ < 2) return false;
    const PickleValue list = r.top[-2];
    const bool known = list.IsNode(PickleNodeKind::kList);
    if (!known && !Drops(list)) return Handle(r, &PickleMachine::DoAppend);
    if (known) m_.arena_.AppendAll(list, {r.top - 1, 1});
    --r.top;
    ++r.at;
    return true;
  }
  /// Lists and sets take items; objects that take them by methods of their
  /// own are for the handlers.
  bool PutItems(const Place& r, PickleValue target, PickleNodeKind kind,
                const PickleValue* first) {
    const bool known = target.IsNode(kind);
    if (!known && !Drops(target)) return false;
    if (kind == PickleNodeKind::kSet && AnyUnhashable(r, first, 1))
      return false;
    if (known) m_.arena_.AppendAll(target, {first, r.top});
    return true;
  }
  /// Dicts take pairs; what else takes them is for the handlers. REQUIRES: an
  /// even number from |first| on.
  bool PutPairs(const Place& r, PickleValue target, const PickleValue* first) {
    if (Drops(target)) return !AnyName(r, first);
    if (!target.IsNode(PickleNodeKind::kDict)) return false;
    if (AnyUnhashable(r, first, 2)) return false;
    m_.arena_.AppendPairs(target, {first, r.top});
    return true;
  }
  bool AnyUnhashable(const Place& r, const PickleValue* first,
                     std::ptrdiff_t step) const {
    for (const PickleValue* at = first; at < r.top; at += step) {
      if (!at->Is(PickleKind::kNode)) continue;
      if (m_.IsUnhashable(*at) || IsNestedKey(m_.arena_, *at)) return true;
    }
    return false;
  }
  std::size_t FenceBelowMark() const {
    return m_.marks_.size() > 1 ? m_.marks_[m_.marks_.size() - 2] : 0;
  }
  /// Takes the last mark and what is above it.
  void TakeMark(Place& r) {
    r.top = m_.stack_.data() + m_.marks_.back();
    m_.fence_ = FenceBelowMark();
    fence_ = m_.stack_.data() + m_.fence_;
    m_.marks_.pop_back();
  }
  /// TUPLE, LIST and DICT.
  bool Collect(Place& r, PickleNodeKind kind) {
    if (m_.marks_.empty()) return false;
    const PickleValue* const first = m_.stack_.data() + m_.marks_.back();
    const bool pairs = kind == PickleNodeKind::kDict;
    if (pairs && ((r.top - first) % 2 != 0 || AnyUnhashable(r, first, 2))) {
      return false;
    }
    const bool empty = kind == PickleNodeKind::kTuple && first == r.top;
    const PickleValue made =
        empty ? PickleValue::Of(PickleKind::kEmptyTuple) : m_.arena_.Add(kind);
    const bool known = made.Is(PickleKind::kNode);
    // What is lost then is for the handlers.
    if (!known && !empty) return false;
    if (pairs) {
      m_.arena_.AppendPairs(made, {first, r.top});
    } else {
      m_.arena_.AppendAll(made, {first, r.top});
    }
    TakeMark(r);
    return Push(r, made, 1);
  }
  bool SetItem(Place& r) {
    if (r.top - fence_ < 3) return false;
    if (!PutPairs(r, r.top[-3], r.top - 2)) {
      return Handle(r, &PickleMachine::DoSetItem);
    }
    r.top -= 2;
    ++r.at;
    return true;
  }
  /// Executes the opcode by its handler. REQUIRES: it is one byte long, and
  /// there is on the stack what it takes.
  bool Handle(Place& r, Handler handler) {
    m_.PlaceAt(r.at, r.top);
    (m_.*handler)();
    r.top = m_.stack_.end();
    fence_ = m_.stack_.data() + m_.fence_;
    ++r.at;
    return true;
  }
  /// REDUCE and NEWOBJ.
  template <PickleOp kOp>
  bool Call(Place& r) {
    if (r.top - fence_ < 2) return false;
    constexpr bool kReduces = kOp == PickleOp::kReduce;
    if (m_.IsPlainCall(r.top[-2], r.top[-1]) &&
        (kReduces || m_.global_attributes_.empty())) {
      r.top[-2] = m_.ResultOf(r.top[-2], r.top[-1], OffsetOf(r.at));
      --r.top;
      ++r.at;
      return true;
    }
    return Handle(
        r, kReduces ? &PickleMachine::DoReduce : &PickleMachine::DoNewObj);
  }
  /// Ends the loop if bytes follow that are no opcodes.
  bool Build(Place& r) {
    if (r.top - fence_ < 2) return false;
    m_.PlaceAt(r.at, r.top);
    pass_over_ = m_.Build();
    if (pass_over_ != 0) stop_ = r.at + 1;
    --r.top;
    ++r.at;
    return true;
  }
  /// APPENDS, ADDITEMS and SETITEMS, by what kind of container they are for.
  bool Items(Place& r, PickleNodeKind kind) {
    if (m_.marks_.empty()) return false;
    const PickleValue* const first = m_.stack_.data() + m_.marks_.back();
    if (m_.marks_.back() <= FenceBelowMark()) return false;
    const bool pairs = kind == PickleNodeKind::kDict;
    if (pairs && (r.top - first) % 2 != 0) return false;
    const bool put = pairs ? PutPairs(r, first[-1], first)
                           : PutItems(r, first[-1], kind, first);
    if (!put) {
      return Handle(r, pairs ? &PickleMachine::DoSetItems
                       : kind == PickleNodeKind::kList
                           ? &PickleMachine::DoAppends
                           : &PickleMachine::DoAddItems);
    }
    TakeMark(r);
    ++r.at;
    return true;
  }

  PickleMachine& m_;
  const Table& table_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const std::uint8_t* stop_ = nullptr;  // Where no opcode begins.
  PickleValue* top_;
  const PickleValue* fence_;
  std::uint64_t done_ = 0;
  std::uint64_t pass_over_ = 0;
};

template <PickleOp kOp>
inline bool PickleMachine::Hot::ExecuteText(Place& r) {
  switch (kOp) {
    case PickleOp::kGet:
      return WithIndex(r, &Hot::Get);
    case PickleOp::kPut:
      return WithIndex(r, &Hot::Put);
    case PickleOp::kInt:
      return Integer(r, false);
    case PickleOp::kLong:
      return Integer(r, true);
    case PickleOp::kFloat:
      return Float(r);
    case PickleOp::kUnicode:
      return PlainLine(r, PlainText(Operand(r), false), false);
    case PickleOp::kString:
      return PlainLine(r, PlainText(Operand(r), true), true);
    case PickleOp::kList:
      return Collect(r, PickleNodeKind::kList);
    case PickleOp::kDict:
      return Collect(r, PickleNodeKind::kDict);
    default:
      return false;
  }
}

template <PickleOp kOp>
inline bool PickleMachine::Hot::Execute(Place& r) {
  const std::uint8_t* operand = r.at + 1;
  switch (kOp) {
    case PickleOp::kBinInt1:
      return Push(r, PickleValue::Int(*operand), 2);
    case PickleOp::kBinInt2:
      return Push(r, PickleValue::Int(Load<std::uint16_t>(operand)), 3);
    case PickleOp::kBinInt:
      return Push(r,
                  PickleValue::Int(
                      static_cast<std::int32_t>(Load<std::uint32_t>(operand))),
                  5);
    case PickleOp::kBinFloat:
      return Push(r, PickleValue::Of(PickleKind::kFloat), 9);
    case PickleOp::kNone:
      return Push(r, PickleValue::None(), 1);
    case PickleOp::kNewTrue:
      return Push(r, PickleValue::Bool(true), 1);
    case PickleOp::kNewFalse:
      return Push(r, PickleValue::Bool(false), 1);
    case PickleOp::kEmptyTuple:
      return Push(r, PickleValue::Of(PickleKind::kEmptyTuple), 1);
    case PickleOp::kEmptyList:
      return Push(r, m_.arena_.Add(PickleNodeKind::kList), 1);
    case PickleOp::kEmptySet:
      return Push(r, m_.arena_.Add(PickleNodeKind::kSet), 1);
    case PickleOp::kEmptyDict:
      return Push(r, m_.arena_.Add(PickleNodeKind::kDict), 1);
    case PickleOp::kShortBinUnicode:
    case PickleOp::kShortBinString:
    case PickleOp::kShortBinBytes:
      return Text<kOp>(r, *operand, 2);
    case PickleOp::kBinUnicode:
    case PickleOp::kBinString:
    case PickleOp::kBinBytes:
      return Text<kOp>(r, Load<std::uint32_t>(operand), 5);
    case PickleOp::kBinGet:
      return Recall(r, *operand, 2);
    case PickleOp::kLongBinGet:
      return Recall(r, Load<std::uint32_t>(operand), 5);
    case PickleOp::kLong1:
      return Long1(r, *operand);
    case PickleOp::kMemoize:
      return Memoize(r);
    case PickleOp::kBinPut:
      return Put(r, *operand, 2);
    case PickleOp::kLongBinPut:
      return Put(r, Load<std::uint32_t>(operand), 5);
    case PickleOp::kTuple1:
      return Tuple(r, 1);
    case PickleOp::kTuple2:
      return Tuple(r, 2);
    case PickleOp::kTuple3:
      return Tuple(r, 3);
    case PickleOp::kMark:
      return Mark(r);
    case PickleOp::kAppend:
      return Append(r);
    case PickleOp::kAppends:
      return Items(r, PickleNodeKind::kList);
    case PickleOp::kAddItems:
      return Items(r, PickleNodeKind::kSet);
    case PickleOp::kSetItem:
      return SetItem(r);
    case PickleOp::kSetItems:
      return Items(r, PickleNodeKind::kDict);
    case PickleOp::kTuple:
      return Collect(r, PickleNodeKind::kTuple);
    case PickleOp::kReduce:
    case PickleOp::kNewObj:
      return Call<kOp>(r);
    case PickleOp::kBuild:
      return Build(r);
    default:
      return ExecuteText<kOp>(r);
  }
}

constexpr PickleMachine::Hot::Table PickleMachine::Hot::MakeTable(bool text) {
  using enum PickleOp;
  Table table{};
  table.fill(&Leave);
  Fill<kBinInt1, kBinInt2, kBinInt, kBinFloat, kNone, kNewTrue, kNewFalse,
       kEmptyTuple, kEmptyList, kEmptySet, kEmptyDict, kShortBinUnicode,
       kShortBinString, kShortBinBytes, kBinUnicode, kBinString, kBinBytes,
       kBinGet, kLongBinGet, kLong1, kMemoize, kBinPut, kLongBinPut, kTuple1,
       kTuple2, kTuple3, kMark, kAppend, kAppends, kAddItems, kSetItem,
       kSetItems, kTuple, kReduce, kNewObj, kBuild>(&table);
  if (text) {
    Fill<kGet, kPut, kInt, kLong, kFloat, kUnicode, kString, kList, kDict>(
        &table);
  }
  return table;
}

constexpr PickleMachine::Hot::Table PickleMachine::Hot::kBinary =
    MakeTable(false);
constexpr PickleMachine::Hot::Table PickleMachine::Hot::kWithText =
    MakeTable(true);

std::uint64_t PickleMachine::Hot::Run(std::uint64_t most) {
  std::uint64_t sum = 0;
  // An opcode has a byte, at least.
  while (sum < most && end_ - at_ > kLongestPlain) {
    const std::uint64_t bytes = std::min(most - sum, kMostBytes);
    const auto room = static_cast<std::uint64_t>(end_ - at_ - kLongestPlain);
    stop_ = at_ + std::min(bytes, room);
    Next(*this, at_, top_, 0);
    sum += done_;
    if (at_ < stop_ || pass_over_ != 0) break;
  }
  return sum;
}

// Makes ready for the handler of the opcode at |at|, of one byte, which leaves
// the reader alone. |top| is the end of the stack.
void PickleMachine::PlaceAt(const std::uint8_t* at, const PickleValue* top) {
  reader_.SetAt(at);
  op_offset_ = reader_.offset();
  reader_.SetAt(at + 1);
  stack_.SetEnd(top);
}

// False if the stream ends in bytes that are passed over.
bool PickleMachine::RunPlain() {
  // One is left over for Step(), which counts it.
  const std::uint64_t most =
      kOpcodesPerProgress - opcodes_ % kOpcodesPerProgress - 1;
  // The limits of the stack are for Step() to see.
  if (stack_.size() + most > kMaxStack) return true;
  stack_.Reserve(most);
  std::uint64_t pass_over = 0;
  {
    Hot hot(*this, protocol_ == 0);
    opcodes_ += hot.Run(most);
    pass_over = hot.pass_over();
  }
  return pass_over == 0 || PassOver(pass_over);
}

PickleEnd PickleMachine::Run() {
  for (;;) {
    if (!RunPlain() || !Step()) break;
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
