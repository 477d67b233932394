#!/usr/bin/env python3
"""What isolation costs the whole program, measured on files made by seed.

Runs scanengine in-process, with 1, 2 and 4 workers, and with a worker for every
file. The ways are interleaved, each round runs all of them, and ratios are taken
within a round, so that what else the machine does hits all alike. Prints medians
over the rounds as a table. Nothing is judged: exit code 0 means that it ran.

Usage: whole_program.py --bin build/release/bin [--rounds N] [--scale X]
                        [--only PART]...
"""

import argparse
import glob
import importlib.util
import json
import os
import pickle
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WAYS = {
    "in-process": ["--isolation", "in-process"],
    "1 worker": ["--workers", "1"],
    "2 workers": ["--workers", "2"],
    "4 workers": ["--workers", "4"],
    "per-file": ["--isolation", "per-file", "--workers", "2"],
}


def dense_pickle(rng, size):
    """A pickle of about |size| bytes that is nothing but opcodes."""
    rows = []
    for i in range(max(1, size // 60)):
        rows.append({"name": f"layer{i}.{rng.randrange(10**6)}",
                     "size": rng.randrange(10**6),
                     "shape": (rng.randrange(99), rng.random()),
                     "on": bool(i % 2)})
    return pickle.dumps(rows, protocol=4)


def write_files(root, sizes, rng):
    for i, size in enumerate(sizes):
        folder = os.path.join(root, f"d{i // 200:04d}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"f{i:06d}.pkl"), "wb") as out:
            out.write(dense_pickle(rng, size))


def small_sizes(scale, _):
    return [4_000] * round(10_000 * scale)


def mixed_sizes(scale, rng):
    large = [rng.randrange(10**6, 10**7) for _ in range(round(10 * scale))]
    return [100_000] * round(1_000 * scale) + large


def heavy_sizes(scale, _):
    return [3_000_000] * max(4, round(32 * scale))


CORPORA = {
    "small": ("files of 4 KB", small_sizes),
    "large": ("files of 100 KB, some of 1 to 10 MB", mixed_sizes),
    "heavy": ("CPU-bound files of 3 MB", heavy_sizes),
}


def scan(program, way, root):
    """Seconds that a scan takes, and seconds of processor time of all its
    processes. Its files are complete and clean."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run([program, *way, "--quiet", root], check=True, timeout=600,
                   stdout=subprocess.DEVNULL)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, (after.ru_utime - before.ru_utime +
                  after.ru_stime - before.ru_stime)


def measure(args, name, base):
    title, sizes = CORPORA[name]
    rng = random.Random(args.seed)
    root = os.path.join(base, name)
    os.mkdir(root)
    all_sizes = sizes(args.scale, rng)
    write_files(root, all_sizes, rng)
    program = os.path.join(args.bin, "scanengine")
    # In memory, and not the first run's to load.
    scan(program, WAYS["in-process"], root)
    seconds = {way: [] for way in WAYS}
    processor = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        order = list(WAYS)
        rng.shuffle(order)
        for way in order:
            wall, used = scan(program, WAYS[way], root)
            seconds[way].append(wall)
            processor[way].append(used)
    print(f"\n{len(all_sizes)} {title}, {args.rounds} rounds")
    print(f"{'':12} {'seconds':>9} {'files/s':>9} {'to in-process':>14}"
          f" {'processor time':>15}")
    for way, taken in seconds.items():
        ratio, used = (
            statistics.median(own / calm for own, calm in
                              zip(of[way], of["in-process"]))
            for of in (seconds, processor))
        middle = statistics.median(taken)
        print(f"{way:12} {middle:9.3f} {len(all_sizes) / middle:9.0f} "
              f"{ratio:14.2f} {used:15.2f}")
    speedup = [one / two for one, two in
               zip(seconds["1 worker"], seconds["2 workers"])]
    print(f"2 workers are {statistics.median(speedup):.2f} times as fast as 1 "
          f"({min(speedup):.2f} to {max(speedup):.2f})")
    return root


def measure_balance(args, root):
    """Processor time of the busier of two workers, against that of one.

    What two workers would gain if nothing else ran: on a busy machine the wall
    times above say more of the others.
    """
    def busiest(way):
        process = subprocess.Popen(
            [os.path.join(args.bin, "scanengine"), *way, "--quiet", root],
            stdout=subprocess.DEVNULL)
        used = {}
        while process.poll() is None:
            try:
                children = []
                for path in glob.glob(f"/proc/{process.pid}/task/*/children"):
                    with open(path) as f:
                        children += f.read().split()
                for child in children:
                    with open(f"/proc/{child}/schedstat") as f:
                        used[child] = int(f.read().split()[0]) / 1e9
            except OSError:
                pass  # One of them has just ended.
            time.sleep(0.002)
        return max(used.values(), default=0.0)

    gains = []
    for _ in range(args.rounds):
        alone, shared = busiest(WAYS["1 worker"]), busiest(WAYS["2 workers"])
        if shared:
            gains.append(alone / shared)
    if gains:
        print(f"by processor time of the busier worker: "
              f"{statistics.median(gains):.2f} times")


def measure_kills(args, root, base):
    """Extra time for each worker killed from outside, in small files."""
    spec = importlib.util.spec_from_file_location(
        "chaos", os.path.join(HERE, "..", "tests", "integration", "chaos.py"))
    chaos = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(chaos)
    rng = random.Random(args.seed)
    options = argparse.Namespace(
        scanengine=os.path.join(args.bin, "scanengine"), workers=2)
    report = os.path.join(base, "chaos.json")
    costs = []
    for _ in range(args.rounds):
        _, calm, _ = chaos.scan(options, root, report, None, rng)
        _, hurt, kills = chaos.scan(options, root, report, 0.02, rng)
        if kills:
            costs.append((hurt - calm) / kills)
    if costs:
        print(f"a worker killed every 20 ms: {statistics.median(costs) * 1e3:.2f}"
              " ms for each, with what it held")


def measure_start(args, base):
    path = os.path.join(base, "one.pkl")
    with open(path, "wb") as out:
        out.write(pickle.dumps([1, 2, 3]))
    program = os.path.join(args.bin, "scanengine")
    print("\nthe whole program on one small file")
    for way in ("in-process", "1 worker"):
        taken = []
        for _ in range(20 * args.rounds):
            begin = time.monotonic()
            subprocess.run([program, *WAYS[way], "--quiet", path], check=True,
                           stdout=subprocess.DEVNULL)
            taken.append(time.monotonic() - begin)
        print(f"{way:12} {statistics.median(taken) * 1e3:6.2f} ms "
              f"(fastest {min(taken) * 1e3:.2f})")


def measure_workers(args):
    print("\nworkers")
    out = subprocess.run(
        [os.path.join(args.bin, "worker_bench"), "--benchmark_format=json",
         "--benchmark_filter=StartToHello|IdleMemory|ToNextAnswer"],
        check=True, capture_output=True, timeout=600)
    for row in json.loads(out.stdout)["benchmarks"]:
        name = row["name"].split("/")[0]
        if row.get("error_occurred"):
            print(f"{name:18} {row['error_message']}")
        elif "private" in row:
            print(f"{name:18} {row['private'] / 2**20:.2f} MiB private")
        else:
            print(f"{name:18} {row['real_time'] / 1e3:.2f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0,
                        help="of the number of files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=[
        *CORPORA, "start", "workers"], metavar="PART")
    args = parser.parse_args()
    parts = args.only or [*CORPORA, "start", "workers"]
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, "
          f"seed {args.seed}")
    with tempfile.TemporaryDirectory(prefix="scanengine-bench-") as base:
        for name in CORPORA:
            if name not in parts:
                continue
            root = measure(args, name, base)
            if name == "small":
                measure_kills(args, root, base)
            if name == "heavy":
                measure_balance(args, root)
        if "start" in parts:
            measure_start(args, base)
    if "workers" in parts:
        measure_workers(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
