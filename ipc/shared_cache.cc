#include "ipc/shared_cache.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "ipc/byte_reader.h"
#include "ipc/check.h"

namespace scanengine {
namespace {

// Layout, all integers little-endian:
//   header (64 bytes): magic[8], version u32, sections u32, size u64,
//                      zeros[32], checksum u64 of the header so far and of the
//                      table
//   table: for each section name[32], offset u64, size u64
//   sections, each at a multiple of 64, in the order of the table
constexpr std::string_view kMagic = "SEcache\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderSize = 64;
constexpr std::size_t kChecksumAt = kHeaderSize - 8;
constexpr std::size_t kNameSize = 32;
constexpr std::size_t kEntrySize = kNameSize + 16;
constexpr std::size_t kAlignment = 64;

struct Entry {
  std::string_view name;
  std::span<const std::byte> bytes;
};

constexpr std::size_t AlignUp(std::size_t value) {
  return (value + kAlignment - 1) / kAlignment * kAlignment;
}

// FNV-1a. Against accidents: whoever could forge it holds the supervisor.
std::uint64_t Checksum(std::span<const std::byte> header,
                       std::span<const std::byte> table) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const auto part : {header.first(kChecksumAt), table}) {
    for (const std::byte b : part) {
      hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3U;
    }
  }
  return hash;
}

template <typename T>
void Append(std::vector<std::byte>* out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<std::byte>(value >> (8 * i)));
  }
}

void AppendText(std::vector<std::byte>* out, std::string_view text,
                std::size_t width) {
  const auto bytes = std::as_bytes(std::span(text));
  out->insert(out->end(), bytes.begin(), bytes.end());
  out->resize(out->size() + width - text.size());
}

bool NameIsUnique(std::span<const SharedCache::Section> sections,
                  std::string_view name) {
  return std::ranges::count(sections, name, &SharedCache::Section::first) == 1;
}

// Offsets of the sections, and behind them the size of the whole.
std::vector<std::size_t> PlaceSections(
    std::span<const SharedCache::Section> sections) {
  std::vector<std::size_t> offsets;
  std::size_t at = AlignUp(kHeaderSize + sections.size() * kEntrySize);
  for (const auto& [name, bytes] : sections) {
    offsets.push_back(at);
    at = AlignUp(at + bytes.size());
  }
  offsets.push_back(at);
  return offsets;
}

std::vector<std::byte> HeaderAndTable(
    std::span<const SharedCache::Section> sections,
    std::span<const std::size_t> offsets) {
  std::vector<std::byte> table;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    AppendText(&table, sections[i].first, kNameSize);
    Append(&table, std::uint64_t{offsets[i]});
    Append(&table, std::uint64_t{sections[i].second.size()});
  }
  std::vector<std::byte> head;
  AppendText(&head, kMagic, kMagic.size());
  Append(&head, kVersion);
  Append(&head, static_cast<std::uint32_t>(sections.size()));
  Append(&head, std::uint64_t{offsets.back()});
  head.resize(kChecksumAt);
  Append(&head, Checksum(head, table));
  head.insert(head.end(), table.begin(), table.end());
  return head;
}

// The section that one row of the table names, or nothing if the row is bad.
// |free_from| is where the first byte of it may lie; moved behind it.
std::optional<Entry> ParseEntry(std::span<const std::byte> all,
                                ByteReader* table, std::uint64_t* free_from) {
  const std::string_view padded = table->Text(kNameSize);
  const std::uint64_t offset = table->U64();
  const std::uint64_t size = table->U64();
  const std::size_t length = std::min(padded.find('\0'), padded.size());
  if (length == 0 || length == kNameSize) return std::nullopt;
  if (offset % kAlignment != 0 || offset < *free_from || offset > all.size() ||
      size > all.size() - offset) {
    return std::nullopt;
  }
  *free_from = offset + size;
  return Entry{padded.substr(0, length),
               all.subspan(static_cast<std::size_t>(offset),
                           static_cast<std::size_t>(size))};
}

std::optional<std::vector<Entry>> ParseSections(
    std::span<const std::byte> all) {
  ByteReader reader(all);
  const std::string_view magic = reader.Text(kMagic.size());
  const std::uint32_t version = reader.U32();
  const std::uint32_t count = reader.U32();
  const std::uint64_t size = reader.U64();
  reader.Skip(kChecksumAt - 24);
  const std::uint64_t checksum = reader.U64();
  if (!reader.ok() || magic != kMagic || version != kVersion ||
      size != all.size() || count > reader.remaining() / kEntrySize) {
    return std::nullopt;
  }
  const auto table = reader.Bytes(count * kEntrySize);
  if (checksum != Checksum(all.first(kHeaderSize), table)) return std::nullopt;
  ByteReader rows(table);
  std::uint64_t free_from = kHeaderSize + table.size();
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto entry = ParseEntry(all, &rows, &free_from);
    if (!entry) return std::nullopt;
    entries.push_back(*entry);
  }
  return entries;
}

class MappedCache final : public SharedCache {
 public:
  MappedCache(std::unique_ptr<SharedMemory> memory, std::vector<Entry> entries)
      : memory_(std::move(memory)), entries_(std::move(entries)) {}

  std::span<const std::byte> Find(std::string_view name) const override {
    const auto found = std::ranges::find(entries_, name, &Entry::name);
    return found == entries_.end() ? std::span<const std::byte>()
                                   : found->bytes;
  }
  NativeHandle handle() const override { return memory_->handle(); }
  std::size_t size() const override { return memory_->bytes().size(); }

 private:
  std::unique_ptr<SharedMemory> memory_;
  std::vector<Entry> entries_;  // Views into memory_.
};

Result<std::unique_ptr<SharedCache>> Open(
    Result<std::unique_ptr<SharedMemory>> memory) {
  if (!memory.ok()) return memory.error();
  auto entries = ParseSections(memory.value()->bytes());
  if (!entries) {
    return Error{ErrorCode::kMalformed, "not a shared cache of this version"};
  }
  return std::unique_ptr<SharedCache>(
      new MappedCache(std::move(memory).value(), std::move(*entries)));
}

}  // namespace

Result<std::unique_ptr<SharedCache>> SharedCache::Create(
    std::span<const Section> sections) {
  for (const auto& [name, bytes] : sections) {
    SCANENGINE_CHECK(!name.empty() && name.size() < kNameSize);
    SCANENGINE_CHECK(name.find('\0') == std::string::npos);
    SCANENGINE_CHECK(NameIsUnique(sections, name));
  }
  const std::vector<std::size_t> offsets = PlaceSections(sections);
  const std::vector<std::byte> head = HeaderAndTable(sections, offsets);
  return Open(SharedMemory::CreateSealed(
      "scanengine-cache", offsets.back(), [&](std::span<std::byte> out) {
        std::ranges::copy(head, out.begin());
        for (std::size_t i = 0; i < sections.size(); ++i) {
          std::ranges::copy(sections[i].second,
                            out.subspan(offsets[i]).begin());
        }
      }));
}

Result<std::unique_ptr<SharedCache>> SharedCache::Attach(NativeHandle handle) {
  return Open(SharedMemory::Attach(handle, SharedMemory::Access::kRead));
}

}  // namespace scanengine
