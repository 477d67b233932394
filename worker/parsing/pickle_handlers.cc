// One function for each opcode; those that name and call things are in
// pickle_call_handlers.cc. What CPython does is in Modules/_pickle.c under
// load_ and the opcode's name.

#include <algorithm>
#include <charconv>
#include <utility>

#include "ipc/text.h"
#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {

using Kind = PickleKind;
using Problem = PickleProblem;
using Op = PickleOp;

template <std::size_t kBytes>
bool PickleMachine::TakeInteger(std::uint64_t* value) {
  const std::uint8_t* bytes = reader_.Take(kBytes);
  if (bytes == nullptr) return Truncated();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBytes; ++i) {
    sum |= std::uint64_t{bytes[i]} << (8 * i);
  }
  *value = sum;
  return true;
}

// ---- Stack and marks.

bool PickleMachine::DoMark() {
  if (marks_.size() >= kMaxMarks) {
    return Fail(Problem::kLimit,
                "more than " + std::to_string(kMaxMarks) + " nested marks");
  }
  marks_.push_back(static_cast<std::uint32_t>(stack_.size()));
  fence_ = stack_.size();
  return true;
}

bool PickleMachine::DoStop() {
  if (available() == 0) return Underflow();
  observer_.OnResult(*this, stack_.back());
  stack_.pop_back();
  if (reader_.offset() < frame_end_ && frame_end_ != ~std::uint64_t{0} &&
      !frame_noted_) {
    frame_noted_ = true;
    Note(Problem::kFrame, "STOP comes before the end of its frame");
  }
  complete_ = true;
  return false;
}

bool PickleMachine::DoPop() {
  // POP on a mark takes the mark.
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    std::size_t start = 0;
    return PopMark(&start);
  }
  if (available() == 0) return Underflow();
  stack_.pop_back();
  return true;
}

bool PickleMachine::DoPopMark() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  stack_.Shrink(start);
  return true;
}

bool PickleMachine::DoDup() {
  if (available() == 0) return Underflow();
  return Push(stack_.back());
}

// ---- Plain values.

bool PickleMachine::DoNone() { return Push(PickleValue::None()); }
bool PickleMachine::DoNewTrue() { return Push(PickleValue::Bool(true)); }
bool PickleMachine::DoNewFalse() { return Push(PickleValue::Bool(false)); }
bool PickleMachine::DoEmptyTuple() {
  return Push(PickleValue::Of(Kind::kEmptyTuple));
}

bool PickleMachine::DoBinInt() {
  std::uint64_t value = 0;
  if (!TakeInteger<4>(&value)) return false;
  return Push(PickleValue::Int(
      static_cast<std::int32_t>(static_cast<std::uint32_t>(value))));
}
bool PickleMachine::DoBinInt1() {
  const std::uint8_t* byte = reader_.Take(1);
  if (byte == nullptr) return Truncated();
  return Push(PickleValue::Int(*byte));
}
bool PickleMachine::DoBinInt2() {
  std::uint64_t value = 0;
  if (!TakeInteger<2>(&value)) return false;
  return Push(PickleValue::Int(static_cast<std::int64_t>(value)));
}
bool PickleMachine::DoBinFloat() {
  if (reader_.Take(8) == nullptr) return Truncated();
  return Push(PickleValue::Of(Kind::kFloat));
}

bool PickleMachine::LongBytes(std::uint64_t size) {
  reader_.BeginRead(size);
  if (size > 7) {
    if (!reader_.Skip(size)) return Truncated();
    return Push(PickleValue::Of(Kind::kBigInt));
  }
  const std::uint8_t* bytes = reader_.Take(static_cast<std::size_t>(size));
  if (bytes == nullptr && size != 0) return Truncated();
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= std::uint64_t{bytes[i]} << (8 * i);
  }
  if (size != 0 && (bytes[size - 1] & 0x80U) != 0) {
    value |= ~std::uint64_t{0} << (8 * size);
  }
  return Push(PickleValue::Int(static_cast<std::int64_t>(value)));
}
bool PickleMachine::DoLong1() {
  std::uint64_t size = 0;
  return TakeInteger<1>(&size) && LongBytes(size);
}
bool PickleMachine::DoLong4() {
  std::uint64_t size = 0;
  if (!TakeInteger<4>(&size)) return false;
  if (size > 0x7fffffff) {
    return Fail(Problem::kBadOperand, "LONG4 with a negative size");
  }
  return LongBytes(size);
}

