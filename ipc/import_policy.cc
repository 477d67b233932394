#include "ipc/import_policy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "ipc/import_policy_layout.h"

namespace scanengine {
namespace {

using import_policy::Entry;
using import_policy::Header;
using import_policy::kAnywhere;
using import_policy::kMaxKeyBytes;
using import_policy::kMaxKeyParts;
using import_policy::kMaxPathBytes;
using import_policy::kMaxPathParts;
using import_policy::kTableCount;
using import_policy::Table;
using import_policy::Text;

constexpr ImportJudgement kTooLong = {
    ImportVerdict::kDangerous, "attribute", "",
    "attribute path longer than any real import: it hides what it reaches"};

/// Reads the compiled tables. Trusts them only as far as CheckLayout() went.
class Tables {
 public:
  /// REQUIRES: bytes has room for the header.
  explicit Tables(std::span<const std::byte> bytes) : bytes_(bytes) {
    std::memcpy(&header_, bytes.data(), sizeof(header_));
  }

  const Header& header() const { return header_; }

  std::uint64_t entry_count() const {
    std::uint64_t count = 0;
    for (const std::uint32_t n : header_.counts) count += n;
    return count;
  }
  std::uint64_t arena_offset() const {
    return sizeof(Header) + entry_count() * sizeof(Entry);
  }

  /// The |index|-th entry of all tables. REQUIRES: index < entry_count().
  Entry At(std::size_t index) const {
    Entry entry;
    std::memcpy(&entry, bytes_.data() + sizeof(Header) + index * sizeof(Entry),
                sizeof(entry));
    return entry;
  }

  std::string_view Get(const Text& text) const {
    const std::byte* arena =
        bytes_.data() + static_cast<std::size_t>(arena_offset());
    return {reinterpret_cast<const char*>(arena) + text.offset, text.size};
  }

  /// Position of a table's first entry among all entries.
  std::size_t Begin(Table table) const {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(table); ++i) {
      begin += header_.counts[i];
    }
    return begin;
  }

  std::optional<Entry> Find(Table table, std::string_view key) const {
    if (key.empty() || key.size() > kMaxKeyBytes) return std::nullopt;
    std::size_t low = Begin(table);
    const std::size_t end =
        low + header_.counts[static_cast<std::size_t>(table)];
    std::size_t high = end;
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (Get(At(middle).key) < key) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == end) return std::nullopt;
    const Entry entry = At(low);
    if (Get(entry.key) != key) return std::nullopt;
    return entry;
  }

  ImportJudgement Dangerous(const Entry& entry) const {
    return {ImportVerdict::kDangerous, Get(entry.category),
            Get(entry.reference), Get(entry.effect)};
  }

 private:
  std::span<const std::byte> bytes_;
  Header header_;
};

/// "module.name", cut at its dots. Holds a bounded copy: no allocation.
class ImportPath {
 public:
  /// REQUIRES: module.size() + 1 + name.size() <= kMaxPathBytes.
  ImportPath(std::string_view module, std::string_view name) {
    size_ = module.copy(bytes_.data(), module.size());
    bytes_[size_++] = '.';
    size_ += name.copy(bytes_.data() + size_, name.size());
    Begin(0);
    for (std::size_t i = 0; i < size_; ++i) {
      if (bytes_[i] != '.') continue;
      if (i == module.size()) module_parts_ = parts_;
      Begin(i + 1);
    }
  }

  bool too_deep() const { return too_deep_; }
  std::size_t parts() const { return parts_; }
  /// How many of the parts came from the module; the rest are attributes.
  std::size_t module_parts() const { return module_parts_; }

  /// The parts [first, last) with their dots, less |skip| leading bytes.
  std::string_view Slice(std::size_t first, std::size_t last,
                         std::size_t skip = 0) const {
    const std::size_t begin = starts_[first] + skip;
    const std::size_t end = last == parts_ ? size_ : starts_[last] - 1u;
    return {bytes_.data() + begin, end - begin};
  }

