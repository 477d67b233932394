#include "engine/journal_format.h"

#include <utility>

#include "engine/crc32c.h"
#include "ipc/byte_reader.h"
#include "ipc/check.h"

namespace scanengine {
namespace {

// One record of paths is written before it grows past this.
constexpr std::size_t kListedBytes = 1U << 20;
// Longer paths are not recorded: their files are dealt with anew each time.
constexpr std::size_t kMaxPathBytes = 40U << 20;

constexpr std::uint8_t kHasStamp = 1;
constexpr std::uint8_t kInProcess = 2;
constexpr std::uint8_t kCached = 4;
constexpr std::uint8_t kKnownFlags = kHasStamp | kInProcess | kCached;

// Appends little-endian integers and texts with their length before them.
class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

  void U8(std::uint8_t value) { Integer(value, 1); }
  void U32(std::uint32_t value) { Integer(value, 4); }
  void U64(std::uint64_t value) { Integer(value, 8); }
  void Text(std::string_view text) {
    U32(static_cast<std::uint32_t>(text.size()));
    Raw(text);
  }
  void Raw(std::string_view text) {
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    out_.insert(out_.end(), bytes, bytes + text.size());
  }

 private:
  void Integer(std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      out_.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
  }

  std::vector<std::byte>& out_;
};

std::string ReadText(ByteReader& reader) {
  return std::string(reader.Text(reader.U32()));
}

Error Malformed(const char* what) { return Error{ErrorCode::kMalformed, what}; }

std::span<const std::byte> BytesOf(std::span<const std::uint8_t> numbers) {
  return std::as_bytes(numbers);
}

void WriteSession(const JournalSession& session, ByteWriter out) {
  out.U32(session.format);
  for (const std::uint8_t byte : session.run) out.U8(byte);
  out.Text(session.started);
  out.U32(static_cast<std::uint32_t>(session.roots.size()));
  for (const std::string& root : session.roots) out.Text(root);
  out.Text(session.roots_digest);
  out.U32(static_cast<std::uint32_t>(session.settings.size()));
  for (const JournalSetting& setting : session.settings) {
    out.U8(static_cast<std::uint8_t>(setting.kind));
    out.Text(setting.name);
    out.Text(setting.value);
  }
}

struct HeadFields {
  OutcomeHead head;
  std::uint32_t attempts = 0;
  std::uint32_t worker = 0;
  bool in_process = false;
  bool cached = false;
  std::optional<FileStamp> stamp;
};

// Leaves |reader| behind the path.
Result<HeadFields> ReadHead(ByteReader& reader) {
  HeadFields fields;
  const std::uint8_t flags = reader.U8();
  const std::uint8_t status = reader.U8();
  if (!reader.ok() || (flags & ~kKnownFlags) != 0 ||
      status >= kOutcomeStatusCount) {
    return Malformed("an outcome makes no sense");
  }
  fields.head.status = static_cast<OutcomeStatus>(status);
  fields.in_process = (flags & kInProcess) != 0;
  fields.cached = (flags & kCached) != 0;
  fields.attempts = reader.U32();
  fields.worker = reader.U32();
  if ((flags & kHasStamp) != 0) {
    FileStamp stamp;
    stamp.size = reader.U64();
    stamp.inode = reader.U64();
    stamp.modified_ns = static_cast<std::int64_t>(reader.U64());
    stamp.changed_ns = static_cast<std::int64_t>(reader.U64());
    fields.stamp = stamp;
  }
  fields.head.path = reader.Text(reader.U32());
  if (!reader.ok()) return Malformed("an outcome is cut short");
  return fields;
}

}  // namespace

std::string RunIdText(const RunId& id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : id) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool IsFinal(OutcomeStatus status) {
  return status != OutcomeStatus::kCancelled &&
         status != OutcomeStatus::kNotRun;
}

JournalBuffer::JournalBuffer(const JournalSession& header) : run_(header.run) {
  const std::span<const std::byte> magic = BytesOf(kJournalMagic);
  bytes_.assign(magic.begin(), magic.end());
  const std::size_t begin = Begin(JournalRecordType::kHeader);
  WriteSession(header, ByteWriter(bytes_));
  SCANENGINE_CHECK(Finish(begin));
}

void JournalBuffer::AddSession(const JournalSession& session) {
  const std::size_t begin = Begin(JournalRecordType::kSession);
  WriteSession(session, ByteWriter(bytes_));
  SCANENGINE_CHECK(Finish(begin));
}

void JournalBuffer::AddListed(std::span<const std::string> paths) {
  while (!paths.empty()) {
    const std::size_t begin = Begin(JournalRecordType::kListed);
    ByteWriter out(bytes_);
    bool any = false;
    while (!paths.empty() && bytes_.size() - begin < kListedBytes) {
      if (paths.front().size() <= kMaxPathBytes) {
        out.Text(paths.front());
        any = true;
      }
      paths = paths.subspan(1);
    }
    if (any) {
      SCANENGINE_CHECK(Finish(begin));
    } else {
      bytes_.resize(begin);
    }
  }
}

