// Prints what the pickle machine says that streams import and call, for
// differential.py to compare with CPython's unpicklers.
//
// Standard input: streams, each a length (four bytes, little-endian) and that
// many bytes. Standard output: one line for each, items divided by tabs, fields
// of an item by U+001F; bytes of names that are not plain are written %XX.
//
//   I written module name     an import; written as the stream has it
//   U detail                  an import whose name the machine cannot tell
//   C via callee size offset keywords
//                             a call with |size| arguments, "?" if not known;
//                             the callee is G and the written name, R and the
//                             offset of the call that returned it, or U and G,
//                             P or B for an unknown import, a persistent object
//                             or a buffer; |keywords| is "?" if what came out
//                             of an import or a call is one of them, or a key
//   N problem offset
//   E complete offset         always the last
//
// If frames make CPython's C unpickler read a stream in another way from a
// file, that reading follows on the same line after a U+001E.

#include <array>
#include <cstdint>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/byte_source.h"
#include "worker/parsing/pickle_machine.h"

namespace scanengine {
namespace {

constexpr char kField = '\x1f';
constexpr std::uint32_t kMaxStreamBytes = 16U << 20;

void AppendPlain(std::string_view text, std::string* out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '%') {
      *out += c;
    } else {
      *out += '%';
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    }
  }
}

std::string_view ViaText(PickleCall::Via via) {
  switch (via) {
    case PickleCall::Via::kReduce:
      return "reduce";
    case PickleCall::Via::kObject:
      return "object";
    case PickleCall::Via::kNewObject:
      return "new";
    case PickleCall::Via::kBuild:
      return "build";
    case PickleCall::Via::kAppend:
      return "append";
    case PickleCall::Via::kPlantedNew:
      return "planted-new";
    case PickleCall::Via::kCallee:
      return "callee";
  }
  return "?";
}

char MysteryLetter(PickleMystery mystery) {
  switch (mystery) {
    case PickleMystery::kExtension:
    case PickleMystery::kName:
      return 'G';
    case PickleMystery::kPersistent:
      return 'P';
    case PickleMystery::kBuffer:
      return 'B';
    default:
      return '?';
  }
}

std::string_view ProblemText(PickleProblem problem) {
  switch (problem) {
    case PickleProblem::kTruncated:
      return "truncated";
    case PickleProblem::kBadOpcode:
      return "bad-opcode";
    case PickleProblem::kBadOperand:
      return "bad-operand";
    case PickleProblem::kUnderflow:
      return "underflow";
    case PickleProblem::kMemoMiss:
      return "memo-miss";
    case PickleProblem::kBadProtocol:
      return "bad-protocol";
    case PickleProblem::kNotCallable:
      return "not-callable";
    case PickleProblem::kUnhashable:
      return "unhashable";
    case PickleProblem::kRaises:
      return "raises";
    case PickleProblem::kReadersDiffer:
      return "differ";
    case PickleProblem::kFrame:
      return "frame";
    case PickleProblem::kOddPlace:
      return "odd-place";
    case PickleProblem::kExpansion:
      return "expansion";
    case PickleProblem::kLimit:
      return "limit";
  }
  return "?";
}

// True for what comes out of an import, a call or the loader.
bool MayBeAnything(PickleValue value) {
  return value.Is(PickleKind::kGlobal) || value.Is(PickleKind::kInstance) ||
         value.Is(PickleKind::kUnknown) || value.Is(PickleKind::kData) ||
         value.IsNode(PickleNodeKind::kCall);
}

bool MayHaveAnyKey(const PickleMachine& machine, PickleValue keywords) {
  if (MayBeAnything(keywords)) return true;
  if (!keywords.IsNode(PickleNodeKind::kDict)) return false;
  const auto pairs = machine.arena().Items(keywords);
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    if (MayBeAnything(pairs[i])) return true;
  }
  return false;
}

/// Writes the items of one reading.
class TracingObserver final : public PickleObserver {
 public:
  explicit TracingObserver(std::string* out) : out_(*out) {}

  void OnImport(const PickleMachine& machine,
                const PickleImport& import) override {
    if (import.global == kNoPickleGlobal) {
      Item("U", {import.detail});
      return;
    }
    const PickleGlobal& global = machine.global(import.global);
    Item("I", {global.written, global.module, global.name});
  }
  void OnCall(const PickleMachine& machine, const PickleCall& call) override {
    std::string callee = "U";
    if (call.callee.Is(PickleKind::kUnknown)) {
      callee +=
          MysteryLetter(static_cast<PickleMystery>(call.callee.content()));
    } else if (call.callee.Is(PickleKind::kGlobal)) {
      callee = "G" + machine.global(call.callee.index()).written;
    } else if (call.callee.IsNode(PickleNodeKind::kCall)) {
      callee = "R" + std::to_string(machine.arena().node(call.callee).tail);
    }
    std::string size = "?";
    if (call.arguments.Is(PickleKind::kEmptyTuple)) {
      size = "0";
    } else if (call.arguments.IsNode(PickleNodeKind::kTuple)) {
      size = std::to_string(machine.arena().node(call.arguments).count);
    }
    Item("C", {ViaText(call.via), callee, size, std::to_string(call.offset),
               MayHaveAnyKey(machine, call.keywords) ? "?" : "-"});
  }
  void OnModify(const PickleMachine&, PickleValue, PickleValue,
                std::uint64_t) override {}
  void OnProblem(PickleProblem problem, std::uint64_t offset,
                 std::string) override {
    Item("N", {ProblemText(problem), std::to_string(offset)});
  }
  void OnPayload(std::uint64_t, std::uint64_t, std::string_view,
                 bool) override {}
  void OnFrameCrossed(std::uint64_t) override { crossed_ = true; }
  bool OnProgress(std::uint64_t) override { return true; }

  void End(const PickleEnd& end) {
    Item("E", {end.complete ? "1" : "0", std::to_string(end.offset)});
    out_.pop_back();
  }
  bool crossed() const { return crossed_; }

 private:
  void Item(std::string_view kind,
            std::initializer_list<std::string_view> fields) {
    out_ += kind;
    for (const std::string_view field : fields) {
      out_ += kField;
      AppendPlain(field, &out_);
    }
    out_ += '\t';
  }

  std::string& out_;
  bool crossed_ = false;
};

bool Trace(std::span<const std::byte> bytes, bool drops, std::string* out) {
  MemorySource source(bytes);
  TracingObserver observer(out);
  PickleMachine machine(
      source, 0, observer,
      {.drops_rest_of_frame = drops, .knows_meanings = false});
  observer.End(machine.Run());
  return observer.crossed();
}

int Run() {
  std::vector<std::byte> bytes;
  std::array<char, 4> head{};
  std::string out;
  while (std::cin.read(head.data(), head.size())) {
    std::uint32_t size = 0;
    for (std::size_t i = 0; i < head.size(); ++i) {
      size |= std::uint32_t{static_cast<unsigned char>(head[i])} << (8 * i);
    }
    if (size > kMaxStreamBytes) return 1;
    bytes.resize(size);
    std::cin.read(reinterpret_cast<char*>(bytes.data()),
                  static_cast<std::streamsize>(size));
    if (std::cin.gcount() != static_cast<std::streamsize>(size)) return 1;
    out.clear();
    if (Trace(bytes, false, &out)) {
      out += '\x1e';
      Trace(bytes, true, &out);
    }
    out += '\n';
    std::cout.write(out.data(), static_cast<std::streamsize>(out.size()));
  }
  return std::cin.gcount() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace scanengine

int main() {
  std::ios::sync_with_stdio(false);
  return scanengine::Run();
}
