"""Faults of what is scanned: unreadable, special, linked, changing, too much.

T10 to T15 and T31 of the list of faults.
"""

import base64
import errno
import io
import json
import os
import signal
import socket
import stat
import tarfile
import threading
import time
import zipfile

import harness
import input_test
import program
from harness import FaultCase, by_size


class InputFault(FaultCase):
    """Each tree also holds a plain evil file, which must be found."""

    def setUp(self):
        super().setUp()
        self.write("tree/evil.pkl", program.EVIL)

    def statuses(self, *args, code, **options):
        """Statuses of all but the evil file, whose finding is checked."""
        ended = self.scan("--format", "json", *(args or ["tree"]), code=code,
                          **options)
        files = ended.files()
        evil = files.pop("tree/evil.pkl")
        self.assertEqual(evil["status"], "scanned", ended)
        self.assertEqual(evil["findings"][0]["severity"], "critical", ended)
        return {path.removeprefix("tree/"): file["status"]
                for path, file in files.items()}


class T10(InputFault):
    """What cannot be read."""

    NAME = "T10"
    BORROWED = ("input_test.BadInput.test_unreadable_file_and_folder",
                "input_test.BadInput.test_missing_path",
                "input_test.BadInput.test_path_below_a_file")

    def test_named_link_loop(self):
        """a named link that leads to itself"""
        os.symlink("loop", self.path("tree/loop"))
        self.assertEqual(self.statuses("tree/evil.pkl", "tree/loop", code=2),
                         {"loop": "unreadable"})

    def test_rights_that_go(self):
        """rights that are taken away while the run goes on"""
        program.slow_file(self.path("tree/a-slow.zip"), members=2)
        for i in range(50):
            self.write(f"tree/f{i}/{i}.pkl", program.GOOD)
        run = self.start("--format", "json", "--workers", "1", "--timeout",
                         "150", "tree/a-slow.zip", "tree/evil.pkl", "tree")
        worker = program.hold_worker(run)
        for i in range(0, 50, 2):
            os.chmod(self.path(f"tree/f{i}"), 0)
            os.chmod(self.path(f"tree/f{i + 1}/{i + 1}.pkl"), 0)
        os.kill(worker, signal.SIGCONT)
        ended = run.wait()
        for i in range(0, 50, 2):
            os.chmod(self.path(f"tree/f{i}"), 0o755)
        self.assertIn(ended.code, (1, 2), ended)
        statuses = ended.statuses()
        self.assertEqual(statuses["tree/evil.pkl"], "scanned")
        # The walk may have seen all, some or none before; none is lost.
        self.assertEqual(
            {path.split("/")[1] for path in statuses} -
            {"a-slow.zip", "evil.pkl"}, {f"f{i}" for i in range(50)})
        self.assertLessEqual(set(statuses.values()),
                             {"scanned", "unreadable", "changed"})
        self.note(f"{list(statuses.values()).count('unreadable')} unreadable")

    def test_failing_disk(self):
        """a disk that fails: its second half is gone"""
        if not program.IS_ROOT:
            self.skipTest("only root mounts disks")
        for i in range(40):
            body = self.rng.randbytes(200_000 + i)
            self.write(f"source/{i}.pkl", b"\x80\x04B" +
                       len(body).to_bytes(4, "little") + body + b".")
        harness.mount_failing(self, self.path("source"), "tree/disk")
        expected = {"disk/lost+found": "unreadable"}
        for i in range(40):
            try:
                with open(self.path(f"tree/disk/{i}.pkl"), "rb") as file:
                    file.read()
                expected[f"disk/{i}.pkl"] = "scanned"
            except OSError as error:
                self.assertEqual(error.errno, errno.EIO)
                expected[f"disk/{i}.pkl"] = "unreadable"
        failed = list(expected.values()).count("unreadable") - 1
        self.assertTrue(0 < failed < 40, failed)
        self.assertEqual(self.statuses(code=2), expected)
        self.note(f"{failed} of 40 files")


