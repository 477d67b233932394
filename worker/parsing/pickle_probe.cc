// LooksLikePickle: a walk over the first opcodes that keeps only the depth of
// the stack.

#include <algorithm>
#include <string_view>
#include <vector>

#include "worker/byte_text.h"
#include "worker/parsing/pickle_opcodes.h"
#include "worker/parsing/pickle_scan.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

constexpr std::size_t kMaxOpcodes = 512;
constexpr std::size_t kEnoughOpcodes = 48;
// Chance data of a digest; and what may hold another pickle.
constexpr std::size_t kMaxDigest = 64;
constexpr std::size_t kLeastLongText = 12;

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '<' ||
         c == '>' || (static_cast<unsigned char>(c) & 0x80U) != 0;
}

bool IsDottedName(std::string_view text) {
  return !text.empty() && text.size() <= 256 &&
         std::all_of(text.begin(), text.end(), IsNameByte) &&
         !(text[0] >= '0' && text[0] <= '9');
}

// True for an opcode whose value STACK_GLOBAL raises on: it is no str, nor
// anything that may be one.
bool PushesNoText(PickleOp op) {
  using enum PickleOp;
  switch (op) {
    case kNone:
    case kNewTrue:
    case kNewFalse:
    case kInt:
    case kBinInt:
    case kBinInt1:
    case kBinInt2:
    case kLong:
    case kLong1:
    case kLong4:
    case kFloat:
    case kBinFloat:
    case kEmptyTuple:
    case kTuple:
    case kTuple1:
    case kTuple2:
    case kTuple3:
    case kEmptyList:
    case kList:
    case kEmptyDict:
    case kDict:
    case kEmptySet:
    case kFrozenSet:
    case kShortBinBytes:
    case kBinBytes:
    case kBinBytes8:
    case kByteArray8:
      return true;
    default:
      return false;
  }
}

bool Calls(PickleOp op) {
  return op == PickleOp::kInst || op == PickleOp::kReduce ||
         op == PickleOp::kObj || op == PickleOp::kNewObj ||
         op == PickleOp::kNewObjEx;
}

bool LeavesTop(PickleOp op) {
  return op == PickleOp::kMemoize || op == PickleOp::kPut ||
         op == PickleOp::kBinPut || op == PickleOp::kLongBinPut;
}

/// Walks opcodes; each Step() is one.
class Walk {
 public:
  explicit Walk(std::string_view head) : rest_(head) {}

  enum class End { kGoesOn, kStop, kHeadEnds, kBad };

  End Step();
  std::size_t opcodes() const { return opcodes_; }
  bool named() const { return named_; }
  /// True if it called what it named: whatever follows comes too late.
  bool called() const { return called_; }
  /// True if all that it can name so far are codes of the extension registry,
  /// and no operand has room for more.
  bool names_codes_alone() const { return codes_ && !imports_ && !long_text_; }
  std::string_view rest() const { return rest_; }
  /// Opcodes that are not marks.
  std::size_t values() const { return values_; }

 private:
  End Operand(PickleOp op, const PickleOpInfo& info);
  End Line(PickleOp op);
  bool TakeLine(std::string_view* line);
  bool Effect(PickleOp op, const PickleOpInfo& info);

  std::string_view rest_;
  std::vector<std::size_t> marks_;
  std::size_t depth_ = 0;
  // Of the values on top, one bit each: set if it is no text.
  std::uint64_t no_text_ = 0;
  std::size_t opcodes_ = 0;
  std::size_t values_ = 0;
  bool named_ = false;
  bool imports_ = false;
  bool codes_ = false;
  bool called_ = false;
  bool long_text_ = false;
};

bool Walk::TakeLine(std::string_view* line) {
  const std::size_t end = rest_.find('\n');
  if (end == std::string_view::npos) return false;
  *line = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  return true;
}

Walk::End Walk::Line(PickleOp op) {
  std::string_view line;
  const std::string_view before = rest_;
  if (!TakeLine(&line)) {
    // Cut by the end of the head, if it is long enough to tell.
    return before.size() > 256 && op != PickleOp::kUnicode &&
                   op != PickleOp::kString
               ? End::kBad
               : End::kHeadEnds;
  }
  switch (op) {
    case PickleOp::kInt:
      return ParsePickleInt(line) ? End::kGoesOn : End::kBad;
    case PickleOp::kGet:
    case PickleOp::kPut:
      return ParsePickleIndex(line) ? End::kGoesOn : End::kBad;
    case PickleOp::kLong:
      return ParsePickleLong(line) ? End::kGoesOn : End::kBad;
    case PickleOp::kFloat:
      return ParsePickleFloat(line) ? End::kGoesOn : End::kBad;
    case PickleOp::kString:
      return DecodePickleString(line) ? End::kGoesOn : End::kBad;
    default:
      return End::kGoesOn;
  }
}

