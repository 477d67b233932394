#!/usr/bin/env python3
"""Runs the tests of faults and says in a line for each what came of it.

    T7 report on a full disk: ok (129 runs)
    T11 block device: not run: devices cannot be made here

Usage: faults.py PROGRAM [T7|tree]... [--full] [--seed N] [--own] [--list]

PROGRAM is scanengine, with its worker and the helpers of the tests beside it.
Without a name all tests are run. Some faults have been tested in
tests/integration or tests/worker since before this suite was there: these tests
are called from here, unless --own leaves them out (CI runs them anyway).
"""

import argparse
import importlib
import os
import subprocess
import sys
import time
import traceback
import unittest

import harness
import program

THEMES = ("worker_faults", "supervisor_faults", "journal_faults",
          "call_faults", "disk_faults",
          "input_faults", "hostile_tree")
GUARD = "SCANENGINE_FAULTS_NAMESPACE"


def tests():
    """Classes by name: T1, T2, ..., tree."""
    found = {}
    for theme in THEMES:
        module = importlib.import_module(theme)
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == theme and \
                    issubclass(value, harness.FaultCase) and \
                    hasattr(value, "NAME"):
                assert value.NAME not in found, name
                found[value.NAME] = value
    return dict(sorted(found.items(), key=lambda item:
                       harness.number_of(item[0])))


class Line:
    """Prints what came of one test as soon as it is known."""

    failures = 0

    def __init__(self, name, title):
        self.head = f"{name} {title}"
        self.begin = time.monotonic()

    def say(self, text):
        print(f"{self.head}: {text}", flush=True)

    def good(self, *notes):
        notes = [note for note in notes if note]
        notes.append(f"{time.monotonic() - self.begin:.1f} s")
        self.say(f"ok ({', '.join(notes)})")

    def not_run(self, reason):
        self.say(f"not run: {reason.removeprefix('not run: ')}")

    def bad(self, details):
        Line.failures += 1
        self.say("FAILED")
        print(details, flush=True)


def first_line(text):
    return (text or "").strip().partition("\n")[0].rstrip(".")


def tally(result, line, *notes):
    """Judges a unittest result."""
    problems = result.failures + result.errors
    if problems:
        line.bad("\n".join(text for _, text in problems))
    elif result.skipped and len(result.skipped) >= result.testsRun:
        line.not_run(result.skipped[0][1])
    else:
        skipped = [f"not run: {reason}" for _, reason in result.skipped]
        line.good(*notes, *skipped)


def run_own(name, case_type):
    for method in unittest.TestLoader().getTestCaseNames(case_type):
        case = case_type(method)
        line = Line(name, first_line(case.shortDescription()) or method)
        result = unittest.TestResult()
        case.run(result)
        tally(result, line, f"{getattr(case, 'runs', 0)} runs",
              *getattr(case, "notes", []))


def run_borrowed(name, where):
    """|where|: MODULE.CLASS[.TEST] of tests/integration."""
    line = Line(name, where)
    module, _, rest = where.partition(".")
    suite = unittest.TestLoader().loadTestsFromName(
        rest, importlib.import_module(module))
    result = unittest.TestResult()
    suite.run(result)
    tally(result, line, f"{result.testsRun} tests")


def run_executable(name, executable, pattern):
    """Tests written in C++ whose names match |pattern|."""
    line = Line(name, f"{executable} '{pattern}'")
    path = program.beside(executable)
    if not os.path.exists(path):
        line.not_run(f"{executable} is not built")
        return
    ended = subprocess.run([path, pattern], capture_output=True, check=False,
                           text=True)
    summary = ended.stdout.strip().rpartition("\n")[2]
    if ended.returncode == 0 and "passed" in summary:
        line.good(summary)
    else:
        line.bad(ended.stdout + ended.stderr)


def run(name, case_type, own_only):
    try:
        run_own(name, case_type)
        borrowed = getattr(case_type, "BORROWED", ())
        executables = getattr(case_type, "EXECUTABLES", ())
        if own_only:
            for where in [*borrowed, *(e[0] for e in executables)]:
                print(f"{name} {where}: left to the other tests", flush=True)
            return
        for where in borrowed:
            run_borrowed(name, where)
        for executable, pattern in executables:
            run_executable(name, executable, pattern)
    except Exception:  # pylint: disable=broad-exception-caught
        Line(name, "itself").bad(traceback.format_exc())


def enter_namespace():
    """Root mounts small disks: where nobody else sees them, if possible."""
    if not program.IS_ROOT or GUARD in os.environ:
        return
    os.environ[GUARD] = "1"
    try:
        subprocess.run(["unshare", "-m", "true"], check=True,
                       capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return
    os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("names", nargs="*", metavar="T")
    parser.add_argument("--full", action="store_true",
                        help="the full size: takes hours")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--own", action="store_true",
                        help="leave out tests that stand elsewhere")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_intermixed_args()
    known = tests()
    if args.list:
        print("\n".join(known))
        return
    unknown = [name for name in args.names if name not in known]
    if unknown:
        parser.error(f"no such test: {' '.join(unknown)}")
    enter_namespace()
    harness.settings.full = args.full
    harness.settings.seed = args.seed
    os.umask(0o022)
    program.set_binary(args.program)
    begin = time.monotonic()
    for name, case_type in known.items():
        if not args.names or name in args.names:
            run(name, case_type, args.own)
    program.remove_copies()
    print(f"seed {args.seed}: {Line.failures} failed, "
          f"{time.monotonic() - begin:.0f} s")
    sys.exit(1 if Line.failures else 0)


if __name__ == "__main__":
    main()