class T11(InputFault):
    """What is no file."""

    NAME = "T11"
    BORROWED = (
        "input_test.BadInput.test_what_is_no_file_is_skipped_without_being_"
        "opened", "input_test.BadInput.test_what_is_no_file_and_named")

    def test_special_files(self):
        """FIFO and socket"""
        os.mkfifo(self.path("tree/fifo"))
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.path("tree/socket"))
        self.assertEqual(self.statuses(code=1),
                         {"fifo": "skipped", "socket": "skipped"})

    def test_devices(self):
        """character and block devices, a whiteout"""
        for name, kind, major, minor in (
                ("zero", stat.S_IFCHR, 1, 5), ("tty", stat.S_IFCHR, 5, 0),
                ("loop", stat.S_IFBLK, 7, 0), ("white", stat.S_IFCHR, 0, 0)):
            harness.make_device(self, self.path(f"tree/{name}"), kind, major,
                                minor)
        statuses = self.statuses(code=1)
        self.assertEqual(statuses, dict.fromkeys(
            ("zero", "tty", "loop", "white"), "skipped"))

    def test_kernel_files(self):
        """files of the kernel that block or never end"""
        named = [path for path in ("/proc/kmsg", "/proc/self/mem",
                                   "/proc/self/pagemap") if
                 os.path.exists(path)]
        ended = self.scan("--format", "json", "tree", *named)
        self.assertIn(ended.code, (1, 2), ended)
        for path in named:
            self.assertIn(ended.statuses()[path],
                          ("skipped", "unreadable", "limit"), path)
        self.assertEqual(ended.statuses()["tree/evil.pkl"], "scanned")


class T12(InputFault):
    """Links."""

    NAME = "T12"
    BORROWED = ("input_test.BadInput.test_links_that_lead_nowhere",)
    EXECUTABLES = (("discovery_links_test", "Links: *"),)

    def test_loops(self):
        """links to themselves, to each other, upwards, outside, a long chain"""
        os.symlink("self", self.path("tree/self"))
        os.symlink("b", self.path("tree/a"))
        os.symlink("a", self.path("tree/b"))
        at = "tree"
        for _ in range(10):
            os.symlink("..", self.path(at, "up"))
            at += "/d"
            os.mkdir(self.path(at))
        os.symlink("../../outside.pkl", self.path("tree/d/out"))
        self.write("outside.pkl", program.EVIL)
        for i in range(41):
            os.symlink(f"c{i + 1:02}" if i < 40 else "evil.pkl",
                       self.path(f"tree/c{i:02}"))
        for args in ((), ("--follow-symlinks",)):
            ended = self.scan("--format", "json", *args, "tree", code=1)
            files = ended.files()
            scanned = [path for path, file in files.items()
                       if file["status"] == "scanned"]
            self.assertEqual(scanned.count("tree/evil.pkl"), 1)
            outside = set(scanned) - {"tree/evil.pkl"}
            self.assertEqual(len(outside), 1 if args else 0)
            self.assertLessEqual(outside, {"tree/d/out",
                                           "tree/up/outside.pkl"})
            self.assertLessEqual({file["status"] for file in files.values()},
                                 {"scanned", "skipped"})

    def test_swapped_link(self):
        """a file and a folder that become links out of the tree meanwhile"""
        self.write("outside/secret.pkl", program.EVIL)
        for i in range(200):
            self.write(f"tree/d{i:03}/secret.pkl", program.GOOD)
        end = threading.Event()

        def swap():
            at = 0
            while not end.is_set():
                at = (at + 1) % 200
                folder = self.path(f"tree/d{at:03}")
                if at % 2:
                    os.rename(folder, folder + ".was")
                    os.symlink("../outside", folder)
                    time.sleep(0.0005)
                    os.unlink(folder)
                    os.rename(folder + ".was", folder)
                else:
                    name = os.path.join(folder, "secret.pkl")
                    os.rename(name, name + ".was")
                    os.symlink("../../outside/secret.pkl", name)
                    time.sleep(0.0005)
                    os.unlink(name)
                    os.rename(name + ".was", name)
        thread = threading.Thread(target=swap)
        thread.start()
        try:
            for _ in range(by_size(15, 500)):
                ended = self.scan("--format", "json", "tree")
                self.assertIn(ended.code, (1, 2), ended)
                for path, file in ended.files().items():
                    if path != "tree/evil.pkl":
                        self.assertEqual(file["findings"], [], file)
        finally:
            end.set()
            thread.join()


