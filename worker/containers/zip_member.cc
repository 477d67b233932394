#include "worker/containers/zip_member.h"

#include <algorithm>
#include <optional>

#include "worker/containers/zip_rules.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kFreeBytes = 1 << 20;
// A member that its scanner left unread is read on for its checksum if so
// little is missing.
constexpr std::uint64_t kReadOnBytes = 256 << 10;
// What is unpacked to tell a false mark of encryption from a true one.
constexpr std::uint64_t kPlainTestBytes = 64 << 20;
// Before the data of a member under the traditional encryption.
constexpr std::uint64_t kEncryptionHeaderBytes = 12;

std::string Quoted(std::string_view name) {
  return "member " + QuoteZipName(name);
}

// A window of the archive that counts what is read of it.
class CountedSource final : public ByteSource {
 public:
  CountedSource(ByteSource& archive, std::uint64_t offset, std::uint64_t size)
      : window_(archive, offset, size) {}

  std::uint64_t size() const override { return window_.size(); }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    auto got = window_.ReadAt(offset, out);
    if (got.ok()) read_ += got.value();
    return got;
  }
  bool random_access() const override { return window_.random_access(); }
  std::uint64_t read() const { return read_; }

 private:
  SubSource window_;
  std::uint64_t read_ = 0;
};

}  // namespace

// The sources that one reading goes through.
struct ZipMemberScanner::Opened {
  Opened(ByteSource& archive, const ZipData& data, std::uint64_t length)
      : packed(archive, data.offset, length) {}

  CountedSource packed;
  std::optional<UnpackedSource> inflate;
  std::optional<CheckedSource> checked;
};

ZipMemberScanner::ZipMemberScanner(ByteSource& archive, ZipSink& sink,
                                   ZipReporter& reporter)
    : archive_(archive),
      sink_(sink),
      reporter_(reporter),
      allowance_(kFreeBytes + 2 * archive.size()) {}

ZipDataResult ZipMemberScanner::Scan(std::string_view name,
                                     const ZipData& data) {
  ZipDataResult result;
  if (!Affordable() || !Readable(name, data)) return result;
  const auto opened = Open(data);
  sink_.ScanMember(name, *opened->checked);
  opened->checked->ReadOn(kReadOnBytes);
  Pay(*opened);
  Judge(name, data, *opened);
  result.broken = opened->checked->broken().has_value();
  if (opened->inflate) result.packed_end = opened->inflate->packed_end();
  return result;
}

// False once members were read that lie on top of each other.
bool ZipMemberScanner::Affordable() {
  if (allowance_ != 0) return true;
  if (!refused_) {
    sink_.MarkIncomplete(OutcomeStatus::kLimit,
                         "zip members overlap too much to scan them all");
    reporter_.Report(kZipOverlap,
                     {"not scanned to the end: the members overlap so much "
                      "that they are many times the size of the archive"});
  }
  refused_ = true;
  return false;
}

void ZipMemberScanner::Pay(const Opened& opened) {
  // What was read again is the scanner's own affair.
  const std::uint64_t cost =
      std::min(opened.packed.read(), opened.packed.size());
  allowance_ -= std::min(allowance_, cost);
}

// Judges the mark of encryption, and the method.
bool ZipMemberScanner::Readable(std::string_view name, const ZipData& data) {
  const bool known = data.method == kZipStored || data.method == kZipDeflated;
  const unsigned marks = data.flags & kZipFlagsOfEncryption;
  if (data.method == kZipAes || (marks != 0 && !(known && LooksPlain(data)))) {
    reporter_.Report(kZipEncrypted, {Quoted(name) + " is encrypted"});
    sink_.MarkIncomplete(OutcomeStatus::kEncrypted,
                         Quoted(name) + " is encrypted");
    return false;
  }
  if (!known) {
    const std::string text =
        Quoted(name) + " is packed by " + ZipMethodName(data.method);
    reporter_.Report(kZipUnsupportedMethod, {text});
    sink_.MarkIncomplete(OutcomeStatus::kUnsupported,
                         text + ", which is not read yet");
    return false;
  }
  if (marks != 0) {
    reporter_.Report(kZipFalseEncryption,
                     {Quoted(name) + " is marked as encrypted (flags " +
                      std::to_string(data.flags) + ") but is not"});
  }
  return true;
}

