#ifndef SCANENGINE_TESTS_SUPPORT_PICKLE_BUILDER_H_
#define SCANENGINE_TESTS_SUPPORT_PICKLE_BUILDER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "worker/parsing/pickle_opcodes.h"

namespace scanengine {

/// Puts pickles together opcode by opcode.
class PickleBuilder {
 public:
  /// With a PROTO opcode first, unless |protocol| is 0.
  explicit PickleBuilder(std::uint8_t protocol = 4) {
    if (protocol != 0) Op(PickleOp::kProto).Byte(protocol);
  }

  PickleBuilder& Op(PickleOp op) { return Byte(static_cast<std::uint8_t>(op)); }
  PickleBuilder& Byte(std::uint8_t byte) {
    bytes_ += static_cast<char>(byte);
    return *this;
  }
  PickleBuilder& Raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleBuilder& Number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) {
      Byte(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    return *this;
  }

  PickleBuilder& Global(std::string_view module, std::string_view name) {
    return Op(PickleOp::kGlobal).Raw(module).Raw("\n").Raw(name).Raw("\n");
  }
  PickleBuilder& StackGlobal(std::string_view module, std::string_view name) {
    return Text(module).Text(name).Op(PickleOp::kStackGlobal);
  }
  PickleBuilder& Inst(std::string_view module, std::string_view name) {
    return Op(PickleOp::kInst).Raw(module).Raw("\n").Raw(name).Raw("\n");
  }
  /// SHORT_BINUNICODE or BINUNICODE.
  PickleBuilder& Text(std::string_view text) {
    if (text.size() < 256) {
      return Op(PickleOp::kShortBinUnicode).Number(text.size(), 1).Raw(text);
    }
    return Op(PickleOp::kBinUnicode).Number(text.size(), 4).Raw(text);
  }
  /// SHORT_BINBYTES or BINBYTES.
  PickleBuilder& Bytes(std::string_view bytes) {
    if (bytes.size() < 256) {
      return Op(PickleOp::kShortBinBytes).Number(bytes.size(), 1).Raw(bytes);
    }
    return Op(PickleOp::kBinBytes).Number(bytes.size(), 4).Raw(bytes);
  }
  PickleBuilder& Int(std::int32_t value) {
    return Op(PickleOp::kBinInt).Number(static_cast<std::uint32_t>(value), 4);
  }
  PickleBuilder& Put(std::uint8_t index) {
    return Op(PickleOp::kBinPut).Byte(index);
  }
  PickleBuilder& Get(std::uint8_t index) {
    return Op(PickleOp::kBinGet).Byte(index);
  }
  PickleBuilder& Mark() { return Op(PickleOp::kMark); }
  PickleBuilder& Tuple() { return Op(PickleOp::kTuple); }
  PickleBuilder& Tuple1() { return Op(PickleOp::kTuple1); }
  PickleBuilder& Tuple2() { return Op(PickleOp::kTuple2); }
  PickleBuilder& EmptyTuple() { return Op(PickleOp::kEmptyTuple); }
  PickleBuilder& Reduce() { return Op(PickleOp::kReduce); }
  PickleBuilder& Build() { return Op(PickleOp::kBuild); }
  PickleBuilder& Pop() { return Op(PickleOp::kPop); }
  /// With STOP at the end.
  std::string Stop() { return bytes_ + "."; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace scanengine

#endif  // SCANENGINE_TESTS_SUPPORT_PICKLE_BUILDER_H_
