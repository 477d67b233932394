#ifndef SCANENGINE_WORKER_PARSING_PICKLE_MEANINGS_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_MEANINGS_H_

#include <string_view>

#include "worker/parsing/pickle_machine.h"

namespace scanengine {

/// What the machine makes of a call of module.name.
PickleMeaning MeaningOf(std::string_view module, std::string_view name);

/// True for names that do nothing by themselves but find or bind others: they
/// are judged by what they reach, which the machine works out.
bool IsTransparent(PickleMeaning meaning);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_MEANINGS_H_
