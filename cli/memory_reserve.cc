#include "cli/memory_reserve.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>

#include "cli/exit_code.h"

namespace scanengine::cli {
namespace {

using std::chrono_literals::operator""s;

// Each is large enough for malloc to map it, so that giving it back helps every
// thread.
constexpr std::size_t kReserves = 8;
constexpr std::size_t kReserveBytes = 256 << 10;

std::array<std::atomic<void*>, kReserves>& Reserves() {
  static std::array<std::atomic<void*>, kReserves> reserves{};
  return reserves;
}

// Returns to have the allocation tried again. Does not throw: destructors that
// allocate would end the program by an abort.
void GiveBack() {
  for (std::atomic<void*>& reserve : Reserves()) {
    void* const taken = reserve.exchange(nullptr);
    if (taken == nullptr) continue;
    ::operator delete(taken);
    return;
  }
  // Threads run out together: one says so, and ends the others.
  static std::atomic_flag ending;
  while (ending.test_and_set()) std::this_thread::sleep_for(1s);
  std::fputs("scanengine: cannot go on: there is no memory left\n", stderr);
  std::_Exit(static_cast<int>(ExitCode::kIncomplete));
}

}  // namespace

void KeepMemoryReserve() {
  for (std::atomic<void*>& reserve : Reserves()) {
    reserve = ::operator new(kReserveBytes, std::nothrow);
  }
  std::set_new_handler(GiveBack);
}

}  // namespace scanengine::cli
