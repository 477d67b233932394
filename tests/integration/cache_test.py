#!/usr/bin/env python3
"""The result cache as a user meets it: what is not scanned again, and when the
cache is not believed.

Usage: cache_test.py PATH_TO_SCANENGINE
"""

import os
import shutil
import signal
import subprocess
import time
import unittest

import program
from program import EVIL, GOOD, Case

NAME = "scanengine-results.sqlite3"


class CacheCase(Case):

    def setUp(self):
        super().setUp()
        # No journal of the user's is touched.
        self.env = {**os.environ, "XDG_STATE_HOME": self.path("state")}

    def tree(self, files, name="tree"):
        for i in range(files):
            self.write(f"{name}/d{i // 500}/f{i:05}.pkl",
                       EVIL if i % 100 == 7 else GOOD + b"%d" % i)
        self.settle(name)

    def settle(self, name="tree"):
        """Waits until the times of all files are old enough to be believed."""
        newest = 0
        for folder, _, names in os.walk(self.path(name)):
            for each in names:
                info = os.lstat(os.path.join(folder, each))
                newest = max(newest, info.st_ctime, info.st_mtime)
        program.wait_until(lambda: time.time() > newest + 2.1, "old times")

    def run_scan(self, *args, **options):
        return self.scan("scan", *args, env=self.env, **options)

    def canonical(self, *args, **options):
        return self.run_scan("--canonical", *args, **options)

    def cached(self, *args, code=1, cache="cache", **options):
        """A run with the cache: how many files came from it, were scanned."""
        ended = self.run_scan("--json", "--cache-dir", cache, *args, code=code,
                              **options)
        run = ended.json["run"]
        marked = [file["run"]["cached"] for file in ended.json["files"]]
        self.assertEqual(sum(marked), run["cached"])
        return run["cached"], run["scanned"]


