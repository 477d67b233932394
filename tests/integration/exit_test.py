#!/usr/bin/env python3
"""Exit codes, and what happens when workers cannot be had.

Usage: exit_test.py PATH_TO_SCANENGINE
"""

import os
import shutil
import unittest

import program

TEXT = b"# A readme\n"


class ExitCodes(program.Case):
    def test_0_means_scanned_to_the_end_without_findings(self):
        self.write("good.pkl", program.GOOD)
        self.write("README.md", TEXT)
        ended = self.scan(".", code=0)
        self.assertEqual(ended.err, "")
        self.assertIn("CLEAN: 1 file scanned", ended.text)

    def test_1_means_findings(self):
        self.write("evil.pkl", program.EVIL)
        ended = self.scan(".", code=1)
        self.assertIn("calls os.system", ended.text)
        self.assertIn("FINDINGS", ended.text)

    def test_2_means_incomplete_and_outranks_1(self):
        self.write("evil.pkl", program.EVIL)
        self.write("model.7z", b"7z\xbc\xaf\x27\x1c" + bytes(26))
        ended = self.scan("--format", "json", ".", code=2)
        self.assertEqual(ended.statuses(), {"./evil.pkl": "scanned",
                                            "./model.7z": "unsupported"})

    def test_2_means_no_file_at_all(self):
        self.scan(".", code=2)

    def test_3_means_wrong_usage_in_one_line(self):
        for args in ([], ["--workers", "x", "."], ["--no-such-flag", "."],
                     ["--isolation", "in-process", "--require-isolation", "."],
                     ["--isolation", "in-process", "--require-sandbox", "."],
                     ["--no-sandbox", "--require-sandbox", "."],
                     ["--files-from", "missing"], ["--policy", "missing", "."],
                     ["--max-file-size", "1Q", "."], ["--timeout", "-1", "."]):
            with self.subTest(args=args):
                ended = self.scan(*args, code=3)
                self.assertEqual(ended.out, b"")
                self.assertSingleLine(ended.err)

    def test_fail_on_sets_the_least_severity(self):
        self.write("unvetted.pkl", b"\x80\x02cuserpkg\nthing\n.")
        self.write("bad.pkl", b"\x80\x02]")
        self.scan("unvetted.pkl", code=0)
        self.scan("--fail-on", "low", "unvetted.pkl", code=1)
        self.scan("bad.pkl", code=1)
        self.scan("--fail-on", "high", "bad.pkl", code=0)
        self.write("evil.pkl", program.EVIL)
        self.scan("--fail-on", "critical", "evil.pkl", code=1)

    def test_require_complete_counts_what_is_no_model(self):
        self.write("good.pkl", program.GOOD)
        self.write("README.md", TEXT)
        self.scan("--require-complete", ".", code=2)
        self.scan("--require-complete", "good.pkl", code=0)
        self.scan("README.md", code=0)


class Isolation(program.Case):
    def setUp(self):
        super().setUp()
        self.write("evil.pkl", program.EVIL)
        self.write("good.pkl", program.GOOD)

    def check_degraded(self, ended, reason):
        self.assertEqual(ended.code, 1, ended)
        run = ended.json["run"]
        self.assertTrue(run["degraded"])
        self.assertIn(reason, run["degraded_reason"])
        self.assertIn(reason, ended.err)
        self.assertEqual(run["fallback_count"], 2)
        for file in ended.files().values():
            self.assertEqual(file["status"], "scanned")
            self.assertEqual(file["run"]["isolation"], "in-process")

    def check_not_run(self, ended, reason):
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.statuses(), {"evil.pkl": "not-run",
                                            "good.pkl": "not-run"})
        run = ended.json["run"]
        self.assertEqual(run["fallback_count"], 0)
        self.assertIn(reason, ended.text + ended.err)

    def scan_json(self, *args, **options):
        return self.scan("--format", "json", *args, "evil.pkl", "good.pkl",
                         **options)

    def test_a_missing_worker_degrades_and_says_so(self):
        missing = self.path("no-worker")
        self.check_degraded(self.scan_json("--worker-path", missing),
                            "no-worker")
        text = self.scan("--worker-path", missing, ".", code=1)
        self.assertIn("2 files were scanned without isolation", text.text)

    def test_a_program_without_the_worker_beside_it_degrades(self):
        shutil.copy(program.binary(), self.path("alone"))
        self.check_degraded(self.scan_json(program=self.path("alone")),
                            "scanengine-worker")

    def test_a_worker_that_is_no_program_degrades(self):
        self.write("text", b"no program", mode=0o755)
        self.check_degraded(
            self.scan_json("--worker-path", self.path("text")),
            "Exec format error")

    def test_require_isolation_scans_nothing_without_a_worker(self):
        self.check_not_run(
            self.scan_json("--require-isolation", "--worker-path",
                           self.path("no-worker")), "no-worker")

    def other_version(self):
        """A copy of the worker that says to be of another build."""
        version = self.scan("--version").text.split()[1]
        other = version.replace("0.", "9.", 1)
        self.assertNotEqual(version, other)
        with open(program.worker_binary(), "rb") as file:
            data = file.read()
        patched = data.replace(b"\0" + version.encode() + b"\0",
                               b"\0" + other.encode() + b"\0")
        self.assertNotEqual(data, patched)
        return self.write("worker", patched, mode=0o755), version, other

    def test_a_worker_of_another_version_is_refused(self):
        worker, version, other = self.other_version()
        ended = self.scan_json("--worker-path", worker)
        self.check_degraded(ended, version)
        self.check_degraded(ended, other)
        ended = self.scan_json("--require-isolation", "--worker-path", worker)
        self.check_not_run(ended, version)
        self.check_not_run(ended, other)

    def test_require_sandbox_is_met_or_refused_before_anything_is_read(self):
        sandbox = self.scan_json().json["run"]["sandbox"]
        ended = self.scan_json("--require-sandbox")
        if sandbox["missing"]:
            self.check_not_run(ended, sandbox["missing"][0])
        else:
            self.assertEqual(ended.code, 1, ended)
            self.assertIn("seccomp", sandbox["active"])

    def test_in_process_says_so_for_every_file(self):
        ended = self.scan_json("--isolation", "in-process", code=1)
        run = ended.json["run"]
        self.assertEqual((run["isolation"], run["degraded"]),
                         ("in-process", False))
        for file in ended.files().values():
            self.assertEqual(file["run"]["isolation"], "in-process")
        text = self.scan("--isolation", "in-process", ".").text
        self.assertIn("no protection from what is scanned", text)

    def test_per_file_gives_each_file_a_worker(self):
        ended = self.scan_json("--isolation", "per-file", code=1)
        workers = {file["run"]["worker"] for file in ended.files().values()}
        self.assertEqual(len(workers), 2)
        self.assertEqual(ended.json["run"]["workers_started"], 2)

    def test_an_ordinary_user_is_isolated_as_well(self):
        ended = self.scan_json(nobody=True, code=1)
        self.assertEqual(ended.err, "")
        self.assertIn("seccomp", ended.json["run"]["sandbox"]["active"])
        os.chmod(self.path("good.pkl"), 0)
        ended = self.scan_json(nobody=True, code=2)
        self.assertEqual(ended.statuses()["good.pkl"], "unreadable")


if __name__ == "__main__":
    program.main()
