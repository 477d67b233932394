#ifndef SCANENGINE_TESTS_INTEGRATION_MISBEHAVING_SYSTEM_H_
#define SCANENGINE_TESTS_INTEGRATION_MISBEHAVING_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "ipc/shared_memory.h"

/// What misbehaving_worker needs of the system.
namespace scanengine::testing {

using Action = void (*)();

/// Before anything else: no dialogs, no core files, end with the supervisor.
/// |board| is for the modes that attack it.
void PrepareSystem(NativeHandle board);

std::uint32_t OwnPid();
/// Bytes read, 0 at the end.
std::size_t ReadIn(void* data, std::size_t size);
/// Both end the process if the supervisor is gone.
void WriteOut(const void* data, std::size_t size);
void WriteErr(const void* data, std::size_t size);
void CloseIn();
void CloseOut();

void Pause(int milliseconds);
[[noreturn]] void Hang();
[[noreturn]] void Leave(int code);
/// By writing where nothing is.
[[noreturn]] void Crash();
/// Nothing but a kill ends the process from here on.
void IgnoreTerm();

/// Ways to fail that only this system has.
std::map<std::string, Action> SystemModes();

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_INTEGRATION_MISBEHAVING_SYSTEM_H_
