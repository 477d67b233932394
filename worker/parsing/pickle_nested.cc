#include "worker/parsing/pickle_nested.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/byte_text.h"
#include "worker/containers/unpacked_source.h"
#include "worker/parsing/digits.h"
#include "worker/parsing/marshal_reader.h"
#include "worker/parsing/pickle_opcodes.h"
#include "worker/parsing/pickle_scan.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

// Of an encoded string so much is decoded in memory.
constexpr std::size_t kMaxDecoded = 8 << 20;
constexpr std::size_t kProbeBytes = 4096;
// Of an encoded string so much is decoded to see what is in it.
constexpr std::size_t kProbeEncoded = 1024;
constexpr std::size_t kLeastEncoded = 20;
// And so much to see that it cannot be anything.
constexpr std::size_t kStartBytes = 24;
constexpr std::size_t kStartEncoded = 2 * kStartBytes;
constexpr std::uint32_t kMaxNestedStreams = 64;
constexpr std::uint32_t kMaxGuesses = 4;

enum class Form { kNone, kRaw, kLatin1, kBase64, kHex, kPacked, kMarshal };

std::uint8_t ByteAt(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

bool IsBreak(char c) { return c == '\n' || c == '\r' || c == '\t'; }

bool IsCode(char c) { return Base64Digit(c) >= 0; }

bool IsHexDigit(char c) { return HexDigit(c) >= 0; }

// "80 04 95": as bytes.hex(" ") writes it.
bool IsSpacedHex(std::string_view head) {
  return head.size() >= kLeastEncoded && IsHexDigit(head[0]) &&
         IsHexDigit(head[1]) && head[2] == ' ' && IsHexDigit(head[3]) &&
         IsHexDigit(head[4]) && head[5] == ' ';
}

// As .pyc files begin, behind the version.
bool IsBytecodeMagic(std::string_view head) {
  return head[2] == '\r' && head[3] == '\n';
}

// Begins as base64 or hex do, lines of any length included.
bool IsEncodedText(std::string_view head) {
  if (head.size() < kLeastEncoded) return false;
  if (IsSpacedHex(head)) return true;
  std::size_t codes = 0;
  std::size_t spaces = 0;
  for (const char c : head.substr(0, 2 * kLeastEncoded)) {
    if (IsCode(c)) {
      if (++codes == kLeastEncoded - 4) return true;
    } else if (IsBreak(c) || (c == ' ' && codes == 0)) {
      ++spaces;
    } else {
      return c == '=' && codes + spaces + 4 >= head.size();
    }
  }
  return false;
}

bool MayBeLatin1(std::string_view head) {
  // A byte of a header that is no ASCII is among the first.
  const std::string_view start = head.substr(0, 12);
  return std::any_of(start.begin(), start.end(),
                     [](char c) { return c == '\xc2' || c == '\xc3'; });
}

std::string_view EvenPart(std::string_view text) {
  return text.substr(0, text.size() & ~std::size_t{1});
}

// The digits that |text| begins with.
std::string_view HexPart(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), IsHexDigit);
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

