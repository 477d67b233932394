#ifndef SCANENGINE_WORKER_PARSING_PICKLE_JUDGE_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_JUDGE_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "ipc/import_policy.h"
#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_scan.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Turns what a pickle does into findings, by the import policy.
///
/// Dangerous or unresolvable and called: critical. Dangerous and only
/// imported: high. In no table and called: medium; in a known library: low.
/// Vetted: nothing, unless it is given something dangerous to call. One for
/// each stream; call Finish() after the run.
class PickleJudge final : public PickleObserver {
 public:
  PickleJudge(ScanContext& context, ByteSource& source,
              const PickleOptions& options)
      : context_(context), source_(source), options_(options) {}

  void OnImport(const PickleMachine& machine,
                const PickleImport& import) override;
  void OnCall(const PickleMachine& machine, const PickleCall& call) override;
  bool PassesOverPlainCalls(const PickleMachine& machine,
                            std::uint32_t global) override;
  void OnModify(const PickleMachine& machine, PickleValue target,
                PickleValue state, std::uint64_t offset) override;
  void OnState(const PickleMachine& machine, PickleValue object,
               PickleValue state, std::uint64_t offset) override;
  void OnHook(const PickleMachine& machine, PickleValue object,
              std::string_view name, std::optional<PickleValue> value,
              std::uint64_t offset) override;
  void OnProblem(PickleProblem problem, std::uint64_t offset,
                 std::string detail) override;
  void OnPayload(std::uint64_t offset, std::uint64_t size,
                 std::string_view head, bool decoded) override;
  void OnPersistent(const PickleMachine& machine, PickleValue id) override;
  void OnResult(const PickleMachine& machine, PickleValue result) override;
  std::uint64_t OnBuilt(const PickleMachine& machine, PickleValue object,
                        std::uint64_t next) override;
  void OnFrameCrossed(std::uint64_t frame_end) override;
  bool OnProgress(std::uint64_t offset) override;

  /// What the import policy says of the name |id|.
  const ImportJudgement& JudgementOf(const PickleMachine& machine,
                                     std::uint32_t id) {
    return Know(machine, id).judgement;
  }
  /// Where a frame ended that an opcode crossed: CPython's C unpickler reads
  /// such a stream in another way from a file object than from bytes.
  std::optional<std::uint64_t> crossed() const { return crossed_; }

  /// Reports the imports that were never called.
  void Finish(const PickleMachine& machine);

 private:
  struct Known {
    bool judged = false;
    bool imported = false;
    bool called = false;
    bool reported = false;          // As unvetted; once is enough.
    bool computed = false;          // Imported by a name that was put together.
    bool holder = false;            // Holds what it is given and calls nothing.
    bool is_type = false;           // builtins.type
    bool plain = false;             // A call matters only for what it is given.
    bool returns_argument = false;  // Or a part of it.
    bool plain_states = false;      // A state matters only for what it holds.
    std::uint16_t reports = 0;
    std::uint64_t offset = 0;
    ImportJudgement judgement;
    ImportJudgement constructor;  // When it is called with arguments.
  };

  Known& Know(const PickleMachine& machine, std::uint32_t id) {
    // Most calls are of the same few classes, one after the other.
    return id == last_id_ ? *last_ : KnowAnother(machine, id);
  }
  Known& KnowAnother(const PickleMachine& machine, std::uint32_t id);
  /// What is looked for in values that are given to a call or an object.
  enum class Sought : std::uint8_t {
    kAnything,
    kDanger,
    kUnvetted,
    kConstructor,  ///< A class that is dangerous when made with arguments.
  };
  bool IsPlainTypeCall(const PickleMachine& machine, const PickleCall& call);
  bool Matches(const PickleMachine& machine, std::uint32_t id, Sought sought);
  /// An import of that kind among |value| and what it holds;
  /// kNoPickleGlobal if there is none.
  std::uint32_t FindIn(const PickleMachine& machine, PickleValue value,
                       Sought sought);
  std::uint32_t FindIn(const PickleMachine& machine, PickleValue value,
                       Sought sought, std::uint32_t depth,
                       std::uint32_t* budget);
  static std::string Why(const ImportJudgement& judgement);
  void JudgeNamed(const PickleMachine& machine, const PickleCall& call);
  static bool LoadsScannedBytes(const PickleMachine& machine,
                                const PickleCall& call);
  bool JudgeConstructor(const PickleMachine& machine, const PickleCall& call);
  void JudgeOperands(const PickleMachine& machine, const PickleCall& call);
  void ReportHeld(const PickleMachine& machine, const PickleCall& call,
                  std::uint32_t found);
  void JudgeAttributeNames(const PickleMachine& machine,
                           const PickleCall& call);
  void ReportCall(const PickleMachine& machine, const PickleCall& call,
                  const Rule& rule, std::string message,
                  const ImportJudgement& judgement);
  void Report(const Rule& rule, Sighting sighting);

  // pickle_state_judge.cc.
  void JudgeTexts(const PickleMachine& machine, const PickleCall& call);
  void JudgeScipyState(const PickleMachine& machine, PickleValue object,
                       PickleValue state, std::uint64_t offset);
  void JudgeFormulaState(const PickleMachine& machine, PickleValue object,
                         PickleValue state, std::uint64_t offset);
  void ReportState(const PickleMachine& machine, const Rule& rule,
                   std::string message, PickleValue object, PickleValue state,
                   std::uint64_t offset);

  static constexpr std::size_t kMaxEvidence = 300;
  // Modules whose classes run a part of their state.
  static constexpr std::string_view kScipyStats = "scipy.stats";
  static constexpr std::string_view kStatsmodelsData = "statsmodels.base.data";
  /// Values looked at for a call.
  static constexpr std::uint32_t kMaxReach = 64;
  static constexpr std::uint16_t kMaxReportsPerName = 16;

  ScanContext& context_;
  ByteSource& source_;
  const PickleOptions& options_;
  std::deque<Known> known_;  // References to its elements stay valid.
  Known* last_ = nullptr;    // Of last_id_.
  std::uint32_t last_id_ = kNoPickleGlobal;
  std::uint32_t unresolved_ = 0;
  std::optional<std::uint64_t> crossed_;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_JUDGE_H_
