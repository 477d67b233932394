#!/usr/bin/env python3
"""Checks who may include whom, and where a library or a system header may be.

    check_includes.py [ROOT]       check the sources; 1 if a rule is broken
    check_includes.py --self-test  check that each rule is able to fail

The rules are those of ARCHITECTURE.md, "Folders". A line with several faults
gives several complaints.
"""

import pathlib
import re
import sys

# A folder may include itself and what stands to its left.
LAYERS = ["ipc", "worker", "engine", "cli"]
# May include everything; also any library and system header.
OUTSIDE = ["tests", "benchmarks"]

# (included header, files that may include it, the rule in words).
# engine/version.cc tells which versions a build was made with.
SEAMS = [
    (r"boost/process(/|\.hpp)", r"engine/child_process_\w+\.cc",
     "Boost.Process stays in engine/child_process_*.cc"),
    (r"boost/asio(/|\.hpp)", r"engine/(child_process|process_launcher)\w*\.(h|cc)",
     "Boost.Asio stays in engine/child_process* and engine/process_launcher*"),
    (r"boost/interprocess/", r"ipc/shared_memory\w*\.cc",
     "Boost.Interprocess stays in ipc/shared_memory*.cc"),
    (r"boost/", r"(engine/(child_process|process_launcher)|"
                r"ipc/shared_memory)\w*\.(h|cc)|engine/version\.cc",
     "Boost stays behind its seams in engine/ and ipc/"),
    (r"cereal/", r"ipc/(messages\.cc|bounded_archive\.h)|engine/version\.cc",
     "cereal stays in ipc/messages.cc and ipc/bounded_archive.h"),
    (r"ipc/bounded_archive\.h", r"ipc/messages\.cc|ipc/bounded_archive\.h",
     "only ipc/messages.cc includes ipc/bounded_archive.h"),
    (r"nlohmann/", r".*\.cc", "nlohmann-json is never in a header"),
    (r"CLI/", r"cli/\w+\.cc", "CLI11 stays in one file of cli/"),
    (r"fmt/", r".*\.cc", "fmt is never in a header"),
    (r"zlib\.h", r"worker/.*\.cc|engine/version\.cc", "zlib stays in worker/, never in a header"),
    (r"(bzlib|lzma|lz4\w*)\.h", r"worker/containers/\w+_decoder\.cc",
     "decompressors stay in worker/containers/*_decoder.cc"),
    (r"sqlite3\.h", r"engine/result_cache_sqlite\.cc",
     "SQLite stays in engine/result_cache_sqlite.cc"),
    (r"openssl/", r"engine/content_hash\.cc",
     "OpenSSL stays in engine/content_hash.cc"),
    (r"worker/", r"worker/.*|engine/in_process_launcher\.cc|cli/.*",
     "engine/ includes worker/ only in engine/in_process_launcher.cc"),
    (r"worker/", r"(?!cli/).*", "cli/ knows workers only through engine/"),
]
# Libraries that at most one file may include.
SINGLE = [r"CLI/"]

PLATFORM_HEADER = re.compile(
    r"(sys|linux|asm|netinet|arpa|net|mach)/.*|"
    r"(unistd|fcntl|signal|poll|dirent|pthread|spawn|sched|termios|dlfcn|pwd|"
    r"grp|glob|fnmatch|ucontext|syscall|syslog|ftw|seccomp|[Ww]indows|winsock2|"
    r"ws2tcpip|io|process|direct|psapi)\.h")
PLATFORM_FILE = re.compile(r".*_(posix|linux|windows)\.(h|cc)")
PLATFORM_MACRO = re.compile(
    r"^\s*#\s*(if|ifdef|ifndef|elif|elifdef|elifndef)\b.*"
    r"(_WIN(32|64)\b|\bWIN32\b|__MINGW|__CYGWIN__|_MSC_VER|__linux|__unix|"
    r"__APPLE__|__FreeBSD__|_POSIX_VERSION|__has_include)")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_outside(path):
    return (path.split("/")[0] in OUTSIDE or
            path.endswith(("_test.cc", "_fuzz.cc", "_bench.cc")))


def layer_complaint(path, header):
    """Says why |path| may not include |header| of ours, or None."""
    mine, other = path.split("/")[0], header.split("/")[0]
    if other in OUTSIDE:
        return f"{mine}/ must not include {other}/"
    if LAYERS.index(other) > LAYERS.index(mine):
        return f"{mine}/ must not include {other}/ ({' <- '.join(LAYERS)})"
    scanner = re.match(r"worker/scanners/(\w+)/", header)
    if scanner and not path.startswith(scanner.group(0)):
        return ("only scanner " + scanner.group(1) + " includes its headers; "
                "shared parts go to worker/parsing/ or worker/containers/")
    return None