bool PickleMachine::DoInt() {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return Truncated();
  const auto number = ParsePickleInt(line);
  if (!number) return Fail(Problem::kBadOperand, "INT without a number");
  if (number->readers_differ) {
    Note(Problem::kReadersDiffer, "a number that not all unpicklers read");
  }
  return Push(number->value);
}
bool PickleMachine::DoLong() {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return Truncated();
  const auto number = ParsePickleLong(line);
  if (!number) return Fail(Problem::kBadOperand, "LONG without a number");
  if (number->readers_differ) {
    Note(Problem::kReadersDiffer, "a number that not all unpicklers read");
  }
  return Push(number->value);
}
bool PickleMachine::DoFloat() {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return Truncated();
  const auto number = ParsePickleFloat(line);
  if (!number) return Fail(Problem::kBadOperand, "FLOAT without a number");
  if (number->readers_differ) {
    Note(Problem::kReadersDiffer, "a number that not all unpicklers read");
  }
  return Push(number->value);
}

// ---- Strings.

bool PickleMachine::DoString() {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return Truncated();
  const auto text = DecodePickleString(line);
  if (!text) {
    return Fail(Problem::kBadOperand, "STRING that is not quoted");
  }
  // Python 2 takes such a string.
  if (text->padded) Note(Problem::kRaises, "STRING with blanks around it");
  return PushDecoded(text->text, true);
}
bool PickleMachine::DoUnicode() {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return Truncated();
  const auto text = DecodePickleUnicode(line);
  if (!text) return Fail(Problem::kBadOperand, "UNICODE with a broken escape");
  return PushDecoded(*text, false);
}
bool PickleMachine::DoBinString() {
  std::uint64_t size = 0;
  if (!TakeInteger<4>(&size)) return false;
  if (size > 0x7fffffff) {
    // A size without a sign for the C unpickler, a negative one elsewhere.
    Note(Problem::kReadersDiffer, "BINSTRING with a negative size");
  }
  return PushText(Kind::kFarText, size, true);
}
bool PickleMachine::DoShortBinString() {
  std::uint64_t size = 0;
  return TakeInteger<1>(&size) && PushText(Kind::kFarText, size, true);
}
bool PickleMachine::DoBinUnicode() {
  std::uint64_t size = 0;
  return TakeInteger<4>(&size) && PushText(Kind::kFarText, size);
}
bool PickleMachine::DoShortBinUnicode() {
  std::uint64_t size = 0;
  return TakeInteger<1>(&size) && PushText(Kind::kFarText, size);
}
bool PickleMachine::DoBinUnicode8() {
  std::uint64_t size = 0;
  return TakeInteger<8>(&size) && PushText(Kind::kFarText, size);
}
bool PickleMachine::DoBinBytes() {
  std::uint64_t size = 0;
  return TakeInteger<4>(&size) && PushText(Kind::kFarBytes, size);
}
bool PickleMachine::DoShortBinBytes() {
  std::uint64_t size = 0;
  return TakeInteger<1>(&size) && PushText(Kind::kFarBytes, size);
}
bool PickleMachine::DoBinBytes8() {
  std::uint64_t size = 0;
  return TakeInteger<8>(&size) && PushText(Kind::kFarBytes, size);
}
bool PickleMachine::DoByteArray8() {
  std::uint64_t size = 0;
  return TakeInteger<8>(&size) && PushText(Kind::kFarBytes, size);
}
bool PickleMachine::DoNextBuffer() {
  return Push(PickleValue::Unknown(PickleMystery::kBuffer));
}
bool PickleMachine::DoReadOnlyBuffer() {
  if (available() == 0) return Underflow();
  const PickleValue top = stack_.back();
  if (!MayBeAnything(top) && !IsBytes(top)) {
    // A string of Python 2 is bytes if the loader wants so.
    const bool old =
        top.IsNode(PickleNodeKind::kText) && arena_.node(top).python_two;
    Note(old ? Problem::kReadersDiffer : Problem::kRaises,
         "READONLY_BUFFER of what is no buffer");
  }
  return true;
}

// ---- Containers.

