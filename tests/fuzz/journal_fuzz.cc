// A journal of any bytes. The first byte says what they are: a whole file, or
// payloads of records whose checksums are right, since nothing else gets past
// the first line of defence.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/journal_format.h"
#include "engine/journal_verify.h"
#include "ipc/check.h"
#include "tests/support/journal_fakes.h"

namespace {

using namespace scanengine;

void Append(testing::Bytes& to, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) {
    to.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
}

// type, length (two bytes), payload; again and again.
testing::Bytes JournalOf(std::span<const std::byte> input) {
  JournalSession session;
  session.started = "2026-01-31T12:34:56Z";
  const JournalBuffer begin(session);
  testing::Bytes journal(begin.bytes().begin(), begin.bytes().end());
  while (input.size() >= 3) {
    const auto type = static_cast<std::uint8_t>(input[0]);
    const std::size_t wanted = static_cast<std::size_t>(input[1]) +
                               (static_cast<std::size_t>(input[2]) << 8U);
    input = input.subspan(3);
    const auto payload = input.first(std::min(wanted, input.size()));
    input = input.subspan(payload.size());
    RecordHeader header;
    header.length = static_cast<std::uint32_t>(payload.size());
    header.type = type;
    const std::uint32_t checksum =
        RecordChecksum(session.run, journal.size(), header, payload);
    Append(journal, header.length);
    Append(journal, type | HeaderCheck(header.length, type) << 8U);
    Append(journal, checksum);
    journal.insert(journal.end(), payload.begin(), payload.end());
  }
  return journal;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const auto input = std::as_bytes(std::span(data + 1, size - 1));
  testing::FakeDisk disk;
  disk.content = data[0] % 2 == 0 ? testing::Bytes(input.begin(), input.end())
                                  : JournalOf(input);
  testing::FakeJournalFile file(disk);
  const Result<JournalCheck> check = CheckJournal(file);
  if (check.ok()) {
    SCANENGINE_CHECK(check.value().tail.place <= disk.content.size());
  }
  return 0;
}
