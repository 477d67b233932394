#ifndef SCANENGINE_WORKER_PARSING_PICKLE_MACHINE_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_MACHINE_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/byte_source.h"
#include "worker/parsing/pickle_expansion.h"
#include "worker/parsing/pickle_limits.h"
#include "worker/parsing/pickle_memo.h"
#include "worker/parsing/pickle_opcodes.h"
#include "worker/parsing/pickle_reader.h"
#include "worker/parsing/pickle_stack.h"
#include "worker/parsing/pickle_state_texts.h"
#include "worker/parsing/pickle_text.h"
#include "worker/parsing/pickle_value.h"

namespace scanengine {

class PickleMachine;

/// Where one pickle stream ended.
struct PickleEnd {
  std::uint64_t offset = 0;  ///< First byte not taken.
  bool complete = false;     ///< STOP was reached without an error.

  bool operator==(const PickleEnd&) const = default;
};

/// What calling a name means to the machine: names that make, find or call
/// other names. All else returns an object that the machine knows only by the
/// call that made it.
enum class PickleMeaning : std::uint8_t {
  kOpaque,
  kGetAttr,        ///< getattr(object, name[, default])
  kAttrGetter,     ///< attrgetter(path, ...)(object)
  kItemGetter,     ///< itemgetter(key, ...)(object)
  kMethodCaller,   ///< methodcaller(name, *args)(object)
  kPartial,        ///< partial(f, *args)(*more); types.MethodType(f, object)
  kGetItem,        ///< getitem(object, key), dict.get(object, key)
  kCallFirst,      ///< map(f, ...), reduce(f, ...): f is called
  kCallWithRest,   ///< operator.call(f, *args), copyreg.__newobj__(cls, *args)
  kReconstructor,  ///< copyreg._reconstructor(cls, base, state)
  kApply,          ///< _rebuild_from_type_v2(f, type, args, state)
  kApplyNext,      ///< _reconstruct_array(f, args, ...)
  kNewObjectEx,    ///< copyreg.__newobj_ex__(cls, args, kwargs)
  kImportModule,   ///< import_module(name), __import__(name)
  kImportName,     ///< numpy.core._ufunc_reconstruct(module, name)
  kResolveName,    ///< pkgutil.resolve_name("os:system"), pydoc.locate
  kAddExtension,   ///< copyreg.add_extension(module, name, code)
  kConcat,         ///< operator.add and the like, on strings
  kJoin,           ///< str.join
  kChr,
  kText,       ///< str(text), bytes.decode, codecs.decode/encode: same text
  kBase64,     ///< base64.b64decode and the like
  kHex,        ///< bytes.fromhex, binascii.unhexlify
  kReplace,    ///< str.replace
  kIdentity,   ///< Returns its first argument as it is.
  kVars,       ///< vars(object)
  kLoadBytes,  ///< torch.storage._load_from_bytes(bytes)
};

/// An imported name, or an attribute path that starts at one.
struct PickleGlobal {
  std::string module;
  std::string name;     ///< May be dotted; empty: the module itself.
  std::string written;  ///< "module.name" as the file has it.
  PickleMeaning meaning = PickleMeaning::kOpaque;
  /// Calls that are given plain data only do nothing: see
  /// PickleObserver::PassesOverPlainCalls(). The machine's own.
  bool plain_calls = false;

