#include "worker/parsing/pickle_scan.h"

#include "worker/parsing/pickle_inspector.h"
#include "worker/parsing/pickle_judge.h"

namespace scanengine {

PickleEnd ScanPickle(ScanContext& context, std::uint64_t offset,
                     const PickleOptions& options) {
  return ScanPickleIn(context, context.source(), offset, options);
}

PickleEnd ScanPickleIn(ScanContext& context, ByteSource& source,
                       std::uint64_t offset, const PickleOptions& options) {
  context.SetPhase("pickle opcodes");
  PickleJudge judge(context, source, options);
  if (context.inspection() != nullptr) {
    return InspectPickle(context, source, offset, options, judge);
  }
  PickleMachine machine(source, offset, judge);
  const PickleEnd end = machine.Run();
  judge.Finish(machine);
  return end;
}

}  // namespace scanengine