def include_complaints(path, quote, header, ours):
    """Yields what is wrong with one #include of |path|."""
    is_ours = header.split("/")[0] in LAYERS + OUTSIDE
    if quote == '"' and header not in ours:
        yield f'"{header}" is no path from the root of the project'
    if quote == "<" and is_ours:
        yield f"<{header}> is ours: include it in quotes"
    if is_outside(path):
        return
    if is_ours:
        complaint = layer_complaint(path, header)
        if complaint:
            yield complaint
    for pattern, allowed, rule in SEAMS:
        if re.match(pattern, header) and not re.fullmatch(allowed, path):
            yield rule
    if PLATFORM_HEADER.fullmatch(header) and not PLATFORM_FILE.fullmatch(path):
        yield (f"<{header}> belongs in a *_posix.cc, *_linux.cc or "
               "*_windows.cc file")


def guard_complaint(path, text):
    guard = "SCANENGINE_" + re.sub(r"\W", "_", path).upper() + "_"
    lines = [line for line in text.splitlines() if line.strip()]
    if (lines[:2] == [f"#ifndef {guard}", f"#define {guard}"] and
            lines[-1] == f"#endif  // {guard}"):
        return None
    return f"the include guard must be {guard}"


def check(files):
    """Complaints, as text, about |files|: path from the root -> content."""
    complaints = []
    users = {pattern: [] for pattern in SINGLE}
    for path, text in sorted(files.items()):
        if path.endswith(".h"):
            complaint = guard_complaint(path, text)
            if complaint:
                complaints.append(f"{path}:1: {complaint}")
        for number, line in enumerate(text.splitlines(), 1):
            place = f"{path}:{number}: "
            if (PLATFORM_MACRO.match(line) and not is_outside(path) and
                    not PLATFORM_FILE.fullmatch(path)):
                complaints.append(place + "the build picks the platform's "
                                  "file; no #if for platforms")
            include = INCLUDE.match(line)
            if not include:
                continue
            quote, header = include.groups()
            complaints += [place + complaint for complaint in
                           include_complaints(path, quote, header, files)]
            for pattern in SINGLE:
                if re.match(pattern, header) and path not in users[pattern]:
                    users[pattern].append(path)
    for pattern, paths in users.items():
        if len(paths) > 1:
            complaints.append(f"{pattern} is included by more than one file: " +
                              ", ".join(paths))
    return complaints


def read_sources(root):
    files = {}
    for folder in LAYERS + OUTSIDE:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in (".h", ".cc") and "/fixtures/" not in name:
                files[name] = path.read_text(encoding="utf-8")
    return files