class UseTest(CacheCase):

    def test_second_run_scans_nothing_and_says_so(self):
        self.tree(1200)
        calm = self.canonical("tree", code=1)
        first = self.canonical("--cache-dir", "cache", "tree", code=1)
        second = self.canonical("--cache-dir", "cache", "tree", code=1)
        self.assertEqual(first.out, calm.out)
        self.assertEqual(second.out, calm.out)
        ended = self.run_scan("--json", "--cache-dir", "cache", "tree", code=1)
        run = ended.json["run"]
        self.assertEqual((run["cached"], run["scanned"]), (1200, 0))
        self.assertEqual(run["workers_started"], 0)
        self.assertTrue(all(f["run"]["cached"] for f in ended.json["files"]))
        told = self.run_scan("--cache-dir", "cache", "tree", code=1)
        self.assertIn("1,200 outcomes taken over from", told.text)
        self.assertIn("0 files were scanned", told.text)
        self.assertEqual(ended.err, "")
        self.assertEqual(os.stat(self.path("cache")).st_mode & 0o777, 0o700)

    def test_hostile_samples_are_reported_alike(self):
        shutil.copytree(os.path.join(program.FIXTURES, "hostile"),
                        self.path("tree"))
        self.settle()
        calm = self.canonical("tree", code=2)
        for _ in range(3):
            again = self.canonical("--cache-dir", "cache", "tree", code=2)
            self.assertEqual(again.out, calm.out)
        # What is unreadable may be so for once.
        unreadable = sum(f["status"] == "unreadable"
                         for f in calm.json["files"])
        files = len(calm.json["files"])
        self.assertEqual(self.cached("tree", code=2),
                         (files - unreadable, unreadable))

    def test_changed_files_are_scanned(self):
        self.tree(20)
        self.assertEqual(self.cached("tree"), (0, 20))
        self.assertEqual(self.cached("tree"), (20, 0))
        path = self.path("tree/d0/f00003.pkl")
        before = os.stat(path)
        # The same size and time of modification.
        self.write("tree/d0/f00003.pkl", GOOD + b"x")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = os.stat(path)
        self.assertEqual(after.st_size, before.st_size)
        self.assertEqual(after.st_mtime_ns, before.st_mtime_ns)
        self.settle()
        self.assertEqual(self.cached("tree"), (19, 1))
        self.write("tree/d0/f00004.pkl", EVIL)
        os.remove(self.path("tree/d0/f00005.pkl"))
        os.rename(self.path("tree/d0/f00006.pkl"),
                  self.path("tree/d0/new.pkl"))
        self.settle()
        self.assertEqual(self.cached("tree"), (17, 2))
        self.assertEqual(
            self.canonical("--cache-dir", "cache", "tree", code=1).out,
            self.canonical("tree", code=1).out)

    def test_young_files_are_reported_right(self):
        for i in range(30):
            self.write("tree/a.pkl", EVIL if i % 2 else GOOD)
            ended = self.run_scan("--json", "--cache-dir", "cache", "tree",
                                  code=i % 2)
            self.assertEqual(len(ended.json["files"][0]["findings"]), i % 2)

    def test_touched_and_copied_files_are_known_by_content(self):
        self.tree(20)
        self.assertEqual(self.cached("tree"), (0, 20))
        for i in range(20):
            os.utime(self.path(f"tree/d0/f{i:05}.pkl"))
        self.assertEqual(self.cached("tree"), (20, 0))
        shutil.copytree(self.path("tree"), self.path("copy"))
        self.assertEqual(self.cached("copy"), (20, 0))
        self.assertEqual(
            self.canonical("--cache-dir", "cache", "copy", code=1).out,
            self.canonical("copy", code=1).out)

    def test_paths_may_be_written_in_any_way(self):
        self.tree(10)
        self.assertEqual(self.cached("tree"), (0, 10))
        self.assertEqual(self.cached(self.path("tree")), (10, 0))
        self.assertEqual(self.cached("tree/d0/f00001.pkl", code=0), (1, 0))
        self.write("list", b"tree/d0/f00002.pkl\n")
        self.assertEqual(self.cached("--files-from", "list", code=0), (1, 0))

    def test_other_rules_scan_again(self):
        self.tree(10)
        self.assertEqual(self.cached("tree"), (0, 10))
        self.write("policy", b"dangerous\tmy.tools\t*\tcode\t-\truns\n")
        for options in (["--policy", "policy"], ["--strict"],
                        ["--isolation", "per-file"]):
            self.assertEqual(self.cached(*options, "tree"), (0, 10), options)
            self.assertEqual(self.cached(*options, "tree"), (10, 0), options)
        # What decides no outcome that is kept.
        for options in (["--timeout", "7000"], ["--workers", "1"], ["--retries",
                        "3"], ["--exclude", "nothing"]):
            self.assertEqual(self.cached(*options, "tree"), (10, 0), options)

    def test_another_worker_program_scans_again(self):
        self.tree(5)
        worker = self.path("other-worker")
        shutil.copy(program.worker_binary(), worker)
        self.assertEqual(self.cached("tree", code=0), (0, 5))
        self.assertEqual(self.cached("--worker-path", worker, "tree", code=0),
                         (5, 0))
        with open(worker, "ab") as file:
            file.write(b"another")
        self.assertEqual(self.cached("--worker-path", worker, "tree", code=0),
                         (0, 5))

    def test_standard_input_is_never_cached(self):
        for _ in range(2):
            ended = self.shell('printf "\\200\\002K\\001." | '
                               '"$P" --json --cache-dir cache -')
            self.assertEqual(ended.json["run"]["cached"], 0)
            self.assertEqual(ended.json["run"]["scanned"], 1)

    def test_size_is_bounded(self):
        for i in range(40):
            self.write(f"tree/f{i}.pkl", EVIL + b"%d" % i)
        self.settle()
        for i in range(3):
            self.cached("--cache-size", "1M", "tree")
            size = os.path.getsize(self.path("cache", NAME))
            self.assertLessEqual(size, 1 << 20)
        self.run_scan("--cache-dir", "c", "--cache-size", "1K", "tree", code=3)

    def test_with_a_journal(self):
        self.tree(30)
        self.cached("tree")
        calm = self.canonical("tree", code=1)
        self.write("tree/new.pkl", GOOD)
        self.settle()
        self.assertEqual(self.cached("--journal", "j", "tree"), (30, 1))
        self.assertEqual(self.scan("verify", "--json", "j",
                                   code=0).json["verdict"], "complete")
        os.remove(self.path("tree/new.pkl"))
        again = self.canonical("--journal", "j2", "--cache-dir", "cache",
                               "tree", code=1)
        self.assertEqual(again.out, calm.out)
        # Gone on with, all of it is taken over from the journal.
        resumed = self.run_scan("--json", "--resume", "--journal", "j2",
                                "tree", code=1)
        self.assertEqual(resumed.json["run"]["resumed"], 30)
        self.assertEqual(resumed.json["run"]["scanned"], 0)


