#include "worker/parsing/pickle_nested.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/containers/unpacked_source.h"
#include "worker/parsing/pickle_scan.h"
#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

// Of an encoded string so much is decoded in memory.
constexpr std::size_t kMaxDecoded = 1 << 20;
constexpr std::size_t kProbeBytes = 4096;
constexpr std::size_t kLeastEncoded = 20;
constexpr std::uint32_t kMaxNestedStreams = 64;

enum class Form { kNone, kRaw, kLatin1, kBase64, kHex, kZlib, kGzip };

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::uint8_t ByteAt(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

bool IsZlibHeader(std::string_view head) {
  return (head[0] & 0x0f) == 8 && ByteAt(head, 0) >> 4 <= 7 &&
         (ByteAt(head, 0) * 256U + ByteAt(head, 1)) % 31 == 0 &&
         (head[1] & 0x20) == 0;
}

bool IsEncodedText(std::string_view head) {
  if (head.size() < kLeastEncoded) return false;
  const auto is_code = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '-' ||
           c == '_';
  };
  return std::all_of(head.begin(), head.begin() + kLeastEncoded - 2, is_code);
}

bool LooksRaw(std::string_view head) {
  return LooksLikePickle(BytesOf(head.substr(0, kProbeBytes)));
}

// A decoded beginning that is a pickle, or a compressed something.
bool LooksDecoded(const std::optional<std::string>& head) {
  if (!head || head->size() < kLeastPicklePayload) return false;
  return LooksRaw(*head) || head->starts_with("\x1f\x8b\x08") ||
         (head->starts_with('\x78') && IsZlibHeader(*head)) ||
         IsEncodedText(*head);
}

Form FormOf(std::string_view head) {
  if (head.size() < kLeastPicklePayload) return Form::kNone;
  if (head.starts_with("\xc2\x80")) {
    return LooksDecoded(
               DecodeLatin1(head.substr(0, head.size() & ~std::size_t{1})))
               ? Form::kLatin1
               : Form::kNone;
  }
  if (head.starts_with("\x1f\x8b\x08")) return Form::kGzip;
  if (head[0] == 0x78 && IsZlibHeader(head)) return Form::kZlib;
  if (LooksRaw(head)) return Form::kRaw;
  if (!IsEncodedText(head)) return Form::kNone;
  const std::string_view some = head.substr(0, 1024);
  const auto hex = DecodeHex(some.substr(0, some.size() & ~std::size_t{1}));
  if (LooksDecoded(hex) && !IsEncodedText(*hex)) return Form::kHex;
  const auto base64 = DecodeBase64(some);
  if (base64 && base64->size() >= kLeastPicklePayload &&
      (LooksRaw(*base64) || base64->starts_with("\x1f\x8b\x08") ||
       (base64->starts_with('\x78') && IsZlibHeader(*base64)))) {
    return Form::kBase64;
  }
  return Form::kNone;
}

/// One payload on its way through its encodings.
class NestedScan {
 public:
  NestedScan(ScanContext& context, const PicklePayload& payload)
      : context_(context), payload_(payload) {}

  void Run();

 private:
  void ScanRaw(ByteSource& source, std::uint64_t offset, std::uint32_t depth);
  void ScanDecoded(const std::string& decoded);
  void ScanInflated(Compression format);
  std::optional<std::string> Whole();
  void ReportLimit(std::string what);

  ScanContext& context_;
  const PicklePayload& payload_;
};

void NestedScan::ReportLimit(std::string what) {
  context_.Report(kPickleNestedLimit,
                  {std::move(what), payload_.report_offset});
  context_.MarkIncomplete(OutcomeStatus::kLimit, "a pickle inside a string");
}

void NestedScan::ScanRaw(ByteSource& source, std::uint64_t offset,
                         std::uint32_t depth) {
  context_.Report(kPickleNested,
                  {"a string holds a pickle", payload_.report_offset});
  PickleOptions options;
  options.depth = depth;
  options.report_offset = payload_.report_offset;
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
}

