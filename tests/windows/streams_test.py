#!/usr/bin/env python3
"""Standard input and output, and report files."""

import os
import subprocess

import wine_program
from wine_program import EVIL, GOOD


class Streams(wine_program.Case):
    def scan_input(self, data, *args, code):
        """Through a pipe."""
        run = self.start(*args, stdin=subprocess.PIPE)
        run.process.stdin.write(data)
        run.process.stdin.close()
        ended = run.wait()
        self.assertEqual(ended.code, code, ended)
        return ended

    def test_standard_input_is_a_pipe(self):
        self.scan_input(EVIL, "-", code=1)
        self.scan_input(GOOD, "-", code=0)

    def test_standard_input_is_a_file(self):
        for data, code in ((EVIL, 1), (GOOD, 0)):
            with open(self.write("in.pkl", data), "rb") as file:
                ended = self.scan("--canonical", "-", stdin=file, code=code)
            self.assertEqual(ended.statuses(), {"-": "scanned"})

    def test_standard_input_is_a_file_that_was_read_in_part(self):
        path = self.write("in.pkl", b"junk" + EVIL)
        with open(path, "rb", buffering=0) as file:
            file.read(4)
            ended = self.scan("--canonical", "-", stdin=file, code=1)
        self.assertEqual(ended.statuses(), {"-": "scanned"})

    def test_list_of_files(self):
        self.write("evil.pkl", EVIL)
        self.scan_input(b"evil.pkl\n", "--files-from", "-", code=1)

    def test_report_file(self):
        self.write("in/evil.pkl", EVIL)
        self.scan("-o", "out\\r.json", "--format", "json", "in", code=2)
        os.mkdir(self.path("out"))
        self.scan("-o", "out\\r.json", "--format", "json", "in", code=1)
        self.assertEqual(os.listdir(self.path("out")), ["r.json"])
        before = self.read("out/r.json")
        self.scan("-o", "out\\r.json", "in", code=1)
        self.assertNotEqual(self.read("out/r.json"), before)
        self.assertEqual(os.listdir(self.path("out")), ["r.json"])
        self.scan("-o", "NUL", "in", code=1)
        self.assertEqual(sorted(os.listdir(self.dir)), ["in", "out"])


if __name__ == "__main__":
    wine_program.main()
