#include "ipc/shared_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace scanengine {
namespace {

std::vector<std::byte> Bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> Copy(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

std::vector<SharedCache::Section> Sections() {
  return {{"imports", Bytes("os system")},
          {"empty", {}},
          {std::string(31, 'n'), std::vector<std::byte>(100'000, std::byte{7})},
          {"config", Bytes("x")}};
}

std::unique_ptr<SharedCache> NewCache(
    std::span<const SharedCache::Section> sections) {
  auto cache = SharedCache::Create(sections);
  REQUIRE(cache.ok());
  return std::move(cache).value();
}

// A descriptor of any bytes, sealed as a cache is.
int Sealed(std::span<const std::byte> bytes) {
  const int fd = ::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  REQUIRE(fd >= 0);
  REQUIRE(::write(fd, bytes.data(), bytes.size()) ==
          static_cast<ssize_t>(bytes.size()));
  REQUIRE(::fcntl(fd, F_ADD_SEALS,
                  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ==
          0);
  return fd;
}

std::vector<std::byte> Image(const SharedCache& cache) {
  std::vector<std::byte> bytes(cache.size());
  REQUIRE(::pread(static_cast<int>(cache.handle()), bytes.data(), bytes.size(),
                  0) == static_cast<ssize_t>(bytes.size()));
  return bytes;
}

Result<std::unique_ptr<SharedCache>> AttachTo(
    std::span<const std::byte> bytes) {
  const int fd = Sealed(bytes);
  auto cache = SharedCache::Attach(fd);
  ::close(fd);
  return cache;
}

bool IsMalformed(std::span<const std::byte> bytes) {
  const auto cache = AttachTo(bytes);
  return !cache.ok() && cache.error().code == ErrorCode::kMalformed;
}

}  // namespace

TEST_CASE("SharedCache: an attached cache has the sections of its maker") {
  const auto sections = Sections();
  const auto cache = NewCache(sections);
  auto attached = SharedCache::Attach(cache->handle());
  REQUIRE(attached.ok());
  for (const auto& [name, bytes] : sections) {
    CAPTURE(name);
    CHECK(Copy(cache->Find(name)) == bytes);
    const auto found = attached.value()->Find(name);
    CHECK(Copy(found) == bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(found.data()) % 64 == 0);
  }
  CHECK(attached.value()->size() == cache->size());
  CHECK(attached.value()->handle() == kNoHandle);
  CHECK(attached.value()->Find("import").empty());
  CHECK(attached.value()->Find("").empty());
}

TEST_CASE("SharedCache: a cache without sections is a cache") {
  const auto cache = NewCache({});
  CHECK(SharedCache::Attach(cache->handle()).ok());
}

TEST_CASE("SharedCache: outlives the object and the handle it came from") {
  const std::vector<SharedCache::Section> sections{{"imports", Bytes("data")}};
  auto cache = NewCache(sections);
  auto attached = SharedCache::Attach(cache->handle());
  REQUIRE(attached.ok());
  cache.reset();
  CHECK(Copy(attached.value()->Find("imports")) == Bytes("data"));
}

TEST_CASE("SharedCache: the handle is not inherited by accident") {
  const auto cache = NewCache(Sections());
  CHECK(::fcntl(static_cast<int>(cache->handle()), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("SharedCache: nobody can write, resize or unseal it") {
  const auto cache = NewCache(Sections());
  const int fd = static_cast<int>(cache->handle());
  const auto before = Image(*cache);

  // What a worker would try with the descriptor that it inherits.
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int again = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  for (const int target : {fd, again}) {
    CAPTURE(target);
    if (target < 0) continue;
    CHECK(::pwrite(target, "x", 1, 0) == -1);
    CHECK(errno == EPERM);
    CHECK(::mmap(nullptr, cache->size(), PROT_READ | PROT_WRITE, MAP_SHARED,
                 target, 0) == MAP_FAILED);
    CHECK(errno == EPERM);
    CHECK(::ftruncate(target, 0) == -1);
    CHECK(errno == EPERM);
    CHECK(::ftruncate(target, 1 << 20) == -1);
    CHECK(errno == EPERM);
    CHECK(::fallocate(target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      4096) == -1);
    CHECK(errno == EPERM);
    CHECK(::fcntl(target, F_ADD_SEALS, F_SEAL_SEAL) == -1);
    CHECK(errno == EPERM);
  }
  if (again >= 0) ::close(again);

  // The mapping itself cannot be made writable either.
  auto* const page =
      const_cast<std::byte*>(cache->Find("imports").data()) -
      reinterpret_cast<std::uintptr_t>(cache->Find("imports").data()) % 4096;
  CHECK(::mprotect(page, 4096, PROT_READ | PROT_WRITE) == -1);
  CHECK(Image(*cache) == before);
}

TEST_CASE("SharedCache: leaves no name behind") {
  const auto cache = NewCache(Sections());
  // The system's own name for it: memory that no folder lists.
  const auto name = std::filesystem::read_symlink(
      "/proc/self/fd/" + std::to_string(cache->handle()));
  CHECK(name.string().starts_with("/memfd:"));
  CHECK(name.string().ends_with(" (deleted)"));
}

TEST_CASE("SharedCache: every damaged byte of header and table is noticed") {
  const auto good = Image(*NewCache(Sections()));
  REQUIRE(AttachTo(good).ok());
  const std::size_t head = 64 + Sections().size() * 48;
  for (std::size_t at = 0; at < head; ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      auto bad = good;
      bad[at] ^= static_cast<std::byte>(mask);
      CAPTURE(at, mask);
      CHECK(IsMalformed(bad));
    }
  }
}

TEST_CASE("SharedCache: cut or lengthened segments are noticed") {
  const std::vector<SharedCache::Section> sections{{"imports", Bytes("data")}};
  const auto good = Image(*NewCache(sections));
  for (std::size_t size = 1; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(IsMalformed(std::span(good).first(size)));
  }
  auto longer = good;
  longer.resize(good.size() + 1);
  CHECK(IsMalformed(longer));
  CHECK(IsMalformed({}));
}

namespace {

void Put(std::vector<std::byte>* image, std::size_t at, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i) {
    (*image)[at + i] = static_cast<std::byte>(value >> (8 * i));
  }
}

// FNV-1a of the header without its checksum and of |rows| rows.
void PutChecksum(std::vector<std::byte>* image, std::size_t rows) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (std::size_t i = 0; i < 64 + rows * 48; ++i) {
    if (i >= 56 && i < 64) continue;
    hash =
        (hash ^ std::to_integer<std::uint64_t>((*image)[i])) * 0x100000001b3U;
  }
  Put(image, 56, hash);
}

}  // namespace

TEST_CASE("SharedCache: a table that lies is refused though its sum is right") {
  const std::vector<SharedCache::Section> sections{
      {"a", std::vector<std::byte>(64)}, {"b", std::vector<std::byte>(64)}};
  const auto good = Image(*NewCache(sections));
  const std::size_t offset_a = 64 + 32;
  const std::size_t size_a = 64 + 40;
  const std::size_t offset_b = 64 + 48 + 32;
  const std::size_t size_b = 64 + 48 + 40;
  struct Lie {
    const char* what;
    std::size_t at;
    std::uint64_t value;
  };
  const Lie lies[] = {
      {"offset inside the table", offset_a, 64},
      {"offset not aligned", offset_a, 200},
      {"offset past the end", offset_b, good.size() + 64},
      {"offset overflows", offset_b, ~std::uint64_t{63}},
      {"size past the end", size_b, 65},
      {"size overflows", size_b, ~std::uint64_t{0}},
      {"sections overlap", size_a, 65},
      {"sections out of order", offset_a, 256},
      {"name empty", 64, 0},
  };
  {
    auto same = good;
    PutChecksum(&same, 2);
    REQUIRE(same == good);
  }
  for (const Lie& lie : lies) {
    CAPTURE(lie.what);
    auto bad = good;
    Put(&bad, lie.at, lie.value);
    PutChecksum(&bad, 2);
    CHECK(IsMalformed(bad));
  }
  auto endless_name = good;
  std::fill_n(endless_name.begin() + 64, 32, std::byte{'n'});
  PutChecksum(&endless_name, 2);
  CHECK(IsMalformed(endless_name));
}

TEST_CASE("SharedCache: what is no sealed memory is refused") {
  const auto code = [](int fd) {
    const auto cache = SharedCache::Attach(fd);
    return cache.ok() ? ErrorCode{} : cache.error().code;
  };
  CHECK(code(-1) == ErrorCode::kMalformed);
  const int null_device = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK(code(null_device) == ErrorCode::kMalformed);
  ::close(null_device);

  // A cache that can still shrink would end its readers by a signal.
  const auto good = Image(*NewCache(Sections()));
  const int loose = ::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  REQUIRE(::write(loose, good.data(), good.size()) ==
          static_cast<ssize_t>(good.size()));
  CHECK(code(loose) == ErrorCode::kMalformed);
  ::close(loose);
}

TEST_CASE("SharedCache: memory that cannot be had is an error") {
  // Sizes over RLIMIT_FSIZE fail like a full memory does: when the segment is
  // backed, not when it is filled.
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1 << 16, .rlim_max = old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto cache = SharedCache::Create(Sections());
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, handler);
  REQUIRE(!cache.ok());
  CHECK(cache.error().code == ErrorCode::kIo);
  CHECK(cache.error().detail.find("shared memory") != std::string::npos);
}

TEST_CASE("SharedCache: without descriptors it is an error") {
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto cache = SharedCache::Create(Sections());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
  REQUIRE(!cache.ok());
  CHECK(cache.error().code == ErrorCode::kIo);
}

}  // namespace scanengine
