"""Faults of workers: they die, hang, eat memory, stop, lie.

T1 to T3, T16 to T18, T21, T22, T24, T27 of the list of faults.
"""

import bz2
import gzip
import os
import signal
import threading
import time
import zipfile

import chaos
import harness
import hijack_test
import program
from harness import FaultCase, by_size

MISBEHAVING = "Misbehaving worker: each way to fail hurts its own file only"


class Misbehaving(hijack_test.Hijacked, FaultCase):
    """Runs over a small tree in which one file, the trigger, brings a fault."""

    def worker(self, helper, *args):
        script = f"""#!/bin/sh\nexec '{harness.beside(helper)}' """
        script += " ".join(args) + ' "$@"\n'
        return self.write(f"worker-{'-'.join(args)}", script.encode(),
                          mode=0o755)

    def misbehave(self, mode, *args):
        """A journalled run: (ended, outcome of the trigger). Checks the rest,
        in which these workers find nothing."""
        self.remove("journal")
        ended = self.run_in(self.worker("misbehaving_worker", "--mode", mode),
                            "--journal", "journal", *args)
        files = ended.files()
        self.assertEqual(len(files), hijack_test.FILES + 1)
        trigger = files.pop(f"tree/{hijack_test.TRIGGER}")
        self.assertEqual({file["status"] for file in files.values()},
                         {"scanned"}, mode)
        self.check_journal("journal", hijack_test.FILES + 1)
        return ended, trigger


class T1(FaultCase):
    """Workers are killed at random."""

    NAME = "T1"

    def check_report(self, report, every):
        """No file is blamed for kills from outside, unless they come so fast
        that workers hardly get to start."""
        blamed = 0

        def hit(_, file):
            nonlocal blamed
            blamed += file["status"] == "crashed"
            return file["status"] == "crashed"
        self.check_same_but(report, self.calm("tree"), hit)
        if every >= by_size(50, 10):
            self.assertEqual(blamed, 0, f"a kill every {every} ms")
        return blamed

    def test_kills(self):
        """a random worker is killed every 2, 5, 10 or 50 ms"""
        files = by_size(1500, 10_000)
        self.make_tree(files)
        self.calm("tree")
        total = 0
        for every in (2, 5, 10, 50):
            kills = blamed = 0
            for _ in range(by_size(1, 20)):
                self.remove("journal", "report")
                run = self.start("--workers", "4", "--canonical", "--journal",
                                 "journal", "-o", "report", "tree")
                kills += self.kill_workers(run, every / 1000)
                ended = run.wait()
                self.assertIn(ended.code, (1, 2), ended)
                self.check_journal("journal", files)
                blamed += self.check_report(self.read("report"), every)
            total += kills
            self.note(f"{every} ms: {kills} kills, {blamed} crashed")
        if total == 0:
            self.skipTest("every run ended before a worker could be killed")


class T2(Misbehaving):
    """Other deaths of a worker in the middle of a file."""

    NAME = "T2"
    EXECUTABLES = (("integration_misbehaving_worker_test", MISBEHAVING),)
    DEATHS = {"segv": "SIGSEGV", "abort": "SIGABRT", "bus": "SIGBUS",
              "exit-0": "exit code 0", "exit-7": "exit code 7",
              "fault-in-handler": "SIGSEGV", "stack-overflow": "SIGSEGV",
              "half-a-frame-then-crash": "SIGSEGV"}

    def test_deaths(self):
        """each way to die is told, and hurts its own file only"""
        for mode, how in self.DEATHS.items():
            for _ in range(by_size(1, 100)):
                ended, trigger = self.misbehave(mode)
                self.assertEqual(ended.code, 2, ended)
                self.assertEqual(trigger["status"], "crashed", mode)
                self.assertEqual(trigger["run"]["ended"], how, mode)
                self.assertEqual(trigger["run"]["attempts"], 2, mode)


class Poisoned(Misbehaving):
    """Trees in which some files kill a real, sandboxed worker."""

    def poison(self, files, share):
        """Returns a tree in which one of |share| files is poison."""
        self.make_tree(files, name="many")
        hurt = 0
        for folder, _, names in os.walk(self.path("many")):
            for name in sorted(names):
                if int(name[1:7]) % share == 0:
                    os.rename(os.path.join(folder, name),
                              os.path.join(folder, "trigger" + name))
                    hurt += 1
        return "many", hurt

    def scan_poisoned(self, tree, *args, **options):
        return self.start("--worker-path",
                          self.worker("hijacked_worker", "crash"),
                          "--workers", "2", "--journal", "journal", *args, tree,
                          **options)


