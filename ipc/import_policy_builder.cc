#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ipc/import_policy.h"
#include "ipc/import_policy_layout.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

using import_policy::Entry;
using import_policy::Header;
using import_policy::kAnywhere;
using import_policy::kMaxKeyBytes;
using import_policy::kMaxKeyParts;
using import_policy::kTableCount;
using import_policy::Table;
using import_policy::Text;

constexpr std::size_t kMaxLineBytes = 4096;
constexpr std::size_t kMaxColumns = 6;

constexpr std::array<std::string_view, 11> kCategories = {
    "attribute", "code",   "debugger",      "deserialise", "file",
    "import",    "native", "introspection", "network",     "package-manager",
    "process"};

/// One line of a policy text, understood.
struct Line {
  Table table = Table::kExact;
  std::string module;
  std::string name;  ///< Empty for whole modules and libraries.
  std::string category;
  std::string reference;
  std::string effect;
  std::uint32_t flags = 0;
  std::size_t number = 0;  ///< Within its text, from 1.

  std::string Path() const {
    return name.empty() ? module : module + "." + name;
  }
  std::string Key() const {
    switch (table) {
      case Table::kVetted:
        return module + "\t" + name;
      case Table::kAttribute:
        return name;
      default:
        return Path();
    }
  }
};

using TableMap = std::map<std::string, Line, std::less<>>;
using TableMaps = std::array<TableMap, kTableCount>;

TableMap& Of(TableMaps& tables, Table table) {
  return tables[static_cast<std::size_t>(table)];
}

/// True for one or more Python identifiers joined by dots. Bytes beyond ASCII
/// pass: Python allows letters of every script.
bool IsDottedName(std::string_view text) {
  std::size_t parts = 1;
  bool at_start = true;
  for (const char c : text) {
    if (c == '.') {
      if (at_start) return false;
      at_start = true;
      ++parts;
      continue;
    }
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        c == '_' || static_cast<unsigned char>(c) >= 0x80;
    if (!letter && !(digit && !at_start)) return false;
    at_start = false;
  }
  return !at_start && parts <= kMaxKeyParts;
}