 private:
  void Begin(std::size_t offset) {
    if (parts_ == kMaxPathParts) {
      too_deep_ = true;
      return;
    }
    starts_[parts_++] = static_cast<std::uint16_t>(offset);
  }

  std::array<char, kMaxPathBytes> bytes_;
  std::array<std::uint16_t, kMaxPathParts> starts_;
  std::size_t size_ = 0;
  std::size_t parts_ = 0;
  std::size_t module_parts_ = 0;
  bool too_deep_ = false;
};

/// Is something dangerous reached by the path's parts from |first| on, less
/// |skip| bytes? From the front, as a real import. Further back only as an
/// attribute that is a module or a thing of one: among the attributes every
/// table counts, within a module's own name only things and telling modules,
/// since packages may well have a submodule named "profile".
std::optional<ImportJudgement> JudgeTail(const Tables& tables,
                                         const ImportPath& path,
                                         std::size_t first, std::size_t skip) {
  std::optional<Entry> whole;
  const std::size_t end = std::min(path.parts(), first + kMaxKeyParts);
  for (std::size_t last = first + 1; last <= end; ++last) {
    const std::string_view key = path.Slice(first, last, skip);
    if (const auto exact = tables.Find(Table::kExact, key)) {
      return tables.Dangerous(*exact);
    }
    const auto module = tables.Find(Table::kWhole, key);
    if (!module) continue;
    const bool reached_into =
        first >= path.module_parts() && last < path.parts();
    if (first == 0 || reached_into || (module->flags & kAnywhere) != 0) {
      whole = module;
    }
  }
  if (!whole) return std::nullopt;
  return tables.Dangerous(*whole);
}

std::optional<ImportJudgement> JudgeDanger(const Tables& tables,
                                           const ImportPath& path) {
  if (auto found = JudgeTail(tables, path, 0, 0)) return found;
  for (std::size_t i = 0; i < path.parts(); ++i) {
    const std::string_view part = path.Slice(i, i + 1);
    // A submodule may have a telling name, but not one of the language's own.
    if (i < path.module_parts() && !part.starts_with("__")) continue;
    if (const auto found = tables.Find(Table::kAttribute, part)) {
      return tables.Dangerous(*found);
    }
  }
  for (std::size_t i = 1; i < path.parts(); ++i) {
    if (auto found = JudgeTail(tables, path, i, 0)) return found;
    // Modules import others under private names: random._os, enum._operator.
    const std::string_view part = path.Slice(i, i + 1);
    const std::size_t skip = std::min(part.find_first_not_of('_'), part.size());
    if (skip == 0 || skip == part.size()) continue;
    if (auto found = JudgeTail(tables, path, i, skip)) return found;
  }
  return std::nullopt;
}

/// True if each attribute of the path reads as a class: "Linear", "_Loss.Kind".
bool NamesClass(const ImportPath& path) {
  for (std::size_t i = path.module_parts(); i < path.parts(); ++i) {
    const std::string_view part = path.Slice(i, i + 1);
    const std::size_t at = part.find_first_not_of('_');
    if (at == std::string_view::npos) return false;
    if (part[at] < 'A' || part[at] > 'Z') return false;
  }
  return true;
}

bool InKnownLibrary(const Tables& tables, const ImportPath& path) {
  const std::size_t end = std::min(path.module_parts(), kMaxKeyParts);
  for (std::size_t last = 1; last <= end; ++last) {
    if (tables.Find(Table::kLibrary, path.Slice(0, last))) return true;
  }
  return false;
}

bool IsVetted(const Tables& tables, std::string_view module,
              std::string_view name) {
  if (module.size() + 1 + name.size() > kMaxKeyBytes) return false;
  std::array<char, kMaxKeyBytes> key;
  std::size_t size = module.copy(key.data(), module.size());
  key[size++] = '\t';
  size += name.copy(key.data() + size, name.size());
  return tables.Find(Table::kVetted, {key.data(), size}).has_value();
}