class T13(input_test.Changing, FaultCase):
    """Files that change while they are scanned."""

    NAME = "T13"

    def change_at_moments(self, change, *allowed):
        for _ in range(by_size(1, 10)):
            self.assertIn(self.scan_and_change(change), allowed)
            self.remove("slow.zip")

    def test_is_renamed(self):
        """is renamed: what is open is read to its end, or it is `changed`"""
        def rename(path):
            os.rename(path, path + ".moved")
            os.truncate(path + ".moved", 1000)
        self.change_at_moments(rename, (2, "changed"))

    def test_becomes_a_fifo(self):
        """is replaced by a FIFO, which must not be waited for"""
        def replace(path):
            with open(path, "r+b") as file:
                os.unlink(path)
                os.mkfifo(path)
                file.truncate(100)
        self.change_at_moments(replace, (2, "changed"), (1, "skipped"))

    def test_keeps_its_time(self):
        """is rewritten and its time set back: never clean"""
        def rewrite(path):
            info = os.stat(path)
            with open(path, "r+b") as file:
                file.seek(100_000)
                file.write(bytes(os.path.getsize(path) - 100_000))
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        # What is read then is no whole archive any more, which is told.
        self.change_at_moments(rewrite, (2, "changed"), (2, "unsupported"),
                               (1, "scanned"))

    def test_random_changes(self):
        """many small files change all the time: nothing is lost or crashes"""
        files = 400
        self.make_tree(files)
        paths = [os.path.join(folder, name)
                 for folder, _, names in os.walk(self.path("tree"))
                 for name in sorted(names)]
        end = threading.Event()
        rng = self.rng

        def churn():
            while not end.is_set():
                path = rng.choice(paths)
                with open(path, "r+b") as file:
                    change = rng.randrange(4)
                    if change == 0:
                        file.truncate(rng.randrange(10))
                    elif change == 1:
                        file.seek(0, os.SEEK_END)
                        file.write(b"x" * rng.randrange(1000))
                    elif change == 2:
                        file.write(program.EVIL)
                if change == 3:
                    os.rename(path, path + ".moved")
                    os.rename(path + ".moved", path)
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for _ in range(by_size(10, 300)):
                self.remove("journal")
                ended = self.scan("--format", "json", "--journal", "journal",
                                  "--exclude", "*.moved", "tree")
                self.assertIn(ended.code, (1, 2), ended)
                self.assertEqual(ended.json["run"]["crashes"], 0)
                self.verify("journal", 0)
        finally:
            end.set()
            thread.join()


class T14(FaultCase):
    """Deep and wide trees."""

    NAME = "T14"
    BORROWED = ("input_test.BadInput.test_deep_tree",)
    EXECUTABLES = (("discovery_scale_test", "Discovery: *"),)
    MOST_MEMORY = 256 << 20

    def test_wide(self):
        """very many files in one folder"""
        files = by_size(20_000, 1_000_000)
        root = self.folder("wide")
        for i in range(files):
            os.close(os.open(f"{root}/{i:07}.txt",
                             os.O_WRONLY | os.O_CREAT, 0o644))
        self.write("wide/zzz.pkl", program.EVIL)
        run = self.start("--format", "json", "-o", "report", "wide")
        peak = 0
        while run.process.poll() is None:
            try:
                with open(f"/proc/{run.pid}/status", encoding="ascii") as file:
                    for line in file:
                        if line.startswith("VmHWM:"):
                            peak = int(line.split()[1]) << 10
            except OSError:
                pass
            time.sleep(0.05)
        ended = run.wait()
        self.assertEqual(ended.code, 1, ended)
        self.assertLess(peak, self.MOST_MEMORY)
        with open(self.path("report"), "rb") as report:
            self.assertEqual(report.read().count(b'"path":'), files + 1)
        self.note(f"{files} files, at most {peak >> 20} MiB")


