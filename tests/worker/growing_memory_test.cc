#include "worker/parsing/growing_memory.h"

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "worker/large_page.h"

namespace scanengine {
namespace {

TEST_CASE("LargePage: all of it can be written, at its own alignment") {
  std::vector<LargePage> pages;
  for (int i = 0; i < 4; ++i) {
    LargePage page = MakeLargePage();
    if (page == nullptr) return;  // Not on this system.
    CHECK(reinterpret_cast<std::uintptr_t>(page.get()) % kLargePageBytes == 0);
    std::memset(page.get(), i, kLargePageBytes);
    pages.push_back(std::move(page));
  }
  for (std::size_t i = 0; i < pages.size(); ++i) {
    CHECK(pages[i][0] == static_cast<std::byte>(i));
    CHECK(pages[i][kLargePageBytes - 1] == static_cast<std::byte>(i));
  }
}

TEST_CASE("GrowingMemory: pieces do not overlap and stay where they are") {
  // Past the heap, past several large pages, and no divisor of one.
  constexpr std::size_t kSizes[] = {64, 20'480, 65'536};
  constexpr std::size_t kTotal = 5 * kLargePageBytes;
  GrowingMemory memory;
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  for (std::size_t total = 0; total < kTotal;) {
    const std::size_t size = kSizes[pieces.size() % std::size(kSizes)];
    std::byte* const piece = memory.Take(size);
    REQUIRE(reinterpret_cast<std::uintptr_t>(piece) % 16 == 0);
    std::memset(piece, static_cast<int>(pieces.size() % 251), size);
    pieces.emplace_back(piece, size);
    total += size;
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto [piece, size] = pieces[i];
    for (std::size_t k = 0; k < size; ++k) {
      wrong += piece[k] != static_cast<std::byte>(i % 251) ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace scanengine