std::optional<std::uint64_t> JournalBuffer::AddOutcome(
    const FileOutcome& outcome) {
  SCANENGINE_CHECK(IsFinal(outcome.result.status));
  if (outcome.path.size() > kMaxPathBytes) return std::nullopt;
  const std::size_t begin = Begin(JournalRecordType::kOutcome);
  ByteWriter out(bytes_);
  out.U8(static_cast<std::uint8_t>((outcome.stamp ? kHasStamp : 0) |
                                   (outcome.in_process ? kInProcess : 0) |
                                   (outcome.cached ? kCached : 0)));
  out.U8(static_cast<std::uint8_t>(outcome.result.status));
  out.U32(static_cast<std::uint32_t>(outcome.attempts));
  out.U32(static_cast<std::uint32_t>(outcome.worker));
  if (outcome.stamp) {
    out.U64(outcome.stamp->size);
    out.U64(outcome.stamp->inode);
    out.U64(static_cast<std::uint64_t>(outcome.stamp->modified_ns));
    out.U64(static_cast<std::uint64_t>(outcome.stamp->changed_ns));
  }
  out.Text(outcome.path);
  out.Text(outcome.ended);
  const std::vector<std::byte> reply = Encode(std::span(&outcome.result, 1));
  bytes_.insert(bytes_.end(), reply.begin(), reply.end());
  const std::uint64_t place = base_ + begin;
  if (!Finish(begin)) return std::nullopt;
  return place;
}

void JournalBuffer::AddPath(JournalRecordType type, std::string_view path) {
  if (path.size() > kMaxPathBytes) return;
  const std::size_t begin = Begin(type);
  ByteWriter(bytes_).Raw(path);
  SCANENGINE_CHECK(Finish(begin));
}

void JournalBuffer::AddInProcessStart(std::string_view path) {
  AddPath(JournalRecordType::kInProcessStart, path);
}

void JournalBuffer::AddDropped(std::string_view path) {
  AddPath(JournalRecordType::kDropped, path);
}

void JournalBuffer::AddEnd(const JournalEnd& end) {
  const std::size_t begin = Begin(JournalRecordType::kEnd);
  ByteWriter out(bytes_);
  out.U8(end.complete ? 1 : 0);
  out.U64(end.files);
  for (const std::uint64_t count : end.by_status) out.U64(count);
  for (const std::uint64_t count : end.findings_by_severity) out.U64(count);
  out.U64(end.bytes);
  SCANENGINE_CHECK(Finish(begin));
}

void JournalBuffer::Clear() {
  base_ += bytes_.size();
  bytes_.clear();
  records_ = 0;
  // One file with a thousand findings is no reason to keep megabytes.
  constexpr std::size_t kKept = 1U << 20;
  if (bytes_.capacity() > kKept) bytes_.shrink_to_fit();
}

std::size_t JournalBuffer::Begin(JournalRecordType type) {
  const std::size_t begin = bytes_.size();
  bytes_.resize(begin + kRecordHeaderBytes);
  bytes_[begin + 4] = static_cast<std::byte>(type);
  return begin;
}

// False, and the record is gone, if it is too large.
bool JournalBuffer::Finish(std::size_t begin) {
  const std::size_t length = bytes_.size() - begin - kRecordHeaderBytes;
  if (length > kMaxRecordBytes) {
    bytes_.resize(begin);
    return false;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    bytes_[begin + i] = static_cast<std::byte>(length >> (8 * i));
  }
  const std::uint32_t check =
      HeaderCheck(static_cast<std::uint32_t>(length),
                  static_cast<std::uint8_t>(bytes_[begin + 4]));
  for (std::size_t i = 0; i < 3; ++i) {
    bytes_[begin + 5 + i] = static_cast<std::byte>(check >> (8 * i));
  }
  const std::span<std::byte> record = std::span(bytes_).subspan(begin);
  const RecordHeader header =
      ParseRecordHeader(record.first<kRecordHeaderBytes>());
  const std::uint32_t checksum = RecordChecksum(
      run_, base_ + begin, header, record.subspan(kRecordHeaderBytes));
  for (std::size_t i = 0; i < 4; ++i) {
    bytes_[begin + 8 + i] = static_cast<std::byte>(checksum >> (8 * i));
  }
  ++records_;
  return true;
}

std::uint32_t HeaderCheck(std::uint32_t length, std::uint8_t type) {
  std::array<std::uint8_t, 5> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = static_cast<std::uint8_t>(length >> (8 * i));
  }
  bytes[4] = type;
  return Crc32c(0, BytesOf(bytes)) & 0xffffffU;
}