// Without what may be half of a character.
std::string_view WholeCharacters(std::string_view text) {
  if (!text.empty() && (ByteAt(text, text.size() - 1) & 0xc0U) == 0xc0U) {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<std::string> Undo(Form form, std::string_view text) {
  switch (form) {
    case Form::kHex:
      return DecodeHex(text);
    case Form::kBase64:
      return DecodeBase64(text);
    default:
      return DecodeLatin1(text);
  }
}

bool IsPacked(std::string_view head) {
  const auto packed = CompressionOf(BytesOf(head));
  // Of the headers of zlib only those that zlib writes.
  return packed && (*packed != Compression::kZlib || head[0] == 'x');
}

Form FormOf(std::string_view head, std::uint32_t guesses = 0);

// False only if FormOf() finds nothing in all that begins with |start|. What
// chance makes of text that is no code fails here.
bool MayBegin(std::string_view start) {
  if (start.size() < kLeastEncoded) return true;
  if ((ByteAt(start, 0) & 0x7fU) == 'c' || IsBytecodeMagic(start)) return true;
  if (CompressionOf(BytesOf(start))) return true;
  if (MayBecomePickle(BytesOf(start))) return true;
  if (MayBeLatin1(start) && DecodeLatin1(WholeCharacters(start))) return true;
  // Encoded once more.
  return std::all_of(
      start.begin(), start.begin() + kLeastEncoded - 4,
      [](char c) { return IsCode(c) || IsBreak(c) || c == ' ' || c == '='; });
}

using StartBytes = std::array<char, kStartBytes>;

char Octet(std::uint32_t bits) { return static_cast<char>(bits & 0xffU); }

// What the first digits decode to, in |bytes|. REQUIRES: |digits| are digits
// of |form|, which is hex or base64.
std::string_view DecodeStart(Form form, std::string_view digits,
                             StartBytes* bytes) {
  std::size_t size = 0;
  std::size_t at = 0;
  if (form == Form::kHex) {
    const auto digit = [&](std::size_t i) {
      return static_cast<std::uint32_t>(HexDigit(digits[at + i]));
    };
    for (; size < kStartBytes && at + 2 <= digits.size(); at += 2) {
      (*bytes)[size++] = Octet(digit(0) << 4 | digit(1));
    }
    return {bytes->data(), size};
  }
  const auto digit = [&](std::size_t i) {
    return at + i < digits.size()
               ? static_cast<std::uint32_t>(Base64Digit(digits[at + i]))
               : 0;
  };
  for (; size < kStartBytes && at < digits.size(); at += 4) {
    const std::uint32_t bits =
        digit(0) << 18 | digit(1) << 12 | digit(2) << 6 | digit(3);
    (*bytes)[size++] = Octet(bits >> 16);
    (*bytes)[size++] = Octet(bits >> 8);
    (*bytes)[size++] = Octet(bits);
  }
  // Two digits make one byte, three make two.
  return {bytes->data(), std::min(size, digits.size() * 3 / 4)};
}

// False only if Promises() is.
bool MayPromise(Form form, std::string_view digits, std::uint32_t guesses) {
  StartBytes bytes;
  const std::string_view start = DecodeStart(form, digits, &bytes);
  if (start.size() < kLeastPicklePayload) return false;
  return start.size() < kLeastEncoded
             ? FormOf(start, guesses + 1) != Form::kNone
             : MayBegin(start);
}

// True if |text| decoded by |form| begins as something of interest.
bool Promises(Form form, std::string_view text, std::uint32_t guesses) {
  if (form != Form::kLatin1 && !MayPromise(form, text, guesses)) return false;
  const auto decoded = Undo(form, text);
  return decoded && decoded->size() >= kLeastPicklePayload &&
         FormOf(*decoded, guesses + 1) != Form::kNone;
}

Form FormOf(std::string_view head, std::uint32_t guesses) {
  if (head.size() < kLeastPicklePayload || guesses > kMaxGuesses) {
    return Form::kNone;
  }
  if (MayBeMarshalCode(head)) return Form::kMarshal;
  if (IsPacked(head)) return Form::kPacked;
  if (LooksLikePickle(BytesOf(head.substr(0, kProbeBytes)),
                      PickleDoubt::kString)) {
    return Form::kRaw;
  }
  const std::string_view some = head.substr(0, kProbeEncoded);
  if (MayBeLatin1(head) &&
      Promises(Form::kLatin1, WholeCharacters(some), guesses)) {
    return Form::kLatin1;
  }
  if (!IsEncodedText(head)) return Form::kNone;
  std::size_t end = 0;
  bool spaced = false;
  for (; end < some.size(); ++end) {
    if (IsCode(some[end])) continue;
    if (!IsBreak(some[end]) && some[end] != ' ') break;
    spaced = true;
  }
  std::string_view digits = some.substr(0, end);
  std::string joined;
  if (spaced) {
    std::copy_if(digits.begin(), digits.end(), std::back_inserter(joined),
                 IsCode);
    digits = joined;
  }
  if (Promises(Form::kHex, EvenPart(HexPart(digits)), guesses)) {
    return Form::kHex;
  }
  if (Promises(Form::kBase64, digits, guesses)) return Form::kBase64;
  return Form::kNone;
}

// True for digests, identifiers and the like: they read as code, but FormOf()
// finds nothing in them.
bool IsDullCode(std::string_view head) {
  const std::string_view start = head.substr(0, kStartEncoded);
  const auto end = std::find_if_not(start.begin(), start.end(), IsCode);
  const std::string_view digits =
      start.substr(0, static_cast<std::size_t>(end - start.begin()));
  // Lines of code are for FormOf().
  if (digits.size() < start.size() && (IsBreak(*end) || *end == ' ')) {
    return false;
  }
  return !MayPromise(Form::kBase64, digits, 0) &&
         !MayPromise(Form::kHex, EvenPart(HexPart(digits)), 0) &&
         !MayBeMarshalCode(head) && !IsPacked(head) &&
         !LooksLikePickle(BytesOf(head.substr(0, kProbeBytes)),
                          PickleDoubt::kString);
}

// An opcode that needs nothing on the stack and leaves a value there, GET and
// its kin aside: there is nothing in the memo yet.
bool Pushes(char first) {
  const auto code = static_cast<std::uint8_t>(first);
  const auto op = static_cast<PickleOp>(code);
  const PickleOpInfo& info = InfoOf(code);
  return info.operand != PickleOperand::kInvalid && info.pops == 0 &&
         info.pushes != 0 && op != PickleOp::kGet && op != PickleOp::kBinGet &&
         op != PickleOp::kLongBinGet;
}

bool MayBeEncoded(std::string_view head) {
  return IsEncodedText(head) && !IsDullCode(head);
}

/// One payload on its way through its encodings.
class NestedScan {
 public:
  NestedScan(ScanContext& context, const PicklePayload& payload)
      : context_(context), payload_(payload) {}

  void Run();

 private:
  void ScanRaw(ByteSource& source);
  void ScanDecoded(std::string_view decoded);
  void ScanPacked();
  void ScanMarshal();
  void ScanEncoded(Form form);
  std::optional<std::string> Whole();
  std::string DangerousNames(const MarshalCode& code) const;
  void ReportLimit(std::string what);

  ScanContext& context_;
  const PicklePayload& payload_;
};

void NestedScan::ReportLimit(std::string what) {
  context_.Report(kPickleNestedLimit,
                  {std::move(what), payload_.report_offset});
  context_.MarkIncomplete(OutcomeStatus::kLimit, "a pickle inside a string");
}

void NestedScan::ScanRaw(ByteSource& source) {
  context_.Report(kPickleNested,
                  {"a string holds a pickle", payload_.report_offset});
  PickleOptions options;
  options.depth = payload_.depth + 1;
  options.report_offset = payload_.report_offset;
  std::uint64_t offset = 0;
  for (std::uint32_t i = 0; i < kMaxNestedStreams; ++i) {
    const PickleEnd end = ScanPickleIn(context_, source, offset, options);
    if (!end.complete || end.offset <= offset) return;
    offset = end.offset;
    std::vector<std::byte> head(kProbeBytes);
    const auto got = source.ReadAt(offset, head);
    if (!got.ok() || got.value() == 0) return;
    head.resize(got.value());
    if (!LooksLikePickle(head, PickleDoubt::kLoose)) return;
  }
  ReportLimit("a string holds more than " + std::to_string(kMaxNestedStreams) +
              " pickles");
}

// All of the string, or as much as may be decoded.
std::optional<std::string> NestedScan::Whole() {
  if (payload_.decoded) return std::string(payload_.head);
  std::string text;
  std::vector<std::byte> piece(64 << 10);
  const auto most = std::min<std::uint64_t>(payload_.size, kMaxDecoded + 1);
  while (text.size() < most) {
    const auto part = std::span(piece).first(
        std::min<std::size_t>(piece.size(), most - text.size()));
    const auto got =
        payload_.source.ReadAt(payload_.offset + text.size(), part);
    if (!got.ok() || got.value() == 0) break;
    text += TextOf(part.first(got.value()));
  }
  if (text.empty()) return std::nullopt;
  if (text.size() > kMaxDecoded) {
    ReportLimit("an encoded string of more than 8 MiB is decoded in part");
    text.resize(kMaxDecoded);
  }
  return text;
}

void NestedScan::ScanDecoded(std::string_view decoded) {
  MemorySource source(BytesOf(decoded));
  const PicklePayload inner{source,         0,
                            decoded.size(), decoded,
                            true,           payload_.report_offset,
                            payload_.depth, payload_.encodings + 1};
  ScanNestedPickle(context_, inner);
}

void NestedScan::ScanPacked() {
  MemorySource memory(BytesOf(payload_.head));
  SubSource part(payload_.source, payload_.offset, payload_.size);
  ByteSource& packed =
      payload_.decoded ? static_cast<ByteSource&>(memory) : part;
  const auto compression = CompressionOf(BytesOf(payload_.head));
  if (!compression) return;
  if (!CanUnpack(*compression)) {
    context_.MarkIncomplete(OutcomeStatus::kUnsupported,
                            "a string is packed by " +
                                std::string(CompressionName(*compression)) +
                                ", which is not supported in this build");
    return;
  }
  UnpackedSource unpacked(context_, packed, *compression);
  std::vector<std::byte> head(kProbeBytes);
  std::size_t have = 0;
  while (have < head.size()) {
    const auto got = unpacked.ReadAt(have, std::span(head).subspan(have));
    if (!got.ok() || got.value() == 0) break;
    have += got.value();
  }
  if (unpacked.memory_short()) {
    ReportLimit("a compressed string takes too much memory to unpack");
  }
  head.resize(have);
  const PicklePayload inner{unpacked,       0,
                            kUnknownSize,   TextOf(head),
                            false,          payload_.report_offset,
                            payload_.depth, payload_.encodings + 1};
  ScanNestedPickle(context_, inner);
}

void NestedScan::ScanEncoded(Form form) {
  auto text = Whole();
  if (!text) return;
  if (form != Form::kLatin1) {
    // The code may end before the string does.
    const auto end = std::find_if(text->begin(), text->end(), [](char c) {
      return !IsCode(c) && !IsBreak(c) && c != ' ';
    });
    text->erase(end, text->end());
    std::erase_if(*text, [](char c) { return IsBreak(c) || c == ' '; });
    if (form == Form::kHex) text->resize(EvenPart(HexPart(*text)).size());
  }
  const auto decoded = Undo(form, *text);
  if (!decoded || !context_.ChargeUnpacked(decoded->size(), text->size())) {
    return;
  }
  text.reset();
  ScanDecoded(*decoded);
}

// Names that run code or reach for the system: "os.system, exec".
std::string NestedScan::DangerousNames(const MarshalCode& code) const {
  constexpr std::size_t kMostListed = 8;
  constexpr std::string_view kBuiltins[] = {"eval", "exec", "compile",
                                            "__import__", "open"};
  std::vector<std::string> found;
  for (std::size_t i = 0; i < code.names.size(); ++i) {
    const std::string& name = code.names[i];
    // What is taken from a module most often comes next.
    const std::string next =
        i + 1 < code.names.size() ? code.names[i + 1] : std::string();
    if (std::ranges::find(kBuiltins, name) != std::end(kBuiltins)) {
      found.push_back(name);
    } else if (context_.imports().Judge(name, next).verdict ==
               ImportVerdict::kDangerous) {
      found.push_back(name);
      if (!next.empty()) found.back().append(".").append(next);
    }
  }
  if (found.size() > kMostListed) found.resize(kMostListed);
  std::string list;
  for (const std::string& name : found) {
    if (!list.empty()) list += ", ";
    list += name;
  }
  return list;
}

void NestedScan::ScanMarshal() {
  const auto bytes = Whole();
  const auto code =
      bytes ? ReadMarshalCode(*bytes) : std::optional<MarshalCode>();
  if (!code) return;
  const std::string dangerous = DangerousNames(*code);
  std::string evidence = "names:";
  for (const std::string& name : code->names) evidence.append(" ").append(name);
  if (!code->strings.empty()) evidence += "; strings:";
  for (const std::string& text : code->strings) {
    evidence.append(" '").append(text).append("'");
  }
  std::string message = "a string holds compiled Python code";
  if (!code->filename.empty()) message += " of " + code->filename;
  if (!dangerous.empty()) message += " that uses " + dangerous;
  if (!code->whole) message += "; it is broken or cut";
  context_.Report(kPickleCode,
                  dangerous.empty() ? kPickleCode.severity : Severity::kHigh,
                  {std::move(message), payload_.report_offset, evidence});
}

void NestedScan::Run() {
  const Form form = FormOf(payload_.head);
  switch (form) {
    case Form::kNone:
      return;
    case Form::kRaw: {
      MemorySource memory(BytesOf(payload_.head));
      SubSource part(payload_.source, payload_.offset, payload_.size);
      ScanRaw(payload_.decoded ? static_cast<ByteSource&>(memory) : part);
      return;
    }
    case Form::kPacked:
      return ScanPacked();
    case Form::kMarshal:
      return ScanMarshal();
    default:
      return ScanEncoded(form);
  }
}

}  // namespace

bool MayHoldPickle(std::string_view head) {
  if (head.size() < kLeastPicklePayload) return false;
  const std::uint8_t second = ByteAt(head, 1);
  switch (ByteAt(head, 0)) {
    case 0x80:
      return second <= 5;
    case 0x78:  // zlib
      return second == 0x01 || second == 0x5e || second == 0x9c ||
             second == 0xda || second == 0xc2 || second == 0xc3 ||
             MayBeEncoded(head);
    case 0x1f:  // gzip
      return second == 0x8b || second == 0xc2;
    case 0xc2:  // Latin-1
      return second == 0x80;
    case 0xc3:
      return second == 0xa3 || second == 0xbd;
    case 0xe3:  // marshal
      return true;
    case 0xfd:  // xz
      return second == 0x37;
    case 0x04:  // lz4
      return second == 0x22;
    case 'B':  // bzip2
      return (second == 'Z' && head[2] == 'h') || MayBeEncoded(head) ||
             IsBytecodeMagic(head);
    case '(':
    case ']':  // lzma, too
    case '}':
      return true;
    case 'c':
      return second == 0 || head.find('\n') != std::string_view::npos ||
             MayBeEncoded(head);
    default:
      return MayBeEncoded(head) || IsBytecodeMagic(head) ||
             (Pushes(head[0]) &&
              MayBecomePickle(BytesOf(head.substr(0, kStartBytes))));
  }
}

void ScanNestedPickle(ScanContext& context, const PicklePayload& payload) {
  if (payload.depth >= kMaxNestedPickles || payload.encodings > kMaxEncodings) {
    if (FormOf(payload.head) != Form::kNone) {
      context.Report(kPickleNestedLimit,
                     {"pickles inside strings are nested too deep",
                      payload.report_offset});
      context.MarkIncomplete(OutcomeStatus::kLimit,
                             "pickles inside strings are nested too deep");
    }
    return;
  }
  if (!context.Checkpoint(payload.report_offset)) return;
  NestedScan(context, payload).Run();
}

}  // namespace scanengine
