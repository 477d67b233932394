#!/usr/bin/env python3
"""Kills random workers while a tree is scanned, and compares with a calm run.

Every file must have exactly one outcome and the canonical report must equal
the calm run's. Used as a test with few files and as a benchmark with many.

Usage: chaos.py --scanengine BIN [--files N] [--every MS] [--seed S]
                [--workers N] [--runs N]
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time


def make_tree(root, files, rng, most_bytes=400):
    """Small pickles and text; one in fifty imports something dangerous."""
    for i in range(files):
        folder = os.path.join(root, f"d{i // 200:04d}")
        if i % 200 == 0:
            os.mkdir(folder)
        body = rng.randbytes(rng.randrange(20, most_bytes))
        if i % 50 == 0:
            data = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R."
        else:
            data = b"\x80\x04B" + len(body).to_bytes(4, "little") + body + b"."
        with open(os.path.join(folder, f"f{i:06d}.pkl"), "wb") as out:
            out.write(data)


def is_worker(pid):
    """Not so: the tracer that LeakSanitizer starts at the end, which must live."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            return f.read().startswith("scanengine-work")
    except OSError:
        return False


def children(pid):
    """Worker processes of |pid| that are there now."""
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += [int(word) for word in f.read().split()]
        except OSError:
            pass
    return [child for child in found if is_worker(child)]


def scan(args, root, report, kill_every, rng):
    """Returns (exit code, seconds, kills)."""
    begin = time.monotonic()
    command = [args.scanengine, "--workers", str(args.workers), "--canonical",
               "--output", report, "--quiet", root]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    kills = 0
    next_kill = begin + (kill_every or 0)
    while process.poll() is None:
        if kill_every is None:
            time.sleep(0.002)
            continue
        time.sleep(max(0.0, next_kill - time.monotonic()))
        next_kill += kill_every
        workers = children(process.pid)
        if not workers:
            continue
        try:
            os.kill(rng.choice(workers), signal.SIGKILL)
            kills += 1
        except ProcessLookupError:
            pass
    seconds = time.monotonic() - begin
    errors = process.stderr.read().decode(errors="replace")
    if errors:
        print(errors, file=sys.stderr)
    return process.returncode, seconds, kills


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scanengine", required=True)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=10, metavar="MS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="scanengine-chaos-") as base:
        root = os.path.join(base, "tree")
        os.mkdir(root)
        make_tree(root, args.files, rng)
        calm = os.path.join(base, "calm.json")
        code, seconds, _ = scan(args, root, calm, None, rng)
        if code != 1:
            sys.exit(f"calm run ended with {code}, not 1")
        with open(calm, "rb") as f:
            expected = f.read()
        if expected.count(b'"path"') < args.files:
            sys.exit("calm report does not list every file")
        print(f"calm: {args.files} files in {seconds:.3f} s")
        total = 0
        for run in range(args.runs):
            report = os.path.join(base, f"chaos{run}.json")
            code, seconds, kills = scan(args, root, report, args.every / 1000,
                                        rng)
            total += kills
            with open(report, "rb") as f:
                same = f.read() == expected
            print(f"run {run}: {kills} kills, {seconds:.3f} s, exit {code}, "
                  f"canonical report {'equal' if same else 'DIFFERENT'}")
            if code != 1 or not same:
                sys.exit("FAILED: a kill changed the outcome")
        if total == 0:
            sys.exit("FAILED: nothing was killed; use more files")


if __name__ == "__main__":
    main()