/// True for "Class.MEMBER" of a vetted class: a member of an enumeration.
bool IsVettedMember(const Tables& tables, std::string_view module,
                    std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == name.size()) return false;
  const std::string_view member = name.substr(dot + 1);
  if (member.front() < 'A' || member.front() > 'Z') return false;
  const bool capitals = std::all_of(member.begin(), member.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return capitals && IsVetted(tables, module, name.substr(0, dot));
}

Error Corrupt(const char* what) {
  return {ErrorCode::kMalformed, std::string("import policy: ") + what};
}

bool Inside(const Text& text, std::uint64_t arena_size) {
  return std::uint64_t{text.offset} + text.size <= arena_size;
}

/// Every text lies in the arena, and keys ascend within each table.
Status CheckEntries(const Tables& tables) {
  std::size_t index = 0;
  for (const std::uint32_t count : tables.header().counts) {
    std::string_view previous;
    for (std::uint32_t i = 0; i < count; ++i, ++index) {
      const Entry entry = tables.At(index);
      for (const Text& text :
           {entry.key, entry.category, entry.reference, entry.effect}) {
        if (!Inside(text, tables.header().arena_size)) {
          return Corrupt("a text lies outside the arena");
        }
      }
      const std::string_view key = tables.Get(entry.key);
      if (key.size() > kMaxKeyBytes) return Corrupt("a key is too long");
      if (key <= previous) return Corrupt("keys are not in order");
      previous = key;
    }
  }
  return OkStatus();
}

}  // namespace

Result<ImportPolicy> ImportPolicy::FromChecked(
    std::span<const std::byte> compiled) {
  if (compiled.size() < sizeof(Header)) return Corrupt("shorter than a header");
  const Tables tables(compiled);
  if (tables.header().magic != import_policy::kMagic) {
    return Corrupt("bad magic");
  }
  if (tables.header().version != import_policy::kVersion) {
    return Corrupt("another version");
  }
  if (tables.arena_offset() + tables.header().arena_size != compiled.size()) {
    return Corrupt("size does not match the header");
  }
  ImportPolicy policy;
  policy.bytes_ = compiled;
  policy.strict_ = tables.header().strict != 0;
  return policy;
}

Result<ImportPolicy> ImportPolicy::FromBytes(
    std::span<const std::byte> compiled) {
  Result<ImportPolicy> policy = FromChecked(compiled);
  if (!policy.ok()) return policy;
  if (const Status status = CheckEntries(Tables(compiled)); !status) {
    return status.error();
  }
  return policy;
}

ImportJudgement ImportPolicy::Judge(std::string_view module,
                                    std::string_view name) const {
  if (bytes_.empty()) return {};
  if (module.size() > kMaxPathBytes || name.size() > kMaxPathBytes ||
      module.size() + 1 + name.size() > kMaxPathBytes) {
    return kTooLong;
  }
  const Tables tables(bytes_);
  if (IsVetted(tables, module, name) || IsVettedMember(tables, module, name)) {
    return {ImportVerdict::kVetted, {}, {}, {}};
  }
  const ImportPath path(module, name);
  if (path.too_deep()) return kTooLong;
  if (const auto danger = JudgeDanger(tables, path)) return *danger;
  if (NamesClass(path) && InKnownLibrary(tables, path)) {
    return {ImportVerdict::kKnownLibrary, {}, {}, {}};
  }
  return {};
}

ImportJudgement ImportPolicy::JudgeConstructor(std::string_view module,
                                               std::string_view name) const {
  constexpr std::string_view kInit = ".__init__";
  if (bytes_.empty() ||
      module.size() + 1 + name.size() + kInit.size() > kMaxKeyBytes) {
    return {};
  }
  std::array<char, kMaxKeyBytes> key;
  std::size_t size = module.copy(key.data(), module.size());
  key[size++] = '.';
  size += name.copy(key.data() + size, name.size());
  size += kInit.copy(key.data() + size, kInit.size());
  const Tables tables(bytes_);
  const auto found = tables.Find(Table::kExact, {key.data(), size});
  return found ? tables.Dangerous(*found) : ImportJudgement();
}

}  // namespace scanengine
