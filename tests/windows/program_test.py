#!/usr/bin/env python3
"""scanengine.exe as people run it, under wine, beside the same program here.

Usage: program_test.py --runner RUN_IN_WINE --scanengine EXE --driver EXE
                       --native SCANENGINE [TEST]...
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "fixtures")
GOOD = b"\x80\x02K\x01."
EVIL = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R."
RUN_SECONDS = 100

options = None


def on_windows(path):
    """As wine shows the path of a file here."""
    return "Z:" + path.replace("/", "\\")


class Ended:
    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr.decode(errors="backslashreplace")

    def __repr__(self):
        return f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-2000:]}"

    @property
    def json(self):
        return json.loads(self.out)

    def statuses(self):
        return {file["path"]: file["status"] for file in self.json["files"]}


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="scanengine-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def run_command(self, command, **more):
        more.setdefault("cwd", self.dir)
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        return Ended(subprocess.run(command, capture_output=True, check=False,
                                    timeout=RUN_SECONDS, **more))

    def scan(self, *args, code=None, **more):
        ended = self.run_command([options.runner, options.scanengine, *args],
                                 **more)
        if code is not None:
            self.assertEqual(ended.code, code, ended)
        return ended

    def drive(self, *args, **more):
        return self.run_command([options.runner, options.driver, *args], **more)

    def slow_files(self, count):
        """Many small files: enough to be met in the middle."""
        for i in range(count):
            self.write(f"many/{i}.pkl", EVIL if i == 0 else GOOD)


class Program(Case):
    def test_exit_codes(self):
        self.write("good.pkl", GOOD)
        self.write("evil.pkl", EVIL)
        self.scan("good.pkl", code=0)
        self.scan("evil.pkl", code=1)
        self.scan("good.pkl", "missing.pkl", code=2)
        self.scan("--no-such-flag", code=3)

    def test_a_finding_comes_from_a_worker_in_its_sandbox(self):
        self.write("evil.pkl", EVIL)
        run = self.scan("--format", "json", "evil.pkl", code=1).json["run"]
        self.assertEqual(run["isolation"], "process")
        self.assertGreaterEqual(run["workers_started"], 1)
        self.assertFalse(run["degraded"])
        for part in ("one-process", "memory-limit", "no-privileges",
                     "low-integrity", "no-dynamic-code"):
            self.assertIn(part, run["sandbox"]["active"])
        missing = " ".join(run["sandbox"]["missing"])
        self.assertIn("network: not closed on Windows", missing)
        self.assertIn("reading: ", missing)

    def test_paths_in_every_spelling(self):
        path = self.write("sub/evil.pkl", EVIL)
        for spelled, shown in [
                ("sub\\evil.pkl", "sub/evil.pkl"),
                ("sub", "sub/evil.pkl"),
                (".\\sub", "./sub/evil.pkl"),
                (on_windows(path), "Z:" + path),
                ("\\\\?\\" + on_windows(path), "Z:" + path),
                (path, path)]:
            report = self.scan("--canonical", spelled, code=1)
            self.assertEqual(report.statuses(), {shown: "scanned"}, spelled)

    def test_names_in_other_scripts(self):
        names = ["modèle.pkl", "模型.pkl", "🤖.pkl"]
        for name in names:
            self.write(name, EVIL)
        report = self.scan("--canonical", *names, code=1)
        self.assertEqual(report.statuses(), {n: "scanned" for n in names})
        self.assertEqual(self.scan("--canonical", ".").statuses(),
                         {"./" + n: "scanned" for n in names})
        text = self.scan("模型.pkl", code=1).out.decode("utf-8")
        self.assertIn("模型.pkl", text)

    def test_globs_ignore_case(self):
        self.write("a/Model.PKL", EVIL)
        self.write("b/other.bin", EVIL)
        report = self.scan("--canonical", "--include", "*.pkl", ".", code=1)
        self.assertEqual(report.statuses(), {"./a/Model.PKL": "scanned"})
        report = self.scan("--canonical", "--exclude", "A\\*.pkl", ".", code=1)
        self.assertEqual(report.statuses(), {"./b/other.bin": "scanned"})

    def test_devices_are_never_opened(self):
        report = self.scan("--canonical", "NUL", "CON", "COM1")
        self.assertEqual(report.statuses(),
                         {"NUL": "skipped", "CON": "skipped",
                          "COM1": "skipped"})

    def test_standard_input(self):
        path = self.write("evil.pkl", EVIL)
        self.scan("-", code=1, input=EVIL)
        self.scan("-", code=0, input=GOOD)
        with open(path, "rb") as file:
            self.scan("-", code=1, stdin=file)

    def test_list_of_files(self):
        self.write("evil.pkl", EVIL)
        self.scan("--files-from", "-", code=1, input=b"evil.pkl\n")

    def test_report_file(self):
        self.write("in/evil.pkl", EVIL)
        self.scan("-o", "out\\r.json", "--format", "json", "in", code=2)
        os.mkdir(os.path.join(self.dir, "out"))
        self.scan("-o", "out\\r.json", "--format", "json", "in", code=1)
        self.assertEqual(os.listdir(os.path.join(self.dir, "out")), ["r.json"])
        self.scan("-o", "NUL", "in", code=1)
        self.assertEqual(sorted(os.listdir(self.dir)), ["in", "out"])

    def test_a_journal_is_kept_checked_and_resumed_from(self):
        self.write("in/evil.pkl", EVIL)
        self.write("in/good.pkl", GOOD)
        journal = ["--journal", "run.journal", "--format", "json", "in"]
        self.scan(*journal, code=1)
        self.scan("verify", "run.journal", code=0)
        again = self.scan("--resume", *journal, code=1)
        self.assertEqual(again.statuses(), {"in/evil.pkl": "scanned",
                                            "in/good.pkl": "scanned"})
        self.assertEqual(again.json["run"]["workers_started"], 0)

    def test_the_own_journal_goes_to_the_users_folder(self):
        self.slow_files(1500)
        ended = self.drive("kill", options.scanengine, "--isolation",
                           "per-file", "many")
        self.assertEqual(ended.code, 42, ended)
        state = self.scan("doctor").out.decode()
        self.assertIn("AppData/Local/scanengine", state)

    def test_a_locked_file_is_an_outcome(self):
        self.write("locked.pkl", EVIL)
        self.write("free.pkl", GOOD)
        ended = self.drive("lock", "locked.pkl", options.scanengine,
                           "--canonical", "locked.pkl", "free.pkl")
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.statuses(), {"locked.pkl": "unreadable",
                                            "free.pkl": "scanned"})

    def test_version_and_formats_tell_what_is_left_out(self):
        version = self.scan("--version", code=0).out.decode()
        self.assertIn("low integrity", version)
        self.assertIn("not on Windows: ", version)
        self.assertIn("further decompressors: none in this build", version)
        self.scan("--list-formats", code=0)

    def test_what_is_left_out_is_never_clean(self):
        import bz2
        import lzma
        self.write("a.pkl.bz2", bz2.compress(EVIL))
        self.write("a.pkl.xz", lzma.compress(EVIL))
        report = self.scan("--canonical", ".", code=2)
        self.assertEqual(set(report.statuses().values()), {"unsupported"})
        for file in report.json["files"]:
            self.assertIn("build", json.dumps(file), file)

    def test_doctor_says_what_is_weaker(self):
        ended = self.scan("doctor")
        text = ended.out.decode()
        self.assertIn("not verified on Windows", text, ended)
        self.assertIn("sandbox-network", text)


class SameReport(Case):
    def canonical(self, command, *args):
        ended = self.run_command([*command, "--canonical", *args],
                                 cwd=FIXTURES)
        return ended.code, ended.json

    def test_both_systems_tell_the_same_of_the_fixtures(self):
        roots = ["hostile", "real"]
        here = self.canonical([options.native], *roots)
        there = self.canonical([options.runner, options.scanengine], *roots)
        self.assertGreater(len(here[1]["files"]), 150)
        lacking = self.formats_left_out()
        for report in (here[1], there[1]):
            report["files"] = [f for f in report["files"]
                               if not lacking(f, here[1], there[1])]
        by_path = {f["path"]: f for f in here[1]["files"]}
        for file in there[1]["files"]:
            self.assertEqual(file, by_path.get(file["path"]))
        self.assertEqual(here[1]["files"], there[1]["files"])

    @staticmethod
    def formats_left_out():
        """Of a file: was it left out by the other build, and says so?"""
        def lacking(file, here, there):
            for report in (here, there):
                for other in report["files"]:
                    if (other["path"] == file["path"] and
                            other["status"] == "unsupported" and
                            "this build" in json.dumps(other)):
                        return True
            return False
        return lacking

    def test_every_mode_gives_the_same(self):
        command = [options.runner, options.scanengine]
        usual = self.canonical(command, "--workers", "2", "hostile/pickle")
        for args in (["--workers", "1"], ["--isolation", "per-file"],
                     ["--isolation", "in-process"], ["--no-sandbox"]):
            self.assertEqual(self.canonical(command, *args, "hostile/pickle"),
                             usual, args)


class Ends(Case):
    def worker_pids(self):
        """Of workers of this build, whoever started them."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
                with open(f"/proc/{pid}/environ", "rb") as file:
                    environment = file.read()
            except OSError:
                continue
            prefix = os.path.join(os.path.dirname(os.path.dirname(
                options.scanengine)), "wine")
            if (b"scanengine-worker.exe" in line and
                    b"WINEPREFIX=" + prefix.encode() in environment):
                found.append(int(pid))
        return found

    def wait_until(self, condition, what):
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.05)
        self.fail(f"never happened: {what}")

    def test_ctrl_break_drains_and_says_so(self):
        self.slow_files(4000)
        ended = self.drive("break", options.scanengine, "--format", "json",
                           "--isolation", "per-file", "many")
        self.assertEqual(ended.code, 130, ended)
        self.assertTrue(ended.json["run"]["stopped"])
        self.assertEqual(self.worker_pids(), [])

    def test_no_worker_outlives_its_supervisor(self):
        self.slow_files(4000)
        ended = self.drive("kill", options.scanengine, "--format", "json",
                           "--isolation", "per-file", "many")
        self.assertEqual(ended.code, 42, ended)
        self.wait_until(lambda: not self.worker_pids(), "workers gone")


def main():
    global options
    parser = argparse.ArgumentParser()
    for name in ("--runner", "--scanengine", "--driver", "--native"):
        parser.add_argument(name, required=True, type=os.path.abspath)
    options, rest = parser.parse_known_args()
    signal.alarm(390)
    if not os.access(options.native, os.X_OK):
        sys.exit(f"{options.native} is not there: ./dev build")
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
