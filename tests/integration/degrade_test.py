#!/usr/bin/env python3
"""What a run does where the system gives less than it wants.

Fewer workers down to one, then this process for files that never hurt a worker;
each is said on standard error, in the outcome of each file and in the summary.

Usage: degrade_test.py PATH_TO_SCANENGINE
"""

import errno
import os
import shutil
import subprocess
import unittest

import program

FILES = 600
EVIL_EVERY = 10

# A user who runs nothing else: his processes are those of the run.
LONELY = 61000 + os.getpid() % 4000


def can_become_lonely():
    """Limits do not hold root; only root can become somebody else."""
    if not program.IS_ROOT or not shutil.which("prlimit"):
        return False
    try:
        subprocess.run(["true"], check=True, user=LONELY, group=LONELY,
                       extra_groups=[])
        return True
    except (OSError, subprocess.SubprocessError):
        return False


class Degradation(program.Case):
    def setUp(self):
        super().setUp()
        # Deep and wide: the walk needs descriptors, too.
        for i in range(FILES):
            folder = "/".join(f"d{j}" for j in range(i % 7))
            self.write(f"tree/{folder}/f{i}.pkl",
                       program.GOOD if i % EVIL_EVERY else program.EVIL)

    def limited(self, limits, *args, workers=8, output="json"):
        if not can_become_lonely():
            self.skipTest("not run: needs root and prlimit")
        return self.scan(*limits, program.nobody_binary(), "--format", output,
                         "--workers", str(workers), *args, "tree",
                         program=shutil.which("prlimit"), user=LONELY,
                         group=LONELY, extra_groups=[])

    def denied(self, calls, *args, output="json"):
        """A run in which system calls fail: name -> number of the error."""
        rules = ",".join(f"{name}={error}" for name, error in calls.items())
        return self.scan(rules, program.binary(), "--format", output,
                         "--workers", "4", *args, "tree",
                         program=program.beside("deny_calls"))

    def check_all_scanned(self, ended, isolation):
        self.assertEqual(ended.code, 1, ended)
        files = ended.files()
        self.assertEqual(len(files), FILES)
        for file in files.values():
            self.assertEqual(file["status"], "scanned", file)
            self.assertEqual(file["run"]["isolation"], isolation, file)
        totals = ended.json["totals"]
        self.assertEqual(totals["findings"]["critical"], FILES // EVIL_EVERY)
        self.assertEqual(ended.json["run"]["degraded"],
                         isolation == "in-process")

    def check_fewer(self, ended, most, reason):
        run = ended.json["run"]
        self.assertIn(run["worker_count"], range(1, most + 1))
        self.assertIn(reason, run["fewer_workers_reason"])
        self.assertIn(reason, ended.err)

    def check_fallback(self, ended, reason):
        self.check_all_scanned(ended, "in-process")
        run = ended.json["run"]
        self.assertIn(reason, run["degraded_reason"])
        self.assertEqual(run["fallback_count"], FILES)
        self.assertIn(reason, ended.err)
        self.assertIn("without protection", ended.err)

    def check_not_run(self, ended, reason):
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(set(ended.statuses().values()), {"not-run"})
        self.assertEqual(len(ended.files()), FILES)
        self.assertIn(reason, ended.err)

    def check_refused(self, ended, noticed=()):
        """Nothing is reported, and one line says why.

        |noticed|: how a line may begin that tells what was tried before.
        """
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.out, b"")
        lines = ended.err.splitlines(keepends=True)
        for line in lines[:-1]:
            self.assertTrue(line.startswith(tuple(noticed)), ended)
        self.assertSingleLine(lines[-1])


class Processes(Degradation):
    # Three threads and the program itself count as processes.
    OWN = 3

    def test_few_processes_mean_few_workers(self):
        for workers in (1, 2, 4):
            with self.subTest(workers=workers):
                ended = self.limited([f"--nproc={self.OWN + workers}"])
                self.check_all_scanned(ended, "process")
                self.check_fewer(ended, workers,
                                 "Resource temporarily unavailable")

    def test_the_summary_says_so(self):
        ended = self.limited([f"--nproc={self.OWN + 1}"], output="text")
        self.assertEqual(ended.code, 1, ended)
        self.assertIn("  fewer     fewer workers than wanted: cannot start ",
                      ended.text)

    def test_required_isolation_is_met_by_one_worker(self):
        ended = self.limited([f"--nproc={self.OWN + 1}"],
                             "--require-isolation", "--isolation", "per-file")
        self.check_all_scanned(ended, "per-file")

    def test_without_threads_nothing_is_scanned_and_that_is_said(self):
        for limit in range(1, self.OWN + 1):
            with self.subTest(limit=limit):
                ended = self.limited([f"--nproc={limit}"])
                self.check_refused(ended)
                self.assertIn("cannot start a thread", ended.err)

    def test_without_processes_it_goes_on_in_this_one(self):
        # The program starts workers by vfork and threads otherwise.
        self.check_fallback(self.denied({"vfork": errno.EAGAIN}),
                            "Resource temporarily unavailable")
        self.check_not_run(
            self.denied({"vfork": errno.EAGAIN}, "--require-isolation"),
            "Resource temporarily unavailable")

    def test_workers_that_cannot_be_watched_are_none(self):
        self.check_fallback(self.denied({"pidfd_open": errno.ENOSYS}),
                            "Function not implemented")