# Each line, alone in its file, must cause a complaint with this text.
WRONG = [
    ("ipc/a.cc", '#include "worker/w.h"', "ipc/ must not include worker/"),
    ("worker/a.cc", '#include "engine/e.h"', "worker/ must not include engine/"),
    ("worker/a.cc", '#include "cli/c.h"', "worker/ must not include cli/"),
    ("engine/a.cc", '#include "cli/c.h"', "engine/ must not include cli/"),
    ("engine/a.cc", '  #  include  "cli/c.h"', "engine/ must not include cli/"),
    ("ipc/a.cc", '#include "tests/t.h"', "ipc/ must not include tests/"),
    ("engine/a.cc", '#include "worker/w.h"', "only in engine/in_process_launch"),
    ("cli/a.cc", '#include "worker/w.h"', "cli/ knows workers only through"),
    ("worker/scanners/zip/a.cc", '#include "worker/scanners/pickle/p.h"',
     "only scanner pickle includes"),
    ("worker/parsing/a.cc", '#include "worker/scanners/pickle/p.h"',
     "only scanner pickle includes"),
    ("engine/a.cc", '#include "e.h"', "is no path from the root"),
    ("tests/ipc/a.cc", '#include "../t.h"', "is no path from the root"),
    ("engine/a.cc", "#include <ipc/i.h>", "include it in quotes"),
    ("engine/process_launcher.cc", "#include <boost/process/v2/process.hpp>",
     "Boost.Process stays"),
    ("engine/supervisor.cc", "#include <boost/optional.hpp>", "Boost stays"),
    ("engine/child_process.cc", "#include <boost/process.hpp>",
     "Boost.Process stays"),
    ("ipc/shared_cache.cc", "#include <boost/interprocess/x.hpp>",
     "Boost.Interprocess stays"),
    ("ipc/messages.h", "#include <cereal/cereal.hpp>", "cereal stays"),
    ("ipc/text.cc", '#include "ipc/bounded_archive.h"', "only ipc/messages.cc"),
    ("cli/report.h", "#include <nlohmann/json.hpp>", "nlohmann-json is never"),
    ("engine/a.cc", "#include <CLI/CLI.hpp>", "CLI11 stays"),
    ("ipc/text.h", "#include <fmt/format.h>", "fmt is never"),
    ("worker/containers/i.h", "#include <zlib.h>", "zlib stays"),
    ("engine/result_cache.h", "#include <sqlite3.h>", "SQLite stays"),
    ("engine/outcome_cache.cc", "#include <openssl/sha.h>", "OpenSSL stays"),
    ("engine/supervisor.cc", "#include <unistd.h>", "belongs in a *_posix.cc"),
    ("engine/supervisor.cc", "#include <sys/wait.h>", "belongs in a *_posix.cc"),
    ("engine/supervisor.cc", "#include <signal.h>", "belongs in a *_posix.cc"),
    ("worker/sandbox.cc", "#include <linux/seccomp.h>", "belongs in a *_posix"),
    ("cli/main.cc", "#include <windows.h>", "belongs in a *_posix.cc"),
    ("cli/main.cc", "#ifdef _WIN32", "no #if for platforms"),
    ("cli/main.cc", "#if defined(__linux__)", "no #if for platforms"),
    ("cli/main.cc", "# elif !defined(__APPLE__)", "no #if for platforms"),
]
RIGHT = [
    ("worker/a.cc", '#include "ipc/i.h"'),
    ("cli/a.cc", '#include "engine/e.h"'),
    ("engine/in_process_launcher.cc", '#include "worker/w.h"'),
    ("engine/child_process_linux.cc", "#include <boost/process/v2/process.hpp>"),
    ("engine/child_process_linux.cc", "#include <boost/optional.hpp>"),
    ("engine/child_process_linux.cc", "#include <sys/wait.h>"),
    ("engine/process_launcher.cc", "#include <boost/asio/io_context.hpp>"),
    ("ipc/shared_memory_linux.cc", "#include <boost/interprocess/x.hpp>"),
    ("engine/version.cc", "#include <boost/version.hpp>"),
    ("ipc/messages.cc", '#include "ipc/bounded_archive.h"'),
    ("worker/scanners/pickle/a.cc", '#include "worker/scanners/pickle/p.h"'),
    ("worker/scanners/zip/a_test.cc", "#include <unistd.h>"),
    ("tests/engine/a.cc", '#include "worker/w.h"'),
    ("benchmarks/a.cc", "#include <sys/wait.h>"),
    ("cli/main.cc", "#include <csignal>"),
    ("cli/main.cc", "#if SCANENGINE_WITH_YARA"),
]
KNOWN_HEADERS = ["ipc/i.h", "ipc/bounded_archive.h", "worker/w.h", "engine/e.h",
                 "cli/c.h", "tests/t.h", "worker/scanners/pickle/p.h"]


def with_guard(path, line):
    guard = "SCANENGINE_" + re.sub(r"\W", "_", path).upper() + "_"
    return f"#ifndef {guard}\n#define {guard}\n{line}\n#endif  // {guard}\n"


def self_test():
    known = {path: with_guard(path, "") for path in KNOWN_HEADERS}
    failures = [f"a good header: {text}" for text in check(known)]
    for path, line, expected in WRONG:
        text = with_guard(path, line) if path.endswith(".h") else line + "\n"
        found = check({**known, path: text})
        if not any(expected in complaint for complaint in found):
            failures.append(f"{path}: {line}: wanted '{expected}', got {found}")
    for path, line in RIGHT:
        found = check({**known, path: line + "\n"})
        if found:
            failures.append(f"{path}: {line}: wanted no complaint, got {found}")
    bad_guard = check({"ipc/i.h": "#pragma once\n"})
    if not any("guard must be SCANENGINE_IPC_I_H_" in c for c in bad_guard):
        failures.append(f"a header without a guard: got {bad_guard}")
    line = "#include <CLI/CLI.hpp>\n"
    twice = check({"cli/a.cc": line, "cli/b.cc": line})
    if not any("more than one file" in c for c in twice):
        failures.append(f"CLI11 in two files: got {twice}")
    return failures


def main(arguments):
    if arguments == ["--self-test"]:
        complaints, checked = self_test(), len(WRONG) + len(RIGHT) + 2
    else:
        root = pathlib.Path(arguments[0] if arguments else
                            pathlib.Path(__file__).parent.parent)
        files = read_sources(root)
        complaints, checked = check(files), len(files)
        if not files:
            complaints = [f"no sources under {root}"]
    print("\n".join(complaints) if complaints else f"{checked} checked, all good")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
