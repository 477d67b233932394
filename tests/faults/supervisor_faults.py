"""Faults of the supervisor: it is killed, stopped, interrupted, run twice.

T4, T19, T20, T25, T26, T28 to T30 of the list of faults.
"""

import os
import shutil
import signal
import subprocess
import threading
import time

import chaos
import harness
import program
from harness import FaultCase, by_size


class Chaos(FaultCase):
    """Calls the scripts that tests/integration has for this."""

    def run_script(self, name, *args):
        for script in ("chaos.py", "resume_chaos.py"):
            shutil.copy(os.path.join(os.path.dirname(chaos.__file__), script),
                        self.dir)
        if harness.python() is None:
            self.skipTest("no Python that an ordinary user can start")
        ended = subprocess.run(
            [harness.python(), "-B", self.path(name), "--scanengine",
             harness.scanengine(), "--seed", str(harness.settings.seed), *args],
            capture_output=True, check=False, text=True, cwd=self.dir,
            env={**os.environ, "TMPDIR": self.temp,
                 "XDG_STATE_HOME": self.path("state")}, **harness.user())
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertEqual(os.listdir(self.temp), [])
        self.note(ended.stdout.strip().rpartition("\n")[2])


class T4(Chaos):
    """The supervisor is killed at random moments and the run resumed."""

    NAME = "T4"

    def test_kill_and_resume(self):
        """killed at random moments, then resumed"""
        self.run_script("resume_chaos.py", "--files", by_size("1500", "10000"),
                        "--runs", by_size("4", "100"))

    def test_one_worker_for_each_file(self):
        """the same with a worker for each file"""
        self.run_script("resume_chaos.py", "--files", by_size("150", "1000"),
                        "--runs", by_size("2", "30"), "--isolation", "per-file")


class T30(Chaos):
    """The supervisor is killed again while it resumes."""

    NAME = "T30"

    def test_three_levels(self):
        """killed, and killed again in each of three resumed runs"""
        self.run_script("resume_chaos.py", "--files", by_size("1500", "10000"),
                        "--runs", by_size("3", "50"), "--kills", "4")


class T19(FaultCase):
    """The supervisor is stopped for longer than any deadline."""

    NAME = "T19"

    def test_stopped_supervisor(self):
        """stopped for longer than the time of a file: no time-out follows"""
        self.make_tree(by_size(2000, 10_000))
        self.calm("tree")
        stops = 0
        for _ in range(by_size(2, 5)):
            run = self.start("--canonical", "--no-journal", "--timeout", "1",
                             "tree")
            time.sleep(self.rng.uniform(0, 0.1))
            if run.process.poll() is None:
                program.send(run.pid, signal.SIGSTOP)
                stops += 1
                time.sleep(by_size(4, 30))
                program.send(run.pid, signal.SIGCONT)
            ended = run.wait()
            self.assertEqual(ended.code, 1, ended)
            self.assertEqual(ended.out, self.calm("tree"))
        if stops == 0:
            self.skipTest("every run ended before it was stopped")
        self.note(f"{stops} stops")


class T25(FaultCase):
    """Signals."""

    NAME = "T25"
    BORROWED = ("stop_test.Stop",
                "output_test.Streams.test_a_reader_that_leaves_ends_the_run_"
                "quietly",
                "output_test.Streams.test_a_pipe_that_nobody_reads_from_the_"
                "start", "journal_test.NamedTest.test_interrupt_tells_how_to_"
                "go_on")
    CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}

    def test_stop_and_resume(self):
        """SIGINT, SIGTERM, SIGHUP, once and twice: partial, resumable"""
        self.make_tree(2000)
        self.calm("tree")
        stopped = 0
        for number, code in self.CODES.items():
            for times in (1, 2) * by_size(1, 20):
                self.remove("journal")
                run = self.start("--canonical", "--journal", "journal", "tree")
                time.sleep(self.rng.uniform(0.02, 0.2))
                for _ in range(times):
                    program.send(run.pid, number)
                ended = run.wait()
                # Before it listens to signals they end it as any program.
                self.assertIn(ended.code, (1, code, -number), ended)
                stopped += ended.code == code
                if ended.code == code and ended.out:
                    self.assertIs(ended.json["totals"]["complete"], False)
                if self.has_journal("journal"):
                    self.verify("journal")
                self.resume("journal", "tree")
                self.check_journal("journal", 2000)
        self.note(f"{stopped} partial reports")

    def test_terminal_stop(self):
        """SIGTSTP and SIGCONT change nothing"""
        self.make_tree(2000)
        self.calm("tree")
        for _ in range(by_size(2, 20)):
            run = self.start("--canonical", "--no-journal", "tree")
            time.sleep(self.rng.uniform(0.01, 0.1))
            program.send(run.pid, signal.SIGTSTP)
            time.sleep(0.3)
            program.send(run.pid, signal.SIGCONT)
            ended = run.wait()
            self.assertEqual(ended.code, 1, ended)
            self.assertEqual(ended.out, self.calm("tree"))


