#ifndef SCANENGINE_WORKER_PARSING_PICKLE_OPCODES_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_OPCODES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace scanengine {

/// Opcodes of pickle protocols 0 to 5, by their names in pickletools.
enum class PickleOp : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kFloat = 'F',
  kInt = 'I',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kLong = 'L',
  kBinInt2 = 'M',
  kNone = 'N',
  kPersId = 'P',
  kBinPersId = 'Q',
  kReduce = 'R',
  kString = 'S',
  kBinString = 'T',
  kShortBinString = 'U',
  kUnicode = 'V',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kGet = 'g',
  kBinGet = 'h',
  kInst = 'i',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kObj = 'o',
  kPut = 'p',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kBinFloat = 'G',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObj = 0x81,
  kExt1 = 0x82,
  kExt2 = 0x83,
  kExt4 = 0x84,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
  kNextBuffer = 0x97,
  kReadOnlyBuffer = 0x98,
};

/// What follows an opcode in the stream.
enum class PickleOperand : std::uint8_t {
  kInvalid,  ///< Not an opcode.
  kNothing,
  kFixed,    ///< |size| bytes.
  kCounted,  ///< A little-endian count of |size| bytes, then so many bytes.
  kLine,     ///< Text up to a newline.
  kTwoLines,
};

/// One row of the opcode table.
struct PickleOpInfo {
  std::string_view name;  ///< As in pickletools; empty if not an opcode.
  PickleOperand operand = PickleOperand::kInvalid;
  std::uint8_t size = 0;
  std::int8_t pops = 0;  ///< Values taken; -1: all down to the mark.
  std::int8_t pushes = 0;
};

extern const std::array<PickleOpInfo, 256> kPickleOps;

inline const PickleOpInfo& InfoOf(std::uint8_t code) {
  return kPickleOps[code];
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_OPCODES_H_
