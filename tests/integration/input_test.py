#!/usr/bin/env python3
"""Input that is not what it should be: one clear outcome each, the run goes on.

Usage: input_test.py PATH_TO_SCANENGINE
"""

import base64
import os
import signal
import socket
import unittest

import program


class BadInput(program.Case):
    def statuses(self, *args, code=2, **options):
        """Of a scan of |args| with a good file: the status by path."""
        self.write("good.pkl", program.GOOD)
        ended = self.scan("--format", "json", *args, "good.pkl", code=code,
                          **options)
        statuses = ended.statuses()
        self.assertEqual(statuses.pop("good.pkl"), "scanned", ended)
        return statuses

    def test_missing_path(self):
        self.assertEqual(self.statuses("missing"), {"missing": "unreadable"})

    def test_empty_name_is_a_slip(self):
        self.assertSingleLine(self.scan("", code=3).err)

    def test_path_below_a_file(self):
        self.write("file.pkl", program.GOOD)
        self.assertEqual(self.statuses("file.pkl/x"),
                         {"file.pkl/x": "unreadable"})

    def test_unreadable_file_and_folder(self):
        self.write("a/secret.pkl", program.EVIL, mode=0)
        self.write("a/closed/evil.pkl", program.EVIL)
        self.write("a/blind/evil.pkl", program.EVIL)
        for name, mode in (("a/closed", 0), ("a/blind", 0o444)):
            os.chmod(self.path(name), mode)
            self.addCleanup(os.chmod, self.path(name), 0o755)
        self.assertEqual(self.statuses("a", nobody=True),
                         {"a/secret.pkl": "unreadable",
                          "a/closed": "unreadable",
                          "a/blind/evil.pkl": "unreadable"})

    def test_what_is_no_file_is_skipped_without_being_opened(self):
        os.mkdir(self.path("a"))
        os.mkfifo(self.path("a/fifo"))
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.path("a/socket"))
        os.symlink("/dev/zero", self.path("a/zero"))
        self.assertEqual(self.statuses("a", code=0),
                         {"a/fifo": "skipped", "a/socket": "skipped",
                          "a/zero": "skipped"})

    def test_what_is_no_file_and_named(self):
        os.mkfifo(self.path("fifo"))
        statuses = self.statuses("fifo", "/dev/zero", "/dev/null", code=0)
        self.assertEqual(statuses, {"fifo": "skipped", "/dev/zero": "skipped",
                                    "/dev/null": "skipped"})

    @unittest.skipUnless(program.IS_ROOT, "only root makes devices")
    def test_character_device(self):
        os.mkdir(self.path("a"))
        try:
            os.mknod(self.path("a/zero"), 0o20666, os.makedev(1, 5))
        except PermissionError:
            self.skipTest("devices cannot be made here")
        self.assertEqual(self.statuses("a", code=0), {"a/zero": "skipped"})

    def test_links_that_lead_nowhere(self):
        os.mkdir(self.path("a"))
        os.symlink("b", self.path("a/a"))
        os.symlink("a", self.path("a/b"))
        os.symlink("missing", self.path("a/dangling"))
        os.symlink("..", self.path("a/up"))
        os.symlink(".", self.path("a/self"))
        for extra in ([], ["--follow-symlinks"]):
            with self.subTest(extra=extra):
                statuses = self.scan("--format", "json", *extra, "a").statuses()
                for name in ("a", "b", "dangling"):
                    self.assertEqual(statuses["a/" + name], "skipped")
        self.assertEqual(self.statuses("a/a", "a/dangling"),
                         {"a/a": "unreadable", "a/dangling": "unreadable"})

    def test_empty_file(self):
        self.write("empty.pkl", b"")
        self.assertEqual(self.statuses("empty.pkl", code=1),
                         {"empty.pkl": "not-a-model"})

    def test_odd_names(self):
        names = [b"new\nline.pkl", b"escape\x1b[2J.pkl", b"\xff\xfe.pkl",
                 b"-dash.pkl", b"--help", b" ", b"x" * 255,
                 "\u202emodel.pkl".encode(), b"C1\xc2\x9b31m.pkl", b"a\\b\"c"]
        os.mkdir(self.path("a"))
        for name in names:
            with open(os.path.join(os.fsencode(self.dir), b"a", name),
                      "wb") as out:
                out.write(program.EVIL)
        ended = self.scan("--format", "json", "a", code=1)
        paths = {base64.b64decode(file["path_b64"]) if "path_b64" in file
                 else file["path"].encode() for file in ended.json["files"]
                 if file["findings"][0]["severity"] == "critical"}
        self.assertEqual(paths, {b"a/" + name for name in names})
        for file_format in ("text", "ndjson", "json"):
            out = self.scan("--format", file_format, "a", code=1).out
            for raw in (b"\x1b", b"\xff", b"\xc2\x9b", "\u202e".encode(),
                        b"new\nline"):
                self.assertNotIn(raw, out)
        named = self.scan("--", "-dash.pkl", "--help", cwd=self.path("a"))
        self.assertEqual(named.code, 1)
        self.assertIn("2 files", named.text)

    def test_deep_tree(self):
        on_memory = os.access("/dev/shm", os.W_OK)
        depth = 100_000 if on_memory else 5_000
        root = self.new_folder("/dev/shm" if on_memory else None)
        at = os.open(root, os.O_RDONLY)
        for _ in range(depth):
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        with open(os.open("evil.pkl", os.O_WRONLY | os.O_CREAT, 0o644,
                          dir_fd=at), "wb") as out:
            out.write(program.EVIL)
        os.close(at)
        ended = self.scan("--format", "json", root, code=1)
        (path, file), = ended.files().items()
        self.assertEqual(path, root + "/d" * depth + "/evil.pkl")
        self.assertEqual(file["findings"][0]["severity"], "critical")


