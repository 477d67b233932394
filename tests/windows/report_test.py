#!/usr/bin/env python3
"""Both systems say the same of the same files, and so do all modes."""

import json
import os
import re

import wine_program
from wine_program import FIXTURES, program


def lacks(file):
    """It needs a library that the build which wrote this has not."""
    return file["status"] == "unsupported" and "build" in json.dumps(file)


class SameReport(wine_program.Case):
    def canonical(self, *args):
        ended = self.start("--canonical", *args, cwd=FIXTURES).wait()
        return ended.code, ended.json

    def native_canonical(self, *args):
        run = program.Run([wine_program.native, "--canonical", *args],
                          cwd=FIXTURES)
        self.addCleanup(run.discard)
        ended = run.wait()
        return ended.code, ended.json

    def test_of_all_fixtures_but_for_what_a_build_lacks(self):
        self.assertTrue(os.access(wine_program.native, os.X_OK),
                        f"{wine_program.native} is not there: ./dev build")
        here = self.native_canonical("hostile", "real")[1]
        there = self.canonical("hostile", "real")[1]
        here_by_path = {file["path"]: file for file in here["files"]}
        there_by_path = {file["path"]: file for file in there["files"]}
        self.assertGreater(len(here_by_path), 150)
        self.assertEqual(list(here_by_path), list(there_by_path))
        links = [path for path in here_by_path
                 if os.path.islink(os.path.join(FIXTURES, path))]
        left_out = [path for path, file in there_by_path.items() if lacks(file)
                    and not lacks(here_by_path[path])]
        for names, why in (
                (links, "wine shows links as what they lead to"),
                (left_out, "the build for Windows cannot unpack them")):
            print(f"\nnot compared: {len(names)} of {len(here_by_path)}, {why}:",
                  *names, sep="\n  ")
        self.assertLess(len(links), 10)
        self.assertEqual([path for path in left_out if
                          not re.search("bz2|lz4|lzma|xz|nine_times", path)],
                         [])
        for path, file in here_by_path.items():
            if path not in left_out and path not in links:
                self.assertEqual(there_by_path[path], file)

    def test_of_every_mode(self):
        usual = self.canonical("--workers", "2", "hostile/pickle")
        for args in (["--workers", "1"], ["--isolation", "per-file"],
                     ["--isolation", "in-process"], ["--no-sandbox"]):
            self.assertEqual(self.canonical(*args, "hostile/pickle"), usual,
                             args)


if __name__ == "__main__":
    wine_program.main()
