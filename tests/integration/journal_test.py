#!/usr/bin/env python3
"""The journal as a user meets it: where it is, what it survives, what is refused.

Usage: journal_test.py PATH_TO_SCANENGINE
"""

import json
import os
import signal
import subprocess
import unittest

import program
from program import EVIL, GOOD, Case


class JournalCase(Case):
    """Journals that nobody named go to a state folder of the test's own."""

    def setUp(self):
        super().setUp()
        self.state = self.path("state")
        self.env = {**os.environ, "XDG_STATE_HOME": self.state}

    def tree(self, files):
        for i in range(files):
            self.write(f"tree/d{i // 500}/f{i:05}.pkl",
                       EVIL if i % 100 == 7 else GOOD)

    def run_scan(self, *args, **options):
        return self.scan("scan", *args, env=self.env, **options)

    def canonical(self, *args, **options):
        return self.run_scan("--canonical", *args, **options)

    def verify(self, journal, code=0):
        return self.scan("verify", "--json", journal, code=code).json

    def journals(self):
        folder = os.path.join(self.state, "scanengine")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def cut_off(self, *args):
        """Kills a run within a slow file and returns when it is gone."""
        program.slow_file(self.path("tree/zzz-slow.zip"))
        run = self.start("scan", "--workers", "1", *args, env=self.env)
        program.hold_worker(run)
        run.kill()

    def finish_slow(self):
        """What was slow is so no more: a resumed run scans it anew."""
        self.write("tree/zzz-slow.zip", GOOD)


class AutomaticTest(JournalCase):

    def test_few_files_leave_nothing(self):
        self.tree(1000)
        self.run_scan("tree", code=1)
        self.assertEqual(self.journals(), [])

    def test_complete_run_removes_its_journal(self):
        self.tree(1100)
        self.run_scan("tree", code=1)
        self.assertTrue(os.path.isdir(os.path.join(self.state, "scanengine")))
        self.assertEqual(self.journals(), [])

    def test_cut_off_run_is_resumed_without_a_name(self):
        self.tree(1100)
        self.cut_off("tree")
        [journal] = self.journals()
        path = os.path.join(self.state, "scanengine", journal)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        said = self.verify(path, code=2)
        self.assertEqual(said["verdict"], "incomplete")
        self.assertGreaterEqual(said["without_outcome"]["count"], 1)
        self.finish_slow()
        resumed = self.canonical("--resume", "tree", code=1)
        self.assertIn(f"has {said['found']['files']} outcomes", resumed.err)
        self.assertEqual(self.journals(), [])
        self.assertEqual(resumed.out, self.canonical("tree", code=1).out)

    def test_only_runs_over_the_same_paths_are_found(self):
        self.tree(1100)
        self.cut_off("tree")
        ended = self.run_scan("--resume", "tree/d0", code=3)
        self.assertIn("no journal of an earlier run", ended.err)
        ended = self.run_scan("--resume", "--include", "*.pkl", "tree", code=3)
        self.assertIn("--include was empty and is *.pkl", ended.err)

    def test_the_newest_are_kept(self):
        self.tree(1100)
        folder = os.path.join(self.state, "scanengine")
        os.makedirs(folder)
        for i in range(30):
            with open(os.path.join(folder, f"2020-{i:02}.journal"), "wb"):
                pass
        self.cut_off("tree")
        names = self.journals()
        self.assertEqual(len(names), 20)
        self.assertEqual(names[:2], ["2020-11.journal", "2020-12.journal"])

    def test_without_a_place_the_run_goes_on(self):
        self.tree(1100)
        self.write("state", b"a file")
        ended = self.run_scan("tree", code=1)
        self.assertIn("going on without a journal", ended.err)

    def test_no_journal(self):
        self.tree(1100)
        self.run_scan("--no-journal", "tree", code=1)
        self.assertFalse(os.path.exists(self.state))