class TrustTest(CacheCase):

    def refused(self, *args, words):
        ended = self.run_scan(*args, code=3)
        self.assertIn(words, ended.err.splitlines()[-1])

    def test_cache_in_what_is_scanned(self):
        self.tree(2)
        self.refused("--cache-dir", "tree/cache", "tree", words="is scanned")
        self.assertFalse(os.path.exists(self.path("tree/cache")))
        os.makedirs(self.path("tree/cache"))
        os.symlink("tree/cache", self.path("link"))
        self.refused("--cache-dir", "link", "tree", words="is scanned")
        self.refused("--cache-dir", "tree", "tree", words="is scanned")
        os.symlink(self.path(), self.path("tree/up"))
        self.refused("--cache-dir", "cache", "--follow-symlinks", "tree",
                     words="is scanned")

    def test_folder_of_somebody_else(self):
        self.tree(2)
        os.makedirs(self.path("open"))
        os.chmod(self.path("open"), 0o777)
        self.refused("--cache-dir", "open", "tree", words="written to by others")
        os.chmod(self.path("open"), 0o770)
        self.refused("--cache-dir", "open", "tree", words="written to by others")
        if program.IS_ROOT:
            os.makedirs(self.path("other"), 0o755)
            os.chown(self.path("other"), program.NOBODY, program.NOBODY)
            self.refused("--cache-dir", "other", "tree",
                         words="belongs to another user")

    def test_no_folder(self):
        self.tree(2)
        self.write("file", b"")
        ended = self.run_scan("--cache-dir", "file", "tree")
        self.assertIn(ended.code, (2, 3))
        self.assertIn("is no folder", ended.err)

    def test_without_a_sandbox(self):
        self.tree(2)
        for option in (["--no-sandbox"], ["--isolation", "in-process"]):
            self.refused("--cache-dir", "cache", *option, "tree",
                         words="needs workers in a sandbox")

    def test_files_that_hurt_are_not_kept(self):
        os.makedirs(self.path("tree"))
        program.slow_file(self.path("tree/slow.zip"))
        self.settle()
        for _ in range(2):
            ended = self.run_scan("--json", "--cache-dir", "cache",
                                  "--timeout", "0.05", "tree", code=2)
            states = {f["path"]: (f["status"], f["run"]["cached"])
                      for f in ended.json["files"]}
            self.assertEqual(states["tree/slow.zip"], ("timed-out", False))