bool PickleMachine::DoEmptyList() {
  return Push(arena_.Add(PickleNodeKind::kList));
}
bool PickleMachine::DoEmptyDict() {
  return Push(arena_.Add(PickleNodeKind::kDict));
}
bool PickleMachine::DoEmptySet() {
  return Push(arena_.Add(PickleNodeKind::kSet));
}
bool PickleMachine::ShortTuple(std::size_t size) {
  if (available() < size) return Underflow();
  const PickleValue* first = stack_.data() + (stack_.size() - size);
  PickleValue made = arena_.Add(
      PickleNodeKind::kTuple, first[0], size > 1 ? first[1] : PickleValue(),
      size > 2 ? first[2] : PickleValue(), static_cast<std::uint16_t>(size));
  if (made.Is(Kind::kData)) made = TupleWithoutRoom({first, size});
  stack_.Shrink(stack_.size() - size + 1);
  stack_.back() = made;
  return true;
}
bool PickleMachine::DoTuple1() { return ShortTuple(1); }
bool PickleMachine::DoTuple2() { return ShortTuple(2); }
bool PickleMachine::DoTuple3() { return ShortTuple(3); }
bool PickleMachine::DoTuple() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  return Push(CollectTail(PickleNodeKind::kTuple, start));
}
bool PickleMachine::DoList() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  return Push(CollectTail(PickleNodeKind::kList, start));
}
bool PickleMachine::DoFrozenSet() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  CheckHashable(start, 1);
  return Push(CollectTail(PickleNodeKind::kFrozenSet, start));
}
bool PickleMachine::DoDict() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  if ((stack_.size() - start) % 2 != 0) {
    return Fail(Problem::kBadOperand, "odd number of items for DICT");
  }
  CheckHashable(start, 2);
  return Push(CollectTail(PickleNodeKind::kDict, start, true));
}

bool PickleMachine::DoAppend() {
  if (available() < 2) return Underflow();
  const std::size_t start = stack_.size() - 1;
  if (stack_[start - 1].IsNode(PickleNodeKind::kList)) [[likely]] {
    arena_.Append(stack_[start - 1], stack_[start]);
    stack_.pop_back();
    return true;
  }
  AppendTo(stack_[start - 1], start);
  return true;
}
bool PickleMachine::DoAppends() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  if (start <= fence_) return Underflow();
  AppendTo(stack_[start - 1], start);
  return true;
}
bool PickleMachine::DoAddItems() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  if (start <= fence_) return Underflow();
  AddTo(stack_[start - 1], start);
  return true;
}
bool PickleMachine::DoSetItem() {
  if (available() < 3) return Underflow();
  const std::size_t start = stack_.size() - 2;
  SetItemsOf(stack_[start - 1], start);
  return true;
}
bool PickleMachine::DoSetItems() {
  std::size_t start = 0;
  if (!PopMark(&start)) return false;
  if (start <= fence_) return Underflow();
  if ((stack_.size() - start) % 2 != 0) {
    return Fail(Problem::kBadOperand, "odd number of items for SETITEMS");
  }
  SetItemsOf(stack_[start - 1], start);
  return true;
}

// ---- Memo.

bool PickleMachine::LineIndex(PickleIndex* index) {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return Truncated();
  auto parsed = ParsePickleIndex(line);
  if (!parsed) return Fail(Problem::kBadOperand, "memo index is no number");
  *index = std::move(*parsed);
  if (index->readers_differ) {
    Note(Problem::kReadersDiffer, "a memo index that not all unpicklers take");
  }
  return true;
}
bool PickleMachine::DoPut() {
  PickleIndex at;
  if (!LineIndex(&at)) return false;
  return at.digits.empty() ? Memoize(at.index) : MemoizeFar(at.digits);
}
bool PickleMachine::DoBinPut() {
  const std::uint8_t* index = reader_.Take(1);
  return index == nullptr ? Truncated() : Memoize(*index);
}
bool PickleMachine::DoLongBinPut() {
  std::uint64_t index = 0;
  return TakeInteger<4>(&index) && Memoize(static_cast<std::uint32_t>(index));
}
bool PickleMachine::DoMemoize() {
  const std::uint64_t index = memo_.size() + far_memo_.size();
  return Memoize(static_cast<std::uint32_t>(index));
}
bool PickleMachine::DoGet() {
  PickleIndex at;
  if (!LineIndex(&at)) return false;
  return at.digits.empty() ? Recall(at.index) : RecallFar(at.digits);
}
bool PickleMachine::DoBinGet() {
  const std::uint8_t* index = reader_.Take(1);
  return index == nullptr ? Truncated() : Recall(*index);
}
bool PickleMachine::DoLongBinGet() {
  std::uint64_t index = 0;
  return TakeInteger<4>(&index) && Recall(static_cast<std::uint32_t>(index));
}

// ---- The stream itself.

bool PickleMachine::DoProto() {
  std::uint64_t protocol = 0;
  if (!TakeInteger<1>(&protocol)) return false;
  if (protocol > 5) {
    return Fail(Problem::kBadProtocol,
                "protocol " + std::to_string(protocol) + " does not exist");
  }
  protocol_ = static_cast<std::uint8_t>(protocol);
  if (op_offset_ != start_) {
    Note(Problem::kOddPlace, "PROTO is not the first opcode");
  }
  return true;
}