std::optional<std::string> NestedScan::Whole() {
  if (payload_.decoded) return std::string(payload_.head);
  const auto size = static_cast<std::size_t>(
      std::min<std::uint64_t>(payload_.size, kMaxDecoded));
  auto bytes = ReadExactly(payload_.source, payload_.offset, size);
  if (!bytes.ok()) return std::nullopt;
  if (payload_.size > kMaxDecoded) {
    ReportLimit("an encoded string of more than 1 MiB is decoded in part");
  }
  return std::string(reinterpret_cast<const char*>(bytes.value().data()),
                     bytes.value().size());
}

void NestedScan::ScanDecoded(const std::string& decoded) {
  MemorySource source(BytesOf(decoded));
  const PicklePayload inner{source,
                            0,
                            decoded.size(),
                            decoded,
                            true,
                            payload_.report_offset,
                            payload_.depth + 1};
  ScanNestedPickle(context_, inner);
}

void NestedScan::ScanInflated(Compression format) {
  MemorySource memory(BytesOf(payload_.head));
  SubSource part(payload_.source, payload_.offset, payload_.size);
  ByteSource& packed =
      payload_.decoded ? static_cast<ByteSource&>(memory) : part;
  UnpackedSource inflated(context_, packed, format);
  std::vector<std::byte> head(kProbeBytes);
  const auto got = inflated.ReadAt(0, head);
  if (!got.ok() || got.value() == 0) return;
  head.resize(got.value());
  if (!LooksLikePickle(head)) return;
  ScanRaw(inflated, 0, payload_.depth + 1);
}

void NestedScan::Run() {
  switch (FormOf(payload_.head)) {
    case Form::kNone:
      return;
    case Form::kRaw:
      if (payload_.decoded) {
        MemorySource source(BytesOf(payload_.head));
        ScanRaw(source, 0, payload_.depth + 1);
      } else {
        SubSource source(payload_.source, payload_.offset, payload_.size);
        ScanRaw(source, 0, payload_.depth + 1);
      }
      return;
    case Form::kZlib:
      return ScanInflated(Compression::kZlib);
    case Form::kGzip:
      return ScanInflated(Compression::kGzip);
    case Form::kLatin1:
      if (const auto whole = Whole()) {
        if (auto decoded = DecodeLatin1(*whole)) {
          ScanDecoded(*decoded);
        }
      }
      return;
    case Form::kBase64:
    case Form::kHex: {
      const bool hex = FormOf(payload_.head) == Form::kHex;
      const auto whole = Whole();
      if (!whole) return;
      // The code may end before the string does.
      auto decoded = hex ? DecodeHex(*whole) : DecodeBase64(*whole);
      if (!decoded) {
        const auto end = std::find_if(whole->begin(), whole->end(), [](char c) {
          return !IsEncodedText(std::string(kLeastEncoded, c)) && c != '\n';
        });
        const std::string part(whole->begin(), end);
        decoded = hex ? DecodeHex(part) : DecodeBase64(part);
      }
      if (decoded) ScanDecoded(*decoded);
      return;
    }
  }
}

}  // namespace

bool MayHoldPickle(std::string_view head) {
  if (head.size() < kLeastPicklePayload) return false;
  switch (ByteAt(head, 0)) {
    case 0x80:
      return ByteAt(head, 1) <= 5;
    case 0x78:
      return IsZlibHeader(head) || IsEncodedText(head);
    case 0x1f:
      return ByteAt(head, 1) == 0x8b;
    case 0xc2:
      return ByteAt(head, 1) == 0x80;
    case '(':
    case ']':
    case '}':
      return true;
    case 'c':
      return head.find('\n') != std::string_view::npos || IsEncodedText(head);
    default:
      return IsEncodedText(head);
  }
}

void ScanNestedPickle(ScanContext& context, const PicklePayload& payload) {
  if (payload.depth >= kMaxNestedPickles) {
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
