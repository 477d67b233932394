#include "worker/parsing/pickle_file.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "worker/byte_text.h"
#include "worker/parsing/joblib_arrays.h"
#include "worker/parsing/pickle_limits.h"

namespace scanengine {
namespace {

constexpr std::size_t kHeadBytes = 4096;
// Bytes that walks may take in all: so many times what was searched, and some.
constexpr std::uint64_t kMaxSearchWork = 8;
constexpr std::uint64_t kFreeSearchWork = 16 << 20;
// Longest GLOBAL that a search looks for.
constexpr std::size_t kGlobalBytes = 260;
constexpr std::uint32_t kMaxStreams = PickleLimit<std::uint32_t>(100'000, 50);
// A walk that starts at chance bytes is short; this bounds hostile ones.
constexpr std::uint64_t kMaxSearchWalks =
    PickleLimit<std::uint64_t>(200'000, 50);

bool IsFiller(std::byte b) {
  return b == std::byte{0} || b == std::byte{'\n'} || b == std::byte{'\r'} ||
         b == std::byte{' '} || b == std::byte{'\t'};
}

bool IsHeader(std::string_view text) {
  return text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5;
}

// A line of letters, digits, "_" and ".", taken off; false if it is none.
bool TakeName(std::string_view* text) {
  constexpr std::size_t kMostName = 128;
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.';
  };
  std::size_t size = 0;
  while (size < text->size() && size < kMostName && is_name((*text)[size])) {
    ++size;
  }
  if (size == 0 || size == text->size() || (*text)[size] != '\n') return false;
  text->remove_prefix(size + 1);
  return true;
}

// GLOBAL with its two lines, as pickles without a header begin.
bool IsGlobal(std::string_view text) {
  if (text.empty() || text[0] != 'c') return false;
  text.remove_prefix(1);
  return TakeName(&text) && TakeName(&text);
}

// First byte of |text| where a pickle may begin; npos if there is none.
std::size_t FindCandidate(std::string_view text) {
  const std::size_t header = text.find('\x80');
  const std::string_view before = text.substr(0, header);
  for (std::size_t at = before.find('c'); at != std::string_view::npos;
       at = before.find('c', at + 1)) {
    // What the end of |text| cuts is looked at again.
    if (text.size() - at < kGlobalBytes || IsGlobal(text.substr(at))) return at;
  }
  return header;
}

/// One SearchForPickles().
class PickleSearch {
 public:
  PickleSearch(ScanContext& context, ByteSource& source, std::uint64_t offset)
      : context_(context),
        source_(source),
        stream_(source, offset),
        begin_(offset) {
    options_.report_everything = false;
  }

  std::optional<std::uint64_t> Run(std::uint64_t end) {
    while (stream_.offset() < end && context_.Checkpoint(stream_.offset())) {
      if (!Step()) break;
    }
    return first_;
  }

 private:
  bool Step();
  void Scan(std::span<const std::byte> candidate);

  ScanContext& context_;
  ByteSource& source_;
  ByteStream stream_;
  std::uint64_t begin_;
  PickleOptions options_;
  std::optional<std::uint64_t> first_;
  std::uint64_t walks_ = 0;
  std::uint64_t walked_ = 0;  // Bytes.
  // What a pickle took that was scanned.
  std::uint64_t covered_from_ = 0;
  std::uint64_t covered_to_ = 0;
};

// Looks at the next few KiB, up to a candidate; false at the end.
bool PickleSearch::Step() {
  const std::uint64_t here = stream_.offset();
  if (here >= covered_from_ && here < covered_to_) {
    stream_.Skip(covered_to_ - here);
    return true;
  }
  stream_.Peek(kHeadBytes);
  const auto window = stream_.Window();
  if (window.empty()) return false;
  const auto text = TextOf(window);
  const std::size_t at = FindCandidate(text.substr(0, kHeadBytes));
  if (at == std::string_view::npos) {
    const auto seen = window.first(std::min(window.size(), kHeadBytes));
    const bool blank = std::all_of(seen.begin(), seen.end(), [](std::byte b) {
      return b == std::byte{0};
    });
    stream_.Consume(seen.size());
    if (blank) stream_.SkipHole();
    return true;
  }
  if (at != 0) {
    // The walk needs to see what follows.
    stream_.Consume(at);
    return true;
  }
  const auto candidate = window.first(std::min(kHeadBytes, window.size()));
  if (!IsHeader(text) && !IsGlobal(text)) {
    stream_.Consume(1);
    return true;
  }
  if (++walks_ > kMaxSearchWalks ||
      walked_ / kMaxSearchWork > here - begin_ + kFreeSearchWork) {
    context_.Report(
        kPickleLimit,
        {"too many bytes that look like the start of a pickle", here});
    context_.MarkIncomplete(OutcomeStatus::kLimit, "pickle: searched in part");
    return false;
  }
  if (LooksLikePickle(candidate)) Scan(candidate);
  stream_.Consume(1);
  return true;
}

void PickleSearch::Scan(std::span<const std::byte> candidate) {
  const std::uint64_t start = stream_.offset();
  const PickleEnd found = ScanPickleIn(context_, source_, start, options_);
  walked_ += found.offset - start;
  if (!found.complete) return;
  if (!first_) first_ = start;
  covered_to_ = std::max(covered_to_, found.offset);
  // A name may hold the start of the true one: "ccos".
  const std::string_view text = TextOf(candidate);
  const std::size_t own = IsHeader(text) ? 1 : text.find('\n');
  covered_from_ = std::max(covered_from_, start + own);
}

/// Scans the streams of one source.
class StreamScan {
 public:
  StreamScan(ScanContext& context, ByteSource& source)
      : context_(context), source_(source), arrays_(context, source) {
    options_.on_built = [this](const PickleMachine& machine, PickleValue object,
                               std::uint64_t next) {
      return arrays_.PassOver(machine, object, next);
    };
  }

  PickleFileEnd Run();

 private:
  // First bytes from |offset| on.
  std::span<const std::byte> Head(std::uint64_t offset);
  bool Begin(std::uint64_t* offset);
  // Where the next pickle begins, if one follows at once or after filler.
  std::optional<std::uint64_t> Next(std::uint64_t offset);
  void Tail(std::uint64_t start, PickleEnd end);

  ScanContext& context_;
  ByteSource& source_;
  JoblibArrays arrays_;
  PickleOptions options_;
  std::vector<std::byte> head_;
};

std::span<const std::byte> StreamScan::Head(std::uint64_t offset) {
  head_.resize(kHeadBytes);
  std::size_t have = 0;
  while (have < head_.size()) {
    const auto got =
        source_.ReadAt(offset + have, std::span(head_).subspan(have));
    if (!got.ok() || got.value() == 0) break;
    have += got.value();
  }
  return std::span(head_).first(have);
}

bool StreamScan::Begin(std::uint64_t* offset) {
  *offset = 0;
  const auto head = Head(0);
  if (LooksLikePickle(head, PickleDoubt::kLoose)) return true;
  const auto start = FindPickleStart(head, PickleDoubt::kLoose);
  if (start) {
    *offset = *start;
    context_.Report(
        kPickleLeadingData,
        {std::to_string(*start) + " bytes come before the first pickle", 0,
         std::string(
             TextOf(head).substr(0, std::min<std::size_t>(*start, 64)))});
    return true;
  }
  return false;
}

std::optional<std::uint64_t> StreamScan::Next(std::uint64_t offset) {
  const auto head = Head(offset);
  if (head.empty()) return std::nullopt;
  if (LooksLikePickle(head, PickleDoubt::kLoose)) return offset;
  const auto filler =
      std::find_if_not(head.begin(), head.end(), IsFiller) - head.begin();
  const auto rest = head.subspan(static_cast<std::size_t>(filler));
  if (filler == 0 || !LooksLikePickle(rest)) return std::nullopt;
  return offset + static_cast<std::uint64_t>(filler);
}

void StreamScan::Tail(std::uint64_t start, PickleEnd end) {
  const std::uint64_t offset = end.offset;
  if (!end.complete) {
    // It was reported as broken. Others may follow, or lie in what this one
    // took for an operand.
    SearchForPickles(context_, source_, start + 1);
    return;
  }
  ByteStream stream(source_, offset);
  const auto window = stream.Window();
  if (window.empty()) return;
  const bool filler = std::all_of(window.begin(), window.end(), IsFiller);
  const auto found = SearchForPickles(context_, source_, offset);
  const std::string size =
      source_.size() == kUnknownSize
          ? "data"
          : std::to_string(source_.size() - offset) + " bytes";
  Sighting sighting{size + " after the last pickle", offset};
  if (found) {
    sighting.message += ", with a pickle at offset " + std::to_string(*found);
  } else if (filler) {
    sighting.message += ", all blank";
  }
  sighting.evidence = std::string(TextOf(window).substr(0, filler ? 0 : 48));
  const Severity severity = found    ? Severity::kMedium
                            : filler ? Severity::kInfo
                                     : Severity::kLow;
  context_.Report(kPickleTrailingData, severity, sighting);
}

PickleFileEnd StreamScan::Run() {
  PickleFileEnd result;
  std::uint64_t offset = 0;
  if (!Begin(&offset)) {
    // Let the machine say what is wrong at its first opcode.
    offset = 0;
  }
  while (!context_.stopped()) {
    const PickleEnd end = ScanPickleIn(context_, source_, offset, options_);
    ++result.streams;
    const auto next = end.complete && result.streams < kMaxStreams
                          ? Next(end.offset)
                          : std::nullopt;
    if (!next) {
      Tail(offset, end);
      break;
    }
    offset = *next;
  }
  result.arrays = arrays_.count();
  return result;
}

}  // namespace

PickleFileEnd ScanPickleFile(ScanContext& context, ByteSource& source) {
  return StreamScan(context, source).Run();
}

std::optional<std::uint64_t> SearchForPickles(ScanContext& context,
                                              ByteSource& source,
                                              std::uint64_t offset,
                                              std::uint64_t end) {
  PickleSearch search(context, source, offset);
  return search.Run(end);
}

std::optional<std::size_t> FindPickleStart(std::span<const std::byte> head,
                                           PickleDoubt doubt) {
  const std::string_view text = TextOf(head);
  // Blank lines and comment lines first, then any protocol header.
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t before = at;
    while (at < text.size() && IsFiller(head[at])) ++at;
    if (at < text.size() && text[at] == '#') {
      const std::size_t end = text.find('\n', at);
      at = end == std::string_view::npos ? text.size() : end + 1;
    }
    if (at == before) break;
  }
  if (at != 0 && at < text.size() && LooksLikePickle(head.subspan(at))) {
    return at;
  }
  // "#" alone, then the pickle on the same line.
  if (text.starts_with('#') && LooksLikePickle(head.subspan(1))) return 1;
  if (doubt == PickleDoubt::kStrict) return std::nullopt;
  for (at = text.find('\x80'); at != std::string_view::npos;
       at = text.find('\x80', at + 1)) {
    if (at != 0 && LooksLikePickle(head.subspan(at))) return at;
  }
  return std::nullopt;
}

bool IsJoblibPickle(std::span<const std::byte> head, std::string_view name) {
  const bool named = name.ends_with(".joblib") || name.ends_with(".JOBLIB");
  const bool wraps =
      TextOf(head).find("joblib.numpy_pickle") != std::string_view::npos;
  return (named || wraps) && LooksLikePickle(head);
}

bool IsLegacyTorch(std::span<const std::byte> head) {
  // LONG1 of ten bytes: 0x1950a86a20f9469cfc6c, then STOP.
  constexpr std::string_view kMagic = "\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";
  const std::string_view text = TextOf(head);
  if (text.size() < 2 || text[0] != '\x80' || text[1] < 2 || text[1] > 5) {
    return false;
  }
  // Protocol 4 and later put a frame before it.
  const std::size_t at = text.size() > 2 && text[2] == '\x95' ? 11 : 2;
  return at < text.size() && text.substr(at).starts_with(kMagic);
}

}  // namespace scanengine