class T3(Poisoned):
    """Files that always kill their worker."""

    NAME = "T3"

    def check(self, share):
        files = by_size(400, 10_000)
        tree, hurt = self.poison(files, share)
        calm = program.Ended(0, self.calm(tree), "").files()
        ended = self.scan_poisoned(tree, "--format", "json").wait()
        self.assertEqual(ended.code, 2, ended)
        found = ended.files()
        self.assertEqual(sorted(found), sorted(calm))
        for path, file in found.items():
            poison = "trigger" in path
            self.assertEqual(file["status"],
                             "crashed" if poison else "scanned", file)
            self.assertLessEqual(file["run"]["attempts"], 3, file)
            if not poison:
                self.assertEqual(len(file["findings"]),
                                 len(calm[path]["findings"]))
        self.check_journal("journal", files)
        self.note(f"{hurt} of {files} files")

    def test_one_percent(self):
        """1 % of all files kill their worker each time"""
        self.check(100)

    def test_half(self):
        """half of all files kill their worker each time"""
        self.check(2)


class T16(Misbehaving):
    """Memory bombs."""

    NAME = "T16"

    def test_worker_that_eats_memory(self):
        """a worker that takes more and more memory"""
        ended, trigger = self.misbehave("eat-memory", "--memory-limit",
                                        "300MiB", "--retries", "0")
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(trigger["status"], "out-of-memory", trigger)

    def check_bomb(self, name):
        self.write("bombs/evil.pkl", program.EVIL)
        ended = self.scan("--format", "json", "--worker-memory", "256MiB",
                          "bombs", code=2)
        statuses = ended.statuses()
        self.assertEqual(statuses.pop("bombs/evil.pkl"), "scanned")
        self.assertEqual(len(ended.files()["bombs/evil.pkl"]["findings"]), 1)
        self.assertEqual(statuses, {f"bombs/{name}": "limit"}, ended)

    def test_bomb_by_ratio(self):
        """a small file that unpacks to much, far above any honest ratio"""
        part = bz2.compress(bytes(64 << 20))
        self.write("bombs/bomb.bz2", part * by_size(4, 4000))
        self.check_bomb("bomb.bz2")

    def test_nested_bombs(self):
        """bombs within bombs"""
        inner = gzip.compress(bz2.compress(bytes(128 << 20)))
        os.mkdir(self.path("bombs"))
        with zipfile.ZipFile(self.path("bombs/bomb.zip"), "w") as bomb:
            for i in range(4):
                bomb.writestr(f"{i}.pkl.gz", inner)
        self.check_bomb("bomb.zip")

    def test_deep_memo(self):
        """pickles that nest and memoise without end"""
        count = by_size(1 << 20, 1 << 24)
        self.write("deep/nested.pkl", b"\x80\x04" + b"]\x94" * count + b".")
        self.write("deep/tuples.pkl", b"\x80\x02)" + b"\x85q\x00" * count +
                   b".")
        self.write("deep/marks.pkl", b"\x80\x02" + b"(" * count + b".")
        self.write("deep/evil.pkl", program.EVIL)
        ended = self.scan("--format", "json", "--worker-memory", "256MiB",
                          "deep")
        self.assertIn(ended.code, (1, 2), ended)
        files = ended.files()
        self.assertEqual(len(files), 4)
        self.assertEqual(len(files["deep/evil.pkl"]["findings"]), 1)
        self.assertNotIn("crashed", ended.statuses().values())


class T17(Misbehaving):
    """Files that take for ever."""

    NAME = "T17"
    BORROWED = ("stop_test.LostWorkers.test_a_slow_file_is_timed_out_by_its_"
                "worker",)

    def test_hangs(self):
        """loops, waits, ignored and blocked signals"""
        for mode in ("hang", "hang-busy", "hang-ignoring-term",
                     "hang-blocking-all"):
            ended, trigger = self.misbehave(mode, "--timeout", "0.5",
                                            "--retries", "0")
            self.assertEqual(ended.code, 2, ended)
            self.assertEqual(trigger["status"], "timed-out", mode)


class T18(FaultCase):
    """Workers that are stopped."""

    NAME = "T18"
    BORROWED = ("stop_test.LostWorkers.test_a_held_worker_is_timed_out_and_the_"
                "rest_scanned",)

    def run_and_stop(self, seconds, *args):
        """Stops a random worker again and again, each for |seconds|."""
        files = by_size(1500, 10_000)
        self.make_tree(files)
        self.calm("tree")
        run = self.start("--workers", "3", "--canonical", "--journal",
                         "journal", "-o", "report", *args, "tree")
        stops = 0
        held = []
        while run.process.poll() is None and stops < by_size(12, 200):
            workers = chaos.children(run.pid)
            if not workers:
                time.sleep(0.001)
                continue
            worker = self.rng.choice(workers)
            program.send(worker, signal.SIGSTOP)
            held.append(worker)
            stops += 1
            time.sleep(seconds)
            while seconds < 1 and held:
                program.send(held.pop(), signal.SIGCONT)
        for worker in held:
            if seconds < 1:
                program.send(worker, signal.SIGCONT)
        ended = run.wait()
        if stops == 0:
            self.skipTest("the run ended before a worker could be stopped")
        self.note(f"{stops} stops")
        self.check_journal("journal", files)
        return ended

    def test_for_a_moment(self):
        """stopped for a moment: nothing is told of it"""
        ended = self.run_and_stop(0.02)
        self.assertEqual(ended.code, 1, ended)
        self.assertEqual(self.read("report"), self.calm("tree"))

    def test_for_ever(self):
        """stopped for ever: the file is tried again, all others go on"""
        ended = self.run_and_stop(1, "--timeout", "0.5")
        self.assertIn(ended.code, (1, 2), ended)
        self.check_same_but(self.read("report"), self.calm("tree"),
                            lambda _, file: file["status"] == "timed-out")


