#!/usr/bin/env python3
"""The rate of a tree in which 1 % of all files kill their worker, each time.

    python3 benchmarks/poison.py --bin build/release/bin

Against the same tree without a fault, in turns, with the same worker program
(hijacked_worker of the tests, which a real sandbox holds).
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "integration"))

import chaos  # pylint: disable=wrong-import-position


def scan(args, worker, root):
    begin = time.perf_counter()
    subprocess.run([args.scanengine, "--no-journal", "--worker-path", worker,
                    "--canonical", root], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begin


def poison(args, root, base):
    """Ratios of the rates with 1 % of poison and without, round by round."""
    poisoned = os.path.join(base, "poisoned")
    shutil.copytree(root, poisoned)
    for folder, _, names in os.walk(poisoned):
        for name in names:
            if int(name[1:7]) % 100 == 0:
                os.rename(os.path.join(folder, name),
                          os.path.join(folder, "trigger" + name))
    worker = os.path.join(base, "hijacked_worker.crash")
    os.symlink(os.path.abspath(os.path.join(args.bin, "hijacked_worker")),
               worker)
    return [scan(args, worker, root) / scan(args, worker, poisoned)
            for _ in range(args.rounds)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=400,
                        help="most bytes of a file")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    args.scanengine = os.path.join(args.bin, "scanengine")
    with tempfile.TemporaryDirectory(prefix="scanengine-faults-") as base:
        root = os.path.join(base, "tree")
        os.mkdir(root)
        chaos.make_tree(root, args.files, random.Random(1), args.size)
        ratios = poison(args, root, base)
        print(f"{args.files:,} files of up to {args.size:,} bytes; "
              "rate with 1 % of poison to rate without: median "
              f"{statistics.median(ratios):.2f}, "
              f"{min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
