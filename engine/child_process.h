#ifndef SCANENGINE_ENGINE_CHILD_PROCESS_H_
#define SCANENGINE_ENGINE_CHILD_PROCESS_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/writable_pipe.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/worker_exit.h"
#include "ipc/result.h"
#include "ipc/shared_cache.h"

namespace scanengine {

/// What to start.
struct ChildSpec {
  std::string program;  ///< Path; never looked up in PATH.
  std::vector<std::string> arguments;
  /// Handles that the child gets under the same numbers; nothing else but its
  /// three standard streams is passed on.
  std::vector<NativeHandle> inherited;
};

/// The supervisor's ends of a child's standard streams.
struct ChildPipes {
  explicit ChildPipes(boost::asio::io_context& io) : in(io), out(io), err(io) {}
  boost::asio::writable_pipe in;
  boost::asio::readable_pipe out;
  boost::asio::readable_pipe err;
};

/// Whether a call on one of them failed because the child's end is closed, and
/// not since the system failed us.
bool IsEndOfPipe(const boost::system::error_code& error);

/// A running child in a process group of its own, reaped by itself.
///
/// Not boost::process::process: its async_wait can block the whole io_context
/// after a spurious wake-up, and its default launcher forks, which costs
/// milliseconds in a large supervisor. Used from the io_context's thread only;
/// that thread must live as long as the child, which dies with it.
class ChildProcess {
 public:
  using OnExit = std::function<void(NativeEnd)>;

  /// Starts |spec| with its streams connected to |pipes|; |on_exit| is called
  /// once from |io|, when the child is gone and reaped, unless this object was
  /// destroyed before. Fails with kSpawnFailed; then nothing is left behind.
  static Result<std::unique_ptr<ChildProcess>> Start(
      boost::asio::io_context& io, const ChildSpec& spec, ChildPipes& pipes,
      OnExit on_exit);

  /// Kills and reaps a child that is still there.
  virtual ~ChildProcess() = default;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Asks the child and its descendants to end. No effect once it is gone.
  virtual void Terminate() = 0;
  /// Ends the child and its descendants. Also safe right after it is gone.
  virtual void Kill() = 0;
  /// Resident bytes; 0 if not known.
  virtual std::uint64_t Memory() const = 0;

 protected:
  ChildProcess() = default;
};

/// Writing to a child that is gone must be an error, not the end of the
/// program: as long as this lives, its thread gets no signal for it. Destroy it
/// in the thread that made it.
class BrokenPipeGuard {
 public:
  BrokenPipeGuard();
  ~BrokenPipeGuard();
  BrokenPipeGuard(const BrokenPipeGuard&) = delete;
  BrokenPipeGuard& operator=(const BrokenPipeGuard&) = delete;

 private:
  bool restore_ = false;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_CHILD_PROCESS_H_
