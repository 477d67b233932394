#include "engine/process_launcher.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <exception>
#include <map>
#include <utility>

#include "engine/child_process.h"
#include "engine/process_info.h"
#include "ipc/frame_codec.h"

namespace scanengine {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// After its end a descendant may still hold a worker's pipe open.
constexpr std::chrono::milliseconds kPipeGrace{100};
// Between closing its pipe and its end a worker may take this long.
constexpr std::chrono::milliseconds kExitGrace{1'000};
// Events handled in one Wait(): bounds what a flood of bytes can hold up.
constexpr int kHandlersPerWait = 512;
constexpr std::size_t kStderrKept = 2048;

// Everything about one worker process.
struct Connection {
  explicit Connection(asio::io_context& io) : pipes(io), timer(io) {}

  ChildPipes pipes;
  std::unique_ptr<ChildProcess> child;
  std::unique_ptr<StatusBoard> board;
  FrameDecoder decoder;
  std::array<std::byte, 64 << 10> in_buffer;
  std::array<char, 64 << 10> err_buffer;
  std::string err_tail;
  std::deque<std::vector<std::byte>> out_queue;
  bool writing = false;
  bool close_when_written = false;
  bool ready = false;    // Its Hello came.
  bool faulted = false;  // Nothing more is read.
  bool at_eof = false;
  bool err_at_eof = false;
  bool reported = false;  // WorkerExited is on its way.
  std::optional<NativeEnd> end;
  asio::steady_timer timer;
};

// Neither by an accident nor by somebody else.
bool LeftByItself(const NativeEnd& end) {
  const EndClass how = ClassifyEnd(end);
  return how == EndClass::kClean || how == EndClass::kExitCode ||
         how == EndClass::kWatchdog;
}

class ProcessLauncher final : public WorkerLauncher {
 public:
  explicit ProcessLauncher(ProcessLauncherOptions options)
      : options_(std::move(options)), work_(io_.get_executor()) {
    options_.hello.build_id = BuildId();
    options_.hello.supervisor_pid = CurrentProcessId();
  }

  Result<WorkerId> Spawn() override;
  void Send(WorkerId worker, std::span<const TaskRequest> tasks) override;
  void Close(WorkerId worker) override;
  void Terminate(WorkerId worker) override {
    if (Connection* c = Find(worker)) c->child->Terminate();
  }
  void Kill(WorkerId worker) override {
    if (Connection* c = Find(worker)) c->child->Kill();
  }
  std::vector<WorkerEvent> Wait(Clock::Time until) override;
  BoardSnapshot Board(WorkerId worker) override {
    Connection* c = Find(worker);
    return c == nullptr || !c->board ? BoardSnapshot{} : c->board->Read();
  }
  std::uint64_t Memory(WorkerId worker) override {
    Connection* c = Find(worker);
    return c == nullptr ? 0 : c->child->Memory();
  }
  void Interrupt() override {
    asio::post(io_, [this] { interrupted_ = true; });
  }
  std::chrono::microseconds Serialising() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(serialising_);
  }

 private:
  Connection* Find(WorkerId worker) {
    const auto at = connections_.find(worker);
    return at == connections_.end() ? nullptr : at->second.get();
  }

  Result<WorkerId> TrySpawn();
  void Queue(Connection& c, MessageType type,
             std::span<const std::byte> payload);
  void Write(WorkerId worker);
  static void GiveUp(Connection& c);
  void ReadOut(WorkerId worker);
  void ReadErr(WorkerId worker);
  static void Keep(Connection& c, std::size_t size);
  void OnErrEof(WorkerId worker);
  void OnBytes(WorkerId worker, std::span<const std::byte> bytes);
  void OnFrame(WorkerId worker, Connection& c, const Frame& frame);
  void OnEof(WorkerId worker);
  void OnExit(WorkerId worker, NativeEnd end);
  void Fault(WorkerId worker, Connection& c, std::string what);
  void ReportExit(WorkerId worker);

  ProcessLauncherOptions options_;
  const BrokenPipeGuard no_broken_pipe_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::map<WorkerId, std::unique_ptr<Connection>> connections_;
  std::vector<WorkerEvent> events_;
  std::chrono::steady_clock::duration serialising_{0};
  WorkerId next_ = 1;
  bool interrupted_ = false;
};

Result<WorkerId> ProcessLauncher::Spawn() {
  try {
    return TrySpawn();
  } catch (const std::exception& e) {  // No memory, or no descriptor, for Asio.
    return Error{ErrorCode::kSpawnFailed,
                 std::string("cannot watch a worker: ") + e.what()};
  }
}

Result<WorkerId> ProcessLauncher::TrySpawn() {
  auto connection = std::make_unique<Connection>(io_);
  Result<std::unique_ptr<StatusBoard>> board = StatusBoard::Create();
  if (!board.ok()) {
    return Error{ErrorCode::kSpawnFailed,
                 "no memory for a status board: " + board.error().detail};
  }
  connection->board = std::move(board).value();

  ChildSpec spec;
  spec.program = options_.worker_path;
  spec.arguments = options_.extra_arguments;
  const auto pass = [&](const char* name, NativeHandle handle) {
    spec.arguments.emplace_back(name);
    spec.arguments.push_back(std::to_string(handle));
    spec.inherited.push_back(handle);
  };
  spec.arguments.emplace_back("--parent");
  spec.arguments.push_back(std::to_string(options_.hello.supervisor_pid));
  for (const NativeHandle handle : options_.inherited) pass("--keep", handle);
  pass("--board", connection->board->handle());
  if (options_.cache != nullptr) pass("--cache", options_.cache->handle());

  const WorkerId id = next_++;
  Result<std::unique_ptr<ChildProcess>> child =
      ChildProcess::Start(io_, spec, connection->pipes,
                          [this, id](NativeEnd end) { OnExit(id, end); });
  if (!child.ok()) return child.error();
  connection->child = std::move(child).value();
  Connection& c = *connection;
  connections_.emplace(id, std::move(connection));
  Queue(c, MessageType::kSupervisorHello, Encode(options_.hello));
  Write(id);
  ReadOut(id);
  ReadErr(id);
  return id;
}

void ProcessLauncher::Queue(Connection& c, MessageType type,
                            std::span<const std::byte> payload) {
  std::vector<std::byte> frame;
  frame.reserve(payload.size() + 16);
  AppendFrame(type, payload, &frame);
  c.out_queue.push_back(std::move(frame));
}

void ProcessLauncher::Send(WorkerId worker,
                           std::span<const TaskRequest> tasks) {
  Connection* c = Find(worker);
  if (c == nullptr || c->close_when_written) return;
  const auto begin = std::chrono::steady_clock::now();
  // A path may be long (deep trees): never more in a frame than it takes.
  std::size_t bytes = 0;
  std::size_t first = 0;
  for (std::size_t i = 0; i <= tasks.size(); ++i) {
    const bool flush = i == tasks.size() || bytes > kMaxPayloadBytes / 4;
    if (flush && i > first) {
      Queue(*c, MessageType::kTasks, Encode(tasks.subspan(first, i - first)));
      first = i;
      bytes = 0;
    }
    if (i < tasks.size()) bytes += tasks[i].path.size() + 64;
  }
  serialising_ += std::chrono::steady_clock::now() - begin;
  Write(worker);
}

void ProcessLauncher::Write(WorkerId worker) {
  Connection* c = Find(worker);
  if (c == nullptr || c->writing) return;
  if (c->out_queue.empty()) {
    error_code ignored;
    if (c->close_when_written) c->pipes.in.close(ignored);
    return;
  }
  c->writing = true;
  asio::async_write(c->pipes.in, asio::buffer(c->out_queue.front()),
                    [this, worker](const error_code& ec, std::size_t) {
                      Connection* at = Find(worker);
                      if (at == nullptr) return;
                      at->writing = false;
                      if (ec) {  // It is going away; its exit follows.
                        at->out_queue.clear();
                        if (!IsEndOfPipe(ec)) GiveUp(*at);
                        return;
                      }
                      at->out_queue.pop_front();
                      Write(worker);
                    });
}

// The system failed us, not the worker: nothing that it holds is to blame, as
// after any kill from outside.
void ProcessLauncher::GiveUp(Connection& c) {
  if (!c.end) c.child->Kill();
}

void ProcessLauncher::Close(WorkerId worker) {
  Connection* c = Find(worker);
  if (c == nullptr) return;
  c->close_when_written = true;
  Write(worker);
}

void ProcessLauncher::ReadOut(WorkerId worker) {
  Connection* c = Find(worker);
  if (c == nullptr) return;
  c->pipes.out.async_read_some(
      asio::buffer(c->in_buffer),
      [this, worker](const error_code& ec, std::size_t size) {
        Connection* at = Find(worker);
        if (at == nullptr) return;
        if (size != 0) {
          OnBytes(worker, std::span(at->in_buffer).first(size));
        }
        if (ec) {
          if (!IsEndOfPipe(ec)) GiveUp(*at);
          OnEof(worker);
          return;
        }
        ReadOut(worker);
      });
}

void ProcessLauncher::ReadErr(WorkerId worker) {
  Connection* c = Find(worker);
  if (c == nullptr) return;
  c->pipes.err.async_read_some(
      asio::buffer(c->err_buffer),
      [this, worker](const error_code& ec, std::size_t size) {
        Connection* at = Find(worker);
        if (at == nullptr) return;
        Keep(*at, size);
        if (ec) {
          OnErrEof(worker);
          return;
        }
        ReadErr(worker);
      });
}

// Of standard error only the end is kept: that is where an abort says why.
void ProcessLauncher::Keep(Connection& c, std::size_t size) {
  c.err_tail.append(c.err_buffer.data(), size);
  if (c.err_tail.size() > kStderrKept) {
    c.err_tail.erase(0, c.err_tail.size() - kStderrKept);
  }
}

void ProcessLauncher::OnBytes(WorkerId worker,
                              std::span<const std::byte> bytes) {
  Connection& c = *Find(worker);
  if (c.faulted) return;  // Read on, so that it cannot block; believe nothing.
  for (const Frame& frame : c.decoder.Feed(bytes)) {
    OnFrame(worker, c, frame);
    if (c.faulted) return;
  }
  if (!c.decoder.status().ok()) {
    Fault(
        worker, c,
        "sent bytes that are no message: " + c.decoder.status().error().detail);
  }
}

void ProcessLauncher::OnFrame(WorkerId worker, Connection& c,
                              const Frame& frame) {
  if (!c.ready) {
    Result<WorkerHello> hello =
        frame.type == MessageType::kWorkerHello
            ? DecodeWorkerHello(frame.payload)
            : Error{ErrorCode::kMalformed, "its first message is no Hello"};
    if (!hello.ok()) {
      Fault(worker, c, "spoke out of turn: " + hello.error().detail);
      return;
    }
    c.ready = true;
    events_.emplace_back(WorkerReady{worker, std::move(hello).value()});
    return;
  }
  if (frame.type != MessageType::kReplies) {
    Fault(worker, c, "sent a message that a worker may not send");
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  Result<std::vector<ScanReply>> replies = DecodeReplies(frame.payload);
  serialising_ += std::chrono::steady_clock::now() - begin;
  if (!replies.ok()) {
    Fault(worker, c, "sent a malformed reply: " + replies.error().detail);
    return;
  }
  events_.emplace_back(WorkerReplied{worker, std::move(replies).value()});
}

void ProcessLauncher::Fault(WorkerId worker, Connection& c, std::string what) {
  c.faulted = true;
  events_.emplace_back(WorkerFaulted{worker, std::move(what)});
}

void ProcessLauncher::OnEof(WorkerId worker) {
  Connection& c = *Find(worker);
  c.at_eof = true;
  if (c.end) {
    if (c.err_at_eof) ReportExit(worker);
    return;
  }
  // It normally ends right after. If it does not, it is of no use any more.
  c.timer.expires_after(kExitGrace);
  c.timer.async_wait([this, worker](const error_code& ec) {
    Connection* at = Find(worker);
    if (ec || at == nullptr || at->end || at->faulted) return;
    Fault(worker, *at, "closed its pipe and did not end");
  });
}

void ProcessLauncher::OnErrEof(WorkerId worker) {
  Connection& c = *Find(worker);
  c.err_at_eof = true;
  if (c.end && c.at_eof) ReportExit(worker);
}

void ProcessLauncher::OnExit(WorkerId worker, NativeEnd end) {
  Connection* c = Find(worker);
  if (c == nullptr) return;
  c->end = end;
  c->child->Kill();  // Descendants, if it left any.
  if (c->at_eof && c->err_at_eof) {
    ReportExit(worker);
    return;
  }
  // What it wrote is still to be read; but nobody may hold that up.
  c->timer.expires_after(kPipeGrace);
  c->timer.async_wait([this, worker](const error_code& ec) {
    if (!ec) ReportExit(worker);
  });
}

void ProcessLauncher::ReportExit(WorkerId worker) {
  Connection* c = Find(worker);
  if (c == nullptr || c->reported) return;
  c->reported = true;
  if (c->decoder.mid_frame() && !c->faulted && c->end &&
      LeftByItself(*c->end)) {
    // It ended by itself in the middle of a message: that was no accident of
    // its parser.
    Fault(worker, *c, "ended in the middle of a message");
  }
  events_.emplace_back(WorkerExited{worker, c->end.value_or(NativeEnd{}),
                                    c->board->Read(), std::move(c->err_tail)});
  // Its handlers still refer to it: it goes when they have run.
  asio::post(io_, [this, worker] {
    Connection* at = Find(worker);
    if (at == nullptr) return;
    error_code ignored;
    at->timer.cancel();
    at->pipes.in.close(ignored);
    at->pipes.out.close(ignored);
    at->pipes.err.close(ignored);
    // The pending operations complete with an error before this runs.
    asio::post(io_, [this, worker] { connections_.erase(worker); });
  });
}

std::vector<WorkerEvent> ProcessLauncher::Wait(Clock::Time until) {
  io_.restart();
  int handled = 0;
  while (handled < kHandlersPerWait && io_.poll_one() != 0) ++handled;
  while (events_.empty() && !interrupted_) {
    if (io_.run_one_until(until) == 0) break;
    while (handled < kHandlersPerWait && io_.poll_one() != 0) ++handled;
  }
  interrupted_ = false;
  return std::exchange(events_, {});
}

}  // namespace

std::unique_ptr<WorkerLauncher> MakeProcessLauncher(
    ProcessLauncherOptions options) {
  return std::make_unique<ProcessLauncher>(std::move(options));
}

}  // namespace scanengine
