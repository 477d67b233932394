#include "worker/parsing/marshal_reader.h"

#include <algorithm>

namespace scanengine {
namespace {

constexpr std::uint8_t kFlagRef = 0x80;
constexpr std::uint32_t kMostDepth = 1000;
constexpr std::size_t kMostText = 200;  // Kept of a string.
constexpr std::size_t kMostRefs = 1'000'000;

/// The fields of a code object, in the order of the file.
struct Layout {
  std::uint32_t numbers;     ///< Before the objects.
  std::string_view objects;  ///< Up to the line number, a letter each.
  std::uint32_t after;       ///< Objects behind the line number.
};
// b: code or kinds (bytes), c: constants, n: names, t: tuple of no interest,
// f: file, m: name, q: text of no interest.
constexpr Layout kLayouts[] = {
    {5, "bcntbfmq", 2},  // 3.11 and later
    {6, "bcntttfm", 1},  // 3.8 to 3.10
    {5, "bcntttfm", 1},  // 3.0 to 3.7
    {4, "bcntttfm", 1},  // 2.7
};

enum class Kind : std::uint8_t { kNull, kBytes, kText, kTuple, kCode, kOther };

struct Object {
  Kind kind = Kind::kOther;
  std::string_view text = {};  ///< Of kText and kBytes.
};

/// One attempt to read with one layout.
class Reader {
 public:
  Reader(std::string_view bytes, const Layout& layout)
      : rest_(bytes), layout_(layout) {}

  /// False if it is no code object of this layout, or broken.
  bool Run() {
    Object object;
    return Read(&object, 0) && object.kind == Kind::kCode;
  }
  const MarshalCode& code() const { return code_; }
  /// Bytes that were understood.
  std::size_t left() const { return rest_.size(); }

 private:
  bool Number(std::size_t bytes, std::uint64_t* number);
  bool Text(std::size_t count_bytes, Kind kind, Object* object);
  bool Skip(std::uint64_t size);
  bool Read(Object* object, std::uint32_t depth);
  bool ReadTyped(char type, Object* object, std::uint32_t depth);
  bool ReadScalar(char type, Object* object);
  bool ReadItems(std::uint64_t count, std::uint32_t depth);
  bool ReadDict(std::uint32_t depth);
  bool ReadCode(std::uint32_t depth);
  bool ReadField(char field, std::uint32_t depth);
  void Keep(char field, std::string_view text);