bool IsPlainText(std::string_view text) {
  return IsUtf8(text) && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

/// What went wrong in a line, or nothing.
using Mistake = std::optional<std::string>;

/// Cuts |text| at tabs; "-" stands for an empty column.
Mistake SplitColumns(std::string_view text,
                     std::array<std::string_view, kMaxColumns>& columns) {
  if (text.size() > kMaxLineBytes) return "line is longer than 4096 bytes";
  std::size_t count = 0;
  while (true) {
    if (count == kMaxColumns) return "more than 6 columns";
    const std::size_t tab = text.find('\t');
    const std::string_view column = text.substr(0, tab);
    if (!IsPlainText(column)) return "control character or invalid UTF-8";
    columns[count++] = column == "-" ? std::string_view() : column;
    if (tab == std::string_view::npos) break;
    text.remove_prefix(tab + 1);
  }
  if (count < 3) return "needs a verdict, a module and a name, between tabs";
  return std::nullopt;
}

Mistake ParseDangerous(Line& line) {
  if (line.name == "*" || line.name == "**") {
    line.table = Table::kWhole;
    line.flags = line.name == "**" ? kAnywhere : 0;
    line.name.clear();
  } else {
    line.table = Table::kExact;
    if (!IsDottedName(line.name)) return "name is no Python name, * or **";
  }
  if (!IsDottedName(line.module)) return "module is no Python module name";
  return std::nullopt;
}

Mistake ParseVetted(Line& line) {
  line.table = Table::kVetted;
  if (line.name == "*" || line.name == "**") {
    return "only exact names can be vetted, not *";
  }
  if (!IsDottedName(line.module)) return "module is no Python module name";
  if (!IsDottedName(line.name)) return "name is no Python name";
  return std::nullopt;
}

Mistake ParseAttribute(Line& line) {
  line.table = Table::kAttribute;
  if (line.module != "*") return "the module of an attribute is *";
  if (!IsDottedName(line.name) || line.name.find('.') != std::string::npos) {
    return "attribute is no single Python name";
  }
  line.module.clear();
  return std::nullopt;
}

Mistake ParseLibrary(Line& line) {
  line.table = Table::kLibrary;
  if (line.name != "*") return "the name of a library is *";
  if (!IsDottedName(line.module)) return "module is no Python module name";
  line.name.clear();
  return std::nullopt;
}

Mistake ParseVerdict(std::string_view verdict, Line& line) {
  if (verdict == "dangerous") return ParseDangerous(line);
  if (verdict == "vetted") return ParseVetted(line);
  if (verdict == "attribute") return ParseAttribute(line);
  if (verdict == "library") return ParseLibrary(line);
  return "verdict is none of dangerous, vetted, attribute, library";
}

Mistake ParseLine(std::string_view text, Line& line) {
  std::array<std::string_view, kMaxColumns> columns;
  if (auto mistake = SplitColumns(text, columns)) return mistake;
  line.module = columns[1];
  line.name = columns[2];
  line.category = columns[3];
  line.reference = columns[4];
  line.effect = columns[5];
  if (auto mistake = ParseVerdict(columns[0], line)) return mistake;
  if (line.Key().size() > kMaxKeyBytes) {
    return "module and name are longer than 512 bytes";
  }
  const bool dangerous = line.table == Table::kExact ||
                         line.table == Table::kWhole ||
                         line.table == Table::kAttribute;
  const bool known =
      std::ranges::find(kCategories, line.category) != kCategories.end();
  if (dangerous && !known) return "category is none of the known ones";
  if (!dangerous && !line.category.empty()) {
    return "only what is dangerous has a category";
  }
  return std::nullopt;
}

/// Calls |use| with each way to cut a dotted path into module and name.
template <typename Use>
void ForEachSplit(std::string_view path, Use use) {
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos;
       dot = path.find('.', dot + 1)) {
    use(path.substr(0, dot), path.substr(dot + 1));
  }
}

void EraseByPrefix(TableMap& table, const std::string& prefix) {
  auto at = table.lower_bound(prefix);
  while (at != table.end() && at->first.starts_with(prefix)) {
    at = table.erase(at);
  }
}

/// Takes out of |tables|, which earlier texts filled, what |line| overrides.
void EraseOverridden(const Line& line, TableMaps& tables) {
  TableMap& vetted = Of(tables, Table::kVetted);
  const std::string path = line.Path();
  if (line.table == Table::kVetted) {
    Of(tables, Table::kExact).erase(path);
  } else if (line.table == Table::kExact) {
    ForEachSplit(path, [&](std::string_view module, std::string_view name) {
      vetted.erase(std::string(module) + "\t" + std::string(name));
    });
  } else if (line.table == Table::kWhole) {
    EraseByPrefix(vetted, path + "\t");
    EraseByPrefix(vetted, path + ".");
    ForEachSplit(path, [&](std::string_view module, std::string_view name) {
      const std::string key = std::string(module) + "\t" + std::string(name);
      vetted.erase(key);
      EraseByPrefix(vetted, key + ".");
    });
  }
}

/// Refuses two lines of one text that say the same or opposite things.
Mistake CheckAgainst(const std::unordered_map<std::string, std::size_t>& seen,
                     const Line& line) {
  if (const auto at = seen.find(line.Key()); at != seen.end()) {
    return "repeats line " + std::to_string(at->second);
  }
  return std::nullopt;
}

/// Reads the lines of one text.
class TextParser {
 public:
  explicit TextParser(const PolicyText& text) : text_(text) {}

