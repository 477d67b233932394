#ifndef SCANENGINE_WORKER_PARSING_PICKLE_IMPORT_VERDICT_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_IMPORT_VERDICT_H_

#include "ipc/import_policy.h"
#include "worker/parsing/pickle_machine.h"

namespace scanengine {

/// What the policy says of a name that a pickle reaches: of what it means to
/// Python 3, and to Python 2 if that is something else; the worse of both.
ImportJudgement JudgeName(const ImportPolicy& policy,
                          const PickleGlobal& global);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_IMPORT_VERDICT_H_
