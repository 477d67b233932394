#include "worker/parsing/jinja_template.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>

namespace scanengine {
namespace {

// Steps of the known ways from any Python object to its interpreter.
constexpr std::string_view kEscapeAttributes[] = {
    "__base__",          "__bases__",      "__builtins__", "__call__",
    "__class__",         "__closure__",    "__code__",     "__defaults__",
    "__dict__",          "__func__",       "__getattr__",  "__getattribute__",
    "__getitem__",       "__globals__",    "__import__",   "__init__",
    "__init_subclass__", "__kwdefaults__", "__loader__",   "__module__",
    "__mro__",           "__name__",       "__new__",      "__reduce__",
    "__reduce_ex__",     "__self__",       "__spec__",     "__subclasses__",
    "__wrapped__"};
constexpr std::string_view kFrameAttributes[] = {
    "ag_code",       "ag_frame",     "cr_code",  "cr_frame",     "f_back",
    "f_builtins",    "f_globals",    "f_locals", "func_closure", "func_code",
    "func_defaults", "func_globals", "gi_code",  "gi_frame",     "gi_yieldfrom",
    "tb_frame",      "im_class",     "im_func",  "im_self"};
// Always there in a template's environment, of no use in a chat, and functions
// or classes, whose globals are a module's.
constexpr std::string_view kStartingPoints[] = {
    "cycler", "joiner", "lipsum", "url_for", "get_flashed_messages"};
constexpr std::string_view kModules[] = {
    "builtins", "ctypes", "importlib", "os",         "posix",
    "pty",      "shutil", "socket",    "subprocess", "sys"};
constexpr std::string_view kFunctions[] = {"__import__", "eval",    "exec",
                                           "execfile",   "getattr", "globals",
                                           "locals",     "open",    "setattr"};
constexpr std::string_view kMethods[] = {
    "Popen",         "check_call", "check_output", "getoutput", "popen",
    "import_module", "spawn",      "system",       "urlopen"};
constexpr std::string_view kIncludes[] = {"extends", "from", "import",
                                          "include"};
// Inside longer text, as of str.format(); in prose they hardly ever occur.
constexpr std::string_view kEscapesInText[] = {
    "__globals__", "__subclasses__", "__builtins__",     "__import__",
    "__mro__",     "__bases__",      "__getattribute__", ".__class__",
    ".__init__",   ".__dict__"};

// More rounds than any conversation has messages.
constexpr std::uint64_t kManyRounds = 50'000;

bool Contains(std::span<const std::string_view> list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' ||
         c == '\v';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) ||
         c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool IsDunder(std::string_view name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__") &&
         std::all_of(name.begin(), name.end(), IsNameByte);
}
/// "__cla" or "ss__", to be joined later.
bool IsDunderPiece(std::string_view text) {
  return text.size() > 3 && text.size() < 32 &&
         text.starts_with("__") != text.ends_with("__") &&
         std::all_of(text.begin(), text.end(), IsNameByte);
}

/// Value of a digit in any base up to 16; 16 if it is none.
unsigned DigitValue(char c) {
  if (IsDigit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return 16;
}

/// A string literal with its escapes resolved as far as attacks use them:
/// characters beyond ASCII become '?'.
struct Literal {
  std::string text;
  bool hides_underscore = false;  ///< "\x5f" and the like.
};

void DecodeNumber(std::string_view raw, std::size_t& at, std::size_t digits,
                  unsigned base, Literal& literal) {
  std::uint32_t code = 0;
  for (; digits != 0 && at < raw.size(); --digits, ++at) {
    const unsigned digit = DigitValue(raw[at]);
    if (digit >= base) break;
    code = code * base + digit;
  }
  literal.hides_underscore |= code == '_';
  literal.text += code < 0x80 ? static_cast<char>(code) : '?';
}

Literal Decode(std::string_view raw) {
  Literal literal;
  for (std::size_t at = 0; at < raw.size();) {
    const char c = raw[at++];
    if (c != '\\' || at == raw.size()) {
      literal.text += c;
      continue;
    }
    const char kind = raw[at++];
    if (kind == 'x') {
      DecodeNumber(raw, at, 2, 16, literal);
    } else if (kind == 'u') {
      DecodeNumber(raw, at, 4, 16, literal);
    } else if (kind == 'U') {
      DecodeNumber(raw, at, 8, 16, literal);
    } else if (kind >= '0' && kind <= '7') {
      --at;
      DecodeNumber(raw, at, 3, 8, literal);
    } else if (kind == 'N' && raw.substr(at).starts_with("{LOW LINE}")) {
      at += 10;
      literal.text += '_';
      literal.hides_underscore = true;
    } else {
      literal.text += kind == 'n' ? '\n' : kind;
    }
  }
  return literal;
}

/// One pass over a template. What was read last is kept in a few fields, so
/// that memory does not grow with the number of tokens.
class Inspector {
 public:
  explicit Inspector(std::string_view text) : text_(text) {}

  std::vector<TemplateSighting> Run() &&;

 private:
  void Code(char close);
  void Name();
  void Number();
  bool String(char quote);
  void Punctuation(char c);
  void JudgeName(std::string_view name, std::size_t offset);
  void EndLiteral();
  void JudgeLiteral();

  bool FollowedBy(std::string_view any) const {
    std::size_t at = at_;
    while (at < text_.size() && IsSpace(text_[at])) ++at;
    return at < text_.size() && any.find(text_[at]) != std::string_view::npos;
  }
  void Add(Severity severity, std::string what, std::size_t offset) {
    if (sightings_.size() >= kMaxTemplateSightings) return;
    sightings_.push_back({severity, std::move(what), offset});
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<TemplateSighting> sightings_;

  // Last significant character: a punctuation mark, 'n' after a name, '0' after
  // a number, 's' after a literal, '%' at the start of a statement.
  char last_ = '\0';
  std::size_t depth_ = 0;        // Open brackets.
  std::size_t range_depth_ = 0;  // Depth inside range(...); 0 outside.
  bool range_next_ = false;      // The last name was "range".
  // Literals that the template joins ("__cla" ~ "ss__") are judged as one.
  bool has_literal_ = false;
  Literal literal_;
  std::size_t literal_offset_ = 0;
  char before_literal_ = '\0';
  // Quotes that have no end further on start no string; without this a row of
  // them would be searched again and again.
  bool single_quotes_end_ = true;
  bool double_quotes_end_ = true;
};

std::vector<TemplateSighting> Inspector::Run() && {
  while (at_ + 1 < text_.size()) {
    at_ = text_.find('{', at_);
    if (at_ == std::string_view::npos || at_ + 1 >= text_.size()) break;
    const char kind = text_[at_ + 1];
    if (kind == '#') {
      const std::size_t end = text_.find("#}", at_ + 2);
      at_ = end == std::string_view::npos ? text_.size() : end + 2;
    } else if (kind == '{' || kind == '%') {
      at_ += 2;
      Code(kind == '{' ? '}' : '%');
    } else {
      ++at_;
    }
  }
  return std::move(sightings_);
}

void Inspector::Code(char close) {
  last_ = close == '%' ? '%' : '\0';
  depth_ = 0;
  range_depth_ = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (IsSpace(c)) {
      ++at_;
    } else if (c == close && depth_ == 0 && at_ + 1 < text_.size() &&
               text_[at_ + 1] == '}') {
      at_ += 2;
      break;
    } else if (IsDigit(c)) {
      Number();
    } else if (IsNameByte(c)) {
      Name();
    } else if ((c != '\'' && c != '"') || !String(c)) {
      Punctuation(c);
    }
  }
  EndLiteral();
}

void Inspector::Name() {
  EndLiteral();
  const std::size_t offset = at_;
  while (at_ < text_.size() && IsNameByte(text_[at_])) ++at_;
  const std::string_view name = text_.substr(offset, at_ - offset);
  JudgeName(name, offset);
  range_next_ = name == "range";
  last_ = 'n';
}

void Inspector::JudgeName(std::string_view name, std::size_t offset) {
  const std::string quoted(name.substr(0, 64));
  const bool member = last_ == '.';
  if (IsDunder(name)) {
    Add(Contains(kEscapeAttributes, name) ? Severity::kCritical
                                          : Severity::kHigh,
        "attribute " + quoted, offset);
  } else if (Contains(kFrameAttributes, name) ||
             name.starts_with("_TemplateReference")) {
    Add(Severity::kCritical, "attribute " + quoted, offset);
  } else if (last_ == '|' && name == "attr") {
    Add(Severity::kHigh, "the filter attr", offset);
  } else if (last_ == '%' && Contains(kIncludes, name)) {
    Add(Severity::kMedium, "the statement " + quoted, offset);
  } else if (member && Contains(kMethods, name) && FollowedBy("(")) {
    Add(Severity::kCritical, "a call of " + quoted, offset);
  } else if (!member && Contains(kFunctions, name) && FollowedBy("(")) {
    Add(Severity::kHigh, "a call of " + quoted, offset);
  } else if (!member && Contains(kModules, name) && FollowedBy(".")) {
    Add(Severity::kHigh, "the module " + quoted, offset);
  } else if (!member && Contains(kStartingPoints, name) && FollowedBy(".[|")) {
    Add(Severity::kHigh, "a member of " + quoted, offset);
  } else if (!member && name == "request" &&
             text_.substr(at_).starts_with(".application")) {
    Add(Severity::kHigh, "request.application", offset);
  }
}

void Inspector::Number() {
  EndLiteral();
  const std::size_t offset = at_;
  std::uint64_t value = 0;
  for (; at_ < text_.size() && (IsDigit(text_[at_]) || text_[at_] == '_');
       ++at_) {
    if (text_[at_] == '_' || value > kManyRounds) continue;
    value = value * 10 + DigitValue(text_[at_]);
  }
  if (range_depth_ != 0 && value > kManyRounds) {
    Add(Severity::kMedium,
        "a loop of more than " + std::to_string(kManyRounds) + " rounds",
        offset);
  }
  last_ = '0';
}

bool Inspector::String(char quote) {
  bool& may_end = quote == '"' ? double_quotes_end_ : single_quotes_end_;
  if (!may_end) return false;
  std::size_t end = at_ + 1;
  while (end < text_.size() && text_[end] != quote) {
    end += text_[end] == '\\' ? std::size_t{2} : std::size_t{1};
  }
  if (end >= text_.size()) {
    may_end = false;
    return false;
  }
  const Literal part = Decode(text_.substr(at_ + 1, end - at_ - 1));
  // Side by side, or with + or ~ between them.
  if (!has_literal_) {
    has_literal_ = true;
    literal_ = part;
    literal_offset_ = at_;
    before_literal_ = last_;
  } else {
    literal_.text += part.text;
    literal_.hides_underscore |= part.hides_underscore;
  }
  at_ = end + 1;
  last_ = 's';
  return true;
}

void Inspector::Punctuation(char c) {
  const bool joins = has_literal_ && last_ == 's' && (c == '+' || c == '~');
  if (!joins) EndLiteral();
  ++at_;
  if (c == '(' || c == '[' || c == '{') {
    ++depth_;
    if (c == '(' && range_next_) range_depth_ = depth_;
  } else if ((c == ')' || c == ']' || c == '}') && depth_ != 0) {
    if (depth_ == range_depth_) range_depth_ = 0;
    --depth_;
  }
  range_next_ = false;
  // "{%-" and "{%+" still start a statement.
  if (last_ == '%' && (c == '-' || c == '+')) return;
  last_ = c;
}

void Inspector::EndLiteral() {
  if (!has_literal_) return;
  has_literal_ = false;
  JudgeLiteral();
}

void Inspector::JudgeLiteral() {
  const std::string_view text = literal_.text;
  const bool subscript = before_literal_ == '[';
  if (Contains(kEscapeAttributes, text) || Contains(kFrameAttributes, text)) {
    Add(Severity::kCritical, "the name " + std::string(text) + " as text",
        literal_offset_);
  } else if (subscript && text != "system" &&
             (Contains(kModules, text) || Contains(kFunctions, text) ||
              Contains(kMethods, text))) {
    Add(Severity::kHigh, "the name " + std::string(text) + " as text",
        literal_offset_);
  } else if (subscript && IsDunder(text)) {
    Add(Severity::kMedium,
        "the name " + std::string(text.substr(0, 64)) + " as text",
        literal_offset_);
  } else if (IsDunderPiece(text)) {
    Add(Severity::kMedium, "part of a name with two underscores as text",
        literal_offset_);
  } else {
    const auto at =
        std::find_if(std::begin(kEscapesInText), std::end(kEscapesInText),
                     [text](std::string_view mark) {
                       return text.find(mark) != std::string_view::npos;
                     });
    if (at != std::end(kEscapesInText)) {
      Add(Severity::kHigh, "text with " + std::string(*at), literal_offset_);
    }
  }
  if (literal_.hides_underscore) {
    Add(Severity::kHigh, "an underscore written as an escape", literal_offset_);
  }
}

}  // namespace

std::vector<TemplateSighting> InspectTemplate(std::string_view text) {
  return Inspector(text).Run();
}

}  // namespace scanengine
