#include "worker/parsing/pickle_listing.h"

#include <string>
#include <string_view>
#include <utility>

#include "ipc/text.h"
#include "worker/parsing/pickle_opcodes.h"
#include "worker/parsing/pickle_reader.h"

namespace scanengine {
namespace {

constexpr std::size_t kMaxShown = 80;

/// Lists one stream.
class Listing {
 public:
  Listing(ByteSource& source, std::uint64_t begin) : reader_(source, begin) {}

  std::uint64_t offset() const { return reader_.offset(); }
  /// False if the stream ends here; |opcode| is what there is of it.
  bool Next(InspectedOpcode* opcode);
  /// The same for bytes that are no opcodes.
  bool PassOver(std::pair<std::uint64_t, std::uint64_t> gap,
                InspectedOpcode* opcode);

 private:
  bool Integer(std::size_t size, std::uint64_t* value);
  bool Line(std::string* operand);
  bool Fixed(const PickleOpInfo& info, PickleOp op, std::string* operand);
  bool Counted(const PickleOpInfo& info, std::string* operand);

  PickleReader reader_;
};

bool Listing::Integer(std::size_t size, std::uint64_t* value) {
  const std::uint8_t* bytes = reader_.Take(size);
  if (bytes == nullptr) return false;
  *value = 0;
  for (std::size_t i = size; i-- > 0;) *value = *value << 8 | bytes[i];
  return true;
}

bool Listing::Line(std::string* operand) {
  std::string_view line;
  if (!reader_.TakeLine(&line)) return false;
  if (!operand->empty()) *operand += ' ';
  *operand += Printable(line, kMaxShown);
  return true;
}

bool Listing::Fixed(const PickleOpInfo& info, PickleOp op,
                    std::string* operand) {
  std::uint64_t value = 0;
  if (!Integer(info.size, &value)) return false;
  if (op == PickleOp::kBinFloat) return true;
  *operand = op == PickleOp::kBinInt ? std::to_string(static_cast<std::int32_t>(
                                           static_cast<std::uint32_t>(value)))
                                     : std::to_string(value);
  return true;
}

bool Listing::Counted(const PickleOpInfo& info, std::string* operand) {
  std::uint64_t size = 0;
  if (!Integer(info.size, &size)) return false;
  const std::string_view head = reader_.Peek(
      size < kMaxShown ? static_cast<std::size_t>(size) : kMaxShown);
  *operand = std::to_string(size) + " bytes '" + Printable(head, kMaxShown) +
             (head.size() < size ? "...'" : "'");
  return reader_.Skip(size);
}

bool Listing::Next(InspectedOpcode* opcode) {
  opcode->offset = reader_.offset();
  const std::uint8_t* code = reader_.Take(1);
  if (code == nullptr) return false;
  const auto op = static_cast<PickleOp>(*code);
  const PickleOpInfo& info = InfoOf(*code);
  opcode->name = info.name;
  bool whole = true;
  switch (info.operand) {
    case PickleOperand::kInvalid:
      opcode->name = "?";
      opcode->operand = "byte " + std::to_string(*code) + " is no opcode";
      return false;
    case PickleOperand::kNothing:
      break;
    case PickleOperand::kFixed:
      whole = Fixed(info, op, &opcode->operand);
      break;
    case PickleOperand::kCounted:
      whole = Counted(info, &opcode->operand);
      break;
    case PickleOperand::kLine:
      whole = Line(&opcode->operand);
      break;
    case PickleOperand::kTwoLines:
      whole = Line(&opcode->operand) && Line(&opcode->operand);
      break;
  }
  if (!whole) opcode->operand += " (cut short)";
  return whole && op != PickleOp::kStop;
}

bool Listing::PassOver(std::pair<std::uint64_t, std::uint64_t> gap,
                       InspectedOpcode* opcode) {
  const std::uint64_t size = gap.second - gap.first;
  opcode->offset = gap.first;
  opcode->name = "(data)";
  opcode->operand = std::to_string(size) + " bytes";
  return reader_.Skip(size);
}

}  // namespace

std::uint64_t ListPickle(ByteSource& source, std::uint64_t begin,
                         std::uint64_t end, const PickleGaps& gaps,
                         InspectionBuilder& inspection,
                         std::vector<InspectedOpcode>* out) {
  Listing listing(source, begin);
  auto gap = gaps.begin();
  while (listing.offset() < end) {
    InspectedOpcode opcode;
    bool more = true;
    if (gap != gaps.end() && listing.offset() == gap->first) {
      more = listing.PassOver(*gap++, &opcode);
    } else {
      more = listing.Next(&opcode);
    }
    if (opcode.name.empty()) return 0;
    if (!inspection.Charge(WireSize(opcode), InspectionBuilder::Room::kSteps)) {
      return 1;
    }
    out->push_back(std::move(opcode));
    if (!more) return 0;
  }
  return 0;
}

}  // namespace scanengine
