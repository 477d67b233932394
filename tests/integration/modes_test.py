#!/usr/bin/env python3
"""However the fixtures are scanned, the outcome is the same, and the right one.

Usage: modes_test.py PATH_TO_SCANENGINE
"""

import csv
import os
import unittest

import program

SEVERITIES = ["-", "info", "low", "medium", "high", "critical"]

# The program's name of what the manifest calls otherwise.
FORMATS = {"npy": "numpy", "torch zip": "pytorch-zip",
           "torch legacy": "pytorch-legacy", "joblib zlib": "joblib",
           "joblib gzip": "joblib", "joblib p2": "joblib"}


def rows():
    with open(os.path.join(program.FIXTURES, "manifest.tsv"),
              encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield row[2:6]


def worst(file):
    return max((SEVERITIES.index(finding["severity"])
                for finding in file["findings"]), default=0)


def problem(file, expected, severity, kind):
    """What of |file|'s outcome differs from the manifest's row; or None."""
    if expected == "not-a-model":
        return None if file["status"] == "not-a-model" else "status"
    if file["format"] != FORMATS.get(kind, kind):
        return "format"
    if expected == "unsupported":
        return None if file["status"] == "unsupported" else "status"
    if expected == "benign":
        if file["status"] != "scanned":
            return "status"
        return "findings" if worst(file) >= SEVERITIES.index("medium") else None
    return "severity" if worst(file) < SEVERITIES.index(severity) else None


class Modes(program.Case):
    def canonical(self, *args, roots=("real", "hostile")):
        ended = self.scan("--canonical", *args, *roots, cwd=program.FIXTURES)
        self.assertEqual(ended.err, "")
        return ended.code, ended.out

    def test_every_mode_gives_the_same_canonical_report(self):
        usual = self.canonical("--workers", "2")
        for args in (["--workers", "1"], ["--workers", "8"], ["--no-parallel"],
                     ["--isolation", "per-file"],
                     ["--isolation", "in-process"],
                     ["--no-sandbox", "--quiet"]):
            with self.subTest(args=args):
                self.assertEqual(self.canonical(*args), usual)

    def test_the_order_of_the_roots_does_not_matter(self):
        usual = self.canonical()
        self.assertEqual(self.canonical(roots=("hostile", "real")), usual)
        parts = [os.path.join(top, name) for top in ("real", "hostile")
                 for name in os.listdir(os.path.join(program.FIXTURES, top))]
        self.assertEqual(self.canonical(roots=parts[::-1]), usual)

    def test_every_fixture_gets_what_the_manifest_says(self):
        _, out = self.canonical()
        files = program.Ended(0, out, "").files()
        problems = []
        for path, expected, severity, kind in rows():
            file = files.pop(path, None)
            if file is None:
                problems.append(f"{path}: not in the report")
                continue
            # A link to a blob is listed, and its content once, at the blob.
            if file["status"] == "skipped" and "/snapshots/" in path:
                continue
            what = problem(file, expected, severity, kind)
            if what:
                problems.append(f"{path}: {what} is not {expected} {severity} "
                                f"{kind}: {file['format']} {file['status']} "
                                f"{SEVERITIES[worst(file)]} {file['detail']}")
        self.assertEqual(problems, [])
        self.assertEqual(list(files), [])


if __name__ == "__main__":
    program.main()
