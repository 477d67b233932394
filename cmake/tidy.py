#!/usr/bin/env python3
"""Runs clang-tidy on sources, and not again on those that it found clean before.

Usage: tidy.py BUILD_FOLDER SOURCE...

A source that was clean is remembered by what it says with all its headers and
comments, the checks, the flags and the version of clang-tidy. Sources that the
build does not compile are left out. Exit code 1 if there is a complaint.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

KEEP_SECONDS = 30 * 24 * 3600
NOISE = re.compile(r"^\d+ warnings? (generated|treated)")


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(base, "scanengine-tidy")
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.stat().st_mtime < time.time() - KEEP_SECONDS:
            entry.unlink(missing_ok=True)
    return folder


def commands(build):
    """The compiler's arguments by source, relative to the project."""
    with open(os.path.join(build, "compile_commands.json")) as file:
        return {os.path.relpath(os.path.join(c["directory"], c["file"])):
                (c["directory"], shlex.split(c["command"]))
                for c in json.load(file)}


class Tidy:
    def __init__(self, build):
        self.build = build
        self.commands = commands(build)
        self.folder = cache_folder()
        version = subprocess.run(["clang-tidy", "--version"], check=True,
                                 capture_output=True).stdout
        self.common = version + pathlib.Path(".clang-tidy").read_bytes()

    def key(self, source):
        """Nothing if the source cannot be preprocessed: clang-tidy says why."""
        directory, arguments = self.commands[source]
        output = arguments.index("-o")
        flags = arguments[:output] + arguments[output + 2:]
        flags[flags.index("-c")] = "-E"
        # -C: a comment may silence a check. -P: no line numbers or folders.
        told = subprocess.run(flags + ["-C", "-P"], cwd=directory, check=False,
                              capture_output=True)
        if told.returncode != 0:
            return None
        root = os.getcwd()
        said = "\0".join(flags).encode() + b"\0" + told.stdout
        # Assertions name the file that they are in: the same in every clone.
        said = said.replace(root.encode(), b"")
        return hashlib.sha256(self.common + b"\0" + said).hexdigest()

    def run(self, source):
        """True if it is clean."""
        key = self.key(source)
        mark = self.folder / key if key else None
        if mark and mark.exists():
            mark.touch()
            return True
        ended = subprocess.run(
            ["clang-tidy", "-p", self.build, "--quiet", source], check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = [line for line in ended.stdout.splitlines(keepends=True)
                 if not NOISE.match(line)]
        if ended.returncode != 0 or lines:
            sys.stdout.write("".join(lines) or f"{source}: clang-tidy failed\n")
        if ended.returncode == 0 and mark:
            mark.touch()
        return ended.returncode == 0


def main():
    tidy = Tidy(sys.argv[1])
    sources = [source for source in sys.argv[2:] if source in tidy.commands]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = list(pool.map(tidy.run, sources))
    sys.exit(0 if all(clean) else 1)


if __name__ == "__main__":
    main()
