#include "worker/parsing/pickle_opcodes.h"

namespace scanengine {
namespace {

struct Row {
  PickleOp op;
  PickleOpInfo info;
};

constexpr auto kNo = PickleOperand::kNothing;
constexpr auto kFix = PickleOperand::kFixed;
constexpr auto kRun = PickleOperand::kCounted;
constexpr auto kOne = PickleOperand::kLine;
constexpr auto kTwo = PickleOperand::kTwoLines;

// name, operand, size of it, pops, pushes. What an opcode needs below the mark
// counts as a pop and a push (APPENDS needs its list).
constexpr Row kRows[] = {
    {PickleOp::kMark, {"MARK", kNo, 0, 0, 0}},
    {PickleOp::kStop, {"STOP", kNo, 0, 1, 0}},
    {PickleOp::kPop, {"POP", kNo, 0, 1, 0}},
    {PickleOp::kPopMark, {"POP_MARK", kNo, 0, -1, 0}},
    {PickleOp::kDup, {"DUP", kNo, 0, 1, 2}},
    {PickleOp::kFloat, {"FLOAT", kOne, 0, 0, 1}},
    {PickleOp::kInt, {"INT", kOne, 0, 0, 1}},
    {PickleOp::kBinInt, {"BININT", kFix, 4, 0, 1}},
    {PickleOp::kBinInt1, {"BININT1", kFix, 1, 0, 1}},
    {PickleOp::kLong, {"LONG", kOne, 0, 0, 1}},
    {PickleOp::kBinInt2, {"BININT2", kFix, 2, 0, 1}},
    {PickleOp::kNone, {"NONE", kNo, 0, 0, 1}},
    {PickleOp::kPersId, {"PERSID", kOne, 0, 0, 1}},
    {PickleOp::kBinPersId, {"BINPERSID", kNo, 0, 1, 1}},
    {PickleOp::kReduce, {"REDUCE", kNo, 0, 2, 1}},
    {PickleOp::kString, {"STRING", kOne, 0, 0, 1}},
    {PickleOp::kBinString, {"BINSTRING", kRun, 4, 0, 1}},
    {PickleOp::kShortBinString, {"SHORT_BINSTRING", kRun, 1, 0, 1}},
    {PickleOp::kUnicode, {"UNICODE", kOne, 0, 0, 1}},
    {PickleOp::kBinUnicode, {"BINUNICODE", kRun, 4, 0, 1}},
    {PickleOp::kAppend, {"APPEND", kNo, 0, 2, 1}},
    {PickleOp::kBuild, {"BUILD", kNo, 0, 2, 1}},
    {PickleOp::kGlobal, {"GLOBAL", kTwo, 0, 0, 1}},
    {PickleOp::kDict, {"DICT", kNo, 0, -1, 1}},
    {PickleOp::kEmptyDict, {"EMPTY_DICT", kNo, 0, 0, 1}},
    {PickleOp::kAppends, {"APPENDS", kNo, 0, -1, 0}},
    {PickleOp::kGet, {"GET", kOne, 0, 0, 1}},
    {PickleOp::kBinGet, {"BINGET", kFix, 1, 0, 1}},
    {PickleOp::kInst, {"INST", kTwo, 0, -1, 1}},
    {PickleOp::kLongBinGet, {"LONG_BINGET", kFix, 4, 0, 1}},
    {PickleOp::kList, {"LIST", kNo, 0, -1, 1}},
    {PickleOp::kEmptyList, {"EMPTY_LIST", kNo, 0, 0, 1}},
    {PickleOp::kObj, {"OBJ", kNo, 0, -1, 1}},
    {PickleOp::kPut, {"PUT", kOne, 0, 1, 1}},
    {PickleOp::kBinPut, {"BINPUT", kFix, 1, 1, 1}},
    {PickleOp::kLongBinPut, {"LONG_BINPUT", kFix, 4, 1, 1}},
    {PickleOp::kSetItem, {"SETITEM", kNo, 0, 3, 1}},
    {PickleOp::kTuple, {"TUPLE", kNo, 0, -1, 1}},
    {PickleOp::kEmptyTuple, {"EMPTY_TUPLE", kNo, 0, 0, 1}},
    {PickleOp::kSetItems, {"SETITEMS", kNo, 0, -1, 0}},
    {PickleOp::kBinFloat, {"BINFLOAT", kFix, 8, 0, 1}},
    {PickleOp::kBinBytes, {"BINBYTES", kRun, 4, 0, 1}},
    {PickleOp::kShortBinBytes, {"SHORT_BINBYTES", kRun, 1, 0, 1}},
    {PickleOp::kProto, {"PROTO", kFix, 1, 0, 0}},
    {PickleOp::kNewObj, {"NEWOBJ", kNo, 0, 2, 1}},
    {PickleOp::kExt1, {"EXT1", kFix, 1, 0, 1}},
    {PickleOp::kExt2, {"EXT2", kFix, 2, 0, 1}},
    {PickleOp::kExt4, {"EXT4", kFix, 4, 0, 1}},
    {PickleOp::kTuple1, {"TUPLE1", kNo, 0, 1, 1}},
    {PickleOp::kTuple2, {"TUPLE2", kNo, 0, 2, 1}},
    {PickleOp::kTuple3, {"TUPLE3", kNo, 0, 3, 1}},
    {PickleOp::kNewTrue, {"NEWTRUE", kNo, 0, 0, 1}},
    {PickleOp::kNewFalse, {"NEWFALSE", kNo, 0, 0, 1}},
    {PickleOp::kLong1, {"LONG1", kRun, 1, 0, 1}},
    {PickleOp::kLong4, {"LONG4", kRun, 4, 0, 1}},
    {PickleOp::kShortBinUnicode, {"SHORT_BINUNICODE", kRun, 1, 0, 1}},
    {PickleOp::kBinUnicode8, {"BINUNICODE8", kRun, 8, 0, 1}},
    {PickleOp::kBinBytes8, {"BINBYTES8", kRun, 8, 0, 1}},
    {PickleOp::kEmptySet, {"EMPTY_SET", kNo, 0, 0, 1}},
    {PickleOp::kAddItems, {"ADDITEMS", kNo, 0, -1, 0}},
    {PickleOp::kFrozenSet, {"FROZENSET", kNo, 0, -1, 1}},
    {PickleOp::kNewObjEx, {"NEWOBJ_EX", kNo, 0, 3, 1}},
    {PickleOp::kStackGlobal, {"STACK_GLOBAL", kNo, 0, 2, 1}},
    {PickleOp::kMemoize, {"MEMOIZE", kNo, 0, 1, 1}},
    {PickleOp::kFrame, {"FRAME", kFix, 8, 0, 0}},
    {PickleOp::kByteArray8, {"BYTEARRAY8", kRun, 8, 0, 1}},
    {PickleOp::kNextBuffer, {"NEXT_BUFFER", kNo, 0, 0, 1}},
    {PickleOp::kReadOnlyBuffer, {"READONLY_BUFFER", kNo, 0, 1, 1}},
};
static_assert(std::size(kRows) == 68);

constexpr std::array<PickleOpInfo, 256> MakeTable() {
  std::array<PickleOpInfo, 256> table{};
  for (const Row& row : kRows) {
    table[static_cast<std::uint8_t>(row.op)] = row.info;
  }
  return table;
}

}  // namespace

constexpr std::array<PickleOpInfo, 256> kPickleOps = MakeTable();

}  // namespace scanengine
