#!/usr/bin/env python3
"""Compares findings with the labels of a corpus of samples.

Usage: corpus_table.py --scanengine BIN --corpus DIR --labels CSV [--all]
           [--by source|technique|both] [-- OPTION...]

The corpus is no part of the project. Columns of the labels: path (below DIR),
expected (malicious, suspicious, benign; others are left out), source,
technique, doubtful (left out if not empty). Malicious is found at high or
above, suspicious at medium or above; benign passes below medium.

Counts what the program scans as a pickle or a container of pickles; --all
counts every file. Prints a table and each disagreement. Exit code 1 if there
are any. OPTIONs go to scanengine, as --strict or --policy.
"""

import argparse
import collections
import csv
import json
import os
import re
import subprocess
import sys

RANK = {"info": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
LEAST = {"malicious": RANK["high"], "suspicious": RANK["medium"]}
KINDS = ("malicious", "suspicious", "benign")
PICKLES = {"pickle", "joblib", "numpy", "npz", "pytorch-legacy",
           "pytorch-zip", "pytorch-tar", "zip", "tar", "gzip", "bzip2", "xz",
           "zlib", "lz4"}
TIMEOUT = 1800


def scan(binary, folder, options):
    """The report's files by their path below |folder|."""
    ended = subprocess.run(
        [binary, "--format", "json", "--quiet", *options, folder],
        stdout=subprocess.PIPE, timeout=TIMEOUT, check=False)
    if ended.returncode not in (0, 1, 2):
        sys.exit(f"{binary} ended with {ended.returncode}")
    return {os.path.relpath(file["path"], folder): file
            for file in json.loads(ended.stdout)["files"]}


def worst(file):
    return max((RANK[finding["severity"]] for finding in file["findings"]),
               default=-1)


def agrees(expected, file):
    if expected == "benign":
        return worst(file) < RANK["medium"]
    return worst(file) >= LEAST[expected]


def family(technique):
    """The first module that a technique names, or what kind it is."""
    name = re.match(r"[A-Za-z_][\w]*(?=\.[A-Za-z_])", technique)
    if name:
        return name.group().lstrip("_")
    return re.split(r"[^a-z0-9]+", technique.lower().strip())[0] or "-"


def keys(row, by):
    if by in ("source", "both"):
        yield "source", row.get("source") or "-"
    if by in ("technique", "both"):
        yield "technique", family(row["technique"])


def print_table(counts):
    print(f"{'':44} {'malicious':>12} {'suspicious':>12} {'benign':>12}")
    for (group, name), cells in sorted(counts.items()):
        shown = [f"{cells[kind][0]}/{cells[kind][1]}" if cells[kind][1]
                 else "-" for kind in KINDS]
        print(f"{group + ' ' + name:44.44} " +
              " ".join(f"{cell:>12}" for cell in shown))


def describe(row, file):
    shown = [f"{finding['severity']} {finding['message'][:70]}"
             for finding in file["findings"]
             if RANK[finding["severity"]] >= RANK["medium"]][:2]
    return (f"  {row['expected']} {row['path']}\n"
            f"      {file['format'] or '-'}, {file['status']}: "
            f"{'; '.join(shown) or 'nothing at medium or above'}\n"
            f"      label: {row['technique'][:90]}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--scanengine", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--by", choices=("source", "technique", "both"),
                        default="both")
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()

    files = scan(args.scanengine, args.corpus, args.options)
    counts = collections.defaultdict(
        lambda: {kind: [0, 0] for kind in KINDS})
    disagreements, absent = [], []
    with open(args.labels, encoding="utf-8", newline="") as labels:
        for row in csv.DictReader(labels):
            if row["expected"] not in KINDS or row.get("doubtful"):
                continue
            file = files.get(os.path.normpath(row["path"]))
            if file is None:
                absent.append(row["path"])
                continue
            if not args.all and file["format"] not in PICKLES:
                continue
            agreed = agrees(row["expected"], file)
            for key in (("all", ""), *keys(row, args.by)):
                cell = counts[key][row["expected"]]
                cell[0] += agreed
                cell[1] += 1
            if not agreed:
                disagreements.append(describe(row, file))
    print_table(counts)
    print(f"\n{len(disagreements)} disagreements, {len(absent)} absent")
    for text in disagreements + ["  absent " + path for path in absent]:
        print(text)
    sys.exit(1 if disagreements or absent else 0)


if __name__ == "__main__":
    main()