Walk::End Walk::Operand(PickleOp op, const PickleOpInfo& info) {
  switch (info.operand) {
    case PickleOperand::kInvalid:
      return End::kBad;
    case PickleOperand::kNothing:
      return End::kGoesOn;
    case PickleOperand::kFixed:
      if (rest_.size() < info.size) return End::kHeadEnds;
      if (op == PickleOp::kProto &&
          (opcodes_ != 0 || static_cast<unsigned char>(rest_[0]) > 5)) {
        return End::kBad;
      }
      rest_.remove_prefix(info.size);
      return End::kGoesOn;
    case PickleOperand::kCounted: {
      if (rest_.size() < info.size) return End::kHeadEnds;
      std::uint64_t size = 0;
      for (std::size_t i = 0; i < info.size; ++i) {
        size |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
      }
      if (size >> 48 != 0) return End::kBad;
      rest_.remove_prefix(info.size);
      long_text_ = long_text_ || size >= kLeastLongText;
      if (size > rest_.size()) {
        rest_ = {};
        return End::kHeadEnds;
      }
      rest_.remove_prefix(static_cast<std::size_t>(size));
      return End::kGoesOn;
    }
    case PickleOperand::kLine:
      return Line(op);
    case PickleOperand::kTwoLines: {
      std::string_view module;
      std::string_view name;
      if (!TakeLine(&module) || !TakeLine(&name)) {
        return rest_.size() < 512 ? End::kHeadEnds : End::kBad;
      }
      if (!IsDottedName(module) || !IsDottedName(name)) return End::kBad;
      return End::kGoesOn;
    }
  }
  return End::kBad;
}

bool Walk::Effect(PickleOp op, const PickleOpInfo& info) {
  if (op == PickleOp::kMark) {
    marks_.push_back(depth_);
    return true;
  }
  if (op == PickleOp::kPop && !marks_.empty() && marks_.back() == depth_) {
    marks_.pop_back();
    return true;
  }
  const std::uint64_t before = no_text_;
  if (op == PickleOp::kStackGlobal && (before & 3U) != 0) return false;
  if (info.pops < 0) {
    if (marks_.empty()) return false;
    const std::size_t popped = depth_ - marks_.back();
    no_text_ = popped < 64 ? no_text_ >> popped : 0;
    depth_ = marks_.back();
    marks_.pop_back();
  } else {
    const std::size_t fence = marks_.empty() ? 0 : marks_.back();
    if (depth_ - fence < static_cast<std::size_t>(info.pops)) return false;
    depth_ -= static_cast<std::size_t>(info.pops);
    no_text_ >>= info.pops;
  }
  for (int i = 0; i < info.pushes; ++i) {
    no_text_ = no_text_ << 1 | (PushesNoText(op) ? 1U : 0U);
  }
  if (LeavesTop(op)) no_text_ = before;
  depth_ += static_cast<std::size_t>(info.pushes);
  return true;
}

Walk::End Walk::Step() {
  if (rest_.empty()) return End::kHeadEnds;
  const auto code = static_cast<std::uint8_t>(rest_[0]);
  const PickleOpInfo& info = InfoOf(code);
  const auto op = static_cast<PickleOp>(code);
  rest_.remove_prefix(1);
  const End operand = Operand(op, info);
  if (operand == End::kBad) return operand;
  if (!Effect(op, info)) return End::kBad;
  ++opcodes_;
  if (op != PickleOp::kMark) ++values_;
  if (op == PickleOp::kStackGlobal || op == PickleOp::kNewObj) named_ = true;
  if (op == PickleOp::kStackGlobal) imports_ = true;
  if (op == PickleOp::kExt1 || op == PickleOp::kExt2 || op == PickleOp::kExt4) {
    codes_ = true;
  }
  if (operand == End::kHeadEnds) return operand;
  if (info.operand == PickleOperand::kTwoLines) named_ = imports_ = true;
  called_ = called_ || (imports_ && Calls(op));
  return op == PickleOp::kStop ? End::kStop : End::kGoesOn;
}

bool HasHeader(std::string_view text) {
  return text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5;
}

Walk::End RunToEnd(Walk* walk) {
  Walk::End end = Walk::End::kGoesOn;
  while (end == Walk::End::kGoesOn && walk->opcodes() < kMaxOpcodes) {
    end = walk->Step();
  }
  return end;
}

}  // namespace

bool MayBecomePickle(std::span<const std::byte> start) {
  const std::string_view text = TextOf(start);
  if (text.size() < 2 || HasHeader(text)) return true;
  Walk walk(text);
  // What is bad stays bad, however it goes on.
  return RunToEnd(&walk) != Walk::End::kBad || walk.called() ||
         (walk.named() && walk.opcodes() >= 4);
}

bool LooksLikePickle(std::span<const std::byte> head, PickleDoubt doubt) {
  const std::string_view text = TextOf(head);
  if (text.size() < 2) return false;
  Walk walk(text);
  const Walk::End end = RunToEnd(&walk);
  const bool loose = doubt == PickleDoubt::kLoose;
  if (HasHeader(text)) {
    // Broken ones are pickles too; chance bytes do not get that far.
    if (end == Walk::End::kBad) return loose || walk.opcodes() >= 4;
    return loose || walk.opcodes() >= 2;
  }
  // Whoever registers a code names what it stands for, and picklers that write
  // codes write a header. Of a hundred thousand digests one reads so by chance.
  if (doubt == PickleDoubt::kString && text.size() <= kMaxDigest &&
      walk.names_codes_alone() &&
      !LooksLikePickle(BytesOf(walk.rest()), PickleDoubt::kLoose)) {
    return false;
  }
  switch (end) {
    case Walk::End::kStop:
      return loose || walk.named() || walk.opcodes() >= 4;
    case Walk::End::kHeadEnds:
      // Text that is all one line can look like an operand that goes on.
      return walk.values() >= (walk.named() ? 2U : loose ? 3U : 6U);
    case Walk::End::kBad:
      // After a name and its call the payload has run.
      return walk.called() ||
             (walk.named() && walk.opcodes() >= (loose ? 1 : 4));
    case Walk::End::kGoesOn:
      return walk.values() >= kEnoughOpcodes;
  }
  return false;
}

}  // namespace scanengine