  Result<std::vector<Line>> Parse() {
    std::string_view rest = text_.text;
    for (number_ = 1; !rest.empty(); ++number_) {
      const std::size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty() || line.front() == '#') continue;
      if (auto mistake = Add(line)) return Fail(number_, *mistake);
    }
    return std::move(lines_);
  }

 private:
  Mistake Add(std::string_view text) {
    Line line;
    line.number = number_;
    if (auto mistake = ParseLine(text, line)) return mistake;
    const auto table = static_cast<std::size_t>(line.table);
    if (auto mistake = CheckAgainst(seen_[table], line)) return mistake;
    seen_[table].emplace(line.Key(), number_);
    if (auto mistake = CheckContradiction(line)) return mistake;
    lines_.push_back(std::move(line));
    return std::nullopt;
  }

  /// The same path both vetted and dangerous, however it is cut.
  Mistake CheckContradiction(const Line& line) {
    if (line.table != Table::kVetted && line.table != Table::kExact) {
      return std::nullopt;
    }
    const auto [at, fresh] =
        paths_.emplace(line.Path(), std::pair(line.table, line.number));
    if (fresh || at->second.first == line.table) return std::nullopt;
    return "contradicts line " + std::to_string(at->second.second);
  }

  Error Fail(std::size_t number, const std::string& what) const {
    return {ErrorCode::kMalformed, std::string(text_.source) + ":" +
                                       std::to_string(number) + ": " + what};
  }

  const PolicyText& text_;
  std::size_t number_ = 0;
  std::vector<Line> lines_;
  std::array<std::unordered_map<std::string, std::size_t>, kTableCount> seen_;
  std::unordered_map<std::string, std::pair<Table, std::size_t>> paths_;
};

/// Puts texts into one arena, equal ones once.
class Arena {
 public:
  Text Add(std::string_view text) {
    const auto [at, fresh] = known_.emplace(std::string(text), Text{});
    if (fresh) {
      at->second = {static_cast<std::uint32_t>(bytes_.size()),
                    static_cast<std::uint32_t>(text.size())};
      bytes_.append(text);
    }
    return at->second;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::unordered_map<std::string, Text> known_;
};

template <typename T>
void Append(const T& value, std::vector<std::byte>& bytes) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), begin, begin + sizeof(T));
}

Result<std::vector<std::byte>> Serialise(const TableMaps& tables, bool strict) {
  Header header;
  header.strict = strict ? 1 : 0;
  Arena arena;
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < kTableCount; ++i) {
    header.counts[i] = static_cast<std::uint32_t>(tables[i].size());
    for (const auto& [key, line] : tables[i]) {
      entries.push_back({arena.Add(key), arena.Add(line.category),
                         arena.Add(line.reference), arena.Add(line.effect),
                         line.flags});
    }
  }
  header.arena_size = static_cast<std::uint32_t>(arena.bytes().size());
  std::vector<std::byte> bytes;
  bytes.reserve(sizeof(header) + entries.size() * sizeof(Entry) +
                arena.bytes().size());
  Append(header, bytes);
  for (const Entry& entry : entries) Append(entry, bytes);
  const auto* begin = reinterpret_cast<const std::byte*>(arena.bytes().data());
  bytes.insert(bytes.end(), begin, begin + arena.bytes().size());
  return bytes;
}

}  // namespace

Result<std::vector<std::byte>> CompileImportPolicy(
    std::span<const PolicyText> texts, bool strict) {
  TableMaps tables;
  std::uint64_t total = 0;
  for (const PolicyText& text : texts) {
    // The keys and texts of a policy are no longer than its source, so that
    // this also keeps every offset within 32 bits.
    total += text.text.size();
    if (total > std::numeric_limits<std::uint32_t>::max() / 4) {
      return Error{ErrorCode::kLimitExceeded,
                   std::string(text.source) + ": policy is larger than 1 GiB"};
    }
    auto lines = TextParser(text).Parse();
    if (!lines) return lines.error();
    for (const Line& line : lines.value()) EraseOverridden(line, tables);
    for (Line& line : lines.value()) {
      std::string key = line.Key();
      Of(tables, line.table).insert_or_assign(std::move(key), std::move(line));
    }
  }
  return Serialise(tables, strict);
}

}  // namespace scanengine