  std::string_view rest_;
  const Layout& layout_;
  MarshalCode code_;
  std::vector<Object> refs_;
  char collect_ = 0;  // What the items of the tuple being read are.
};

bool Reader::Number(std::size_t bytes, std::uint64_t* number) {
  if (rest_.size() < bytes) return false;
  *number = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    *number |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
  }
  rest_.remove_prefix(bytes);
  return true;
}

bool Reader::Skip(std::uint64_t size) {
  if (size > rest_.size()) return false;
  rest_.remove_prefix(static_cast<std::size_t>(size));
  return true;
}

bool Reader::Text(std::size_t count_bytes, Kind kind, Object* object) {
  std::uint64_t size = 0;
  if (!Number(count_bytes, &size) || size > rest_.size()) return false;
  object->kind = kind;
  object->text = rest_.substr(0, static_cast<std::size_t>(size));
  return Skip(size);
}

bool Reader::Read(Object* object, std::uint32_t depth) {
  if (rest_.empty() || depth > kMostDepth) return false;
  const auto code = static_cast<std::uint8_t>(rest_[0]);
  rest_.remove_prefix(1);
  const char type = static_cast<char>(code & 0x7f);
  const bool flagged = (code & kFlagRef) != 0;
  const std::size_t slot = refs_.size();
  if (flagged) {
    if (slot >= kMostRefs) return false;
    refs_.emplace_back();
  }
  if (!ReadTyped(type, object, depth)) return false;
  if (flagged) refs_[slot] = *object;
  return true;
}

bool Reader::ReadTyped(char type, Object* object, std::uint32_t depth) {
  std::uint64_t count = 0;
  switch (type) {
    case ')':
      object->kind = Kind::kTuple;
      return Number(1, &count) && ReadItems(count, depth);
    case '(':
      object->kind = Kind::kTuple;
      return Number(4, &count) && ReadItems(count, depth);
    case '[':
    case '<':
    case '>':
      return Number(4, &count) && ReadItems(count, depth);
    case '{':
      return ReadDict(depth);
    case ':':  // A slice, since 3.14.
      return ReadItems(3, depth);
    case 'c':
      object->kind = Kind::kCode;
      return ReadCode(depth);
    case 'r':
      if (!Number(4, &count) || count >= refs_.size()) return false;
      *object = refs_[static_cast<std::size_t>(count)];
      return true;
    default:
      return ReadScalar(type, object);
  }
}

bool Reader::ReadScalar(char type, Object* object) {
  std::uint64_t count = 0;
  switch (type) {
    case '0':
      object->kind = Kind::kNull;
      return true;
    case 'N':
    case 'F':
    case 'T':
    case 'S':
    case '.':
      return true;
    case 'i':
      return Skip(4);
    case 'I':
    case 'g':
      return Skip(8);
    case 'y':
      return Skip(16);
    case 'f':
      return Number(1, &count) && Skip(count);
    case 'x':
      return Number(1, &count) && Skip(count) && Number(1, &count) &&
             Skip(count);
    case 'l': {
      if (!Number(4, &count)) return false;
      const auto digits = static_cast<std::int32_t>(count);
      const std::int64_t size = digits < 0 ? -std::int64_t{digits} : digits;
      return Skip(static_cast<std::uint64_t>(size) * 2);
    }
    case 'R':  // A string of Python 2 that was seen before.
      object->kind = Kind::kText;
      return Skip(4);
    case 's':
      return Text(4, Kind::kBytes, object);
    case 't':
    case 'u':
    case 'a':
    case 'A':
      return Text(4, Kind::kText, object);
    case 'z':
    case 'Z':
      return Text(1, Kind::kText, object);
    default:
      return false;
  }
}

bool Reader::ReadItems(std::uint64_t count, std::uint32_t depth) {
  // Every item takes a byte.
  if (count > rest_.size()) return false;
  const char field = collect_;
  for (std::uint64_t i = 0; i < count; ++i) {
    Object item;
    collect_ = field == 'c' ? 'c' : 0;
    if (!Read(&item, depth + 1)) return false;
    if (item.kind == Kind::kText || item.kind == Kind::kBytes) {
      Keep(field, item.text);
    }
  }
  collect_ = field;
  return true;
}

bool Reader::ReadDict(std::uint32_t depth) {
  while (true) {
    Object key;
    Object value;
    if (!Read(&key, depth + 1)) return false;
    if (key.kind == Kind::kNull) return true;
    if (!Read(&value, depth + 1)) return false;
  }
}

bool Reader::ReadCode(std::uint32_t depth) {
  const char field = collect_;
  ++code_.codes;
  std::uint64_t number = 0;
  for (std::uint32_t i = 0; i < layout_.numbers; ++i) {
    if (!Number(4, &number)) return false;
    // Arguments, locals, stack: all small, but for the flags.
    const bool flags = i + 1 == layout_.numbers;
    if (number > (flags ? 0x7fffffffU : 1U << 20)) return false;
  }
  for (const char object : layout_.objects) {
    if (!ReadField(object, depth)) return false;
  }
  if (!Number(4, &number)) return false;
  collect_ = 0;
  for (std::uint32_t i = 0; i < layout_.after; ++i) {
    Object object;
    if (!Read(&object, depth + 1) || object.kind != Kind::kBytes) return false;
  }
  collect_ = field;
  return true;
}

bool Reader::ReadField(char field, std::uint32_t depth) {
  collect_ = field;
  Object object;
  if (!Read(&object, depth + 1)) return false;
  switch (field) {
    case 'b':
      return object.kind == Kind::kBytes;
    case 'c':
    case 'n':
    case 't':
      return object.kind == Kind::kTuple;
    default:
      // Python 2 has str of bytes.
      if (object.kind != Kind::kText && object.kind != Kind::kBytes) {
        return false;
      }
      Keep(field, object.text);
      return true;
  }
}

void Reader::Keep(char field, std::string_view text) {
  if (text.empty()) return;
  const std::string kept(text.substr(0, kMostText));
  const auto add = [&kept](std::vector<std::string>& list, std::size_t most) {
    if (list.size() < most &&
        std::find(list.begin(), list.end(), kept) == list.end()) {
      list.push_back(kept);
    }
  };
  switch (field) {
    case 'n':
      return add(code_.names, MarshalCode::kMostNames);
    case 'c':
      return add(code_.strings, MarshalCode::kMostStrings);
    case 'f':
      code_.filename = kept;
      return;
    case 'm':
      code_.name = kept;  // The outermost is read last.
      return;
    default:
      return;
  }
}

// Bytes before the code object of a .pyc file; 0 if it is none.
std::size_t PycHeader(std::string_view bytes) {
  if (bytes.size() < 17 || bytes[2] != '\r' || bytes[3] != '\n') return 0;
  for (const std::size_t size :
       {std::size_t{16}, std::size_t{12}, std::size_t{8}}) {
    if ((bytes[size] & 0x7f) == 'c') return size;
  }
  return 0;
}

}  // namespace

bool MayBeMarshalCode(std::string_view head) {
  head.remove_prefix(PycHeader(head));
  if (head.size() < 30 || (head[0] & 0x7f) != 'c') return false;
  // Few arguments, and the bytes of the code behind the numbers.
  if (head[2] != 0 || head[3] != 0 || head[4] != 0) return false;
  for (const Layout& layout : kLayouts) {
    const char code = head[1 + layout.numbers * 4];
    if ((code & 0x7f) == 's') return true;
  }
  return false;
}

std::optional<MarshalCode> ReadMarshalCode(std::string_view bytes) {
  if (!MayBeMarshalCode(bytes)) return std::nullopt;
  bytes.remove_prefix(PycHeader(bytes));
  std::optional<MarshalCode> best;
  std::size_t best_left = bytes.size() + 1;
  for (const Layout& layout : kLayouts) {
    Reader reader(bytes, layout);
    const bool whole = reader.Run();
    if (!whole && reader.left() >= best_left) continue;
    best = reader.code();
    best_left = reader.left();
    best->whole = whole;
    if (whole) break;
  }
  return best;
}

}  // namespace scanengine
