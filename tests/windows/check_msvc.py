#!/usr/bin/env python3
"""Looks for what Visual Studio's compiler would not take, as far as clang tells.

Usage: check_msvc.py COMPILE_COMMANDS [FILE]...

Every source of the programs is parsed by clang with its warnings about GNU and
Microsoft extensions as errors: what needs the system's headers with those of
mingw-w64, all else in Microsoft's compatibility mode. That is no proof: only
Visual Studio has Visual Studio's library.
"""

import concurrent.futures
import json
import os
import subprocess
import sys

GCC = "/usr/lib/gcc/x86_64-w64-mingw32/12-posix/include/c++"
WARNINGS = ["-Wgnu", "-Wmicrosoft", "-Wvla", "-Wc99-designator", "-Werror",
            # Of libraries' macros, which their own pragmas handle.
            "-Wno-gnu-zero-variadic-macro-arguments", "-Wno-gnu-include-next"]
LOCK_FREE = ("BOOL", "CHAR", "CHAR16_T", "CHAR32_T", "WCHAR_T", "SHORT", "INT",
             "LONG", "LLONG", "POINTER", "CHAR8_T")
FOLDERS = ("ipc/", "worker/", "engine/", "cli/")


def flags_of(command):
    words = command.split()
    kept = []
    for i, word in enumerate(words):
        if word.startswith(("-D", "-I")):
            kept.append(word.replace('\\"', '"'))
        elif word == "-isystem":
            kept += [word, words[i + 1]]
    return kept


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr[:4000]


def check(entry):
    source, flags = entry["file"], flags_of(entry["command"])
    common = ["clang++", "-std=c++20", "-fsyntax-only", *WARNINGS, source,
              *flags]
    with open(source, encoding="utf-8") as file:
        needs_system = "#include <boost/asio" in file.read()
    if needs_system or source.endswith("_windows.cc"):
        return source, run([
            *common, "--target=x86_64-w64-mingw32", "-nostdinc++",
            "-isystem", GCC, "-isystem", GCC + "/x86_64-w64-mingw32",
            "-isystem", GCC + "/backward"])
    return source, run([
        *common, "-fms-compatibility", "-fms-extensions",
        "-fms-compatibility-version=19.30", "-U_MSC_VER",
        # What this system's library asks its compiler.
        "-D__STRICT_ANSI__", "-D__GCC_ATOMIC_TEST_AND_SET_TRUEVAL=1",
        *(f"-D__GCC_ATOMIC_{kind}_LOCK_FREE=2" for kind in LOCK_FREE)])


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    with open(sys.argv[1], encoding="utf-8") as file:
        entries = json.load(file)
    wanted = [os.path.abspath(name) for name in sys.argv[2:]]
    picked = []
    for entry in entries:
        path = os.path.relpath(entry["file"], root)
        program = (path.startswith(FOLDERS) and
                   not path.endswith(("_test.cc", "_fuzz.cc")))
        if entry["file"] in wanted or (program and not wanted):
            picked.append(entry)
    # A file may be in several targets.
    picked = list({entry["file"]: entry for entry in picked}.values())
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, faults in pool.map(check, picked):
            if faults:
                failed += 1
                print(f"--- {os.path.relpath(source, root)}\n{faults}")
    print(f"{len(picked)} files looked at, {failed} with faults")
    sys.exit(1 if failed or not picked else 0)


main()
