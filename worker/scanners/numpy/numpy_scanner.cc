// The NPY format, versions 1.0 to 3.0: numpy/lib/format.py and NEP 1.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/byte_reader.h"
#include "ipc/text.h"
#include "worker/byte_text.h"
#include "worker/parsing/checked_math.h"
#include "worker/parsing/pickle_scan.h"
#include "worker/parsing/unclaimed_bytes.h"
#include "worker/scanner.h"
#include "worker/scanners/numpy/npy_header.h"

namespace scanengine::numpy {
namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};
// NumPy refuses more than 10,000 characters unless told otherwise.
constexpr std::uint64_t kMaxHeaderBytes = 4 << 20;
// numpy.save() may append to an open file.
constexpr std::uint32_t kMaxArrays = 10'000;

constexpr Rule kMalformed{
    "numpy-malformed",
    Severity::kMedium,
    "The NumPy header is not as the format requires",
    "NumPy refuses it, and other readers may see another array than this "
    "program did.",
    "Do not load it; get the file again from its source.",
    "CWE-20"};
constexpr Rule kHeaderCode{
    "numpy-header-code",
    Severity::kHigh,
    "The NumPy header holds code instead of plain values",
    "Readers that evaluate the header run it as soon as the file is opened.",
    "Do not load it; report it to its publisher.",
    "CWE-95"};
constexpr Rule kSize{
    "numpy-size",
    Severity::kMedium,
    "The array's data is not as large as its header says",
    "A reader that trusts the header reads what is not there or asks for any "
    "amount of memory.",
    "Do not load it; get the file again from its source.",
    "CWE-130"};
constexpr Rule kObjectArray{
    "numpy-object-array",
    Severity::kLow,
    "The array holds Python objects, stored as a pickle",
    "NumPy loads such files only with allow_pickle=True, and then runs what "
    "the pickle says; what it says is reported on its own.",
    "Do not load it with allow_pickle=True unless you trust its source.",
    "CWE-502 CVE-2019-6446"};
constexpr Rule kLimit{"numpy-limit",
                      Severity::kMedium,
                      "The file has more of something than is looked at",
                      "What lies beyond a limit was not looked at.",
                      "Do not load it unless you know why it is so large.",
                      "CWE-770"};

// What a pickle may report is documented with the pickle format.
constexpr const Rule* kRules[] = {&kMalformed, &kHeaderCode,
                                  &kSize,      &kObjectArray,
                                  &kLimit,     &kUnclaimedBytes};

// No literal holds these; ast.literal_eval() refuses them, eval() does not.
constexpr std::string_view kCodeMarks[] = {"__",     "lambda", "eval", "exec",
                                           "import", "system", "open("};

Match Probe(const ProbeInput& input) {
  if (ByteReader(input.head).Text(kMagic.size()) == kMagic) {
    return Match::kCertain;
  }
  return input.name.ends_with(".npy") ? Match::kHint : Match::kNo;
}

class Scan {
 public:
  explicit Scan(ScanContext& context) : context_(context) {}

  void Run();

 private:
  /// Scans the array at |offset| and returns where it ends; nothing if that
  /// could not be told.
  std::optional<std::uint64_t> Array(std::uint64_t offset);
  std::optional<std::uint64_t> Data(const NpyHeader& header,
                                    std::uint64_t offset);
  bool ReadPreamble(ByteStream& stream, std::uint64_t& header_size);
  void ReportHeader(const NpyHeader& header, std::string_view text,
                    std::uint64_t offset);
  void ReachLimit(std::string message);
  void AddFacts(const NpyHeader& header);
  /// Bytes from |offset| to the end.
  std::uint64_t Rest(std::uint64_t offset);

  ScanContext& context_;
};

void Scan::ReachLimit(std::string message) {
  context_.Report(kLimit, {.message = message});
  context_.MarkIncomplete(OutcomeStatus::kLimit, std::move(message));
}

std::uint64_t Scan::Rest(std::uint64_t offset) {
  ByteStream stream(context_.source(), offset);
  return stream.Skip(std::numeric_limits<std::uint64_t>::max() - offset);
}

