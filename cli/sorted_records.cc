#include "cli/sorted_records.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <queue>
#include <utility>

#include "cli/files.h"

namespace scanengine::cli {
namespace {

// What a record costs besides its bytes.
constexpr std::size_t kOverhead = 96;

Error SpillError() {
  return Error{ErrorCode::kIo,
               std::string("cannot set results aside in a temporary file: ") +
                   std::strerror(errno)};
}

bool WriteString(const std::string& text, std::FILE* file) {
  const std::uint64_t size = text.size();
  return std::fwrite(&size, sizeof size, 1, file) == 1 &&
         std::fwrite(text.data(), 1, text.size(), file) == text.size();
}

// Reads back what this process wrote.
bool ReadString(std::FILE* file, std::string* text) {
  std::uint64_t size = 0;
  if (std::fread(&size, sizeof size, 1, file) != 1) return false;
  text->resize(size);
  return std::fread(text->data(), 1, size, file) == size;
}

}  // namespace

// A sorted file and the record that it is at.
class SortedRecords::Run {
 public:
  Run(std::FILE* file, std::size_t left) : file_(file), left_(left) {}

  // False at the end. A failed read shows in status().
  bool Next() {
    if (left_ == 0) return false;
    --left_;
    ok_ = ReadString(file_, &record_.key) && ReadString(file_, &record_.text);
    return ok_;
  }
  const Record& record() const { return record_; }
  bool ok() const { return ok_; }

 private:
  std::FILE* file_;
  std::size_t left_;
  Record record_;
  bool ok_ = true;
};

SortedRecords::SortedRecords(std::size_t memory_bytes)
    : memory_(memory_bytes) {}

void SortedRecords::Add(std::string key, std::string text) {
  if (!status_.ok()) return;
  used_ += key.size() + text.size() + kOverhead;
  ++count_;
  records_.push_back({std::move(key), std::move(text)});
  if (used_ > memory_) status_ = Spill();
}

Status SortedRecords::Spill() {
  std::sort(records_.begin(), records_.end());
  File file(OpenTemporaryFile());
  if (file == nullptr) return SpillError();
  const std::uint64_t count = records_.size();
  bool ok = std::fwrite(&count, sizeof count, 1, file.get()) == 1;
  for (const Record& record : records_) {
    ok = ok && WriteString(record.key, file.get()) &&
         WriteString(record.text, file.get());
  }
  if (!ok || std::fflush(file.get()) != 0) return SpillError();
  runs_.push_back(std::move(file));
  records_.clear();
  used_ = 0;
  return OkStatus();
}

Status SortedRecords::Drain(
    const std::function<void(std::string_view text)>& take) {
  if (!status_.ok()) return status_;
  std::sort(records_.begin(), records_.end());
  if (runs_.empty()) {
    for (const Record& record : records_) take(record.text);
    return OkStatus();
  }
  if (!records_.empty()) {
    status_ = Spill();
    if (!status_.ok()) return status_;
  }
  std::vector<Run> runs;
  for (const File& file : runs_) {
    std::uint64_t count = 0;
    std::rewind(file.get());
    if (std::fread(&count, sizeof count, 1, file.get()) != 1) {
      return SpillError();
    }
    runs.emplace_back(file.get(), count);
  }
  const auto later = [&runs](std::size_t a, std::size_t b) {
    return runs[b].record() < runs[a].record();
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)>
      heads(later);
  const auto advance = [&](std::size_t run) {
    if (runs[run].Next()) heads.push(run);
    return runs[run].ok();
  };
  for (std::size_t run = 0; run < runs.size(); ++run) {
    if (!advance(run)) return SpillError();
  }
  while (!heads.empty()) {
    const std::size_t run = heads.top();
    heads.pop();
    take(runs[run].record().text);
    if (!advance(run)) return SpillError();
  }
  return OkStatus();
}

}  // namespace scanengine::cli
