"""A tree for each thing that makes other scanners hang, crash or fall silent.

Each tree also holds a plain evil.pkl, which must be found whatever stands beside
it, and each of the hostile files gets the one status that is right for it.
"""

import io
import os
import shutil
import signal
import socket
import stat
import zipfile

import harness
import program
from harness import FaultCase

TERABYTE = 1 << 40


class Tree(FaultCase):
    """One test for each kind of tree."""

    NAME = "tree"

    def setUp(self):
        super().setUp()
        self.write("tree/evil.pkl", program.EVIL)

    def check(self, expected, code, *args, **options):
        """A run in two formats; |expected|: status by path below the tree."""
        for extra in ((), ("--follow-symlinks",)):
            ended = self.scan("--format", "json", *extra, *args, "tree",
                              code=code, **options)
            self.judge(ended, expected)
        text = self.scan(*args, "tree", code=code, **options).text
        self.assertIn("evil.pkl", text)

    def judge(self, ended, expected):
        files = ended.files()
        evil = files.pop("tree/evil.pkl")
        self.assertEqual(evil["status"], "scanned")
        self.assertEqual(evil["findings"][0]["severity"], "critical")
        self.assertEqual({path.removeprefix("tree/"): file["status"]
                          for path, file in files.items()}, expected)
        return files

    def test_plain(self):
        """a plain evil file"""
        self.check({}, 1)

    def test_fifo(self):
        """a FIFO"""
        os.mkfifo(self.path("tree/fifo"))
        self.check({"fifo": "skipped"}, 1)

    def test_character_device(self):
        """a device that never ends"""
        harness.make_device(self, self.path("tree/zero"), stat.S_IFCHR, 1, 5)
        self.check({"zero": "skipped"}, 1)

    def test_socket(self):
        """a socket"""
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.path("tree/socket"))
        self.check({"socket": "skipped"}, 1)

    def test_unreadable(self):
        """an unreadable file and folder"""
        self.write("tree/secret.pkl", program.EVIL, mode=0)
        self.write("tree/closed/evil.pkl", program.EVIL)
        os.chmod(self.path("tree/closed"), 0)
        self.addCleanup(os.chmod, self.path("tree/closed"), 0o755)
        self.check({"secret.pkl": "unreadable", "closed": "unreadable"}, 2)

    def test_link_loop(self):
        """links that lead to themselves and upwards"""
        os.symlink("loop", self.path("tree/loop"))
        os.mkdir(self.path("tree/d"))
        os.symlink("..", self.path("tree/d/up"))
        self.check({"loop": "skipped", "d/up": "skipped"}, 1)

    def test_links_out(self):
        """a broken link, and one that leads outside"""
        os.symlink("missing", self.path("tree/broken"))
        self.write("outside.pkl", program.GOOD)
        os.symlink("../outside.pkl", self.path("tree/out.pkl"))
        ended = self.scan("--format", "json", "tree", code=1)
        self.judge(ended, {"broken": "skipped", "out.pkl": "skipped"})
        ended = self.scan("--format", "json", "--follow-symlinks", "tree",
                          code=1)
        self.judge(ended, {"broken": "skipped", "out.pkl": "scanned"})

    def test_names(self):
        """names with line feeds, escapes, invalid UTF-8, 255 bytes"""
        names = (b"new\nline.pkl", b"\xff\xfe.pkl", b"esc\x1b[2J.pkl",
                 b"x" * 251 + b".pkl")
        for name in names:
            with open(os.path.join(os.fsencode(self.dir), b"tree", name),
                      "wb") as file:
                file.write(program.EVIL)
        ended = self.scan("--format", "json", "tree", code=1)
        files = ended.json["files"]
        self.assertEqual(len(files), len(names) + 1)
        for file in files:
            self.assertEqual(file["findings"][0]["severity"], "critical")
        text = self.scan("tree", code=1).out
        self.assertNotIn(b"\x1b", text)
        text.decode()

    def test_sparse_terabyte(self):
        """a sparse file of a terabyte"""
        with open(self.path("tree/sparse.pkl"), "wb") as file:
            try:
                file.truncate(TERABYTE)
            except OSError:
                self.skipTest("no sparse files of this size here")
        # No pickle, which is told: never clean, never hanging.
        self.check({"sparse.pkl": "scanned"}, 1)
        for content in (b"", program.GOOD, program.EVIL):
            with open(self.path("tree/sparse.pkl"), "r+b") as file:
                file.write(content)
            ended = self.scan("--format", "json", "tree", code=1)
            worst = ended.files()["tree/sparse.pkl"]["findings"][0]["severity"]
            self.assertEqual(worst, "critical" if content == program.EVIL else
                             "info" if content else "medium")

    def test_sparse_archive(self):
        """a zip archive with a terabyte of nothing around it"""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("evil.pkl", program.EVIL)
        for name, at in (("front.zip", 0), ("back.zip", TERABYTE)):
            with open(self.path("tree", name), "wb") as file:
                try:
                    file.truncate(2 * TERABYTE)
                    file.seek(at)
                    file.write(packed.getvalue())
                    if at:
                        file.truncate()
                except OSError:
                    self.skipTest("no sparse files of this size here")
        ended = self.scan("--format", "json", "tree")
        files = self.judge(ended, {"front.zip": "scanned",
                                   "back.zip": "scanned"})
        for file in files.values():
            self.assertEqual(file["findings"][0]["severity"], "critical")

    def test_deep_folders(self):
        """2,500 folders within each other, and an evil file at the bottom"""
        at = os.open(self.path("tree"), os.O_RDONLY)
        for _ in range(2500):
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        with open(os.open("bottom.pkl", os.O_WRONLY | os.O_CREAT, 0o644,
                          dir_fd=at), "wb") as file:
            file.write(program.EVIL)
        os.close(at)
        bottom = "d/" * 2500 + "bottom.pkl"
        files = self.judge(self.scan("--format", "json", "tree", code=1),
                           {bottom: "scanned"})
        self.assertEqual(files["tree/" + bottom]["findings"][0]["severity"],
                         "critical")

    def test_truncated_pickle(self):
        """a pickle that claims 2 GiB and ends"""
        self.write("tree/cut.pkl", b"\x80\x04B\xff\xff\xff\x7fabc")
        ended = self.scan("--format", "json", "tree")
        self.assertIn(ended.code, (1, 2), ended)
        file = ended.files()["tree/cut.pkl"]
        self.assertTrue(file["findings"] or file["status"] != "scanned", file)
        self.assertNotEqual(file["status"], "crashed")

    def test_truncated_while_scanned(self):
        """a file that is cut short while it is scanned"""
        program.slow_file(self.path("tree/slow.zip"))
        run = self.start("--format", "json", "--workers", "1", "--timeout",
                         "150", "tree")
        worker = program.hold_worker(run)
        os.truncate(self.path("tree/slow.zip"), 1000)
        os.kill(worker, signal.SIGCONT)
        ended = run.wait()
        self.assertEqual(ended.code, 2, ended)
        self.judge(ended, {"slow.zip": "changed"})

    def test_little_address_space(self):
        """200 MB of address space and a file of 256 MiB"""
        if not shutil.which("prlimit"):
            self.skipTest("no prlimit here")
        size = 256 << 20
        with open(self.path("tree/large.pkl"), "wb") as file:
            file.write(b"\x80\x04B" + size.to_bytes(4, "little"))
            file.truncate(7 + size)
            file.seek(7 + size)
            file.write(b".")
        ended = self.start("--as=200000000", harness.scanengine(), "--format",
                           "json", "tree", program=shutil.which("prlimit")
                           ).wait()
        self.assertEqual(ended.code, 1, ended)
        self.judge(ended, {"large.pkl": "scanned"})
