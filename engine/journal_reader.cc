#include "engine/journal_reader.h"

#include <algorithm>
#include <utility>

#include "ipc/check.h"

namespace scanengine {
namespace {

constexpr std::size_t kChunkBytes = 1U << 20;
constexpr std::size_t kMagicBytes = kJournalMagic.size();

Error Malformed(std::string what) {
  return Error{ErrorCode::kMalformed, std::move(what)};
}

RecordHeader HeaderAt(std::span<const std::byte> bytes) {
  return ParseRecordHeader(bytes.first<kRecordHeaderBytes>());
}

}  // namespace

Result<JournalReader> JournalReader::Open(JournalFile& file) {
  JournalReader reader(file);
  reader.size_ = file.size();
  if (!reader.Fill(kMagicBytes)) {
    if (reader.error_) return *reader.error_;
    return Malformed("is no journal");
  }
  const auto magic = std::as_bytes(std::span(kJournalMagic));
  if (!std::equal(magic.begin(), magic.end(), reader.buffer_.begin())) {
    return Malformed("is no journal");
  }
  reader.place_ = kMagicBytes;
  const std::optional<JournalRecord> first = reader.Next();
  if (!first || first->type != JournalRecordType::kHeader) {
    return Malformed("its header is damaged");
  }
  Result<JournalSession> header = DecodeSession(first->payload);
  if (!header.ok()) return Malformed("its header is damaged");
  if (header.value().format != kJournalFormat) {
    return Error{ErrorCode::kUnsupported,
                 "was written by another version of this program (format " +
                     std::to_string(header.value().format) + ", not " +
                     std::to_string(kJournalFormat) + ")"};
  }
  reader.header_ = std::move(header).value();
  return reader;
}

// Makes |wanted| bytes from place_ on available; false if there are fewer.
bool JournalReader::Fill(std::size_t wanted) {
  const std::uint64_t have_until = buffer_place_ + buffer_.size();
  if (place_ + wanted <= have_until) return true;
  if (place_ + wanted > size_) return false;
  const auto used = static_cast<std::ptrdiff_t>(place_ - buffer_place_);
  buffer_.erase(buffer_.begin(), buffer_.begin() + used);
  buffer_place_ = place_;
  const std::size_t kept = buffer_.size();
  const std::uint64_t left = size_ - place_ - kept;
  const std::size_t more = static_cast<std::size_t>(
      std::min<std::uint64_t>(left, std::max(wanted - kept, kChunkBytes)));
  buffer_.resize(kept + more);
  const Result<std::size_t> got =
      file_->ReadAt(place_ + kept, std::span(buffer_).subspan(kept));
  if (!got.ok()) {
    error_ = got.error();
    buffer_.resize(kept);
    return false;
  }
  buffer_.resize(kept + got.value());
  return buffer_.size() >= wanted;
}

std::optional<JournalRecord> JournalReader::Next() {
  if (ended_) return std::nullopt;
  if (place_ == size_) return End(JournalTail::Kind::kWhole, {});
  if (!Fill(kRecordHeaderBytes)) {
    return End(JournalTail::Kind::kTorn, "ends within a record");
  }
  const auto at = [this] {
    return std::span<const std::byte>(buffer_).subspan(
        static_cast<std::size_t>(place_ - buffer_place_));
  };
  const RecordHeader header = HeaderAt(at());
  if (!header.sane) {
    if (OnlyZerosLeft()) {
      return End(JournalTail::Kind::kTorn, "ends with zeros");
    }
    return End(JournalTail::Kind::kDamaged, "what is there is no record");
  }
  if (!Fill(kRecordHeaderBytes + header.length)) {
    return End(JournalTail::Kind::kTorn, "ends within a record");
  }
  const std::span<const std::byte> payload =
      at().subspan(kRecordHeaderBytes, header.length);
  // A header is read before the run is known: the id is in its own payload.
  RunId run = header_.run;
  const auto type = static_cast<JournalRecordType>(header.type);
  const bool first = place_ == kMagicBytes;
  if (first && type == JournalRecordType::kHeader) {
    const Result<JournalSession> session = DecodeSession(payload);
    if (session.ok()) run = session.value().run;
  }
  if (first != (type == JournalRecordType::kHeader) ||
      RecordChecksum(run, place_, header, payload) != header.checksum) {
    const bool last = place_ + kRecordHeaderBytes + header.length == size_;
    return End(
        last ? JournalTail::Kind::kTorn : JournalTail::Kind::kDamaged,
        last ? "its last record is damaged" : "a record's checksum is wrong");
  }
  const JournalRecord record{type, place_, payload};
  place_ += kRecordHeaderBytes + header.length;
  return record;
}

void JournalReader::Reject(const JournalRecord& record, std::string why) {
  place_ = record.place;
  ended_ = false;
  End(JournalTail::Kind::kDamaged, std::move(why));
}

// A file system may have made the file longer before a power cut and not have
// written what belongs there.
bool JournalReader::OnlyZerosLeft() {
  std::vector<std::byte> chunk(kChunkBytes);
  for (std::uint64_t at = place_; at < size_;) {
    const Result<std::size_t> got = file_->ReadAt(at, chunk);
    if (!got.ok() || got.value() == 0) return false;
    const auto end = chunk.begin() + static_cast<std::ptrdiff_t>(got.value());
    if (std::any_of(chunk.begin(), end,
                    [](std::byte byte) { return byte != std::byte{0}; })) {
      return false;
    }
    at += got.value();
  }
  return true;
}

std::optional<JournalRecord> JournalReader::End(JournalTail::Kind kind,
                                                std::string why) {
  if (error_) {
    kind = JournalTail::Kind::kDamaged;
    why = "cannot be read: " + error_->detail;
  }
  tail_ = {kind, place_, size_ - place_, std::move(why)};
  ended_ = true;
  return std::nullopt;
}

Result<FileOutcome> ParseOutcome(std::span<const std::byte> bytes,
                                 const RunId& run, std::uint64_t place) {
  if (bytes.size() < kRecordHeaderBytes) return Malformed("is cut short");
  const RecordHeader header = HeaderAt(bytes);
  if (!header.sane ||
      header.type != static_cast<std::uint8_t>(JournalRecordType::kOutcome) ||
      bytes.size() - kRecordHeaderBytes < header.length) {
    return Malformed("has no outcome there");
  }
  const std::span<const std::byte> payload =
      bytes.subspan(kRecordHeaderBytes, header.length);
  if (RecordChecksum(run, place, header, payload) != header.checksum) {
    return Malformed("a record's checksum is wrong");
  }
  Result<FileOutcome> outcome = DecodeOutcome(payload);
  if (!outcome.ok()) return outcome;
  outcome.value().place = place;
  return outcome;
}

Result<FileOutcome> ReadOutcome(JournalFile& file, const RunId& run,
                                std::uint64_t place) {
  // Most records fit the first read.
  std::vector<std::byte> bytes(1024);
  Result<std::size_t> got = file.ReadAt(place, bytes);
  if (!got.ok()) return got.error();
  if (got.value() >= kRecordHeaderBytes) {
    const RecordHeader header = HeaderAt(bytes);
    const std::size_t whole = kRecordHeaderBytes + header.length;
    if (header.sane && whole > got.value() && whole <= file.size() - place) {
      const std::size_t had = got.value();
      bytes.resize(whole);
      got = file.ReadAt(place + had, std::span(bytes).subspan(had));
      if (!got.ok()) return got.error();
      got = had + got.value();
    }
  }
  return ParseOutcome(std::span(bytes).first(got.value()), run, place);
}

}  // namespace scanengine
