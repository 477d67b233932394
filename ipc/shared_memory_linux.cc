#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "ipc/check.h"
#include "ipc/descriptor_posix.h"
#include "ipc/shared_memory.h"

namespace scanengine {
namespace {

namespace bip = boost::interprocess;

// Linux 6.3; older headers lack it, older kernels refuse it.
constexpr unsigned kNoExecSeal = 0x0008U;

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

Error SystemError(const char* what, int error) {
  return {ErrorCode::kIo, std::string(what) + ": " + std::strerror(error)};
}

// Lets Boost.Interprocess map a descriptor that has no path.
struct DescriptorMapping {
  int fd;
  bip::mode_t mode;

  bip::mapping_handle_t get_mapping_handle() const {
    bip::mapping_handle_t handle{};
    handle.handle = fd;
    handle.is_xsi = false;
    return handle;
  }
  bip::mode_t get_mode() const { return mode; }
};

Result<bip::mapped_region> Map(int fd, bip::mode_t mode) {
  try {
    return bip::mapped_region(DescriptorMapping{fd, mode}, mode);
  } catch (const bip::interprocess_exception& e) {
    return SystemError("cannot map shared memory", e.get_native_error());
  }
}

class LinuxSharedMemory final : public SharedMemory {
 public:
  LinuxSharedMemory(Descriptor fd, bip::mapped_region region)
      : fd_(std::move(fd)), region_(std::move(region)) {}

  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(region_.get_address()),
            region_.get_size()};
  }
  std::span<std::byte> writable() override {
    if (region_.get_mode() != bip::read_write) return {};
    return {static_cast<std::byte*>(region_.get_address()), region_.get_size()};
  }
  NativeHandle handle() const override { return fd_.get(); }

 private:
  Descriptor fd_;
  bip::mapped_region region_;
};

Result<Descriptor> NewMemory(const char* label, std::size_t size) {
  SCANENGINE_CHECK(size > 0);
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = ::memfd_create(label, flags | kNoExecSeal);
  if (fd < 0 && errno == EINVAL) fd = ::memfd_create(label, flags);
  if (fd < 0) return SystemError("cannot make shared memory", errno);
  Descriptor memory(fd);
  int error = 0;
  do {
    error = ::posix_fallocate(memory.get(), 0, static_cast<off_t>(size));
  } while (error == EINTR);
  if (error != 0) return SystemError("cannot back shared memory", error);
  return memory;
}

Result<std::unique_ptr<SharedMemory>> SealAndMap(Descriptor memory, int seals) {
  if (::fcntl(memory.get(), F_ADD_SEALS, seals) != 0) {
    return SystemError("cannot seal shared memory", errno);
  }
  auto region = Map(memory.get(), bip::read_only);
  if (!region.ok()) return region.error();
  return std::unique_ptr<SharedMemory>(
      new LinuxSharedMemory(std::move(memory), std::move(region).value()));
}

}  // namespace

Result<std::unique_ptr<SharedMemory>> SharedMemory::CreateSealed(
    const char* label, std::size_t size,
    const std::function<void(std::span<std::byte>)>& fill) {
  auto memory = NewMemory(label, size);
  if (!memory.ok()) return memory.error();
  {
    // Unmapped before the seal: the system refuses it while anyone can write.
    auto region = Map(memory.value().get(), bip::read_write);
    if (!region.ok()) return region.error();
    fill({static_cast<std::byte*>(region.value().get_address()), size});
  }
  return SealAndMap(std::move(memory).value(), kSizeSeals | F_SEAL_WRITE);
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::CreateWritable(
    const char* label, std::size_t size) {
  auto memory = NewMemory(label, size);
  if (!memory.ok()) return memory.error();
  return SealAndMap(std::move(memory).value(), kSizeSeals);
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::Attach(NativeHandle handle,
                                                           Access access) {
  const int fd = static_cast<int>(handle);
  const int wanted =
      access == Access::kRead ? kSizeSeals | F_SEAL_WRITE : kSizeSeals;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & wanted) != wanted) {
    return Error{ErrorCode::kMalformed, "not a sealed piece of shared memory"};
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return SystemError("cannot look at shared memory", errno);
  }
  if (info.st_size <= 0) {
    return Error{ErrorCode::kMalformed, "shared memory is empty"};
  }
  auto region =
      Map(fd, access == Access::kRead ? bip::read_only : bip::read_write);
  if (!region.ok()) return region.error();
  return std::unique_ptr<SharedMemory>(
      new LinuxSharedMemory(Descriptor(-1), std::move(region).value()));
}

}  // namespace scanengine