RecordHeader ParseRecordHeader(
    std::span<const std::byte, kRecordHeaderBytes> bytes) {
  ByteReader reader(bytes);
  RecordHeader header;
  header.length = reader.U32();
  header.type = reader.U8();
  const std::uint32_t low = reader.U8();
  const std::uint32_t check = low | std::uint32_t{reader.U16()} << 8U;
  header.checksum = reader.U32();
  header.sane = check == HeaderCheck(header.length, header.type) &&
                header.type >= 1 && header.type <= kLastRecordType &&
                header.length <= kMaxRecordBytes;
  return header;
}

std::uint32_t RecordChecksum(const RunId& run, std::uint64_t place,
                             const RecordHeader& header,
                             std::span<const std::byte> payload) {
  std::array<std::uint8_t, sizeof(RunId) + 8 + 5> seed{};
  std::size_t at = 0;
  for (const std::uint8_t byte : run) seed[at++] = byte;
  for (int i = 0; i < 8; ++i) {
    seed[at++] = static_cast<std::uint8_t>(place >> (8 * i));
  }
  for (int i = 0; i < 4; ++i) {
    seed[at++] = static_cast<std::uint8_t>(header.length >> (8 * i));
  }
  seed[at] = header.type;
  return Crc32c(Crc32c(0, BytesOf(seed)), payload);
}

Result<JournalSession> DecodeSession(std::span<const std::byte> payload) {
  ByteReader reader(payload);
  JournalSession session;
  session.format = reader.U32();
  for (std::uint8_t& byte : session.run) byte = reader.U8();
  if (!reader.ok()) return Malformed("a session is cut short");
  // What follows may look different there.
  if (session.format != kJournalFormat) return session;
  session.started = ReadText(reader);
  for (std::uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    session.roots.push_back(ReadText(reader));
  }
  session.roots_digest = ReadText(reader);
  for (std::uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    JournalSetting setting;
    const std::uint8_t kind = reader.U8();
    if (kind > 2) return Malformed("a setting makes no sense");
    setting.kind = static_cast<JournalSetting::Kind>(kind);
    setting.name = ReadText(reader);
    setting.value = ReadText(reader);
    session.settings.push_back(std::move(setting));
  }
  if (!reader.ok() || reader.remaining() != 0) {
    return Malformed("a session makes no sense");
  }
  return session;
}

Result<JournalEnd> DecodeEnd(std::span<const std::byte> payload) {
  ByteReader reader(payload);
  JournalEnd end;
  const std::uint8_t complete = reader.U8();
  end.complete = complete == 1;
  end.files = reader.U64();
  for (std::uint64_t& count : end.by_status) count = reader.U64();
  for (std::uint64_t& count : end.findings_by_severity) count = reader.U64();
  end.bytes = reader.U64();
  if (!reader.ok() || reader.remaining() != 0 || complete > 1) {
    return Malformed("the totals make no sense");
  }
  return end;
}

Status DecodeListed(std::span<const std::byte> payload,
                    const std::function<void(std::string_view path)>& take) {
  ByteReader reader(payload);
  while (reader.remaining() > 0) {
    const std::string_view path = reader.Text(reader.U32());
    if (!reader.ok()) return Malformed("a list of files makes no sense");
    take(path);
  }
  return OkStatus();
}

std::string_view DecodePath(std::span<const std::byte> payload) {
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

Result<OutcomeHead> DecodeOutcomeHead(std::span<const std::byte> payload) {
  ByteReader reader(payload);
  Result<HeadFields> fields = ReadHead(reader);
  if (!fields.ok()) return fields.error();
  return fields.value().head;
}

Result<FileOutcome> DecodeOutcome(std::span<const std::byte> payload) {
  ByteReader reader(payload);
  Result<HeadFields> fields = ReadHead(reader);
  if (!fields.ok()) return fields.error();
  FileOutcome outcome;
  outcome.path = std::string(fields.value().head.path);
  outcome.attempts = static_cast<int>(fields.value().attempts);
  outcome.worker = static_cast<int>(fields.value().worker);
  outcome.in_process = fields.value().in_process;
  outcome.cached = fields.value().cached;
  outcome.stamp = fields.value().stamp;
  outcome.ended = ReadText(reader);
  if (!reader.ok()) return Malformed("an outcome is cut short");
  Result<std::vector<ScanReply>> replies =
      DecodeReplies(reader.Bytes(reader.remaining()));
  if (!replies.ok()) return replies.error();
  if (replies.value().size() != 1 ||
      replies.value()[0].status != fields.value().head.status) {
    return Malformed("an outcome makes no sense");
  }
  outcome.result = std::move(replies.value()[0]);
  return outcome;
}

}  // namespace scanengine