  std::string Path() const {
    return name.empty() ? module : module + "." + name;
  }
};

inline constexpr std::uint32_t kNoPickleGlobal = ~std::uint32_t{0};

/// The unpickler looks a name up: code of its module runs.
struct PickleImport {
  /// Index of the name, kNoPickleGlobal if the machine cannot tell it.
  std::uint32_t global = kNoPickleGlobal;
  std::uint64_t offset = 0;  ///< Of the opcode.
  /// True if reached by getattr or the like and not by an opcode.
  bool by_attribute = false;
  /// True if the name was put together while the file is loaded, or comes out
  /// of a container: it may be another one than the machine worked out.
  bool computed = false;
  /// The name whose call returned what this is an attribute of.
  std::uint32_t of_result = kNoPickleGlobal;
  std::string detail = {};  ///< What is known of a name that cannot be told.
};

/// The unpickler calls something.
struct PickleCall {
  enum class Via : std::uint8_t {
    kReduce,
    kObject,      ///< INST, OBJ
    kNewObject,   ///< NEWOBJ, NEWOBJ_EX: cls.__new__
    kBuild,       ///< BUILD: a planted __setstate__
    kAppend,      ///< APPEND(S), ADDITEMS: a planted append, extend or add.
    kPlantedNew,  ///< NEWOBJ(_EX), OBJ, INST: a planted __new__.
    kCallee,      ///< Called by what was called (map, partial, ...).
  };
  enum class Target : std::uint8_t {
    kName,     ///< |global| is called.
    kResult,   ///< An object that a call of |global| made is called.
    kUnknown,  ///< |mystery| says why nobody can tell.
  };
  Via via = Via::kReduce;
  Target target = Target::kUnknown;
  std::uint32_t global = kNoPickleGlobal;
  PickleMystery mystery = PickleMystery::kResult;
  PickleValue callee;
  PickleValue arguments;
  PickleValue keywords;      ///< NEWOBJ_EX; None if there are none.
  std::uint64_t offset = 0;  ///< Of the opcode.
};

/// What is wrong with a stream.
enum class PickleProblem : std::uint8_t {
  kTruncated,  ///< Ends before STOP.
  kBadOpcode,
  kBadOperand,  ///< INT that is no number, negative size, ...
  kUnderflow,   ///< Stack or mark is missing.
  kMemoMiss,
  kBadProtocol,
  kNotCallable,  ///< Calls a number and the like: raises at run time.
  kUnhashable,   ///< Puts a list into a set and the like: raises, too.
  kRaises,  ///< Another error of a type or value at run time. The scan goes on.
  kReadersDiffer,  ///< CPython's C unpickler raises here and its Python one
                   ///< goes on, or the other way round. So does the scan.
  kFrame,          ///< Frames do not match the opcodes. The scan goes on.
  kOddPlace,       ///< PROTO in the middle. The scan goes on.
  kExpansion,      ///< Loading hashes keys for ever. The scan goes on.
  kLimit,          ///< A budget of the machine ended the analysis.
};

/// Which unpickler a machine is like, where that matters.
struct PickleMode {
  /// Reads as CPython's C unpickler does from a file object: an operand that
  /// does not fit into what is left of its frame is read behind the frame.
  bool drops_rest_of_frame = false;
  /// False: every call returns something of which nothing is known, as it does
  /// for an unpickler whose imports do nothing.
  bool knows_meanings = true;
};

/// Is told what a pickle does, in the order in which an unpickler would do it.
/// What came before a problem has happened when the unpickler raises.
class PickleObserver {
 public:
  virtual ~PickleObserver() = default;

  virtual void OnImport(const PickleMachine& machine,
                        const PickleImport& import) = 0;
  virtual void OnCall(const PickleMachine& machine, const PickleCall& call) = 0;
  /// Asked after a call of the name |global|, which the machine knows nothing
  /// of: true if, until it is imported anew, calls of it need not be told of
  /// that are given nothing but numbers and texts.
  virtual bool PassesOverPlainCalls(const PickleMachine& machine,
                                    std::uint32_t global) {
    (void)machine;
    (void)global;
    return false;
  }
  /// |state| is written into an import itself (a module, a class) instead of
  /// an object, or into sys.modules and the like.
  virtual void OnModify(const PickleMachine& machine, PickleValue target,
                        PickleValue state, std::uint64_t offset) = 0;
  /// BUILD gives |state| to |object|, which is no import itself.
  virtual void OnState(const PickleMachine& machine, PickleValue object,
                       PickleValue state, std::uint64_t offset) {
    (void)machine;
    (void)object;
    (void)state;
    (void)offset;
  }
  /// BUILD gives |object| an attribute that libraries look up on any object
  /// (IsHookAttribute()), or all of them as its __dict__. No |value| if there
  /// is more in the state than is kept, and such an attribute was part of that
  /// or of another state of the kind.
  virtual void OnHook(const PickleMachine& machine, PickleValue object,
                      std::string_view name, std::optional<PickleValue> value,
                      std::uint64_t offset) {
    (void)machine;
    (void)object;
    (void)name;
    (void)value;
    (void)offset;
  }
  virtual void OnProblem(PickleProblem problem, std::uint64_t offset,
                         std::string detail) = 0;