// True if the bytes are those of an unencrypted member, whatever its flags say.
bool ZipMemberScanner::LooksPlain(const ZipData& data) {
  if ((data.flags & kZipFlagEncrypted) == 0) return true;
  if (data.packed_size < kEncryptionHeaderBytes) return true;
  if (data.method == kZipStored) {
    if (data.packed_size == data.size) return true;
    // Without bytes the checksum tells nothing.
    if (data.size > data.packed_size || data.size == 0) return false;
  }
  ZipData plain = data;
  if (data.method == kZipStored) plain.packed_size = data.size;
  const auto opened = Open(plain);
  opened->checked->ReadOn(kPlainTestBytes);
  Pay(*opened);
  const CheckedSource& bytes = *opened->checked;
  if (!bytes.complete()) return false;
  return bytes.crc() == data.crc ||
         (opened->inflate && bytes.length() == data.size);
}

std::unique_ptr<ZipMemberScanner::Opened> ZipMemberScanner::Open(
    const ZipData& data) {
  // A stored member of two sizes: the larger reading has the other in it.
  const bool stored = data.method == kZipStored;
  const std::uint64_t length = stored && data.size != kUnknownSize
                                   ? std::max(data.packed_size, data.size)
                                   : data.packed_size;
  auto opened = std::make_unique<Opened>(archive_, data, length);
  if (stored) {
    opened->checked.emplace(opened->packed);
    return opened;
  }
  opened->inflate.emplace(
      [this](std::uint64_t out, std::uint64_t in) {
        return sink_.ChargeUnpacked(out, in);
      },
      opened->packed, Compression::kDeflate, data.size);
  opened->checked.emplace(*opened->inflate);
  return opened;
}

void ZipMemberScanner::Judge(std::string_view name, const ZipData& data,
                             const Opened& opened) {
  const CheckedSource& bytes = *opened.checked;
  if (bytes.broken()) {
    reporter_.Report(kZipMalformed,
                     {Quoted(name) + ": " + bytes.broken()->detail + " after " +
                          std::to_string(bytes.length()) + " bytes",
                      data.offset});
    return;
  }
  if (data.open_ended) return;
  if (data.method == kZipStored && data.packed_size != data.size) {
    reporter_.Report(kZipHeaderMismatch,
                     {Quoted(name) + " is stored, but has the packed size " +
                          std::to_string(data.packed_size) + " and the size " +
                          std::to_string(data.size),
                      data.offset});
    return;
  }
  if (!bytes.complete()) return;
  if (bytes.length() != data.size) {
    reporter_.Report(
        kZipHeaderMismatch,
        {Quoted(name) + " has " + std::to_string(bytes.length()) +
             " bytes, not " + std::to_string(data.size) + " as claimed",
         data.offset});
  } else if (bytes.crc() != data.crc) {
    reporter_.Report(
        kZipCrcMismatch,
        {Quoted(name) + " does not match its checksum", data.offset});
  }
  if (opened.inflate && opened.inflate->packed_end() < opened.packed.size()) {
    reporter_.Report(kZipHiddenData,
                     {Quoted(name) + ": " +
                          std::to_string(opened.packed.size() -
                                         opened.inflate->packed_end()) +
                          " bytes follow its deflate stream",
                      data.offset + opened.inflate->packed_end()});
  }
}

std::string ZipMemberScanner::Head(const ZipData& data, std::size_t most) {
  if (data.method != kZipStored && data.method != kZipDeflated) return {};
  const auto opened = Open(data);
  std::string head(most, '\0');
  const auto got = opened->checked->ReadAt(
      0, std::as_writable_bytes(std::span(head.data(), head.size())));
  head.resize(got.ok() ? got.value() : 0);
  return head;
}

}  // namespace scanengine
