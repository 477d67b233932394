"""Disks that are full: of the report, the journal, the cache, temporary files.

T7 of the list of faults. Small disks are made in memory by root, in steps of a
page. Steps of 512 bytes are limits on the size of files: the error is another
one, the place is not.
"""

import os
import subprocess

import harness
import program
from harness import FaultCase, by_size

FILES = 300
PAGE = 4096
MOST = 64 << 10


class T7(FaultCase):
    """No space is left on a disk."""

    NAME = "T7"

    def setUp(self):
        super().setUp()
        self.make_tree(FILES)
        self.calm("tree")

    def disks(self):
        """Disks of each size, mounted one after the other, as name."""
        for size in range(PAGE, MOST + 1, by_size(3 * PAGE, PAGE)):
            harness.mount_memory(self, "disk", size)
            yield size
            subprocess.run(["umount", self.path("disk")], check=True)

    def grow(self):
        subprocess.run(["mount", "-o", "remount,size=16m", self.path("disk")],
                       check=True)

    def limits(self):
        """Sizes of files to which a run is limited; messages need some."""
        return range(512, MOST + 1, by_size(4096 + 512, 512))

    def limited(self, size, *args, **options):
        """A run whose files may not grow beyond |size| bytes."""
        return self.start("-c", 'ulimit -f "$1"; shift; exec "$@"', "sh",
                          str(size // 512), harness.scanengine(), *args,
                          program="/bin/sh", **options).wait()

    def check_report(self, ended, report, earlier):
        """Whole and right, or not there at all. True if it was written."""
        if ended.code == 1:
            self.assertEqual(self.read(report), self.calm("tree"))
            return True
        self.assertEqual(ended.code, 2, ended)
        self.assertNotEqual(ended.err, "")
        self.assertEqual(self.read(report), earlier)
        self.assertEqual(os.listdir(os.path.dirname(self.path(report))),
                         [os.path.basename(report)])
        return False

    def check_stopped(self, ended):
        """Of a run with a journal: True if it came to its end."""
        if ended.code == 1:
            return True
        self.assertEqual(ended.code, 4, ended)
        self.assertIn("journal", ended.err)
        return False

    def test_report(self):
        """report on a full disk: an earlier one stays as it was"""
        full = 0
        for _ in self.disks():
            self.own(self.write("disk/report", b"earlier"))
            ended = self.scan("--canonical", "--no-journal", "-o",
                              "disk/report", "tree")
            full += not self.check_report(ended, "disk/report", b"earlier")
        self.assertGreater(full, 0)
        self.note(f"{full} full")

    def test_limited_report(self):
        """report in a file that may not grow"""
        full = 0
        self.folder("out")
        for size in self.limits():
            self.own(self.write("out/report", b"earlier"))
            ended = self.limited(size, "--canonical", "--no-journal", "-o",
                                 "out/report", "tree")
            full += not self.check_report(ended, "out/report", b"earlier")
        self.note(f"{full} full")

    def test_output(self):
        """standard output on a full disk"""
        full = 0
        for _ in self.disks():
            for form in ("--canonical", "--format=text", "--format=ndjson"):
                with open(self.path("disk/out"), "wb") as out:
                    ended = self.scan(form, "--no-journal", "tree", stdout=out)
                self.assertIn(ended.code, (1, 2), ended)
                self.assertEqual(ended.code == 2, "No space" in ended.err)
                full += ended.code == 2
                os.unlink(self.path("disk/out"))
        self.assertGreater(full, 0)
        self.note(f"{full} full")

    def test_journal(self):
        """journal on a full disk: the run ends, and goes on with more room"""
        full = 0
        for _ in self.disks():
            ended = self.scan("--journal", "disk/journal", "tree")
            if not self.check_stopped(ended):
                full += 1
                self.assertIn("No space left on device", ended.err)
                if self.has_journal("disk/journal"):
                    self.verify("disk/journal", 2)
                self.grow()
            self.resume("disk/journal", "tree")
            self.check_journal("disk/journal", FILES)
        self.assertGreater(full, 0)
        self.note(f"{full} full")

    def test_limited_journal(self):
        """journal in a file that may not grow"""
        full = 0
        for size in self.limits():
            self.remove("journal")
            ended = self.limited(size, "--journal", "journal", "tree",
                                 stdout=subprocess.DEVNULL)
            if not self.check_stopped(ended):
                full += 1
                if self.has_journal("journal"):
                    self.verify("journal", 2)
            self.resume("journal", "tree")
            self.check_journal("journal", FILES)
        self.note(f"{full} full")

    def test_temporary_files(self):
        """temporary files on a full disk: standard input is spilled there"""
        full = 0
        size = 40_000
        self.write("input", program.EVIL + self.rng.randbytes(size))
        for room in self.disks():
            ended = self.start(
                "-c", 'cat input | "$P" --format json -', program="/bin/sh",
                env={"TMPDIR": self.path("disk"),
                     "P": harness.scanengine()}).wait()
            self.assertIn(ended.code, (1, 2), ended)
            self.assertEqual(os.listdir(self.path("disk")), [])
            if room < size:
                full += 1
                self.assertEqual(ended.code, 2, ended)
        self.note(f"{full} full")

    def test_cache(self):
        """cache on a full disk: the run goes on without it"""
        if "--cache-dir" not in self.scan("--help", code=0).text:
            self.skipTest("this build has no --cache-dir")
        for _ in self.disks():
            os.chmod(self.own(self.path("disk")), 0o700)
            for _ in range(2):
                ended = self.scan("--canonical", "--no-journal", "--cache-dir",
                                  "disk", "tree", code=1)
                self.assertEqual(ended.out, self.calm("tree"))