class T26(FaultCase):
    """Two runs on one journal."""

    NAME = "T26"
    BORROWED = ("journal_test.NamedTest.test_second_user_is_refused",)

    def test_stale_lock(self):
        """the second is refused; what a killed one held is free at once"""
        self.make_tree(300)
        program.slow_file(self.path("tree/zzz-slow.zip"))
        for level in range(by_size(2, 20)):
            more = ["--resume"] if level else []
            run = self.start("--workers", "1", "--journal", "journal", *more,
                             "tree")
            program.hold_worker(run)
            for args in (["--resume"], []):
                ended = self.scan("--journal", "journal", *args, "tree")
                self.assertIn(ended.code, (3, 4), ended)
                self.assertEqual(ended.out, b"")
            run.process.kill()
            run.process.wait()
            self.verify("journal", 2)
        self.write("tree/zzz-slow.zip", program.GOOD)
        self.resume("journal", "tree")
        self.check_journal("journal", 301)


class T28(FaultCase):
    """Runs that are started without the standard streams."""

    NAME = "T28"
    BORROWED = ("output_test.Streams.test_closed_descriptors",)

    def test_closed_streams(self):
        """every combination of closed standard streams"""
        self.make_tree(200)
        expected = self.calm("tree")
        for closed in range(8):
            self.remove("report", "journal")
            redirections = " ".join(text for bit, text in
                                    enumerate(("<&-", ">&-", "2>&-"))
                                    if closed & 1 << bit)
            ended = self.start(
                "-c", f'exec "$P" --canonical --journal journal -o report tree '
                f"{redirections}", program="/bin/sh",
                env={"P": harness.scanengine()}).wait()
            self.assertEqual(ended.code, 1, redirections)
            self.assertEqual(self.read("report"), expected, redirections)
            self.assertEqual((ended.out, ended.err), (b"", ""))
            self.check_journal("journal", 200)


class T29(FaultCase):
    """Whatever happens on the way, the report is that of the files."""

    NAME = "T29"
    FILES = 600

    def disturb(self, run, paths, end):
        """Kills workers and rewrites files until |end|."""
        while not end.wait(self.rng.uniform(0.002, 0.03)):
            for worker in chaos.children(run.pid)[:1]:
                program.send(worker, signal.SIGKILL)
            data = program.EVIL if self.rng.random() < 0.5 else program.GOOD
            # A name of its own: the reader sees the old file or the new one.
            path = self.rng.choice(paths)
            with open(path + ".new", "wb") as file:
                file.write(data + bytes(self.rng.randrange(100)))
            os.rename(path + ".new", path)

    def disturbed_run(self, journal, paths):
        more = ["--resume"] if self.has_journal(journal) else []
        run = self.start("--workers", str(self.rng.randrange(1, 9)),
                         "--exclude", "*.new", "--journal", journal, *more,
                         "tree")
        end = threading.Event()
        thread = threading.Thread(target=self.disturb, args=(run, paths, end))
        thread.start()
        try:
            run.process.wait(self.rng.uniform(0.02, 0.3))
        except subprocess.TimeoutExpired:
            run.process.kill()
            run.process.wait()
        end.set()
        thread.join()
        if self.has_journal(journal):
            self.verify(journal)

    def test_same_report(self):
        """kills of both sides and changed files, by 1 to 8 workers"""
        self.make_tree(self.FILES)
        paths = [os.path.join(folder, name)
                 for folder, _, names in os.walk(self.path("tree"))
                 for name in sorted(names)]
        for seed in range(by_size(4, 50)):
            journal = f"journal{seed}"
            for _ in range(self.rng.randrange(1, 4)):
                self.disturbed_run(journal, paths)
            self.expected.clear()
            args = ("--exclude", "*.new", "tree")
            self.resume(journal, *args)
            self.check_journal(journal, self.FILES)
