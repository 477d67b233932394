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
  PickleEnd end;
  if (context.inspection() != nullptr) {
    end = InspectPickle(context, source, offset, options, judge);
  } else {
    PickleMachine machine(source, offset, judge, options.mode);
    end = machine.Run();
    judge.Finish(machine);
  }
  if (!judge.crossed()) return end;
  // The same stream as CPython's C unpickler reads it from a file.
  PickleOptions other = options;
  other.report_everything = false;
  other.second_reading = true;
  other.report_from = *judge.crossed();
  other.mode.drops_rest_of_frame = true;
  other.on_built = nullptr;
  other.on_persistent = nullptr;
  other.on_result = nullptr;
  ScanPickleIn(context, source, offset, other);
  return end;
}

}  // namespace scanengine