class T21(Misbehaving):
    """Garbage on a worker's pipe."""

    NAME = "T21"
    BORROWED = ("hijack_test.Floods", "hijack_test.Lies")
    EXECUTABLES = (("integration_misbehaving_worker_test", MISBEHAVING),)
    MODES = ("noise-on-stdout", "oversized-length", "unknown-type",
             "half-a-frame-then-exit", "empty-replies", "huge-count",
             "bad-enumerator", "trailing-bytes", "hello-twice", "sends-tasks")

    def test_garbage(self):
        """no frame, a wrong length, half a record, foreign and repeated ones"""
        for mode in self.MODES:
            ended, trigger = self.misbehave(mode)
            self.assertEqual(ended.code, 2, ended)
            self.assertEqual(trigger["status"], "protocol", mode)
            self.assertLess(self.supervisor_memory,
                            hijack_test.SUPERVISOR_MEMORY)

    def test_slow_drip(self):
        """a byte now and then buys no time"""
        ended, trigger = self.misbehave("slow-drip", "--timeout", "0.5",
                                        "--retries", "0")
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(trigger["status"], "timed-out")


class T22(FaultCase):
    """A worker of another version."""

    NAME = "T22"
    BORROWED = ("exit_test.Isolation.test_a_worker_of_another_version_is_"
                "refused",)
    EXECUTABLES = (("integration_misbehaving_worker_test",
                    "Misbehaving worker: who cannot even start is no outcome "
                    "of a file"),)

    def test_mismatch(self):
        """another protocol, another build, no greeting: no file is lost"""
        self.write("evil.pkl", program.EVIL)
        for mode in ("hello-wrong-version", "hello-wrong-build",
                     "hello-garbage", "start-exit", "start-crash"):
            script = (f"#!/bin/sh\nexec '{harness.beside('misbehaving_worker')}'"
                      f' --mode {mode} "$@"\n').encode()
            worker = self.write("worker", script, mode=0o755)
            for args, code, status in (((), 1, "scanned"),
                                       (("--require-isolation",), 2,
                                        "not-run")):
                ended = self.scan("--worker-path", worker, "--format", "json",
                                  *args, "evil.pkl", code=code)
                self.assertEqual(ended.statuses(), {"evil.pkl": status})
                self.assertNotEqual(ended.err, "")


class T24(FaultCase):
    """A worker that a file has taken over."""

    NAME = "T24"
    BORROWED = ("hijack_test.Honest", "hijack_test.Forbidden",
                "hijack_test.Floods", "hijack_test.Lies")
    EXECUTABLES = (("sandbox_test", "Sandbox: attacks *"),)

    def test_number_of_probes(self):
        """at least thirty things that it would try have a test each"""
        source = os.path.join(os.path.dirname(harness.FOLDER), "worker",
                              "sandbox_probe_attacks.cc")
        with open(source, encoding="utf-8") as file:
            probes = sum(line.startswith('    {"') for line in file)
        self.assertGreaterEqual(probes, 30)
        self.note(f"{probes} probes")


class Watch:
    """Descriptors and memory of a process while it runs."""

    def __init__(self, pid):
        self.samples = []
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self):
        self._end.set()
        self._thread.join()

    def _watch(self):
        while not self._end.wait(0.01):
            try:
                descriptors = len(os.listdir(f"/proc/{self._pid}/fd"))
                with open(f"/proc/{self._pid}/statm") as file:
                    pages = int(file.read().split()[1])
            except (OSError, IndexError):
                return
            self.samples.append((descriptors, pages * 4096))


class T27(Poisoned):
    """Nothing grows with the number of crashes."""

    NAME = "T27"
    # Two workers take twelve, the rest is the program's own.
    MOST_DESCRIPTORS = 48
    MOST_MEMORY = 64 << 20

    def test_leaks(self):
        """descriptors and memory stay flat with a crash every tenth file"""
        files = by_size(1000, 10_000)
        tree, hurt = self.poison(files, 10)
        run = self.scan_poisoned(tree, "--format", "ndjson", "--retries", "0")
        watch = Watch(run.pid)
        ended = run.wait()
        watch.stop()
        self.assertEqual(ended.code, 2, ended)
        self.check_journal("journal", files)
        self.assertGreater(len(watch.samples), 0)
        descriptors = max(sample[0] for sample in watch.samples)
        memory = max(sample[1] for sample in watch.samples)
        self.assertLessEqual(descriptors, self.MOST_DESCRIPTORS)
        self.assertLess(memory, self.MOST_MEMORY)
        self.note(f"{hurt} crashes, at most {descriptors} descriptors, "
                  f"{memory >> 20} MiB")
