#!/usr/bin/env python3
"""Kills the supervisor at random moments, resumes, and compares with a calm run.

After each kill the journal must hold no file twice; after the last resume every
file must have exactly one outcome, the canonical report must equal the calm
run's byte for byte, and no worker may be left. Used as a test with few kills and
as a benchmark with many.

Usage: resume_chaos.py --scanengine BIN [--files N] [--runs N] [--seed S]
                       [--workers N] [--isolation MODE] [--kills N]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import chaos

# Workers end by themselves when the supervisor is gone; longer is a hang.
GONE_SECONDS = 30
RUN_SECONDS = 300
MOST_KILLS = 3


class Failure(Exception):
    pass


def command(args, root, report, *more):
    return [args.scanengine, "scan", "--workers", str(args.workers),
            "--isolation", args.isolation, "--canonical", "--output", report,
            *more, root]


def check(condition, what, *details):
    if not condition:
        raise Failure(" ".join([what, *map(str, details)]))


def run_to_end(args, root, report, *more):
    """Returns (exit code, messages, seconds)."""
    begin = time.monotonic()
    ended = subprocess.run(command(args, root, report, *more),
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=RUN_SECONDS, check=False)
    return (ended.returncode, ended.stderr.decode(errors="replace"),
            time.monotonic() - begin)


def alive(pids):
    return [pid for pid in pids if chaos.is_worker(pid)]


def kill_after(seconds, args, root, report, errors, *more):
    """Starts a run and kills it; None: it had ended by then."""
    process = subprocess.Popen(command(args, root, report, *more),
                               stdin=subprocess.DEVNULL, stdout=errors,
                               stderr=errors)
    try:
        process.wait(seconds)
        return process.returncode
    except subprocess.TimeoutExpired:
        pass
    workers = chaos.children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + GONE_SECONDS
    while alive(workers):
        check(time.monotonic() < end, "workers left:", alive(workers))
        time.sleep(0.001)
    return None


def verify(args, journal):
    """Returns (exit code, what the command says)."""
    ended = subprocess.run([args.scanengine, "verify", "--json", journal],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=RUN_SECONDS, check=False)
    check(ended.returncode in (0, 2), "verify:", ended.returncode,
          ended.stdout.decode(), ended.stderr.decode())
    return ended.returncode, json.loads(ended.stdout)


def has_header(journal):
    return os.path.exists(journal) and os.path.getsize(journal) > 0


def check_cut_off(args, journal):
    """What must hold whenever the run was killed. Returns outcomes so far."""
    _, said = verify(args, journal)
    check(said["with_several"]["count"] == 0, "final twice:", said)
    check(said["not_listed"]["count"] == 0, "not listed:", said)
    check(said["tail"]["state"] != "damaged", "damaged:", said)
    return said["found"]["files"]


def check_report(report, expected):
    with open(report, "rb") as file:
        check(file.read() == expected, "the canonical report differs")


def one_run(args, root, base, seconds, rng, expected):
    """Returns the number of kills and of outcomes that the first left."""
    journal = os.path.join(base, "journal")
    report = os.path.join(base, "report.json")
    for path in (journal, report):
        if os.path.exists(path):
            os.unlink(path)
    kills = 0
    left = []
    for _ in range(args.kills or rng.randrange(1, MOST_KILLS + 1)):
        more = ["--journal", journal]
        if has_header(journal):
            more.append("--resume")
        with tempfile.TemporaryFile() as errors:
            code = kill_after(rng.uniform(0, seconds), args, root, report,
                              errors, *more)
            if code is not None:
                errors.seek(0)
                check(code == 1, "exit", code, errors.read())
                left.append(check_cut_off(args, journal))
                break
        kills += 1
        if os.path.exists(report):  # It was killed when all was done.
            check_report(report, expected)
            os.unlink(report)
        if has_header(journal):
            left.append(check_cut_off(args, journal))
    check(left == sorted(left), "outcomes were lost:", left)
    more = ["--resume"] if has_header(journal) else []
    code, errors, _ = run_to_end(args, root, report, "--journal", journal, *more)
    check(code == 1, "resumed run: exit", code, errors)
    if left:
        check(f"has {left[-1]} outcomes" in errors, "not taken over:", errors)
    code, said = verify(args, journal)
    check(code == 0 and said["verdict"] == "complete", "verify:", said)
    check(said["listed"] == said["found"]["files"] == args.files,
          "not every file once:", said)
    check_report(report, expected)
    return kills, left


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scanengine", required=True)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0,
                        help="in each run; random without it")
    parser.add_argument("--isolation", default="process",
                        choices=["process", "per-file"])
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="scanengine-resume-") as base:
        root = os.path.join(base, "tree")
        os.mkdir(root)
        chaos.make_tree(root, args.files, rng)
        calm = os.path.join(base, "calm.json")
        code, errors, seconds = run_to_end(args, root, calm, "--no-journal")
        if code != 1:
            sys.exit(f"calm run ended with {code}, not 1: {errors}")
        with open(calm, "rb") as file:
            expected = file.read()
        print(f"calm: {args.files} files in {seconds:.3f} s")
        total = 0
        for run in range(args.runs):
            try:
                kills, left = one_run(args, root, base, seconds, rng, expected)
            except Failure as failure:
                sys.exit(f"FAILED in run {run} of seed {args.seed}: {failure}")
            total += kills
            print(f"run {run}: {kills} kills, outcomes left by them: {left}")
        print(f"{total} kills, nothing lost, nothing twice, every canonical "
              "report equal")
        if total == 0:
            sys.exit("FAILED: nothing was killed; use more files")


if __name__ == "__main__":
    main()
