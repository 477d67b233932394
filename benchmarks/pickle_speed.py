#!/usr/bin/env python3
"""Speed and memory of the pickle machine on large pickles, beside pickletools.

Pickles of each shape are made with the protocols 0, 2 and 4 and scanned by one
worker; the best of the rounds is printed, with the speed of pickletools.genops
on the same bytes (on their first 2 MB, which is enough to tell). Nothing is
judged: exit code 0 means that it ran.

Usage: pickle_speed.py --bin build/release/bin [--rounds N] [--items N]
                       [--only SHAPE]... [--payload]
"""

import argparse
import collections
import datetime
import fractions
import hashlib
import json
import os
import pickle
import pickletools
import random
import struct
import subprocess
import tempfile
import time
import uuid

PROTOCOLS = (0, 2, 4)


def base26(number):
    """A word for each number, of two letters and more."""
    word = ""
    number += 26
    while number:
        number, letter = divmod(number, 26)
        word += chr(ord("a") + letter)
    return word


def shapes(n):
    """Name to a function that makes a list of about |n| items."""
    begin = datetime.datetime(2020, 1, 1)
    second = datetime.timedelta(seconds=1)
    rng = random.Random(1)
    return {
        "integers": lambda: [rng.randrange(1 << 30) for _ in range(4 * n)],
        "floats": lambda: [rng.random() for _ in range(3 * n)],
        "names": lambda: [f"layer.{i}.weight" for i in range(n)],
        "one name": lambda: ["abc", "def"] * (2 * n),
        "tuples": lambda: [(i, i + 1, i + 2) for i in range(n)],
        "dicts": lambda: [{"name": f"n{i}", "size": i, "shape": (3, 4)}
                          for i in range(n)],
        "mixed dicts": lambda: [{f"a{i % 50}": i for i in range(j % 7)}
                                for j in range(5 * n)],
        "vocabulary": lambda: {base26(i): i for i in range(5 * n)},
        "hex texts": lambda: [hashlib.sha256(b"%d" % i).hexdigest()
                              for i in range(n)],
        "states": lambda: [uuid.UUID(int=i) for i in range(n)],
        "nested lists": lambda: [[[i], [i, [i]]] for i in range(n)],
        "bytes": lambda: [bytes([i & 255]) * 100 for i in range(n)],
        "sets": lambda: [{i, i + 1} for i in range(n)],
        "dates": lambda: [begin + i * second for i in range(n)],
        "fractions": lambda: [fractions.Fraction(i, i + 1) for i in range(n)],
        "ordered": lambda: [collections.OrderedDict(a=i) for i in range(n)],
    }


def scan(program, path):
    """Returns (seconds in the worker, its peak memory, status)."""
    done = subprocess.run(
        [program, "--workers", "1", "--format", "json", "--quiet", path],
        stdout=subprocess.PIPE, check=False)
    file = json.loads(done.stdout)["files"][0]
    run = file["run"]
    return run["duration_us"] / 1e6, run["peak_memory_bytes"], file["status"]


def best_of(program, path, rounds):
    results = [scan(program, path) for _ in range(rounds)]
    return (min(r[0] for r in results), max(r[1] for r in results),
            results[0][2])


def genops_speed(data):
    """Bytes a second; pickletools stops at the end of a cut stream."""
    data = data[:2_000_000]
    begin = time.perf_counter()
    try:
        collections.deque(pickletools.genops(data), maxlen=0)
    except ValueError:
        pass
    return len(data) / (time.perf_counter() - begin)


def measure_shape(args, folder, name, make):
    value = make()
    for protocol in PROTOCOLS:
        data = pickle.dumps(value, protocol)
        path = os.path.join(folder, "x.pkl")
        with open(path, "wb") as out:
            out.write(data)
        seconds, peak, status = best_of(f"{args.bin}/scanengine", path,
                                        args.rounds)
        speed = len(data) / seconds
        print(f"{name:14}{protocol:9}{len(data) / 1e6:8.1f}{speed / 1e9:8.2f}"
              f"{peak / 1e6:8.1f}{speed / genops_speed(data):12.0f}  {status}")


def measure_payload(args, folder):
    """A gigabyte of strings of one megabyte."""
    path = os.path.join(folder, "payload.pkl")
    block = os.urandom(1 << 20)
    with open(path, "wb") as out:
        out.write(b"\x80\x04](")
        for _ in range(1024):
            out.write(b"B" + struct.pack("<I", len(block)) + block + b"\x94")
        out.write(b"e.")
    seconds, peak, status = best_of(f"{args.bin}/scanengine", path, args.rounds)
    size = os.path.getsize(path)
    print(f"{'payload':14}{4:9}{size / 1e6:8.1f}{size / seconds / 1e9:8.2f}"
          f"{peak / 1e6:8.1f}{'':12}  {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--only", action="append")
    parser.add_argument("--payload", action="store_true",
                        help="also a gigabyte of strings (disk space!)")
    args = parser.parse_args()
    print(f"{'shape':14}{'protocol':>9}{'MB':>8}{'GB/s':>8}{'MB RSS':>8}"
          f"{'x genops':>12}")
    with tempfile.TemporaryDirectory(prefix="scanengine-bench-") as folder:
        for name, make in shapes(args.items).items():
            if not args.only or name in args.only:
                measure_shape(args, folder, name, make)
        if args.payload:
            measure_payload(args, folder)


if __name__ == "__main__":
    main()