class DamageTest(CacheCase):

    def check_recovers(self, words):
        """The cache is not as it was: told once, never believed, mended."""
        calm = self.canonical("tree", code=1)
        ended = self.canonical("--cache-dir", "cache", "tree", code=1)
        self.assertEqual(ended.out, calm.out)
        self.assertEqual(ended.err.count("the result cache"), 1, ended.err)
        self.assertIn(words, ended.err)
        # Then it fills again.
        self.canonical("--cache-dir", "cache", "tree", code=1)
        self.assertEqual(self.cached("tree")[1], 0)

    def test_broken_files(self):
        self.tree(50)
        self.cached("tree")
        cache = self.path("cache", NAME)
        good = self.read(f"cache/{NAME}")
        for bad in (b"no database", good[:5000], b"\0" * len(good),
                    good[:18] + b"\xff" * 200 + good[218:]):
            self.write(f"cache/{NAME}", bad, 0o600)
            self.check_recovers("begun anew")
        # A value that is another one: a checksum tells.
        self.write(f"cache/{NAME}", good.replace(b"os.system", b"os.sistem"),
                   0o600)
        self.check_recovers("a checksum is wrong")
        os.remove(cache)
        self.assertEqual(self.cached("tree"), (0, 50))

    def test_what_cannot_be_mended_is_done_without(self):
        self.tree(5)
        os.makedirs(self.path("cache", NAME), 0o700)
        os.chmod(self.path("cache"), 0o700)
        for _ in range(2):
            ended = self.run_scan("--json", "--cache-dir", "cache", "tree",
                                  code=0)
            self.assertEqual(ended.json["run"]["scanned"], 5)
            self.assertIn("is no regular file", ended.err)

    def test_read_only_cache(self):
        self.tree(20)
        options = {"nobody": program.IS_ROOT}
        os.makedirs(self.path("cache"), 0o700)
        if program.IS_ROOT:
            os.chown(self.path("cache"), program.NOBODY, program.NOBODY)
        self.assertEqual(self.cached("tree", **options), (0, 20))
        os.chmod(self.path("cache", NAME), 0o400)
        os.chmod(self.path("cache"), 0o500)
        self.write("tree/new.pkl", GOOD)
        for _ in range(2):
            ended = self.run_scan("--json", "--cache-dir", "cache", "tree",
                                  code=1, **options)
            self.assertEqual(ended.json["run"]["cached"], 20)
            self.assertEqual(ended.json["run"]["scanned"], 1)
            self.assertIn("is only read", ended.err)

    def disk(self, kibibytes):
        """A folder on a small disk of its own."""
        disk = self.path("disk")
        os.makedirs(disk, exist_ok=True)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=700",
             "tmpfs", disk], check=False, stderr=subprocess.DEVNULL)
        if mounted.returncode != 0:
            self.skipTest("NOT RUN: cannot mount a small disk here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        return disk

    def test_full_disk(self):
        self.tree(600)
        calm = self.canonical("tree", code=1)
        disk = self.disk(32)
        for size in (4, 8, 32, 64, 100, 200):
            for name in os.listdir(disk):
                os.remove(os.path.join(disk, name))
            subprocess.run(["mount", "-o", f"remount,size={size}k", disk],
                           check=True)
            for _ in range(2):
                ended = self.canonical("--cache-dir", disk, "tree", code=1)
                self.assertEqual(ended.out, calm.out)
                self.assertEqual(ended.err.count("the result cache"), 1,
                                 ended.err)
        subprocess.run(["mount", "-o", "remount,size=40m", disk], check=True)
        for _ in range(2):
            ended = self.canonical("--cache-dir", disk, "tree", code=1)
            self.assertEqual(ended.out, calm.out)
            self.assertEqual(ended.err, "")
        self.assertEqual(self.cached("tree", cache=disk), (600, 0))

    def test_kill(self):
        self.tree(400)
        program.slow_file(self.path("tree/zzz-slow.zip"))
        self.settle()
        for _ in range(3):
            run = self.start("scan", "--cache-dir", "cache", "--workers", "1",
                             "tree", env=self.env)
            program.hold_worker(run)
            run.kill()
        self.write("tree/zzz-slow.zip", GOOD)
        calm = self.canonical("tree", code=1)
        ended = self.canonical("--cache-dir", "cache", "tree", code=1)
        self.assertEqual(ended.out, calm.out)
        self.assertEqual(ended.err, "")

    def test_kill_at_any_time(self):
        self.tree(300)
        calm = self.canonical("tree", code=1)
        for i in range(12):
            run = self.start("scan", "--cache-dir", "cache", "tree",
                             env=self.env)
            time.sleep(0.02 * i)
            run.kill()
            ended = self.canonical("--cache-dir", "cache", "tree", code=1)
            self.assertEqual(ended.out, calm.out)
            self.assertEqual(ended.err, "")
            if i % 4 == 3:
                shutil.rmtree(self.path("cache"))

    def test_stopped_run_keeps_what_it_scanned(self):
        self.tree(50)
        program.slow_file(self.path("tree/zzz-slow.zip"))
        self.settle()
        run = self.start("scan", "--cache-dir", "cache", "--workers", "1",
                         "--timeout", "100", "tree", env=self.env)
        worker = program.hold_worker(run)
        os.kill(run.pid, signal.SIGINT)
        os.kill(run.pid, signal.SIGINT)
        os.kill(worker, signal.SIGCONT)
        run.wait()
        os.remove(self.path("tree/zzz-slow.zip"))
        cached, scanned = self.cached("tree")
        self.assertEqual(cached + scanned, 50)

    def test_two_runs_at_once(self):
        self.tree(1000)
        calm = self.canonical("tree", code=1)
        for _ in range(2):
            runs = [self.start("scan", "--canonical", "--cache-dir", "cache",
                               "tree", env=self.env) for _ in range(3)]
            for run in runs:
                ended = run.wait()
                self.assertEqual(ended.code, 1, ended)
                self.assertEqual(ended.out, calm.out)
                self.assertNotIn("damaged", ended.err)
        cached, scanned = self.cached("tree")
        self.assertEqual(cached + scanned, 1000)


if __name__ == "__main__":
    program.main()
