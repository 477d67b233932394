#ifndef SCANENGINE_TESTS_WORKER_SANDBOX_PROBE_H_
#define SCANENGINE_TESTS_WORKER_SANDBOX_PROBE_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace scanengine::testing {

/// What an attack finds: made before the sandbox is entered.
///
/// The folder holds `inside/` with `file`, `link-in` to it and `link-out` to
/// `outside/secret`; `single`; and `outside/` with `secret`. Readable to the
/// sandbox are `inside` and `single`. The parent process plays the supervisor
/// and has the same word at |address|.
struct Scene {
  std::string folder;
  std::string inside;
  std::string outside;
  pid_t victim = -1;           ///< Another worker: a child that waits for ever.
  std::uintptr_t address = 0;  ///< Of eight bytes in victim's and our memory.
  int tcp = -1;                ///< Sockets that were left open.
  int udp = -1;
  std::uint16_t tcp_port = 0;    ///< Of a listener on the loopback address.
  int unix_socket = -1;          ///< As those.
  std::string abstract_address;  ///< Of a listener, after the null byte.
  /// What the supervisor shares: sealed, unless the scene is bare.
  int cache_fd = -1;
  int board_fd = -1;
  int program_fd = -1;  ///< Of /bin/true.
  int folder_fd = -1;   ///< Of inside, for reading.
  int file_fd = -1;     ///< Of inside/file, for reading.
};

/// One thing that a hijacked worker would try.
struct Attack {
  std::string_view name;
  /// 0: it worked. Else the error that stopped it.
  int (*run)(const Scene& scene);
};

std::span<const Attack> Attacks();

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_WORKER_SANDBOX_PROBE_H_
