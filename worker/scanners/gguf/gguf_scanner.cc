// The GGUF format, versions 1 to 3 in either byte order:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and what ggml's
// reader refuses (ggml/src/gguf.cpp).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/byte_reader.h"
#include "ipc/text.h"
#include "worker/parsing/unclaimed_bytes.h"
#include "worker/scanner.h"
#include "worker/scanners/gguf/gguf_metadata.h"
#include "worker/scanners/gguf/gguf_rules.h"
#include "worker/scanners/gguf/gguf_session.h"
#include "worker/scanners/gguf/gguf_tensors.h"

namespace scanengine::gguf {
namespace {

constexpr const Rule* kRules[] = {
    &kMalformed,   &kCount, &kDuplicateKey, &kTensorBounds, &kTensorOverlap,
    &kUnknownType, &kName,  &kTemplate,     &kLimit,        &kUnclaimedBytes};

constexpr std::uint32_t kNewestVersion = 3;
constexpr std::string_view kMagic = "GGUF";

/// A version whose low half is empty was written in the other byte order.
bool IsOtherOrder(std::uint32_t version) {
  return version != 0 && (version & 0xffff) == 0;
}
std::uint32_t Swap(std::uint32_t value) {
  return value >> 24 | (value >> 8 & 0xff00) | (value << 8 & 0xff0000) |
         value << 24;
}

Match Probe(const ProbeInput& input) {
  ByteReader head(input.head);
  if (head.Text(kMagic.size()) != kMagic) {
    return input.name.ends_with(".gguf") ? Match::kHint : Match::kNo;
  }
  std::uint32_t version = head.U32();
  if (IsOtherOrder(version)) version = Swap(version);
  return head.ok() && version >= 1 && version <= 0xff ? Match::kCertain
                                                      : Match::kLikely;
}

/// The fixed part at the front of every file.
struct Preamble {
  std::uint32_t version = 0;
  bool big_endian = false;
  std::uint64_t tensors = 0;
  std::uint64_t pairs = 0;
};

bool ReadPreamble(Session& session, Preamble& preamble) {
  if (session.reader.Text(kMagic.size()) != kMagic) {
    if (session.stream.status().ok()) {
      session.malformed.Report(
          {.message = "the file does not start with GGUF"});
    }
    return false;
  }
  preamble.version = session.reader.U32();
  preamble.big_endian = IsOtherOrder(preamble.version);
  if (preamble.big_endian) preamble.version = Swap(preamble.version);
  session.reader.SetLayout(preamble.big_endian, preamble.version != 1);
  if (session.reader.ok() &&
      (preamble.version == 0 || preamble.version > kNewestVersion)) {
    const std::string text = "GGUF version " + std::to_string(preamble.version);
    session.malformed.Report({.message = text + " is unknown", .offset = 4});
    session.context.MarkIncomplete(OutcomeStatus::kUnsupported,
                                   text + " is not supported");
    return false;
  }
  preamble.tensors = session.reader.Length();
  preamble.pairs = session.reader.Length();
  // Smallest possible entries: an empty name, a type and one byte; an empty
  // name, no dimensions, a type and an offset.
  const std::uint64_t pair = session.reader.length_width() + 4 + 1;
  const std::uint64_t tensor = session.reader.length_width() + 4 + 4 + 8;
  if (preamble.pairs > session.reader.Remaining() / pair) {
    session.counts.Report(
        {.message = std::to_string(preamble.pairs) +
                    " metadata keys in a file of " +
                    HumanSize(session.context.source().size())});
  }
  if (preamble.tensors > session.reader.Remaining() / tensor) {
    session.counts.Report(
        {.message = std::to_string(preamble.tensors) +
                    " tensors in a file of " +
                    HumanSize(session.context.source().size())});
  }
  return session.reader.ok();
}

void ScanEntries(Session& session, const Preamble& preamble) {
  Metadata metadata(session);
  metadata.Read(preamble.pairs);
  Tensors tensors(session, metadata.alignment());
  if (session.whole) tensors.Read(preamble.tensors);
  if (session.whole) tensors.CheckData();

  std::vector<std::pair<std::string, std::string>> facts = metadata.facts();
  facts.emplace_back("version",
                     std::to_string(preamble.version) +
                         (preamble.big_endian ? ", big-endian" : ""));
  tensors.AddFacts(facts);
  session.context.AddAsset("gguf", std::move(facts));
}

void ScanFile(ScanContext& context) {
  Session session(context);
  Preamble preamble;
  if (ReadPreamble(session, preamble)) ScanEntries(session, preamble);
  if (!session.reader.ok() && session.stream.status().ok() &&
      !context.stopped() && session.malformed.count() == 0) {
    session.malformed.Report({.message = "the file ends within its header",
                              .offset = session.reader.offset()});
  }
  session.Finish();
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"gguf", ".gguf",  "GGUF of llama.cpp and others",
                       Probe,  ScanFile, kRules};

}  // namespace scanengine::gguf
