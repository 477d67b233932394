#ifndef SCANENGINE_WORKER_PARSING_PICKLE_INSPECTOR_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_INSPECTOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "worker/inspection_builder.h"
#include "worker/parsing/pickle_judge.h"
#include "worker/parsing/pickle_listing.h"
#include "worker/parsing/pickle_machine.h"
#include "worker/parsing/pickle_scan.h"

namespace scanengine {

/// An object that a call made, as far as an inspection follows it.
struct InspectedObject {
  std::vector<PickleValue> items;  ///< That were put into it; the first ones.
  bool pairs = false;              ///< A key and its value in turn.
  std::uint64_t item_count = 0;    ///< All that were put into it.
  std::uint32_t sweeps = 0;        ///< Of the arena when the items were kept.
  std::string storage;             ///< Of a tensor: its class.
};

/// Writes down what a pickle does and what it makes, for people, and passes all
/// of it on to a judge. One for each stream; call Finish() after the run.
///
/// Linear in the stream: once a bound of the inspection is reached, the rest is
/// only counted.
class PickleInspector final : public PickleObserver {
 public:
  static constexpr std::size_t kMaxSteps = 20'000;
  static constexpr std::size_t kMaxUnresolved = 100;
  static constexpr std::size_t kMaxTextBytes = 500;
  static constexpr std::size_t kMaxOutcomeBytes = 120;
  static constexpr std::size_t kMaxChain = 16;
  static constexpr std::size_t kMaxItemsOfObject = 1024;
  static constexpr std::size_t kMaxItemsOfAll = 200'000;

  /// What is passed in must outlive it. |inspection| has the section open.
  PickleInspector(PickleJudge& judge, InspectionBuilder& inspection,
                  std::uint64_t begin)
      : judge_(judge), inspection_(inspection) {
    section_.begin = begin;
  }

  void OnImport(const PickleMachine& machine,
                const PickleImport& import) override;
  void OnCall(const PickleMachine& machine, const PickleCall& call) override;
  void OnReturn(const PickleMachine& machine, const PickleCall& call,
                PickleValue result) override;
  void OnModify(const PickleMachine& machine, PickleValue target,
                PickleValue state, std::uint64_t offset) override;
  void OnState(const PickleMachine& machine, PickleValue object,
               PickleValue state, std::uint64_t offset) override;
  void OnItems(const PickleMachine& machine, PickleValue object,
               std::span<const PickleValue> items, bool pairs) override;
  void OnHook(const PickleMachine& machine, PickleValue object,
              std::string_view name, std::optional<PickleValue> value,
              std::uint64_t offset) override;
  void OnProblem(PickleProblem problem, std::uint64_t offset,
                 std::string detail) override;
  void OnPayload(std::uint64_t offset, std::uint64_t size,
                 std::string_view head, bool decoded) override;
  void OnFrameCrossed(std::uint64_t frame_end) override;
  void OnPersistent(const PickleMachine& machine, PickleValue id) override;
  void OnResult(const PickleMachine& machine, PickleValue result) override;
  std::uint64_t OnBuilt(const PickleMachine& machine, PickleValue object,
                        std::uint64_t next) override;
  bool OnProgress(std::uint64_t offset) override;

  /// Adds what is known at the end.
  void Finish(const PickleMachine& machine, const PickleEnd& end);

  /// What is no opcode, as OnBuilt() said: begin and end.
  const PickleGaps& gaps() const { return gaps_; }
  bool saw_import() const { return saw_import_; }
  InspectionSection TakeSection() { return std::move(section_); }

  // For the outline.
  /// "v3" if |value| is what a recorded call made, else empty.
  std::string NameOf(const PickleMachine& machine, PickleValue value) const;
  /// What is known of the object |value|; null if nothing.
  const InspectedObject* ObjectOf(const PickleMachine& machine,
                                  PickleValue value) const;

 private:
  struct Pending {
    PickleValue callee;
    PickleValue arguments;
    std::uint64_t offset;
    std::size_t step;
  };
  // A call node by the place that the arena gave it. Places are used again:
  // the callee tells a later tenant.
  struct Named {
    std::uint32_t value = 0;
    PickleValue callee;
  };
  struct SeenImport {
    std::uint32_t imports = 0;
    std::uint32_t calls = 0;
    std::uint64_t offset = kNoOffset;
    bool by_attribute = false;
  };

  SeenImport& Seen(std::uint32_t id);
  std::uint32_t ValueOf(const PickleMachine& machine, PickleValue value) const;
  NameVerdict VerdictOf(const PickleMachine& machine, std::uint32_t id);
  std::string Text(const PickleMachine& machine, PickleValue value,
                   std::size_t max_bytes, std::vector<std::uint32_t>* uses);
  std::string CallText(const PickleMachine& machine, const PickleCall& call,
                       std::vector<std::uint32_t>* uses);
  std::vector<std::uint32_t> ChainOf(
      const std::vector<std::uint32_t>& uses) const;
  /// False if it did not fit.
  bool AddStep(InspectedStep step);
  bool HasRoom();
  InspectedObject* NewObject(const PickleMachine& machine, PickleValue value);
  void AddImports(const PickleMachine& machine);

  PickleJudge& judge_;
  InspectionBuilder& inspection_;
  InspectionSection section_;
  std::vector<SeenImport> imports_;  // By the machine's ids.
  std::vector<InspectedImport> unresolved_;
  std::vector<std::size_t> step_of_value_;  // Of value - 1.
  std::vector<Pending> pending_;
  std::unordered_map<std::uint32_t, Named> named_;
  std::unordered_map<std::uint32_t, InspectedObject> objects_;  // By value.
  PickleGaps gaps_;
  std::size_t kept_items_ = 0;
  std::string last_storage_;
  std::string last_problem_;
  std::uint64_t last_problem_offset_ = 0;
  bool saw_import_ = false;
  bool full_ = false;
};

/// ScanPickleIn() of a task that also tells what it saw. The context's
/// inspection is not null.
PickleEnd InspectPickle(ScanContext& context, ByteSource& source,
                        std::uint64_t offset, const PickleOptions& options,
                        PickleJudge& judge);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_INSPECTOR_H_