class Descriptors(Degradation):
    def test_few_descriptors_mean_few_workers(self):
        for limit in (16, 17, 18, 20, 24, 28, 32, 40, 48, 56):
            with self.subTest(limit=limit):
                ended = self.limited([f"--nofile={limit}"], workers=16)
                self.check_all_scanned(ended, "process")
                self.check_fewer(ended, max(1, (limit - 18) // 5),
                                 "may be opened (ulimit -n)")

    def test_64_are_enough_for_eight_workers(self):
        ended = self.limited(["--nofile=64"])
        self.check_all_scanned(ended, "process")
        self.assertEqual(ended.json["run"]["fewer_workers_reason"], "")
        self.assertEqual(ended.err, "")

    def test_too_few_for_a_worker_leave_this_process(self):
        # Not one byte of a worker gets into the report: it parses.
        for limit in range(10, 15):
            with self.subTest(limit=limit):
                ended = self.limited([f"--nofile={limit}"])
                self.check_fallback(ended, "Too many open files")
                ended = self.limited([f"--nofile={limit}"],
                                     "--require-isolation")
                self.check_not_run(ended, "Too many open files")

    def test_hardly_any_lose_no_file(self):
        for limit in range(4, 10):
            with self.subTest(limit=limit):
                ended = self.limited([f"--nofile={limit}"])
                if not ended.out:
                    self.check_refused(ended)
                    continue
                self.assertIn(ended.code, (1, 2), ended)
                if ended.code == 1:
                    self.check_all_scanned(ended, "in-process")


class Memory(Degradation):
    def test_little_address_space_is_no_crash_and_loses_no_file(self):
        scanned = 0
        for megabytes in (8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 64, 128):
            with self.subTest(megabytes=megabytes):
                ended = self.limited([f"--as={megabytes}000000"])
                if ended.code == 127:  # The system could not load it.
                    continue
                if not ended.out:
                    self.check_refused(ended, ("scanengine: going on ",))
                    continue
                self.assertEqual(len(ended.files()), FILES)
                if set(ended.statuses().values()) == {"scanned"}:
                    self.assertEqual(ended.code, 1, ended)
                    scanned += 1
                else:
                    self.assertEqual(ended.code, 2, ended)
        self.assertGreater(scanned, 0)

    def test_a_file_larger_than_the_address_space_is_scanned(self):
        size = 256 << 20
        with open(self.path("tree/large.pkl"), "wb") as out:
            out.write(b"\x80\x04B" + (size).to_bytes(4, "little"))
            out.truncate(7 + size)
            out.seek(7 + size)
            out.write(b".")
        ended = self.limited(["--as=200000000"])
        self.assertEqual(ended.code, 1, ended)
        self.assertEqual(ended.statuses()["tree/large.pkl"], "scanned")

    def test_no_shared_memory_leaves_this_process(self):
        for error in (errno.ENOSYS, errno.ENOMEM, errno.EMFILE):
            with self.subTest(error=error):
                ended = self.denied({"memfd_create": error})
                self.check_fallback(ended, os.strerror(error))
        self.check_not_run(
            self.denied({"memfd_create": errno.ENOMEM}, "--require-isolation"),
            os.strerror(errno.ENOMEM))
        # Made, but nothing to back it: an error at once, no signal later.
        ended = self.denied({"fallocate": errno.ENOSPC})
        self.check_fallback(ended, os.strerror(errno.ENOSPC))

    def test_a_full_dev_shm_does_not_matter(self):
        script = ('mount -t tmpfs -o size=64k none /dev/shm && '
                  '{ head -c 1M /dev/zero > /dev/shm/full; '
                  'exec "$P" --workers 4 --format json tree; } 2>/dev/null')
        tried = subprocess.run(
            ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /dev/shm"],
            check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if tried.returncode != 0:
            self.skipTest("not run: no mount namespace here")
        ended = self.shell(f"unshare -m sh -c '{script}'")
        self.check_all_scanned(ended, "process")


class Kernels(Degradation):
    """Kernels that lack a layer of the sandbox."""

    def check_weaker(self, calls, missing):
        ended = self.denied(calls)
        self.check_all_scanned(ended, "process")
        sandbox = ended.json["run"]["sandbox"]
        self.assertIn(missing, sandbox["missing"])
        self.assertIn(missing, ended.err)
        self.assertIn(missing, self.denied(calls, output="text").text)
        ended = self.denied(calls, "--require-sandbox")
        self.check_refused(ended)
        self.assertIn(missing, ended.err)

    def test_without_landlock_it_is_said_once_or_refused(self):
        self.check_weaker({"landlock_create_ruleset": errno.ENOSYS},
                          "landlock: not in this kernel")
        self.check_weaker({"landlock_create_ruleset": errno.EOPNOTSUPP},
                          "landlock: switched off in this kernel")

    def test_without_seccomp_it_is_said_once_or_refused(self):
        self.check_weaker({"seccomp": errno.ENOSYS},
                          "seccomp: not in this kernel")

    def test_a_layer_that_cannot_be_put_in_force_is_not_passed_over(self):
        ended = self.denied({"landlock_restrict_self": errno.EPERM},
                            "--require-isolation")
        self.check_not_run(ended, "landlock: cannot be put in force")


if __name__ == "__main__":
    program.main()