bool PickleMachine::DoFrame() {
  std::uint64_t size = 0;
  if (!TakeInteger<8>(&size)) return false;
  constexpr std::uint64_t kNone = ~std::uint64_t{0};
  const std::uint64_t here = reader_.offset();
  const std::uint64_t whole = source_.size();
  // The opcode itself may cross the end of the frame that it lies in.
  if (here >= frame_end_) LeaveFrame();
  const bool inside = frame_end_ != kNone;
  const bool beyond =
      whole != kUnknownSize && (here > whole || size > whole - here);
  if (size > kNone / 2) {
    Note(Problem::kFrame, "a frame is longer than any file can be");
  } else if ((inside || beyond) && !frame_noted_) {
    // CPython's C unpickler raises on a frame that is longer than the file, its
    // Python one does not: go on.
    frame_noted_ = true;
    Note(Problem::kFrame, inside ? "a frame begins inside another one"
                                 : "a frame is longer than the file");
  }
  if (inside) TellCrossing(frame_end_);
  frame_end_ = size == 0 || size > kNone - 1 - here ? kNone : here + size;
  if (mode_.drops_rest_of_frame) reader_.EnterFrame(size);
  return true;
}

bool PickleMachine::DoBadOpcode() {
  return Fail(Problem::kBadOpcode, "unknown opcode");
}

// ---- Names.

bool PickleMachine::DoExt1() {
  std::uint64_t code = 0;
  return TakeInteger<1>(&code) && Extension(static_cast<std::uint32_t>(code));
}
bool PickleMachine::DoExt2() {
  std::uint64_t code = 0;
  return TakeInteger<2>(&code) && Extension(static_cast<std::uint32_t>(code));
}
bool PickleMachine::DoExt4() {
  std::uint64_t code = 0;
  return TakeInteger<4>(&code) && Extension(static_cast<std::uint32_t>(code));
}

// ---- Dispatch.

struct PickleMachine::Handlers {
  using Function = bool (*)(PickleMachine&);
  template <bool (PickleMachine::*kMethod)()>
  static bool Run(PickleMachine& machine) {
    return (machine.*kMethod)();
  }
  struct Row {
    PickleOp op;
    Function function;
  };
  static const Row kRows[68];
  static constexpr std::array<Function, 256> Make();
  static const std::array<Function, 256> kTable;
};