class NamedTest(JournalCase):

    def test_named_journal_stays(self):
        self.tree(20)
        self.run_scan("--journal", "j", "tree", code=1)
        said = self.verify("j")
        self.assertEqual(said["verdict"], "complete")
        self.assertEqual(said["listed"], 20)
        self.assertEqual(said["found"]["findings"]["critical"],
                         said["end"]["findings"]["critical"])
        self.assertIn("complete", self.scan("verify", "j", code=0).text)

    def test_what_is_there_is_not_overwritten(self):
        self.tree(3)
        self.write("j", b"precious")
        ended = self.run_scan("--journal", "j", "tree", code=3)
        self.assertIn("--resume goes on with it", ended.err)
        self.assertEqual(self.read("j"), b"precious")
        ended = self.run_scan("--resume", "--journal", "j", "tree", code=4)
        self.assertIn("is no journal", ended.err)
        self.scan("verify", "j", code=4)

    def test_missing_journal(self):
        self.tree(3)
        ended = self.run_scan("--resume", "--journal", "none", "tree", code=3)
        self.assertIn("there is no journal none", ended.err)
        self.scan("verify", "none", code=3)
        ended = self.run_scan("--journal", "no/folder/j", "tree", code=4)
        self.assertSingleLine(ended.err)

    def test_resume_after_kill_equals_a_calm_run(self):
        self.tree(300)
        for isolation in ("process", "per-file"):
            journal = self.path(f"j-{isolation}")
            self.cut_off("--journal", journal, "--isolation", isolation, "tree")
            self.finish_slow()
            resumed = self.canonical("--journal", journal, "--resume",
                                     "--isolation", isolation, "tree", code=1)
            calm = self.canonical("--no-journal", "tree", code=1)
            self.assertEqual(resumed.out, calm.out)
            self.assertEqual(self.verify(journal)["verdict"], "complete")

    def test_resumed_outcomes_are_told_apart(self):
        self.tree(30)
        self.run_scan("--journal", "j", "tree", code=1)
        os.unlink(self.path("tree/d0/f00003.pkl"))
        self.write("tree/d0/f00004.pkl", EVIL)
        ended = self.run_scan("--journal", "j", "--resume", "--format", "json",
                              "tree", code=1)
        self.assertEqual(ended.json["run"]["resumed"], 29)
        files = ended.files()
        self.assertEqual(len(files), 30)
        self.assertFalse(files["tree/d0/f00004.pkl"]["run"]["resumed"])
        self.assertTrue(files["tree/d0/f00004.pkl"]["findings"])
        self.assertTrue(files["tree/d0/f00003.pkl"]["run"]["resumed"])

    def test_interrupt_tells_how_to_go_on(self):
        self.tree(50)
        program.slow_file(self.path("tree/zzz-slow.zip"))
        run = self.start("scan", "--workers", "1", "--journal", "j", "tree",
                         env=self.env)
        worker = program.hold_worker(run)
        for number in (signal.SIGINT, signal.SIGINT):
            os.kill(run.pid, number)
        program.send(worker, signal.SIGCONT)
        ended = run.wait()
        self.assertEqual(ended.code, 130, ended)
        self.assertIn("--resume goes on from here", ended.err)
        self.verify("j", code=2)
        self.finish_slow()
        self.run_scan("--journal", "j", "--resume", "tree", code=1)
        self.verify("j")

    def test_second_user_is_refused(self):
        self.tree(5)
        program.slow_file(self.path("tree/zzz-slow.zip"))
        run = self.start("scan", "--workers", "1", "--journal", "j", "tree",
                         env=self.env)
        worker = program.hold_worker(run)
        ended = self.run_scan("--journal", "j", "--resume", "tree", code=4)
        self.assertIn("another scan is using it", ended.err)
        os.kill(worker, signal.SIGCONT)
        run.kill()

    def test_damage_is_told(self):
        self.tree(300)
        self.run_scan("--journal", "j", "tree", code=1)
        data = bytearray(self.read("j"))
        data[len(data) // 2] ^= 1
        self.write("j", bytes(data))
        said = self.verify("j", code=4)
        self.assertEqual(said["tail"]["state"], "damaged")
        resumed = self.canonical("--journal", "j", "--resume", "--quiet",
                                 "tree", code=1)
        self.assertIn("the journal is damaged at byte", resumed.err)
        self.assertEqual(resumed.out,
                         self.canonical("--no-journal", "tree", code=1).out)
        self.verify("j")

    def test_options_that_exclude_each_other(self):
        self.tree(1)
        for args in (("--journal", "j", "--no-journal", "tree"),
                     ("--resume", "--no-journal", "tree"),
                     ("--resume", "-")):
            self.assertSingleLine(self.run_scan(*args, code=3).err)
        self.scan("verify", code=3)
        self.scan("verify", "a", "b", code=3)
        self.scan("verify", "--no", code=3)
        self.assertIn("JOURNAL", self.scan("verify", "--help", code=0).text)


class FullDiskTest(JournalCase):
    """Full at every size: by a limit on file sizes, and on a small disk."""

    def expect_stop(self, ended, journal):
        if ended.code == 1:
            return True
        self.assertEqual(ended.code, 4, ended)
        self.assertIn("journal", ended.err)
        if os.path.exists(journal) and os.path.getsize(journal) > 0:
            self.assertIn(self.verify(journal, code=2)["tail"]["state"],
                          ("whole", "torn"))
        return False

    def resume(self, journal, expected):
        more = ["--resume"] if os.path.getsize(journal) else []
        ended = self.canonical("--journal", journal, *more, "tree", code=1)
        self.assertEqual(ended.out, expected)
        self.verify(journal)

    def test_file_size_limit(self):
        self.tree(300)
        expected = self.canonical("--no-journal", "tree", code=1).out
        stopped = 0
        for kib in range(4, 64, 4):
            journal = self.path(f"j{kib}")
            run = program.Run(
                ["sh", "-c", f"ulimit -f {kib * 2}; exec \"$@\"", "sh",
                 program.binary(), "scan", "--journal", journal, "tree"],
                cwd=self.dir, env=self.env)
            self.addCleanup(run.discard)
            # Standard output is a file as well, and limited as well.
            ended = run.wait()
            if ended.code == 4:
                stopped += 1
                self.expect_stop(ended, journal)
                self.resume(journal, expected)
        self.assertGreater(stopped, 3)

    def test_small_disk(self):
        disk = self.path("disk")
        os.mkdir(disk)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", disk],
            capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest("NOT RUN: cannot mount a small disk here")
        self.addCleanup(subprocess.run, ["umount", disk], check=False)
        self.tree(300)
        expected = self.canonical("--no-journal", "tree", code=1).out
        journal = os.path.join(disk, "j")
        ended = self.run_scan("--journal", journal, "tree")
        self.assertFalse(self.expect_stop(ended, journal), ended)
        self.assertIn("No space left on device", ended.err)
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        self.resume(journal, expected)


if __name__ == "__main__":
    program.main()