bool Scan::ReadPreamble(ByteStream& stream, std::uint64_t& header_size) {
  const std::uint64_t place = stream.offset();
  const auto head = stream.Take(kMagic.size() + 2);
  if (!stream.status().ok()) return false;
  if (head.size() < kMagic.size() + 2 || !TextOf(head).starts_with(kMagic)) {
    context_.Report(kMalformed,
                    {.message = "the file does not start as the format wants",
                     .offset = place});
    return false;
  }
  const auto major = std::to_integer<unsigned>(head[kMagic.size()]);
  const auto minor = std::to_integer<unsigned>(head[kMagic.size() + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    const std::string version =
        "version " + std::to_string(major) + "." + std::to_string(minor);
    context_.Report(kMalformed, {.message = version + " is unknown",
                                 .offset = place + kMagic.size()});
    context_.MarkIncomplete(OutcomeStatus::kUnsupported,
                            "NPY " + version + " is not supported");
    return false;
  }
  const std::size_t width = major == 1 ? 2 : 4;
  const auto length = stream.Take(width);
  ByteReader reader(length);
  header_size = major == 1 ? reader.U16() : reader.U32();
  if (reader.ok()) return true;
  if (stream.status().ok()) {
    context_.Report(kMalformed, {.message = "the file ends in its header",
                                 .offset = place});
  }
  return false;
}

std::optional<std::uint64_t> Scan::Array(std::uint64_t offset) {
  ByteStream stream(context_.source(), offset);
  std::uint64_t header_size = 0;
  if (!ReadPreamble(stream, header_size)) return std::nullopt;
  if (header_size > kMaxHeaderBytes) {
    ReachLimit("the header claims " + HumanSize(header_size));
    return std::nullopt;
  }
  const std::uint64_t place = stream.offset();
  const auto bytes = ReadExactly(context_.source(), place,
                                 static_cast<std::size_t>(header_size));
  if (!bytes.ok()) {
    if (bytes.error().code == ErrorCode::kTruncated) {
      context_.Report(kMalformed, {.message = "the file ends in its header",
                                   .offset = place});
    }
    return std::nullopt;
  }
  const std::string_view text = TextOf(bytes.value());
  const NpyHeader header = ParseNpyHeader(text);
  ReportHeader(header, text, place);
  if (context_.inspection() != nullptr) {
    // NumPy fills up with blanks.
    context_.Tell("header " + std::string(text.substr(
                                  0, text.find_last_not_of(" \n") + 1)));
  }
  const std::uint64_t data = place + header_size;
  if (!header.parsed) {
    ScanUnclaimed(context_, data, Rest(data), "data without a header");
    return std::nullopt;
  }
  AddFacts(header);
  return Data(header, data);
}

void Scan::ReportHeader(const NpyHeader& header, std::string_view text,
                        std::uint64_t offset) {
  for (const std::string& defect : header.defects) {
    context_.Report(kMalformed, {.message = defect,
                                 .offset = offset,
                                 .evidence = std::string(text.substr(0, 200))});
  }
  if (header.parsed || !header.defects.empty()) return;
  for (const std::string_view mark : kCodeMarks) {
    if (text.find(mark) == std::string_view::npos) continue;
    context_.Report(kHeaderCode,
                    {.message = "the header contains \"" + std::string(mark) +
                                "\" and is no literal",
                     .offset = offset,
                     .evidence = std::string(text.substr(0, 200))});
    return;
  }
  context_.Report(kMalformed, {.message = "the header is no literal of Python",
                               .offset = offset,
                               .evidence = std::string(text.substr(0, 200))});
}

void Scan::AddFacts(const NpyHeader& header) {
  context_.AddAsset(
      "numpy",
      {{"dtype", std::string(header.descr.substr(0, 200))},
       {"dimensions", std::to_string(header.dimensions)},
       {"elements", header.elements.fits ? std::to_string(header.elements.value)
                                         : "more than fit"},
       {"order", header.fortran_order ? "Fortran" : "C"}});
}

std::optional<std::uint64_t> Scan::Data(const NpyHeader& header,
                                        std::uint64_t offset) {
  if (header.has_object) {
    context_.Report(
        kObjectArray,
        {.message = "dtype " + std::string(header.descr.substr(0, 200)),
         .offset = offset});
    context_.SetPhase("numpy object array");
    const PickleEnd end = ScanPickle(context_, offset);
    if (!end.complete) return std::nullopt;
    return end.offset;
  }
  const auto bytes =
      CheckedMultiply(header.item_size.value, header.elements.value);
  if (!header.item_size.fits || !header.elements.fits || !bytes) {
    // An unusual type has been reported, and its size is not known.
    if (header.defects.empty()) {
      context_.Report(kSize, {.message = "the array is larger than any file",
                              .offset = offset});
    }
    ScanUnclaimed(context_, offset, Rest(offset), "data of unknown size");
    return std::nullopt;
  }
  ByteStream stream(context_.source(), offset);
  const std::uint64_t have = stream.Skip(*bytes);
  if (!stream.status().ok()) return std::nullopt;
  if (have < *bytes) {
    context_.Report(
        kSize,
        {.message = "the header describes " + std::to_string(*bytes) +
                    " bytes of data, but there are " + std::to_string(have),
         .offset = offset});
    // What is there is no array of this header.
    return std::nullopt;
  }
  return offset + *bytes;
}

void Scan::Run() {
  context_.SetPhase("numpy header");
  std::uint64_t offset = 0;
  for (std::uint32_t arrays = 0; arrays < kMaxArrays; ++arrays) {
    if (!context_.Checkpoint(offset)) return;
    const auto end = Array(offset);
    if (!end || context_.stopped()) return;
    offset = *end;
    ByteStream rest(context_.source(), offset, kMagic.size());
    const auto next = rest.Peek(kMagic.size());
    if (next.empty()) return;
    if (TextOf(next) != kMagic) {
      ScanUnclaimed(context_, offset, Rest(offset), "trailing bytes");
      return;
    }
  }
  ReachLimit("more than " + std::to_string(kMaxArrays) + " arrays");
}

void ScanFile(ScanContext& context) { Scan(context).Run(); }

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"numpy", ".npy", "NumPy array", Probe, ScanFile, kRules};

}  // namespace scanengine::numpy
