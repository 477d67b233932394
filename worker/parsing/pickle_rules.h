#ifndef SCANENGINE_WORKER_PARSING_PICKLE_RULES_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_RULES_H_

#include "ipc/finding.h"

namespace scanengine {

inline constexpr Rule kPickleDangerousCall{
    "pickle-dangerous-call",
    Severity::kCritical,
    "Loading the pickle calls something dangerous",
    "An unpickler makes this call as soon as the file is loaded, before the "
    "program sees any object.",
    "Do not load this file.",
    "CWE-502"};
inline constexpr Rule kPickleDangerousImport{
    "pickle-dangerous-import",
    Severity::kHigh,
    "The pickle imports something dangerous",
    "Models have no use for this import; the objects that hold it can call it "
    "later.",
    "Do not load this file unless you know why it needs this import.",
    "CWE-502"};
inline constexpr Rule kPickleUnresolvedCall{
    "pickle-unresolved-call",
    Severity::kCritical,
    "The pickle calls something whose name cannot be told",
    "What is called is put together while the file is loaded. Models do not do "
    "that; it hides what is called.",
    "Do not load this file.",
    "CWE-502"};
inline constexpr Rule kPickleUnresolvedImport{
    "pickle-unresolved-import",
    Severity::kHigh,
    "The pickle imports something whose name cannot be told",
    "The name is computed while the file is loaded, or comes from a registry "
    "outside of the file.",
    "Do not load this file unless you know what the name is.",
    "CWE-502"};
inline constexpr Rule kPickleUnvettedCall{
    "pickle-unvetted-call",
    Severity::kMedium,
    "The pickle calls something that nobody has vetted",
    "It is in none of the tables. It may be a class of your own code, or "
    "something that is not known to be dangerous yet.",
    "If you know it and it is harmless, put the line \"vetted<TAB>module<TAB>"
    "name\" into a file and scan again with --policy FILE; else do not load "
    "this file.",
    "CWE-502"};
inline constexpr Rule kPickleUnvettedImport{
    "pickle-unvetted-import",
    Severity::kLow,
    "The pickle refers to something that nobody has vetted",
    "Importing it runs the code of its module, if that is installed.",
    "If you know it and it is harmless, put the line \"vetted<TAB>module<TAB>"
    "name\" into a file and scan again with --policy FILE.",
    "CWE-502"};
inline constexpr Rule kPickleUnknownClass{
    "pickle-unknown-class",
    Severity::kLow,
    "The pickle makes an object of a known library that is not vetted",
    "The library is a common one, but this class of it has not been looked at.",
    "If you know it and it is harmless, put the line \"vetted<TAB>module<TAB>"
    "name\" into a file and scan again with --policy FILE.",
    "CWE-502"};
inline constexpr Rule kPickleCodeText{
    "pickle-code-text",
    Severity::kHigh,
    "The pickle gives source code or a command to something not vetted",
    "What takes the text may run it.",
    "Do not load this file unless you know what the text is for.",
    "CWE-94"};
inline constexpr Rule kPicklePlantedHook{
    "pickle-planted-hook",
    Severity::kHigh,
    "The pickle plants a hook in an object",
    "Libraries look this attribute up on any object, and call it or trust the "
    "address in it. Picklers never write it.",
    "Do not load this file.",
    "CWE-915"};
inline constexpr Rule kPickleModifies{
    "pickle-modifies-import",
    Severity::kCritical,
    "The pickle changes a module, class or function",
    "It writes into an import instead of an object. Other code of the program "
    "then runs with the changed parts.",
    "Do not load this file.",
    "CWE-915"};
inline constexpr Rule kPickleMalformed{
    "pickle-malformed", Severity::kMedium, "The pickle is broken",
    "Unpicklers raise an error here, after everything before it has run. "
    "Broken pickles are used to stop scanners.",
    "Get the file again from a source that you trust."};
inline constexpr Rule kPickleOddStructure{
    "pickle-odd-structure", Severity::kLow,
    "The pickle has opcodes where no pickler puts them",
    "It was written or changed by a tool other than a pickler.",
    "Find out what wrote the file."};
inline constexpr Rule kPickleNested{
    "pickle-nested", Severity::kInfo, "A string in the pickle holds a pickle",
    "It is harmless until some code unpickles it; it was scanned too.",
    "See the other findings at this offset, if there are any."};
inline constexpr Rule kPickleCode{
    "pickle-code-object",
    Severity::kMedium,
    "A string in the pickle holds compiled Python code",
    "It is harmless until some code runs it; models seldom carry code, and "
    "loaders that do run it trust the file.",
    "Do not load this file unless you know why it carries code.",
    "CWE-506"};
inline constexpr Rule kPickleNestedLimit{
    "pickle-nested-limit", Severity::kMedium,
    "A pickle in a string was not scanned to its end",
    "What lies beyond the limit was not looked at.",
    "Extract the string and scan it on its own."};
inline constexpr Rule kPickleLimit{
    "pickle-limit", Severity::kMedium,
    "The pickle is too large for a whole analysis",
    "It needs more memory than an analysis may take; what follows was not "
    "looked at.",
    "Do not trust it without a reason."};
inline constexpr Rule kPickleExpansion{
    "pickle-expansion-bomb",
    Severity::kMedium,
    "The pickle makes objects that expand without end",
    "Its objects hold each other many times: small in memory, but a program "
    "that prints, compares or converts the result never comes to an end.",
    "Do not load this file unless you know what wrote it.",
    "CWE-776"};
inline constexpr Rule kPickleHashBomb{
    "pickle-hash-bomb",
    Severity::kHigh,
    "Loading the pickle takes for ever",
    "It puts tuples that hold each other many times where they have to be "
    "hashed; the loader walks all of them each time.",
    "Do not load this file.",
    "CWE-776"};
inline constexpr Rule kPickleTrailingData{
    "pickle-trailing-data", Severity::kLow,
    "Bytes follow the pickle that are no pickle",
    "Unpicklers ignore them; other programs may not.",
    "Find out what wrote the file."};
inline constexpr Rule kPickleLeadingData{
    "pickle-leading-data", Severity::kLow, "Bytes come before the first pickle",
    "An unpickler would fail on them, so that a program must skip them; "
    "scanners that do not are blind to what follows.",
    "Find out what wrote the file."};

/// All of the above, for Scanner::rules.
inline constexpr const Rule* kPickleRules[] = {
    &kPickleDangerousCall,  &kPickleDangerousImport,
    &kPickleUnresolvedCall, &kPickleUnresolvedImport,
    &kPickleUnvettedCall,   &kPickleUnvettedImport,
    &kPickleUnknownClass,   &kPickleModifies,
    &kPickleCodeText,       &kPicklePlantedHook,
    &kPickleMalformed,      &kPickleOddStructure,
    &kPickleNested,         &kPickleCode,
    &kPickleNestedLimit,    &kPickleLimit,
    &kPickleTrailingData,   &kPickleLeadingData,
    &kPickleExpansion,      &kPickleHashBomb};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_RULES_H_
