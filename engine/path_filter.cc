#include "engine/path_filter.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "engine/path_syntax.h"

namespace scanengine {
namespace {

// A byte that is no part of UTF-8 becomes a symbol above all code points, so
// that it equals itself only.
constexpr char32_t kRawByte = 0x110000;

struct Symbol {
  char32_t value;
  std::size_t length;
};

// REQUIRES: !text.empty().
Symbol NextSymbol(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xf0   ? 4
                             : lead >= 0xe0 ? 3
                             : lead >= 0xc2 ? 2
                                            : 0;
  if (length == 0 || lead > 0xf4 || text.size() < length) {
    return {kRawByte + lead, 1};
  }
  char32_t value = lead & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {kRawByte + lead, 1};
    value = (value << 6) | (byte(i) & 0x3fu);
  }
  const bool overlong =
      (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (overlong || surrogate || value >= kRawByte) return {kRawByte + lead, 1};
  return {value, length};
}

std::vector<char32_t> Symbols(std::string_view text) {
  std::vector<char32_t> symbols;
  symbols.reserve(text.size());
  while (!text.empty()) {
    const Symbol symbol = NextSymbol(text);
    symbols.push_back(symbol.value);
    text.remove_prefix(symbol.length);
  }
  return symbols;
}

// Index of the ']' that closes the '[' at |open|, or 0. A ']' that comes first
// is a member.
std::size_t SetEnd(std::span<const char32_t> pattern, std::size_t open) {
  std::size_t at = open + 1;
  if (at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^')) ++at;
  for (std::size_t first = at; at < pattern.size(); ++at) {
    if (pattern[at] == '\\') {
      ++at;
    } else if (pattern[at] == ']' && at != first) {
      return at;
    }
  }
  return 0;
}

// For each symbol whether it is a '{' with its '}', that '}', or a ',' between
// them.
std::vector<bool> BraceSymbols(std::span<const char32_t> pattern) {
  std::vector<bool> special(pattern.size());
  struct Open {
    std::size_t at;
    std::vector<std::size_t> commas;
  };
  std::vector<Open> open;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '\\') {
      ++at;
    } else if (pattern[at] == '[') {
      if (const std::size_t end = SetEnd(pattern, at)) at = end;
    } else if (pattern[at] == '{') {
      open.push_back({at, {}});
    } else if (pattern[at] == ',' && !open.empty()) {
      open.back().commas.push_back(at);
    } else if (pattern[at] == '}' && !open.empty()) {
      special[open.back().at] = special[at] = true;
      for (const std::size_t comma : open.back().commas) special[comma] = true;
      open.pop_back();
    }
  }
  return special;
}

}  // namespace

/// Turns a pattern into the steps of a Glob. Knows no nesting by recursion:
/// open braces are kept on a stack.
class GlobCompiler {
 public:
  GlobCompiler(std::string_view pattern, Glob& glob)
      : pattern_(Symbols(pattern)),
        braces_(BraceSymbols(pattern_)),
        glob_(glob) {}

  void Compile() {
    while (at_ < pattern_.size()) CompileOne();
    Add(Glob::Op::kMatch);
  }

 private:
  using Op = Glob::Op;

  struct Brace {
    std::uint32_t split;               // Of the alternative being compiled.
    std::vector<std::uint32_t> jumps;  // From ends of alternatives to the end.
    bool starts_name;                  // What was before the brace did.
  };

  std::uint32_t Here() const {
    return static_cast<std::uint32_t>(glob_.steps_.size());
  }

  std::uint32_t Add(Op op, std::uint32_t first = 0, std::uint32_t second = 0) {
    glob_.steps_.push_back({op, first, second});
    return Here() - 1;
  }

  void AddSymbol(char32_t symbol) {
    Add(Op::kSymbol, static_cast<std::uint32_t>(symbol));
    starts_name_ = symbol == '/';
  }

  void AddRepeated(Op op) {
    const std::uint32_t split = Add(Op::kSplit, Here() + 1);
    Add(op);
    Add(Op::kJump, split);
    glob_.steps_[split].second = Here();
  }

