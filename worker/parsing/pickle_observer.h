#ifndef SCANENGINE_WORKER_PARSING_PICKLE_OBSERVER_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_OBSERVER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_OBSERVER_H_
