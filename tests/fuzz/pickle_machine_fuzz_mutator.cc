// Mutates opcode streams by opcodes, so that most of them run on past several
// calls: libFuzzer's own mutations of bytes break the operand of one opcode and
// with it all that follow. Half of the time they are used even so.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "worker/parsing/pickle_opcodes.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                        std::size_t max_size);

namespace {

using namespace std::string_view_literals;
using scanengine::InfoOf;
using scanengine::PickleOperand;
using scanengine::PickleOpInfo;

using Bytes = std::vector<std::uint8_t>;

constexpr std::string_view kPhrases[] = {
    "cos\nsystem\n"sv,
    "cbuiltins\ngetattr\n"sv,
    "c__builtin__\neval\n"sv,
    "ccollections\nOrderedDict\n"sv,
    "ccopyreg\n_reconstructor\n"sv,
    "ctorch._utils\n_rebuild_tensor_v2\n"sv,
    "cnumpy.core.multiarray\n_reconstruct\n"sv,
    "cm\nC\n"sv,
    "ios\nsystem\n"sv,
    "\x8c\2os\x8c\6system\x93"sv,
    "\x8c\x0c__setstate__"sv,
    "\x8c\x06"
    "append"sv,
    "\x8c\x06"
    "extend"sv,
    "\x8c\x03"
    "add"sv,
    "\x8c\x07__new__"sv,
    "\x8c\x08__dict__"sv,
    "U\x08__dict__"sv,
    "C\x06"
    "append"sv,
    ")R"sv,
    "(tR"sv,
    "\x85R"sv,
    "\x86R"sv,
    ")\x81"sv,
    ")}\x92"sv,
    "}b"sv,
    "N}\x86"
    "b"sv,
    "(u"sv,
    "(e"sv,
    "(\x90"sv,
    "(\x91"sv,
    "(o"sv,
    "a"sv,
    "s"sv,
    "\x94"sv,
    "h\0"sv,
    "h\1"sv,
    "q\0"sv,
    "q\1"sv,
    "2"sv,
    "0"sv,
    "1"sv,
    "}"sv,
    "]"sv,
    ")"sv,
    "("sv,
    "K\1"sv,
    "N"sv,
    "Q"sv,
    "\x97"sv,
    ".\x80\2"sv,
};

// Bytes of the opcode at the beginning of |stream|; all that is left if it is
// none or reaches further.
std::size_t SizeOfOpcode(std::span<const std::uint8_t> stream) {
  const PickleOpInfo& info = InfoOf(stream[0]);
  std::size_t size = 1;
  int lines = 0;
  switch (info.operand) {
    case PickleOperand::kInvalid:
    case PickleOperand::kNothing:
      break;
    case PickleOperand::kFixed:
      size += info.size;
      break;
    case PickleOperand::kCounted: {
      if (stream.size() < 1U + info.size) return stream.size();
      std::uint64_t count = 0;
      for (std::size_t i = info.size; i > 0; --i)
        count = count << 8 | stream[i];
      if (count > stream.size()) return stream.size();
      size += info.size + static_cast<std::size_t>(count);
      break;
    }
    case PickleOperand::kLine:
      lines = 1;
      break;
    case PickleOperand::kTwoLines:
      lines = 2;
      break;
  }
  for (; lines > 0 && size < stream.size(); ++size) {
    if (stream[size] == '\n') --lines;
  }
  return std::min(size, stream.size());
}

// Where opcodes begin, and the end.
std::vector<std::size_t> Boundaries(std::span<const std::uint8_t> stream) {
  std::vector<std::size_t> places{0};
  while (places.back() < stream.size()) {
    places.push_back(places.back() +
                     SizeOfOpcode(stream.subspan(places.back())));
  }
  return places;
}

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  Bytes Mutate(std::span<const std::uint8_t> stream) {
    Bytes made(stream.begin(), stream.end());
    for (std::size_t left = 1 + Below(4); left > 0; --left) MutateOnce(&made);
    return made;
  }

 private:
  std::size_t Below(std::size_t limit) { return random_() % limit; }

  void MutateOnce(Bytes* stream) {
    const std::vector<std::size_t> places = Boundaries(*stream);
    const std::size_t last = places.size() - 1;
    const std::size_t at = Below(places.size());
    const std::size_t end = at + Below(std::min<std::size_t>(last - at, 8) + 1);
    const auto begin = stream->begin();
    const auto from = begin + static_cast<std::ptrdiff_t>(places[at]);
    const auto to = begin + static_cast<std::ptrdiff_t>(places[end]);
    switch (Below(5)) {
      case 0:
        stream->erase(from, to);
        break;
      case 1: {  // A piece again, or somewhere else.
        const Bytes piece(from, to);
        const auto target =
            static_cast<std::ptrdiff_t>(places[Below(last + 1)]);
        stream->insert(begin + target, piece.begin(), piece.end());
        break;
      }
      case 2:  // An operand of the same size stays.
        if (at < last) *from = static_cast<std::uint8_t>(random_());
        break;
      default: {
        const std::string_view phrase = kPhrases[Below(std::size(kPhrases))];
        stream->insert(from, phrase.begin(), phrase.end());
        break;
      }
    }
  }

  std::minstd_rand random_;
};

}  // namespace

// The first byte picks the file's name and stays.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                               std::size_t size,
                                               std::size_t max_size,
                                               unsigned seed) {
  if (size < 2 || seed % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  const Bytes made = Mutator(seed).Mutate(std::span(data + 1, size - 1));
  const std::size_t kept = std::min(made.size(), max_size - 1);
  std::copy_n(made.begin(), kept, data + 1);
  return kept + 1;
}