  void CompileOne() {
    const char32_t symbol = pattern_[at_];
    if (braces_[at_]) {
      CompileBrace(symbol);
    } else if (symbol == '*') {
      CompileStars();
    } else if (symbol == '?') {
      Add(Op::kAny);
      starts_name_ = false;
      ++at_;
    } else if (symbol == '[' && SetEnd(pattern_, at_) != 0) {
      CompileSet();
    } else {
      if (symbol == '\\' && at_ + 1 < pattern_.size()) ++at_;
      AddSymbol(pattern_[at_]);
      ++at_;
    }
  }

  void CompileStars() {
    std::size_t count = 0;
    for (; at_ < pattern_.size() && pattern_[at_] == '*'; ++at_) ++count;
    if (count == 1) {
      AddRepeated(Op::kAny);
      starts_name_ = false;
      return;
    }
    const bool whole_name =
        starts_name_ && at_ < pattern_.size() && pattern_[at_] == '/';
    if (!whole_name) {
      AddRepeated(Op::kAnything);
      starts_name_ = false;
      return;
    }
    // "**/": nothing, or anything that ends with a slash.
    ++at_;
    const std::uint32_t split = Add(Op::kSplit, Here() + 1);
    AddRepeated(Op::kAnything);
    AddSymbol('/');
    glob_.steps_[split].second = Here();
  }

  void CompileSet() {
    const std::size_t end = SetEnd(pattern_, at_);
    Glob::Set set;
    ++at_;
    if (pattern_[at_] == '!' || pattern_[at_] == '^') {
      set.negated = true;
      ++at_;
    }
    const auto member = [&] {
      if (pattern_[at_] == '\\' && at_ + 1 < end) ++at_;
      return pattern_[at_++];
    };
    while (at_ < end) {
      const char32_t low = member();
      char32_t high = low;
      if (at_ + 1 < end && pattern_[at_] == '-') {
        ++at_;
        high = member();
      }
      set.ranges.push_back({low, high});
    }
    at_ = end + 1;
    glob_.sets_.push_back(std::move(set));
    Add(Op::kSet, static_cast<std::uint32_t>(glob_.sets_.size() - 1));
    starts_name_ = false;
  }

  void CompileBrace(char32_t symbol) {
    ++at_;
    if (symbol == '{') {
      open_.push_back({Add(Op::kSplit, Here() + 1), {}, starts_name_});
      return;
    }
    Brace& brace = open_.back();
    if (symbol == ',') {
      brace.jumps.push_back(Add(Op::kJump));
      glob_.steps_[brace.split].second = Here();
      brace.split = Add(Op::kSplit, Here() + 1);
      starts_name_ = brace.starts_name;
      return;
    }
    // The last alternative has no other one beside it.
    glob_.steps_[brace.split].second = glob_.steps_[brace.split].first;
    for (const std::uint32_t jump : brace.jumps) {
      glob_.steps_[jump].first = Here();
    }
    starts_name_ = false;
    open_.pop_back();
  }

  const std::vector<char32_t> pattern_;
  const std::vector<bool> braces_;
  Glob& glob_;
  std::size_t at_ = 0;
  bool starts_name_ = true;
  std::vector<Brace> open_;
};

/// The steps at which a match may be after some symbols, each once.
class Glob::Threads {
 public:
  explicit Threads(std::size_t steps) : round_of_(steps) {}

  void Clear() {
    active_.clear();
    ++round_;
  }
  bool Visit(std::uint32_t step) {
    return std::exchange(round_of_[step], round_) != round_;
  }

  std::vector<std::uint32_t>& active() { return active_; }
  std::vector<std::uint32_t>& todo() { return todo_; }

 private:
  std::vector<std::uint32_t> active_;
  std::vector<std::uint32_t> todo_;
  std::vector<std::size_t> round_of_;
  std::size_t round_ = 1;
};

Glob::Glob(std::string_view pattern, bool ignore_case)
    : ignore_case_(ignore_case) {
  GlobCompiler(pattern, *this).Compile();
  if (!ignore_case) return;
  for (Step& step : steps_) {
    if (step.op != Op::kSymbol || step.first >= kRawByte) continue;
    step.first = static_cast<std::uint32_t>(LowerCase(step.first));
  }
}

bool Glob::IsMember(const Set& set, char32_t symbol) const {
  return std::any_of(set.ranges.begin(), set.ranges.end(),
                     [&](const Range& range) {
                       return range.low <= symbol && symbol <= range.high;
                     });
}

