// Without it an unmapped region is looked up in a table of named objects that
// all processes share.
#define BOOST_INTERPROCESS_FORCE_GENERIC_EMULATION
#include <windows.h>
//
#include <winternl.h>

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cstring>
#include <utility>

#include "ipc/check.h"
#include "ipc/shared_memory.h"
#include "ipc/windows_system.h"

// Sections without a name, backed by the page file. What a process may do with
// one is a property of its handle: workers inherit handles that cannot write,
// and a handle never gains a right. A section cannot be resized.
//
// The system tells sizes in whole pages; hence the last word of a section holds
// the size that was asked for.

namespace scanengine {
namespace {

namespace bip = boost::interprocess;

constexpr std::size_t kPage = 4096;
constexpr DWORD kReadRights = SECTION_MAP_READ | SECTION_QUERY;
constexpr DWORD kWriteRights = kReadRights | SECTION_MAP_WRITE;

// Lets Boost.Interprocess map a section that has no name.
struct SectionMapping {
  HANDLE section;
  bip::mode_t mode;

  bip::mapping_handle_t get_mapping_handle() const {
    bip::mapping_handle_t handle{};
    handle.handle = section;
    handle.is_shm = true;
    return handle;
  }
  bip::mode_t get_mode() const { return mode; }
};

Result<bip::mapped_region> Map(HANDLE section, bip::mode_t mode) {
  try {
    return bip::mapped_region(SectionMapping{section, mode}, mode);
  } catch (const bip::interprocess_exception& e) {
    return SystemError("cannot map shared memory",
                       static_cast<DWORD>(e.get_native_error()));
  }
}

class WindowsSharedMemory final : public SharedMemory {
 public:
  WindowsSharedMemory(OwnedHandle section, bip::mapped_region region,
                      std::size_t size)
      : section_(std::move(section)), region_(std::move(region)), size_(size) {}

  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(region_.get_address()), size_};
  }
  std::span<std::byte> writable() override {
    if (region_.get_mode() != bip::read_write) return {};
    return {static_cast<std::byte*>(region_.get_address()), size_};
  }
  NativeHandle handle() const override {
    return section_.ok() ? reinterpret_cast<NativeHandle>(section_.get())
                         : kNoHandle;
  }

 private:
  OwnedHandle section_;
  bip::mapped_region region_;
  std::size_t size_;
};

// Pages for |size| bytes and the word behind them.
std::size_t SectionSize(std::size_t size) {
  return (size + sizeof(std::uint64_t) + kPage - 1) / kPage * kPage;
}

Result<OwnedHandle> NewSection(std::size_t size) {
  SCANENGINE_CHECK(size > 0);
  const std::uint64_t pages = SectionSize(size);
  // An empty list of rights: else a copy of a handle could be given rights that
  // the handle lacks. What is made here has all of them whatever the list says.
  ACL nobody{};
  SECURITY_DESCRIPTOR closed{};
  if (!::InitializeAcl(&nobody, sizeof(nobody), ACL_REVISION) ||
      !::InitializeSecurityDescriptor(&closed, SECURITY_DESCRIPTOR_REVISION) ||
      !::SetSecurityDescriptorDacl(&closed, TRUE, &nobody, FALSE)) {
    return SystemError("cannot close shared memory", LastSystemError());
  }
  SECURITY_ATTRIBUTES security{sizeof(security), &closed, FALSE};
  OwnedHandle section(::CreateFileMappingW(
      INVALID_HANDLE_VALUE, &security, PAGE_READWRITE | SEC_COMMIT,
      static_cast<DWORD>(pages >> 32), static_cast<DWORD>(pages), nullptr));
  if (!section.ok()) {
    return SystemError("cannot make shared memory", LastSystemError());
  }
  return section;
}

// A handle with |rights| and no more, and a read-only view of the section.
Result<std::unique_ptr<SharedMemory>> Publish(const OwnedHandle& section,
                                              DWORD rights, std::size_t size) {
  HANDLE given = nullptr;
  const HANDLE self = ::GetCurrentProcess();
  if (!::DuplicateHandle(self, section.get(), self, &given, rights, FALSE, 0)) {
    return SystemError("cannot seal shared memory", LastSystemError());
  }
  OwnedHandle owned(given);
  auto region = Map(owned.get(), bip::read_only);
  if (!region.ok()) return region.error();
  return std::unique_ptr<SharedMemory>(new WindowsSharedMemory(
      std::move(owned), std::move(region).value(), size));
}

// A section of |size| bytes, filled, under a handle with |rights|.
Result<std::unique_ptr<SharedMemory>> Create(
    std::size_t size, const std::function<void(std::span<std::byte>)>& fill,
    DWORD rights) {
  auto section = NewSection(size);
  if (!section.ok()) return section.error();
  {
    auto region = Map(section.value().get(), bip::read_write);
    if (!region.ok()) return region.error();
    auto* const start = static_cast<std::byte*>(region.value().get_address());
    const std::uint64_t stored = size;
    std::memcpy(start + SectionSize(size) - sizeof(stored), &stored,
                sizeof(stored));
    fill({start, size});
  }
  return Publish(section.value(), rights, size);
}

// What a handle may do; 0 if it is no handle.
DWORD RightsOf(HANDLE handle) {
  PUBLIC_OBJECT_BASIC_INFORMATION info{};
  if (::NtQueryObject(handle, ObjectBasicInformation, &info, sizeof(info),
                      nullptr) < 0) {
    return 0;
  }
  return info.GrantedAccess;
}

}  // namespace

Result<std::unique_ptr<SharedMemory>> SharedMemory::CreateSealed(
    const char*, std::size_t size,
    const std::function<void(std::span<std::byte>)>& fill) {
  return Create(size, fill, kReadRights);
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::CreateWritable(
    const char*, std::size_t size) {
  return Create(
      size, [](std::span<std::byte>) {}, kWriteRights);
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::Attach(NativeHandle handle,
                                                           Access access) {
  const auto section = reinterpret_cast<HANDLE>(handle);
  const DWORD rights = RightsOf(section);
  const bool sealed = (rights & SECTION_MAP_WRITE) == 0;
  if ((rights & SECTION_MAP_READ) == 0 || sealed != (access == Access::kRead)) {
    return Error{ErrorCode::kMalformed, "not a sealed piece of shared memory"};
  }
  auto region =
      Map(section, access == Access::kRead ? bip::read_only : bip::read_write);
  if (!region.ok()) return region.error();
  const auto* const start =
      static_cast<const std::byte*>(region.value().get_address());
  const std::size_t pages = region.value().get_size();
  std::uint64_t size = 0;
  if (pages >= kPage) {
    std::memcpy(&size, start + pages - sizeof(size), sizeof(size));
  }
  if (size == 0 || size > pages - sizeof(size)) {
    return Error{ErrorCode::kMalformed, "not a sealed piece of shared memory"};
  }
  return std::unique_ptr<SharedMemory>(
      new WindowsSharedMemory(OwnedHandle(), std::move(region).value(),
                              static_cast<std::size_t>(size)));
}

}  // namespace scanengine