constexpr PickleMachine::Handlers::Row PickleMachine::Handlers::kRows[] = {
    {PickleOp::kMark, Run<&PickleMachine::DoMark>},
    {PickleOp::kStop, Run<&PickleMachine::DoStop>},
    {PickleOp::kPop, Run<&PickleMachine::DoPop>},
    {PickleOp::kPopMark, Run<&PickleMachine::DoPopMark>},
    {PickleOp::kDup, Run<&PickleMachine::DoDup>},
    {PickleOp::kFloat, Run<&PickleMachine::DoFloat>},
    {PickleOp::kInt, Run<&PickleMachine::DoInt>},
    {PickleOp::kBinInt, Run<&PickleMachine::DoBinInt>},
    {PickleOp::kBinInt1, Run<&PickleMachine::DoBinInt1>},
    {PickleOp::kLong, Run<&PickleMachine::DoLong>},
    {PickleOp::kBinInt2, Run<&PickleMachine::DoBinInt2>},
    {PickleOp::kNone, Run<&PickleMachine::DoNone>},
    {PickleOp::kPersId, Run<&PickleMachine::DoPersId>},
    {PickleOp::kBinPersId, Run<&PickleMachine::DoBinPersId>},
    {PickleOp::kReduce, Run<&PickleMachine::DoReduce>},
    {PickleOp::kString, Run<&PickleMachine::DoString>},
    {PickleOp::kBinString, Run<&PickleMachine::DoBinString>},
    {PickleOp::kShortBinString, Run<&PickleMachine::DoShortBinString>},
    {PickleOp::kUnicode, Run<&PickleMachine::DoUnicode>},
    {PickleOp::kBinUnicode, Run<&PickleMachine::DoBinUnicode>},
    {PickleOp::kAppend, Run<&PickleMachine::DoAppend>},
    {PickleOp::kBuild, Run<&PickleMachine::DoBuild>},
    {PickleOp::kGlobal, Run<&PickleMachine::DoGlobal>},
    {PickleOp::kDict, Run<&PickleMachine::DoDict>},
    {PickleOp::kEmptyDict, Run<&PickleMachine::DoEmptyDict>},
    {PickleOp::kAppends, Run<&PickleMachine::DoAppends>},
    {PickleOp::kGet, Run<&PickleMachine::DoGet>},
    {PickleOp::kBinGet, Run<&PickleMachine::DoBinGet>},
    {PickleOp::kInst, Run<&PickleMachine::DoInst>},
    {PickleOp::kLongBinGet, Run<&PickleMachine::DoLongBinGet>},
    {PickleOp::kList, Run<&PickleMachine::DoList>},
    {PickleOp::kEmptyList, Run<&PickleMachine::DoEmptyList>},
    {PickleOp::kObj, Run<&PickleMachine::DoObj>},
    {PickleOp::kPut, Run<&PickleMachine::DoPut>},
    {PickleOp::kBinPut, Run<&PickleMachine::DoBinPut>},
    {PickleOp::kLongBinPut, Run<&PickleMachine::DoLongBinPut>},
    {PickleOp::kSetItem, Run<&PickleMachine::DoSetItem>},
    {PickleOp::kTuple, Run<&PickleMachine::DoTuple>},
    {PickleOp::kEmptyTuple, Run<&PickleMachine::DoEmptyTuple>},
    {PickleOp::kSetItems, Run<&PickleMachine::DoSetItems>},
    {PickleOp::kBinFloat, Run<&PickleMachine::DoBinFloat>},
    {PickleOp::kBinBytes, Run<&PickleMachine::DoBinBytes>},
    {PickleOp::kShortBinBytes, Run<&PickleMachine::DoShortBinBytes>},
    {PickleOp::kProto, Run<&PickleMachine::DoProto>},
    {PickleOp::kNewObj, Run<&PickleMachine::DoNewObj>},
    {PickleOp::kExt1, Run<&PickleMachine::DoExt1>},
    {PickleOp::kExt2, Run<&PickleMachine::DoExt2>},
    {PickleOp::kExt4, Run<&PickleMachine::DoExt4>},
    {PickleOp::kTuple1, Run<&PickleMachine::DoTuple1>},
    {PickleOp::kTuple2, Run<&PickleMachine::DoTuple2>},
    {PickleOp::kTuple3, Run<&PickleMachine::DoTuple3>},
    {PickleOp::kNewTrue, Run<&PickleMachine::DoNewTrue>},
    {PickleOp::kNewFalse, Run<&PickleMachine::DoNewFalse>},
    {PickleOp::kLong1, Run<&PickleMachine::DoLong1>},
    {PickleOp::kLong4, Run<&PickleMachine::DoLong4>},
    {PickleOp::kShortBinUnicode, Run<&PickleMachine::DoShortBinUnicode>},
    {PickleOp::kBinUnicode8, Run<&PickleMachine::DoBinUnicode8>},
    {PickleOp::kBinBytes8, Run<&PickleMachine::DoBinBytes8>},
    {PickleOp::kEmptySet, Run<&PickleMachine::DoEmptySet>},
    {PickleOp::kAddItems, Run<&PickleMachine::DoAddItems>},
    {PickleOp::kFrozenSet, Run<&PickleMachine::DoFrozenSet>},
    {PickleOp::kNewObjEx, Run<&PickleMachine::DoNewObjEx>},
    {PickleOp::kStackGlobal, Run<&PickleMachine::DoStackGlobal>},
    {PickleOp::kMemoize, Run<&PickleMachine::DoMemoize>},
    {PickleOp::kFrame, Run<&PickleMachine::DoFrame>},
    {PickleOp::kByteArray8, Run<&PickleMachine::DoByteArray8>},
    {PickleOp::kNextBuffer, Run<&PickleMachine::DoNextBuffer>},
    {PickleOp::kReadOnlyBuffer, Run<&PickleMachine::DoReadOnlyBuffer>},
};

constexpr std::array<PickleMachine::Handlers::Function, 256>
PickleMachine::Handlers::Make() {
  std::array<Function, 256> table{};
  table.fill(Run<&PickleMachine::DoBadOpcode>);
  for (const Row& row : kRows) {
    table[static_cast<std::uint8_t>(row.op)] = row.function;
  }
  return table;
}

constexpr std::array<PickleMachine::Handlers::Function, 256>
    PickleMachine::Handlers::kTable = Make();

bool PickleMachine::Step() {
  op_offset_ = reader_.offset();
  const std::uint8_t* code = reader_.Take(1);
  if (code == nullptr) return Truncated();
  return Handlers::kTable[*code](*this);
}

}  // namespace scanengine
