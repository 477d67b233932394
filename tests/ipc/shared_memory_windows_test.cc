#include <windows.h>
//
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "ipc/shared_cache.h"
#include "ipc/shared_memory.h"
#include "ipc/status_board.h"
#include "ipc/windows_system.h"

namespace scanengine {
namespace {

HANDLE Native(NativeHandle handle) { return reinterpret_cast<HANDLE>(handle); }

std::unique_ptr<SharedMemory> Sealed(std::string_view text) {
  return SharedMemory::CreateSealed("test", text.size(),
                                    [&](std::span<std::byte> bytes) {
                                      std::memcpy(bytes.data(), text.data(),
                                                  text.size());
                                    })
      .value();
}

std::string TextOf(const SharedMemory& memory) {
  return {reinterpret_cast<const char*>(memory.bytes().data()),
          memory.bytes().size()};
}

TEST_CASE("Shared memory: sealed bytes are read through another mapping") {
  for (const std::size_t size : {1U, 4088U, 4089U, 4096U, 100'000U}) {
    const std::string text(size, 'x');
    const auto memory = Sealed(text);
    CHECK(TextOf(*memory) == text);
    CHECK(memory->writable().empty());
    const auto attached =
        SharedMemory::Attach(memory->handle(), SharedMemory::Access::kRead);
    REQUIRE(attached.ok());
    CHECK(TextOf(*attached.value()) == text);
    CHECK(attached.value()->writable().empty());
    CHECK(attached.value()->handle() == kNoHandle);
  }
}

TEST_CASE("Shared memory: whoever inherits a sealed handle cannot write") {
  const auto memory = Sealed("secret");
  const HANDLE handle = Native(memory->handle());
  CHECK(::MapViewOfFile(handle, FILE_MAP_WRITE, 0, 0, 0) == nullptr);
  CHECK(::GetLastError() == ERROR_ACCESS_DENIED);
  DWORD before = 0;
  void* const view = ::MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
  REQUIRE(view != nullptr);
  CHECK_FALSE(::VirtualProtect(view, 1, PAGE_READWRITE, &before));
  ::UnmapViewOfFile(view);
  CHECK(TextOf(*memory) == "secret");
}

TEST_CASE("Shared memory: a copy of a sealed handle gains no right") {
  const auto memory = Sealed("secret");
  HANDLE copy = nullptr;
  const HANDLE self = ::GetCurrentProcess();
  // The system refuses the copy, or makes one that cannot write.
  ::DuplicateHandle(self, Native(memory->handle()), self, &copy, FILE_MAP_WRITE,
                    FALSE, 0);
  const OwnedHandle owned(copy);
  CHECK(::MapViewOfFile(copy, FILE_MAP_WRITE, 0, 0, 0) == nullptr);
}

TEST_CASE("Shared memory: a handle that is no sealed section is refused") {
  const auto attach = [](NativeHandle handle, SharedMemory::Access access) {
    return SharedMemory::Attach(handle, access).ok();
  };
  const auto memory = Sealed("text");
  CHECK_FALSE(attach(memory->handle(), SharedMemory::Access::kReadWrite));
  const auto board = SharedMemory::CreateWritable("test", 4096).value();
  CHECK_FALSE(attach(board->handle(), SharedMemory::Access::kRead));
  CHECK(attach(board->handle(), SharedMemory::Access::kReadWrite));

  const OwnedHandle event(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  CHECK_FALSE(attach(reinterpret_cast<NativeHandle>(event.get()),
                     SharedMemory::Access::kRead));
  CHECK_FALSE(attach(0x7ffffff0, SharedMemory::Access::kRead));
  CHECK_FALSE(attach(kNoHandle, SharedMemory::Access::kRead));
  // Of zeros: it says no size of itself.
  const OwnedHandle raw(::CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr,
                                             PAGE_READWRITE, 0, 4096, nullptr));
  CHECK_FALSE(attach(reinterpret_cast<NativeHandle>(raw.get()),
                     SharedMemory::Access::kReadWrite));
}

TEST_CASE("Shared memory: goes with its last handle") {
  DWORD before = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &before);
  for (int i = 0; i < 100; ++i) {
    const auto memory = Sealed("text");
    const auto attached =
        SharedMemory::Attach(memory->handle(), SharedMemory::Access::kRead);
    REQUIRE(attached.ok());
  }
  DWORD after = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &after);
  CHECK(after <= before);
}

TEST_CASE("Shared cache: sections are found through the inherited handle") {
  const std::vector<SharedCache::Section> sections{
      {"one", std::vector<std::byte>(100, std::byte{1})},
      {"two", std::vector<std::byte>(5000, std::byte{2})}};
  const auto cache = SharedCache::Create(sections).value();
  const auto attached = SharedCache::Attach(cache->handle());
  REQUIRE(attached.ok());
  CHECK(attached.value()->size() == cache->size());
  const auto two = attached.value()->Find("two");
  CHECK(std::vector<std::byte>(two.begin(), two.end()) == sections[1].second);
  CHECK(attached.value()->Find("three").empty());
}

TEST_CASE("Status board: the supervisor sees what the worker writes") {
  const auto board = StatusBoard::Create().value();
  const auto writer = StatusBoardWriter::Attach(board->handle());
  REQUIRE(writer.ok());
  writer.value()->BeginTask(7);
  writer.value()->SetPhase("zip");
  writer.value()->SetProgress(11, 12);
  const BoardSnapshot seen = board->Read();
  CHECK(seen.task == 7);
  CHECK(seen.phase == "zip");
  CHECK(seen.offset == 11);
  CHECK(seen.bytes == 12);
  writer.value()->EndTask();
  CHECK(board->Read().task == 0);
}

}  // namespace
}  // namespace scanengine