bool Glob::Takes(const Step& step, char32_t symbol) const {
  switch (step.op) {
    case Op::kSymbol:
      if (ignore_case_ && symbol < kRawByte) symbol = LowerCase(symbol);
      return step.first == static_cast<std::uint32_t>(symbol);
    case Op::kAny:
      return symbol != '/';
    case Op::kAnything:
      return true;
    case Op::kSet: {
      const Set& set = sets_[step.first];
      const bool member =
          IsMember(set, symbol) || (ignore_case_ && symbol < kRawByte &&
                                    (IsMember(set, LowerCase(symbol)) ||
                                     IsMember(set, UpperCase(symbol))));
      return symbol != '/' && member != set.negated;
    }
    default:
      return false;
  }
}

// Adds |start| and all steps that it leads to without taking a symbol.
void Glob::Follow(std::uint32_t start, Threads& threads) const {
  std::vector<std::uint32_t>& todo = threads.todo();
  todo.push_back(start);
  while (!todo.empty()) {
    const std::uint32_t at = todo.back();
    todo.pop_back();
    if (!threads.Visit(at)) continue;
    const Step& step = steps_[at];
    if (step.op == Op::kSplit) {
      todo.push_back(step.second);
      todo.push_back(step.first);
    } else if (step.op == Op::kJump) {
      todo.push_back(step.first);
    } else {
      threads.active().push_back(at);
    }
  }
}

bool Glob::Matches(std::string_view text) const {
  Threads now(steps_.size());
  Threads next(steps_.size());
  Follow(0, now);
  while (!text.empty()) {
    const Symbol symbol = NextSymbol(text);
    text.remove_prefix(symbol.length);
    next.Clear();
    for (const std::uint32_t at : now.active()) {
      if (Takes(steps_[at], symbol.value)) Follow(at + 1, next);
    }
    std::swap(now, next);
    if (now.active().empty()) return false;
  }
  return std::any_of(
      now.active().begin(), now.active().end(),
      [this](std::uint32_t at) { return steps_[at].op == Op::kMatch; });
}

PathFilter::PathFilter(const std::vector<std::string>& include,
                       const std::vector<std::string>& exclude) {
  for (const std::string& glob : include) {
    include_.push_back(MakeRule(PortableGlob(glob), true));
  }
  for (const std::string& glob : exclude) {
    exclude_.push_back(MakeRule(PortableGlob(glob), false));
  }
}

PathFilter::Rule PathFilter::MakeRule(std::string_view pattern,
                                      bool for_include) {
  bool whole_path = false;
  bool folders_only = false;
  while (pattern.starts_with("./")) {
    pattern.remove_prefix(2);
    whole_path = true;
  }
  while (pattern.starts_with('/')) {
    pattern.remove_prefix(1);
    whole_path = true;
  }
  while (pattern.size() > 1 && pattern.ends_with('/')) {
    pattern.remove_suffix(1);
    folders_only = true;
  }
  whole_path = whole_path || pattern.find('/') != std::string_view::npos;
  if (!for_include || !folders_only) {
    return {Glob(pattern, kNamesIgnoreCase), whole_path, folders_only};
  }
  std::string below(whole_path ? "" : "**/");
  below.append(pattern).append("/**");
  return {Glob(below, kNamesIgnoreCase), true, false};
}

bool PathFilter::MatchesRule(const Rule& rule, std::string_view path) {
  if (rule.whole_path) return rule.glob.Matches(path);
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return rule.glob.Matches(path);
}

bool PathFilter::Excludes(std::string_view path, bool is_folder) const {
  return std::any_of(exclude_.begin(), exclude_.end(), [&](const Rule& rule) {
    return (is_folder || !rule.folders_only) && MatchesRule(rule, path);
  });
}

bool PathFilter::Includes(std::string_view path) const {
  return include_.empty() ||
         std::any_of(include_.begin(), include_.end(),
                     [&](const Rule& rule) { return MatchesRule(rule, path); });
}

bool PathFilter::Reaches(std::string_view path, bool is_folder) const {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (Excludes(path.substr(0, slash), true)) return false;
  }
  if (Excludes(path, is_folder)) return false;
  return is_folder || Includes(path);
}

}  // namespace scanengine
