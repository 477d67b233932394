#!/usr/bin/env python3
"""Where reports go, and what happens when they cannot get there.

Usage: output_test.py PATH_TO_SCANENGINE
"""

import json
import os
import subprocess
import unittest

import program


class OutputFile(program.Case):
    def setUp(self):
        super().setUp()
        self.write("in/evil.pkl", program.EVIL)

    def check_refused(self, ended, target):
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.out, b"")
        self.assertSingleLine(ended.err)
        self.assertIn(target, ended.err)

    def test_output_is_what_standard_output_would_be(self):
        for args in (["--canonical"], []):
            ended = self.scan(*args, "--output", "report", "in", code=1)
            self.assertEqual((ended.out, ended.err), (b"", ""))
            plain = self.scan(*args, "in", code=1).out
            if args:
                self.assertEqual(self.read("report"), plain)
            self.assertIn(b"os.system", self.read("report"))
        self.assertEqual(os.listdir(self.dir).count("report"), 1)
        self.assertEqual(len(os.listdir(self.dir)), 2)

    def test_output_below_the_scanned_folder_is_not_scanned(self):
        for _ in range(2):
            self.scan("--canonical", "--output", "in/report.json", "in", code=1)
        self.assertIn(b'"evil.pkl"'.strip(b'"'), self.read("in/report.json"))

    def test_output_in_no_folder_or_on_a_folder(self):
        self.check_refused(self.scan("-o", "no/report", "in"), "no/report")
        self.check_refused(self.scan("-o", "in", "in"), '"in"')

    def test_output_that_may_not_be_written(self):
        os.mkdir(self.path("closed"), 0o555)
        ended = self.scan("-o", "closed/report", "in", nobody=True)
        self.check_refused(ended, "closed/report")
        self.assertEqual(os.listdir(self.path("closed")), [])

    def test_a_full_device(self):
        ended = self.scan("-o", "/dev/full", "in", code=2)
        self.assertSingleLine(ended.err)
        ended = self.shell('"$P" in > /dev/full')
        self.assertEqual(ended.code, 2, ended)
        self.assertSingleLine(ended.err)
        self.assertIn("No space left", ended.err)

    @unittest.skipUnless(program.IS_ROOT, "only root mounts file systems")
    def test_a_full_disk_leaves_the_earlier_report_as_it_was(self):
        small = self.path("small")
        os.mkdir(small)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", small],
            stderr=subprocess.DEVNULL, check=False)
        if mounted.returncode != 0:
            self.skipTest("file systems cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=False)
        self.write("small/report", b"earlier")
        for i in range(1000):
            self.write(f"many/{i:04d}" + "x" * 100, program.EVIL)
        ended = self.scan("--canonical", "-o", "small/report", "many", code=2)
        self.assertSingleLine(ended.err)
        self.assertEqual(self.read("small/report"), b"earlier")
        self.assertEqual(os.listdir(small), ["report"])

    def test_a_refused_run_leaves_the_earlier_report_as_it_was(self):
        self.write("report", b"earlier")
        self.scan("-o", "report", "--workers", "no", "in", code=3)
        self.assertEqual(self.read("report"), b"earlier")


class Streams(program.Case):
    def setUp(self):
        super().setUp()
        self.write("evil.pkl", program.EVIL)

    def test_closed_descriptors(self):
        """They are the null device then, and no file of ours is taken for one
        of them."""
        self.assertEqual(self.shell('"$P" evil.pkl <&-').code, 1)
        ended = self.shell('"$P" evil.pkl 2>&-')
        self.assertEqual(ended.code, 1, ended)
        self.assertIn("os.system", ended.text)
        ended = self.shell('"$P" --canonical -o r evil.pkl <&- >&- 2>&-')
        self.assertEqual(ended.code, 1, ended)
        self.assertEqual(self.read("r"),
                         self.scan("--canonical", "evil.pkl").out)

    def test_a_reader_that_leaves_ends_the_run_quietly(self):
        for i in range(3000):
            self.write(f"many/{i:04d}.pkl", program.EVIL)
        for args in ("many", "--format json many", "--format ndjson many"):
            ended = self.shell('{ "$P" ' + args + "; echo $? > code; } | "
                               "head -n 1")
            self.assertEqual(ended.err, "")
            self.assertEqual(self.read("code"), b"2\n", args)
            self.assertEqual(ended.text.count("\n"), 1)

    def test_a_pipe_that_nobody_reads_from_the_start(self):
        end, pipe = os.pipe()
        os.close(end)
        with os.fdopen(pipe, "wb") as stdout:
            ended = self.scan("evil.pkl", stdout=stdout, code=2)
        self.assertEqual(ended.err, "")

    def test_ignored_broken_pipe_signal_changes_nothing(self):
        ended = self.shell('trap "" PIPE; { "$P" evil.pkl; echo $? > code; } | '
                           "true")
        self.assertEqual(ended.err, "")
        self.assertIn(self.read("code"), (b"1\n", b"2\n"))

    def test_formats_hold_the_same(self):
        document = self.scan("--format", "json", "evil.pkl", code=1).json
        lines = [json.loads(line) for line in
                 self.scan("--format", "ndjson", "evil.pkl",
                           code=1).out.splitlines()]
        self.assertEqual([line["type"] for line in lines], ["file", "summary"])
        self.assertEqual(lines[0]["findings"],
                         document["files"][0]["findings"])
        self.assertEqual(lines[1]["totals"], document["totals"])

    def test_quiet_and_verbose(self):
        self.write("README.md", b"# text\n")
        quiet = self.scan("--quiet", ".", code=1).text
        usual = self.scan(".", code=1).text
        verbose = self.scan("--verbose", ".", code=1).text
        self.assertLess(len(quiet), len(usual))
        self.assertLess(len(usual), len(verbose))
        self.assertIn("README.md", verbose)
        self.assertNotIn("README.md", usual)

    def test_color_only_when_asked_for(self):
        for args, env, wanted in (([], {}, False),
                                  (["--color", "always"], {}, True),
                                  ([], {"CLICOLOR_FORCE": "1"}, True),
                                  (["--color", "never"],
                                   {"CLICOLOR_FORCE": "1"}, False)):
            clean = {name: value for name, value in os.environ.items()
                     if name not in ("NO_COLOR", "CLICOLOR_FORCE")}
            ended = self.scan(*args, "evil.pkl", env={**clean, **env})
            self.assertEqual(b"\x1b[" in ended.out, wanted, args)


if __name__ == "__main__":
    program.main()
