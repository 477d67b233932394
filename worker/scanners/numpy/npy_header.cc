#include "worker/scanners/numpy/npy_header.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "worker/parsing/checked_math.h"

namespace scanengine::numpy {
namespace {

constexpr std::size_t kMaxNesting = 32;
constexpr std::size_t kMaxDimensions = 64;  // NPY_MAXDIMS of NumPy 2.
constexpr std::size_t kMaxDefects = 8;
constexpr std::size_t kMaxTypeText = 128;

Size Multiply(Size a, Size b) {
  const auto product = CheckedMultiply(a.value, b.value);
  return {product.value_or(0), a.fits && b.fits && product.has_value()};
}
Size Add(Size a, Size b) {
  const auto sum = CheckedAdd(a.value, b.value);
  return {sum.value_or(0), a.fits && b.fits && sum.has_value()};
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/// One element's type: its size, and if any part of it is a Python object.
struct ItemType {
  Size size;
  bool has_object = false;
};

/// A type string as NumPy writes it ("<f4", "|S10", "<M8[ns]", "|O"); nothing
/// for the many other spellings that numpy.dtype() takes.
std::optional<ItemType> ParseTypeString(std::string_view text) {
  if (!text.empty() &&
      std::string_view("<>|=").find(text[0]) != std::string_view::npos) {
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  const char kind = text[0];
  text.remove_prefix(1);
  Size width{0, true};
  bool has_width = false;
  while (!text.empty() && IsDigit(text[0])) {
    width = Add(Multiply(width, {10, true}),
                {static_cast<std::uint64_t>(text[0] - '0'), true});
    has_width = true;
    text.remove_prefix(1);
  }
  if ((kind == 'M' || kind == 'm') && text.starts_with('[') &&
      text.ends_with(']') && text.size() <= 16) {
    text = {};
  }
  if (!text.empty()) return std::nullopt;
  if (kind == 'O') return ItemType{{0, true}, true};
  if (kind == '?' && !has_width) return ItemType{{1, true}, false};
  if (std::string_view("biufcSaUVmM").find(kind) == std::string_view::npos ||
      !has_width) {
    return std::nullopt;
  }
  if (kind == 'U') width = Multiply(width, {4, true});
  return ItemType{width, false};
}

/// Recursive descent over the text of a header. A failure is sticky: it moves
/// to the end, where nothing matches any more.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  NpyHeader Run();

 private:
  void Entry();
  ItemType Descr(std::size_t nesting);
  ItemType TypeText();
  ItemType Fields(std::size_t nesting);
  ItemType Field(std::size_t nesting);
  ItemType Subarray(std::size_t nesting);
  Size Shape(std::size_t* dimensions);
  Size Dimension();
  void SkipValue(std::size_t nesting);
  void SkipSequence(char close, std::size_t nesting);
  std::string_view String();
  std::string_view Word();

  char Peek() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Accept(char c) {
    if (failed_ || Peek() != c) return false;
    ++at_;
    return true;
  }
  void Expect(char c) {
    if (!Accept(c)) Fail();
  }
  void Fail() { failed_ = true; }
  bool TooDeep(std::size_t nesting) {
    if (nesting > kMaxNesting) Fail();
    return failed_;
  }
  void Defect(std::string text) {
    if (header_.defects.size() < kMaxDefects) {
      header_.defects.push_back(std::move(text));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool failed_ = false;
  NpyHeader header_;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

NpyHeader Parser::Run() {
  Expect('{');
  while (!failed_ && !Accept('}')) {
    Entry();
    if (Accept('}')) break;
    Expect(',');
  }
  if (!failed_ && Peek() != '\0') Fail();
  if (at_ < text_.size()) Fail();  // A NUL byte is no end.
  header_.parsed = !failed_ && has_descr_ && has_order_ && has_shape_;
  if (!failed_ && !header_.parsed) {
    Defect("descr, fortran_order or shape is missing");
  }
  return std::move(header_);
}

void Parser::Entry() {
  const std::string_view key = String();
  Expect(':');
  if (failed_) return;
  bool* seen = nullptr;
  if (key == "descr") {
    seen = &has_descr_;
    Peek();
    const std::size_t start = at_;
    const ItemType item = Descr(0);
    header_.item_size = item.size;
    header_.has_object |= item.has_object;
    header_.descr = text_.substr(start, at_ - start);
  } else if (key == "fortran_order") {
    seen = &has_order_;
    const std::string_view word = Word();
    header_.fortran_order = word == "True";
    if (word != "True" && word != "False") Fail();
  } else if (key == "shape") {
    seen = &has_shape_;
    if (Peek() != '(') Fail();
    header_.elements = Shape(&header_.dimensions);
  } else {
    Defect("unknown key '" + std::string(key.substr(0, 64)) + "'");
    SkipValue(0);
    return;
  }
  if (std::exchange(*seen, true)) {
    Defect("the key '" + std::string(key) + "' occurs twice");
  }
}

ItemType Parser::Descr(std::size_t nesting) {
  if (TooDeep(nesting)) return {};
  switch (Peek()) {
    case '[':
      return Fields(nesting + 1);
    case '(':
      return Subarray(nesting + 1);
    default:
      return TypeText();
  }
}

ItemType Parser::TypeText() {
  const std::string_view text = String();
  if (failed_) return {};
  if (text.size() <= kMaxTypeText) {
    if (const auto item = ParseTypeString(text)) return *item;
  }
  // numpy.dtype() takes names, lists in text and more; whatever makes objects
  // of it holds one of these.
  Defect("the type '" + std::string(text.substr(0, 64)) +
         "' is not spelt as NumPy writes it");
  return {{0, false},
          text.find('O') != std::string_view::npos ||
              text.find("object") != std::string_view::npos};
}

// [('name', descr), ('name', descr, shape), ...]
ItemType Parser::Fields(std::size_t nesting) {
  ItemType all;
  Expect('[');
  while (!failed_ && !Accept(']')) {
    const ItemType field = Field(nesting);
    all.size = Add(all.size, field.size);
    all.has_object |= field.has_object;
    if (Accept(']')) break;
    Expect(',');
  }
  return all;
}

ItemType Parser::Field(std::size_t nesting) {
  Expect('(');
  if (Accept('(')) {  // ('title', 'name')
    String();
    Expect(',');
    String();
    Accept(',');
    Expect(')');
  } else {
    String();
  }
  Expect(',');
  ItemType item = Descr(nesting + 1);
  if (Accept(',') && Peek() != ')') {
    item.size = Multiply(item.size, Shape(nullptr));
    Accept(',');
  }
  Expect(')');
  return item;
}

// (descr, shape)
ItemType Parser::Subarray(std::size_t nesting) {
  Expect('(');
  ItemType item = Descr(nesting + 1);
  Expect(',');
  item.size = Multiply(item.size, Shape(nullptr));
  Accept(',');
  Expect(')');
  return item;
}

Size Parser::Shape(std::size_t* dimensions) {
  Size product{1, true};
  if (!Accept('(')) return Dimension();
  std::size_t count = 0;
  bool comma = false;
  bool empty = false;
  while (!failed_ && !Accept(')')) {
    const Size dimension = Dimension();
    empty |= dimension.fits && dimension.value == 0;
    product = Multiply(product, dimension);
    ++count;
    if (Accept(')')) break;
    Expect(',');
    comma = true;
  }
  if (count == 1 && !comma) {
    Defect("the shape is a number in brackets, not a tuple");
  }
  if (count > kMaxDimensions) {
    Defect("the shape has " + std::to_string(count) + " dimensions");
  }
  if (dimensions != nullptr) *dimensions = count;
  // Nothing is stored, however large the other dimensions are.
  if (empty) return {0, true};
  return product;
}

Size Parser::Dimension() {
  const bool negative = Accept('-');
  if (!IsDigit(Peek())) {
    Fail();
    return {};
  }
  Size value{0, true};
  for (; at_ < text_.size() && IsDigit(text_[at_]); ++at_) {
    value = Add(Multiply(value, {10, true}),
                {static_cast<std::uint64_t>(text_[at_] - '0'), true});
  }
  if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2.
  if (negative) {
    Defect("a dimension is negative");
    value.fits = false;
  }
  return value;
}

void Parser::SkipValue(std::size_t nesting) {
  if (TooDeep(nesting)) return;
  const char c = Peek();
  if (Accept('(')) {
    SkipSequence(')', nesting + 1);
  } else if (Accept('[')) {
    SkipSequence(']', nesting + 1);
  } else if (Accept('{')) {
    SkipSequence('}', nesting + 1);
  } else if (c == '\'' || c == '"') {
    String();
  } else if (c == '-' || IsDigit(c)) {
    Dimension();
  } else {
    const std::string_view word = Word();
    if (word != "True" && word != "False" && word != "None") Fail();
  }
}

void Parser::SkipSequence(char close, std::size_t nesting) {
  while (!failed_ && !Accept(close)) {
    SkipValue(nesting);
    if (close == '}' && Accept(':')) SkipValue(nesting);
    if (Accept(close)) return;
    Expect(',');
  }
}

// Without escapes resolved: no key and no type needs one, and a name's value
// does not matter.
std::string_view Parser::String() {
  char quote = Peek();
  if (!failed_ && (quote == 'u' || quote == 'b') && at_ + 1 < text_.size()) {
    quote = text_[++at_];
  }
  if (failed_ || (quote != '\'' && quote != '"')) {
    Fail();
    return {};
  }
  const std::size_t start = ++at_;
  while (at_ < text_.size() && text_[at_] != quote) {
    at_ += text_[at_] == '\\' ? std::size_t{2} : std::size_t{1};
  }
  if (at_ >= text_.size()) {
    at_ = text_.size();
    Fail();
    return {};
  }
  return text_.substr(start, at_++ - start);
}

std::string_view Parser::Word() {
  Peek();
  const std::size_t start = at_;
  while (at_ < text_.size() && ((text_[at_] >= 'a' && text_[at_] <= 'z') ||
                                (text_[at_] >= 'A' && text_[at_] <= 'Z'))) {
    ++at_;
  }
  return text_.substr(start, at_ - start);
}

}  // namespace

NpyHeader ParseNpyHeader(std::string_view text) { return Parser(text).Run(); }

}  // namespace scanengine::numpy