class Changing(program.Case):
    """Files that change while a worker is held within them."""

    def scan_and_change(self, change):
        program.slow_file(self.path("slow.zip"))
        self.write("evil.pkl", program.EVIL)
        run = self.start("--format", "json", "--workers", "1", "--timeout",
                         "150", "slow.zip", "evil.pkl")
        worker = program.hold_worker(run)
        change(self.path("slow.zip"))
        os.kill(worker, signal.SIGCONT)
        ended = run.wait()
        files = ended.files()
        self.assertEqual(files["evil.pkl"]["status"], "scanned", ended)
        self.assertEqual(ended.json["run"]["crashes"], 0)
        return ended.code, files["slow.zip"]["status"]

    def test_shrinks(self):
        self.assertEqual(self.scan_and_change(lambda path:
                                              os.truncate(path, 1000)),
                         (2, "changed"))

    def test_becomes_empty(self):
        self.assertEqual(self.scan_and_change(lambda path:
                                              os.truncate(path, 0)),
                         (2, "changed"))

    def test_is_rewritten_in_place(self):
        def rewrite(path):
            with open(path, "r+b") as file:
                file.write(bytes(os.path.getsize(path)))
        self.assertEqual(self.scan_and_change(rewrite), (2, "changed"))

    def test_grows(self):
        def grow(path):
            with open(path, "ab") as file:
                file.write(program.EVIL)
            # The rest is of no interest: end it.
            with open(path, "r+b") as file:
                file.seek(200_000)
                file.write(bytes(os.path.getsize(path) - 200_000))
        self.assertEqual(self.scan_and_change(grow), (2, "changed"))

    def test_vanishes_while_it_is_open(self):
        def remove(path):
            with open(path, "r+b") as file:
                os.unlink(path)
                file.truncate(0)
        self.assertEqual(self.scan_and_change(remove), (2, "changed"))

    def test_vanishes_before_it_is_opened(self):
        """The only worker is held in one file; the next one goes."""
        program.slow_file(self.path("a.zip"))
        self.write("b.pkl", program.EVIL)
        self.write("c.pkl", program.EVIL)
        run = self.start("--format", "json", "--workers", "1", "--timeout",
                         "150", "a.zip", "b.pkl", "c.pkl")
        worker = program.hold_worker(run)
        os.unlink(self.path("b.pkl"))
        os.truncate(self.path("a.zip"), 0)
        os.kill(worker, signal.SIGCONT)
        ended = run.wait()
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.statuses(), {"a.zip": "changed",
                                            "b.pkl": "changed",
                                            "c.pkl": "scanned"})


if __name__ == "__main__":
    program.main()
