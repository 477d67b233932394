#ifndef SCANENGINE_WORKER_PARSING_HOSTILE_NAME_H_
#define SCANENGINE_WORKER_PARSING_HOSTILE_NAME_H_

#include <string_view>

namespace scanengine {

/// True if a tensor's or key's |name| climbs out of a folder ("../x",
/// "a\\..\\b") or holds control characters: harmless in itself, but not to
/// tools that turn names into files or print them.
bool IsHostileName(std::string_view name);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_HOSTILE_NAME_H_
