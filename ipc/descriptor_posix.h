#ifndef SCANENGINE_IPC_DESCRIPTOR_POSIX_H_
#define SCANENGINE_IPC_DESCRIPTOR_POSIX_H_

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace scanengine {

/// Owns a file descriptor and closes it, or owns none. Closing keeps errno: it
/// mostly says why what came before went wrong.
class Descriptor {
 public:
  /// |fd|: as a system call returned it; none if that is negative.
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = other.Release();
    }
    return *this;
  }

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  /// The caller closes it.
  int Release() { return std::exchange(fd_, -1); }

 private:
  void Close() {
    if (fd_ < 0) return;
    const int error = errno;
    ::close(fd_);
    errno = error;
  }

  int fd_;
};

}  // namespace scanengine

#endif  // SCANENGINE_IPC_DESCRIPTOR_POSIX_H_
