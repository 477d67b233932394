#include "ipc/status_board.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <utility>

namespace scanengine {
namespace {

constexpr std::size_t kPhaseWords = 4;
constexpr std::size_t kPhaseSize = kPhaseWords * sizeof(std::uint64_t);

// What lies at the start of the page; zeros are a board without a task. Phase
// is text, padded with zeros, in words that are each read and written whole: a
// reader that comes in between sees a mixture of two phases and no more.
struct Page {
  std::uint64_t task;
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint64_t phase[kPhaseWords];
};
constexpr std::size_t kPageSize = 4096;
static_assert(sizeof(Page) <= kPageSize);

// Also what makes the writer safe in a signal handler and across processes.
using Word = std::atomic_ref<std::uint64_t>;
static_assert(Word::is_always_lock_free);

std::uint64_t Load(const std::uint64_t& word) {
  // There is no atomic_ref to const in C++20. A load does not write, and the
  // page behind is mapped read-only.
  return Word(const_cast<std::uint64_t&>(word)).load(std::memory_order_relaxed);
}

void Store(std::uint64_t& word, std::uint64_t value) {
  Word(word).store(value, std::memory_order_relaxed);
}

std::string CleanPhase(const std::array<char, kPhaseSize>& raw) {
  // The last byte is never text, whatever the writer put there.
  const auto last = raw.end() - 1;
  std::string phase(raw.begin(), std::find(raw.begin(), last, '\0'));
  for (char& c : phase) {
    if (c < ' ' || c > '~') c = '?';
  }
  return phase;
}

class SharedStatusBoard final : public StatusBoard {
 public:
  explicit SharedStatusBoard(std::unique_ptr<SharedMemory> memory)
      : memory_(std::move(memory)),
        page_(reinterpret_cast<const Page*>(memory_->bytes().data())) {}

  BoardSnapshot Read() const override {
    std::array<char, kPhaseSize> phase{};
    for (std::size_t i = 0; i < kPhaseWords; ++i) {
      const std::uint64_t word = Load(page_->phase[i]);
      std::memcpy(phase.data() + i * sizeof(word), &word, sizeof(word));
    }
    return {.task = Load(page_->task),
            .phase = CleanPhase(phase),
            .offset = Load(page_->offset),
            .bytes = Load(page_->bytes)};
  }
  NativeHandle handle() const override { return memory_->handle(); }

 private:
  std::unique_ptr<SharedMemory> memory_;
  const Page* page_;
};

class PageWriter final : public StatusBoardWriter {
 public:
  // Writes to a page of its own if there is no |memory|.
  explicit PageWriter(std::unique_ptr<SharedMemory> memory)
      : memory_(std::move(memory)) {
    if (memory_) page_ = reinterpret_cast<Page*>(memory_->writable().data());
  }

  void BeginTask(std::uint64_t task) override {
    // The task last, so that nothing of the one before is taken for its own.
    Store(page_->task, 0);
    SetPhase({});
    SetProgress(0, 0);
    std::atomic_signal_fence(std::memory_order_release);
    Store(page_->task, task);
  }
  void EndTask() override { Store(page_->task, 0); }
  void SetPhase(std::string_view phase) override {
    std::array<std::uint64_t, kPhaseWords> words{};
    phase = phase.substr(0, kPhaseSize - 1);
    if (!phase.empty()) std::memcpy(words.data(), phase.data(), phase.size());
    for (std::size_t i = 0; i < kPhaseWords; ++i) {
      Store(page_->phase[i], words[i]);
    }
  }
  void SetProgress(std::uint64_t offset, std::uint64_t bytes) override {
    Store(page_->offset, offset);
    Store(page_->bytes, bytes);
  }

 private:
  std::unique_ptr<SharedMemory> memory_;
  Page own_{};
  Page* page_ = &own_;
};

}  // namespace

Result<std::unique_ptr<StatusBoard>> StatusBoard::Create() {
  auto memory = SharedMemory::CreateWritable("scanengine-board", kPageSize);
  if (!memory.ok()) return memory.error();
  return std::unique_ptr<StatusBoard>(
      new SharedStatusBoard(std::move(memory).value()));
}

std::unique_ptr<StatusBoardWriter> StatusBoardWriter::Detached() {
  return std::make_unique<PageWriter>(nullptr);
}

Result<std::unique_ptr<StatusBoardWriter>> StatusBoardWriter::Attach(
    NativeHandle handle) {
  auto memory = SharedMemory::Attach(handle, SharedMemory::Access::kReadWrite);
  if (!memory.ok()) return memory.error();
  if (memory.value()->bytes().size() < sizeof(Page)) {
    return Error{ErrorCode::kMalformed, "status board is too small"};
  }
  return std::unique_ptr<StatusBoardWriter>(
      new PageWriter(std::move(memory).value()));
}

}  // namespace scanengine