  /// A string of |size| bytes at |offset|; |head| are its first bytes. If
  /// |decoded|, |head| is the whole after escapes were decoded.
  virtual void OnPayload(std::uint64_t offset, std::uint64_t size,
                         std::string_view head, bool decoded) = 0;
  /// An opcode crosses |frame_end|, or a frame lies inside another one.
  /// Unpicklers that buffer frames and those that do not then read different
  /// opcodes: see PickleMode::drops_rest_of_frame. Called once.
  virtual void OnFrameCrossed(std::uint64_t frame_end) { (void)frame_end; }
  /// PERSID or BINPERSID asks the loader for the object that |id| names.
  virtual void OnPersistent(const PickleMachine& machine, PickleValue id) {
    (void)machine;
    (void)id;
  }
  /// |call|, which OnCall() told of, has returned |result|. Calls that it made
  /// itself have returned before. Not told of every call: one that ends the
  /// machine's patience never returns.
  virtual void OnReturn(const PickleMachine& machine, const PickleCall& call,
                        PickleValue result) {
    (void)machine;
    (void)call;
    (void)result;
  }
  /// |items| go into |object|, which a call made: it may keep them or not. A
  /// key and its value in turn if |pairs|.
  virtual void OnItems(const PickleMachine& machine, PickleValue object,
                       std::span<const PickleValue> items, bool pairs) {
    (void)machine;
    (void)object;
    (void)items;
    (void)pairs;
  }
  /// STOP returns |result|.
  virtual void OnResult(const PickleMachine& machine, PickleValue result) {
    (void)machine;
    (void)result;
  }
  /// BUILD is done; |next| is the offset after it. Returns where the stream
  /// goes on (>= next): bytes that belong to the object and are no opcodes are
  /// passed over.
  virtual std::uint64_t OnBuilt(const PickleMachine& machine,
                                PickleValue object, std::uint64_t next) {
    (void)machine;
    (void)object;
    return next;
  }
  /// Called every few thousand opcodes. False ends the run.
  virtual bool OnProgress(std::uint64_t offset) = 0;
};

/// Executes one pickle stream on abstract values: every opcode of protocols 0
/// to 5 as CPython's C unpickler does, without importing or calling anything.
///
/// Specification: CPython 3.11 Modules/_pickle.c and Lib/pickletools.py.
/// Linear in the stream; memory stays under about 64 MB whatever is in it.
/// Payloads are not loaded: of a string up to PickleArena::kMaxTextBytes are
/// kept. Not thread-safe; use once.
class PickleMachine {
 public:
  static constexpr std::size_t kMaxStack =
      PickleLimit<std::size_t>(2'000'000, 1000);  // 16 MB
  static constexpr std::size_t kMaxMarks =
      PickleLimit<std::size_t>(1'000'000, 50);  // 4 MB
  static constexpr std::size_t kMaxGlobals =
      PickleLimit<std::size_t>(50'000, 40);
  static constexpr std::size_t kMaxNameBytes = 1024;

  /// Runs the stream that starts at |offset|. |source| and |observer| must
  /// outlive the machine.
  PickleMachine(ByteSource& source, std::uint64_t offset,
                PickleObserver& observer, PickleMode mode = {});

  PickleEnd Run();

  // For observers, during a callback.
  const PickleGlobal& global(std::uint32_t id) const { return globals_[id]; }
  std::size_t global_count() const { return globals_.size(); }
  const PickleArena& arena() const { return arena_; }
  /// The value as Python-like text of at most about |max_bytes| bytes.
  std::string Render(PickleValue value, std::size_t max_bytes) const;
  std::string RenderCall(const PickleCall& call, std::size_t max_bytes) const;
  /// Text of a str or bytes that is known here; nothing for all else.
  std::optional<std::string> TextOf(PickleValue value) const;
  /// Items of a tuple or list; nothing if they are not known.
  std::optional<std::vector<PickleValue>> ArgumentsOf(PickleValue value) const;
  /// True for a tuple or list that is kept; not for the empty tuple.
  static bool HasArguments(PickleValue value) {
    return value.IsNode(PickleNodeKind::kTuple) ||
           value.IsNode(PickleNodeKind::kList);
  }
  /// Last value of |key| in the dict |state| (or in a tuple of dicts, as slots
  /// have); nothing if it is not there.
  std::optional<PickleValue> Lookup(PickleValue state,
                                    std::string_view key) const;
  /// All values that the str |key| may have there. Whether a key that Python 2
  /// wrote is the same as a str is the choice of the loader.
  std::vector<PickleValue> LookupAll(PickleValue state,
                                     std::string_view key) const;
  /// First bytes of a str or bytes, at most |size|; empty if not known.
  std::string HeadOf(PickleValue value, std::size_t size) const;
  /// The name whose call made |value|, kNoPickleGlobal if it is no such thing.
  std::uint32_t ClassOf(PickleValue value) const;
  /// True for a str or bytes that a call or a container gave.
  bool IsComputed(PickleValue value) const {
    return value.IsTextNode() && arena_.node(value).computed;
  }
  std::uint8_t protocol() const { return protocol_; }
  /// Offset of the opcode that is executed.
  std::uint64_t op_offset() const { return op_offset_; }
  /// Opcodes that were executed so far.
  std::uint64_t opcodes() const { return opcodes_; }

 private:
  friend class PickleCaller;
  using Handler = bool (PickleMachine::*)();
  struct Handlers;

  // pickle_run.cc: the loop.
  class Hot;
  bool RunPlain();
  void PlaceAt(const std::uint8_t* at, const PickleValue* top);
  bool Step();

  // pickle_machine.cc: stack, memo, names.
  bool Fail(PickleProblem problem, std::string detail);
  void Note(PickleProblem problem, std::string detail);
  bool Truncated();
  bool Underflow();
  void Collect();
  void LeaveFrame();
  bool IsUnhashable(PickleValue value) const;
  bool Push(PickleValue value) {
    if (stack_.size() >= kMaxStack) [[unlikely]]
      return StackFull();
    stack_.push_back(value);
    return true;
  }
  bool StackFull();
  void TellCrossing(std::uint64_t frame_end);
  std::size_t available() const { return stack_.size() - fence_; }
  PickleValue PopValue() {
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }
  bool PopMark(std::size_t* start);
  PickleValue CollectTail(PickleNodeKind kind, std::size_t start,
                          bool pairs = false);
  template <std::size_t kBytes>
  bool TakeInteger(std::uint64_t* value);
  bool Memoize(std::uint32_t index);
  bool MemoizeFar(const std::string& digits);
  bool Recall(std::uint32_t index);
  bool RecallFar(const std::string& digits);
  bool LineIndex(PickleIndex* index);
  bool TakeName(std::string* module, std::string* name);
  bool IsPlainCall(PickleValue callee, PickleValue arguments) const;
  PickleValue ResultOf(PickleValue callee, PickleValue arguments,
                       std::uint64_t offset);
  void CheckArguments(PickleValue arguments);
  void CheckKeywords(PickleValue keywords);
  bool PushText(PickleKind kind, std::uint64_t size, bool python_two = false);
  bool PushDecoded(std::string_view text, bool python_two);
  std::uint32_t Intern(std::string_view module, std::string_view name,
                       std::string_view written);
  PickleValue Import(std::uint32_t id, bool by_attribute,
                     std::string_view name);
  std::uint32_t InternWritten(std::string_view module, std::string_view name);
  PickleValue ImportWritten(std::string_view module, std::string_view name);
  void PutItems(PickleValue target, std::size_t start, bool pairs);

  // pickle_keys.cc.
  enum class TextSort : std::uint8_t { kStr, kBytes, kEither };
  using Values = std::vector<PickleValue>;
  // What a key may stand for.
  struct Candidates {
    Values values;
    bool sure = false;  // It is one of |values|, if not |any|.
    bool any = false;   // It may be something unknown, too.

    void Add(PickleValue value);
  };
  TextSort SortOf(PickleValue text) const;
  Candidates FindKey(PickleValue dict, std::string_view key,
                     TextSort sort) const;

  // pickle_attributes.cc.
  struct Planted {
    Values values;     // What the name may stand for.
    bool any = false;  // Something unknown, too.
  };
  struct LooseAttribute {  // Of what has no node.
    std::string name;
    PickleValue value;
  };
  // Attributes that an unpickler looks up, and __dict__, which replaces all.
  static constexpr std::string_view kSetState = "__setstate__";
  static constexpr std::string_view kAppend = "append";
  static constexpr std::string_view kExtend = "extend";
  static constexpr std::string_view kAdd = "add";
  static constexpr std::string_view kNew = "__new__";
  static constexpr std::string_view kDict = "__dict__";
  static constexpr std::array<std::string_view, 6> kLookedUp = {
      kSetState, kAppend, kExtend, kAdd, kNew, kDict};
  // Before the name of an item, in an object that may be a dict.
  static constexpr std::string_view kItemMark = "[]";
  // Contents of kData, besides 0: a text that is none of those names; a tuple
  // of two that may be a state of which nothing is known.
  static constexpr std::uint64_t kDullText = 1;
  static constexpr std::uint64_t kUnknownPair = 2;
  // False for next to all texts that are none.
  static constexpr bool MayBeLookedUp(std::string_view text) {
    std::uint32_t lengths = 0;
    for (const std::string_view name : kLookedUp) {
      lengths |= 1U << name.size();
    }
    if (text.size() >= 32 || (lengths >> text.size() & 1U) == 0) return false;
    return text.back() == '_' || text.back() == 'd';
  }
  static constexpr bool MayBeKept(std::string_view text) {
    return MayBeLookedUp(text) || text.starts_with("__");
  }
  static std::size_t IndexOfName(std::string_view text);
  PickleValue KeptName(std::string_view text) const;
  PickleValue NameWithoutRoom(std::string_view text) const;
  PickleValue FarText(std::string_view text, PickleKind kind,
                      std::uint64_t offset, std::uint64_t size) const;
  PickleValue TupleWithoutRoom(std::span<const PickleValue> items);
  std::optional<PickleValue> SharedTuple(std::span<const PickleValue> items);
  bool MayNameAttribute(PickleValue key) const;
  bool HasNameOfAttribute(PickleValue dict) const;
  static void AddLoose(std::vector<LooseAttribute>* list, std::size_t most,
                       std::string_view name, PickleValue value);
  void RememberLoose(PickleValue object, std::string_view name,
                     PickleValue value);
  void FindLoose(const std::vector<LooseAttribute>& list, std::string_view name,
                 Planted* found) const;
  void Lose(PickleValue key, PickleValue value);
  void PlantLost(PickleValue object, bool slots);
  static bool MayBeAnything(PickleValue value);
  static bool MayBeText(PickleValue value);
  static bool IsBytes(PickleValue value);
  bool Unhashable(PickleValue value, std::uint32_t depth,
                  std::uint32_t* budget) const;
  void CheckHashable(std::size_t start, std::size_t step);
  void LoseAttribute(std::string_view name, PickleValue value);
  void Remember(PickleValue object, std::string_view name, PickleValue value);
  Values ValuesOf(PickleValue attributes, std::string_view name) const;
  void RememberItem(PickleValue object, PickleValue key, PickleValue value);
  Planted FindPlanted(PickleValue object, std::string_view name) const;
  void PlantHook(PickleValue object, std::string_view name,
                 std::optional<PickleValue> value, bool slots);
  void PlantLostHooks(PickleValue object, bool slots);
  void PlantAttribute(PickleValue object, std::string_view name,
                      PickleValue value, bool slots);
  void PlantHooksOf(PickleValue object, PickleValue dict);
  void PlantHooksOfPairs(PickleValue object, PickleValue list);
  void PlantUnseen(PickleValue object, bool slots);
  bool IsTiredOfPlanting(std::size_t work);
  void PlantDict(PickleValue object, PickleValue dict, bool slots);
  void PlantDictObject(PickleValue object, PickleValue made, bool slots);
  void PlantFrom(PickleValue object, PickleValue state, bool slots);
  void ReplaceAttributes(PickleValue object, PickleValue dict);
  void Plant(PickleValue object, PickleValue state);
  void CallPlanted(PickleCall::Via via, const Planted& planted,
                   PickleValue arguments);
  void CallPlantedNew(PickleValue callee, PickleValue arguments);
  void CallForItems(PickleValue target, std::string_view name,
                    std::size_t start);
  void AppendTo(PickleValue target, std::size_t start);
  void AddTo(PickleValue target, std::size_t start);
  void SetItemsOf(PickleValue target, std::size_t start);
  void SetListItems(PickleValue list, std::size_t start);
  void NoteItems(std::size_t start, std::string_view what);
  void CheckState(PickleValue object, PickleValue state);
  void CheckSlotNames(const std::vector<PickleValue>& pairs);
  void BuildState(PickleValue object, PickleValue state);
  std::uint64_t Build();
  bool PassOver(std::uint64_t bytes);
  bool IsPartial(PickleValue object) const;
  void BindPartial(PickleValue object, PickleValue state);

  // One a handler, in pickle_handlers.cc.
  bool DoMark();
  bool DoStop();
  bool DoPop();
  bool DoPopMark();
  bool DoDup();
  bool DoFloat();
  bool DoInt();
  bool DoBinInt();
  bool DoBinInt1();
  bool DoLong();
  bool DoBinInt2();
  bool DoNone();
  bool DoPersId();
  bool DoBinPersId();
  bool DoReduce();
  bool DoString();
  bool DoBinString();
  bool DoShortBinString();
  bool DoUnicode();
  bool DoBinUnicode();
  bool DoAppend();
  bool DoBuild();
  bool DoGlobal();
  bool DoDict();
  bool DoEmptyDict();
  bool DoAppends();
  bool DoGet();
  bool DoBinGet();
  bool DoInst();
  bool DoLongBinGet();
  bool DoList();
  bool DoEmptyList();
  bool DoObj();
  bool DoPut();
  bool DoBinPut();
  bool DoLongBinPut();
  bool DoSetItem();
  bool DoTuple();
  bool DoEmptyTuple();
  bool DoSetItems();
  bool DoBinFloat();
  bool DoBinBytes();
  bool DoShortBinBytes();
  bool DoProto();
  bool DoNewObj();
  bool DoExt1();
  bool DoExt2();
  bool DoExt4();
  bool DoTuple1();
  bool DoTuple2();
  bool DoTuple3();
  bool DoNewTrue();
  bool DoNewFalse();
  bool DoLong1();
  bool DoLong4();
  bool DoShortBinUnicode();
  bool DoBinUnicode8();
  bool DoBinBytes8();
  bool DoEmptySet();
  bool DoAddItems();
  bool DoFrozenSet();
  bool DoNewObjEx();
  bool DoStackGlobal();
  bool DoMemoize();
  bool DoFrame();
  bool DoByteArray8();
  bool DoNextBuffer();
  bool DoReadOnlyBuffer();
  bool DoBadOpcode();

  bool ShortTuple(std::size_t size);
  bool Extension(std::uint32_t code);
  bool LongBytes(std::uint64_t size);

  // pickle_calls.cc.
  PickleValue Call(PickleCall::Via via, PickleValue callee,
                   PickleValue arguments, PickleValue keywords = {});

  ByteSource& source_;
  PickleObserver& observer_;
  const PickleMode mode_;
  PickleReader reader_;
  PickleArena arena_;
  PickleMemo memo_;
  PickleHashCost hash_cost_;
  PickleStack stack_;
  std::vector<std::uint32_t> marks_;
  std::size_t fence_ = 0;  // Stack size at the top mark.
  std::uint64_t start_;
  std::uint64_t op_offset_ = 0;
  std::uint64_t frame_end_ = ~std::uint64_t{0};
  std::uint64_t opcodes_ = 0;
  std::uint8_t protocol_ = 0;
  std::uint32_t call_depth_ = 0;
  mutable std::uint32_t far_reads_ = 0;
  bool complete_ = false;
  bool frame_noted_ = false;
  bool crossing_told_ = false;
  bool limit_noted_ = false;
  bool computed_ = false;  // The next name to import was put together.
  std::uint32_t of_result_ = kNoPickleGlobal;  // See PickleImport.

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::vector<PickleGlobal> globals_;
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>
      global_index_;
  std::map<std::uint32_t, PickleValue> extensions_;
  // Codes that were looked up: an unpickler keeps what it found.
  std::map<std::uint32_t, PickleValue> found_extensions_;
  // Entries of the memo past 32 bits, by their decimal digits.
  std::map<std::string, PickleValue> far_memo_;
  // What the file itself gave to imports, by their paths (a dict each), and to
  // objects that have no identity here.
  std::unordered_map<std::string, PickleValue> global_attributes_;
  std::vector<LooseAttribute> loose_;
  // To objects that there was no room for, by the content of their value.
  std::unordered_map<std::uint64_t, std::vector<LooseAttribute>> of_instances_;
  bool instances_full_ = false;
  std::uint64_t instances_ = 0;  // That were made.
  // Tuples with a name in them that there was no room for: many objects are
  // made with the same one. By their items, then kEmpty.
  std::map<std::array<PickleValue, 4>, PickleValue> shared_tuples_;
  // What was put into dicts that there was no room for.
  std::vector<LooseAttribute> lost_;
  // Texts of kLookedUp, then of kHookAttributes: the first of all nodes.
  std::array<PickleValue, kLookedUp.size() + kHookAttributes.size()> names_;
  std::uint64_t planting_ = 0;  // Work done for BUILD.
  bool planting_noted_ = false;
  std::uint64_t lost_planting_ = 0;  // The same with lost_.
  // The same by what the file has, with the protocol's class.
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>
      written_index_;
  std::string key_;          // Scratch.
  std::string written_key_;  // Scratch.
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_MACHINE_H_