class T15(InputFault):
    """Names of files."""

    NAME = "T15"
    BORROWED = ("input_test.BadInput.test_odd_names",)

    def random_names(self):
        for i in range(by_size(300, 20_000)):
            size = self.rng.choice((1, 2, 5, 50, 250))
            name = bytes(self.rng.choice(b"\x01\n\r\t\x1b\x7f\x80\x9b\xc2\xe2"
                                         b"\xf4\xff'\"\\$;-.,<>&% abz")
                         for _ in range(size))
            yield b"%04d" % i + name[:250]

    def test_random_names(self):
        """names of random bytes: reports stay valid and lossless"""
        names = set(self.random_names())
        for name in names:
            with open(os.path.join(os.fsencode(self.dir), b"tree", name),
                      "wb") as file:
                file.write(program.EVIL)
        expected = {b"tree/" + name for name in names} | {b"tree/evil.pkl"}
        ended = self.scan("--format", "json", "tree", code=1)
        self.assertEqual(self.paths(ended.json["files"]), expected)
        lines = self.scan("--format", "ndjson", "tree", code=1).out.splitlines()
        records = [json.loads(line) for line in lines]
        self.assertEqual(self.paths(record for record in records
                                    if record["type"] == "file"), expected)
        text = self.scan("--verbose", "tree", code=1).out
        text.decode()
        self.assertEqual(set(text) & (set(range(32)) | {127}), {10})

    @staticmethod
    def paths(files):
        return {base64.b64decode(file["path_b64"]) if "path_b64" in file
                else file["path"].encode() for file in files}


class T31(InputFault):
    """Limits that are reached."""

    NAME = "T31"
    BORROWED = ("stop_test.LostWorkers.test_a_slow_file_is_timed_out_by_its_"
                "worker",)

    def test_members(self):
        """an archive with more members than are looked at"""
        # The most that is looked at, and the evil one behind it.
        with tarfile.open(self.path("tree/many.tar"), "w") as archive:
            for i in range(100_000):
                archive.addfile(tarfile.TarInfo(f"{i}.txt"))
            info = tarfile.TarInfo("evil.pkl")
            info.size = len(program.EVIL)
            archive.addfile(info, io.BytesIO(program.EVIL))
        self.assertEqual(self.statuses(code=2), {"many.tar": "limit"})

    def test_depth(self):
        """archives within archives, deeper than is looked"""
        data = program.EVIL
        for _ in range(20):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("inner.zip", data)
            data = packed.getvalue()
        self.write("tree/nested.zip", data)
        self.assertEqual(self.statuses(code=2), {"nested.zip": "limit"})

    def test_size(self):
        """a file larger than is asked for, by a byte and by 100 GB"""
        self.write("tree/just.pkl", program.GOOD.ljust(4096, b"\0"))
        self.write("tree/more.pkl", program.GOOD.ljust(4097, b"\0"))
        with open(self.path("tree/huge.pkl"), "wb") as file:
            file.write(program.GOOD)
            file.truncate(100_000_000_000)
        statuses = self.statuses("--max-file-size", "4KiB", "tree", code=2)
        self.assertEqual(statuses.pop("more.pkl"), "limit")
        self.assertEqual(statuses.pop("huge.pkl"), "limit")
        self.assertEqual(statuses, {"just.pkl": "scanned"})
