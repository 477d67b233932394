"""System calls that fail, and too little of what the system gives.

T8, T9, T20 and T23 of the list of faults. The calls fail by a library of our own
for LD_PRELOAD (fail_call.cc), or, where that does not reach, by a filter whose
listener decides (fail_worker_call.cc).
"""

import errno
import json
import os

import harness
import program
from harness import FaultCase, by_size

# Which errors a call can meet, of those that a program should live with.
DESCRIPTOR = (errno.EMFILE, errno.ENOMEM)
CALLS = {
    "open": (errno.EIO, errno.EMFILE, errno.ENOMEM, errno.EINTR),
    "openat": (errno.EIO, errno.EMFILE, errno.ENOMEM),
    "close": (errno.EIO, errno.EINTR),
    "read": (errno.EIO, errno.EINTR, errno.EAGAIN),
    "pread": (errno.EIO, errno.EINTR),
    "write": (errno.EIO, errno.ENOSPC, errno.EINTR, errno.EAGAIN),
    "pwrite": (errno.EIO, errno.ENOSPC, errno.EINTR),
    "fdatasync": (errno.EIO, errno.ENOSPC),
    "fsync": (errno.EIO, errno.ENOSPC),
    "ftruncate": (errno.EIO, errno.ENOSPC),
    "mmap": (errno.ENOMEM,),
    "munmap": (errno.ENOMEM,),
    "pipe": DESCRIPTOR,
    "pipe2": DESCRIPTOR,
    "epoll_create1": DESCRIPTOR,
    "epoll_ctl": (errno.ENOMEM, errno.ENOSPC),
    "epoll_wait": (errno.EINTR,),
    "poll": (errno.EINTR, errno.ENOMEM),
    "eventfd": DESCRIPTOR,
    "timerfd_create": DESCRIPTOR,
    "timerfd_settime": (errno.ENOMEM,),
    "memfd_create": DESCRIPTOR,
    "posix_fallocate": (errno.ENOSPC, errno.EINTR),
    "pthread_create": (errno.EAGAIN,),
    "rename": (errno.EIO, errno.ENOSPC),
    "linkat": (errno.EIO, errno.ENOSPC),
    "unlink": (errno.EIO,),
    "mkdir": (errno.ENOSPC,),
    "stat": (errno.EIO, errno.ENOMEM),
    "fstat": (errno.EIO,),
    "fstatat": (errno.EIO, errno.ENOMEM),
    "fstatfs": (errno.EIO,),
    "fdopendir": (errno.ENOMEM,),
    "readdir": (errno.EIO,),
    "readlink": (errno.EIO,),
    "realpath": (errno.EIO, errno.ENOMEM),
    "flock": (errno.EINTR, errno.ENOLCK),
    "fchmod": (errno.EIO,),
    "dup": (errno.EMFILE,),
    "fcntl": (errno.EINTR, errno.EMFILE),
    "waitpid": (errno.EINTR,),
    "kill": (errno.EPERM,),
    "sigaction": (errno.EINVAL,),
    "pidfd_open": DESCRIPTOR,
    "pidfd_send_signal": (errno.EPERM,),
    "malloc": (errno.ENOMEM,),
}
# A program to which this happens for ever cannot do its work, nor end: each is
# asked again until it works.
NEVER_EVER = {("epoll_wait", errno.EINTR), ("poll", errno.EINTR),
              ("read", errno.EINTR), ("read", errno.EAGAIN),
              ("pread", errno.EINTR), ("write", errno.EINTR),
              ("write", errno.EAGAIN), ("pwrite", errno.EINTR),
              ("waitpid", errno.EINTR), ("open", errno.EINTR),
              ("fcntl", errno.EINTR), ("flock", errno.EINTR),
              ("posix_fallocate", errno.EINTR)}
# System calls of a worker, by the names of the kernel.
WORKER_CALLS = {
    "openat": (errno.EIO, errno.EMFILE, errno.ENOMEM),
    "pread64": (errno.EIO, errno.EINTR),
    "read": (errno.EIO, errno.EINTR),
    "write": (errno.EIO, errno.ENOSPC, errno.EINTR),
    "newfstatat": (errno.EIO, errno.ENOMEM),
    "lseek": (errno.EIO,),
    "close": (errno.EIO,),
    "mmap": (errno.ENOMEM,),
    "munmap": (errno.ENOMEM,),
    "mprotect": (errno.ENOMEM,),
    "brk": (errno.ENOMEM,),
    "prctl": (errno.EPERM, errno.ENOMEM),
    "prlimit64": (errno.EPERM,),
    "fcntl": (errno.EINTR, errno.EMFILE),
    "rt_sigaction": (errno.EINVAL,),
    "sigaltstack": (errno.ENOMEM,),
    "timer_create": (errno.EAGAIN, errno.ENOMEM),
    "timer_settime": (errno.EINVAL,),
    "landlock_create_ruleset": (errno.ENOMEM, errno.EMFILE),
    "landlock_add_rule": (errno.ENOMEM,),
    "landlock_restrict_self": (errno.ENOMEM, errno.E2BIG),
    "seccomp": (errno.ENOMEM, errno.EACCES),
    "dup": (errno.EMFILE,),
}
PATIENCE = int(os.environ.get("SCANENGINE_FAULTS_PATIENCE", "90"))
# Does not know where it ends: no run is without a failure.
MOST_CALLS = 100_000


class Preloaded(FaultCase):
    """Runs with the library for LD_PRELOAD."""

    def setUp(self):
        super().setUp()
        library = harness.beside("libfail_call.so")
        if not os.path.exists(library):
            self.skipTest("libfail_call.so is not built")
        self.library = library

    def preloaded(self, name="scanengine", **settings):
        """The environment with which |settings| hold for program |name|."""
        return {"LD_PRELOAD": self.library, "FAIL_PROGRAM": name,
                **{f"FAIL_{key.upper()}": str(value)
                   for key, value in settings.items()}}


class Calls(Preloaded):
    """Lets the k-th call of each kind fail and judges what came of it."""

    FILES = 40

    def setUp(self):
        super().setUp()
        # Far more than a run of so few files takes: a hang is told sooner.
        usual = program.RUN_SECONDS
        program.RUN_SECONDS = PATIENCE
        self.addCleanup(setattr, program, "RUN_SECONDS", usual)
        self.make_tree(self.FILES)
        self.folder("out")
        self.calm("tree")
        self.problems = []

    def fails(self, call, error, k, ever):
        """One run; True if a call failed in it."""
        for name in ("out/journal", "out/report", "out/hit"):
            self.remove(name)
        ended = program.Case.scan(
            self, "--canonical", "--workers", "2", "--journal", "out/journal",
            "-o", "out/report", "tree",
            env=self.preloaded(call=call, error=error, at=k, ever=int(ever),
                               hit=self.path("out/hit")))
        self.judge(ended, silent=call == "write" and ever)
        return os.path.exists(self.path("out/hit"))

    def judge(self, ended, silent=False):
        """The common rule; the report may tell of files that were hit.
        |silent|: nothing could be said on standard error."""
        self.assertIn(ended.code, harness.EXIT_CODES, ended)
        expected = self.calm("tree")
        if os.path.exists(self.path("out/report")):
            report = self.read("out/report")
            self.assertNotEqual(ended.code, 0, "evil files are there")
            if ended.code == 1:
                self.assertEqual(report, expected)
            json.loads(report)
        else:
            self.assertIn(ended.code, (2, 3, 4), ended)
            self.assertTrue(ended.err or silent, ended)
        self.assertLessEqual(set(os.listdir(self.path("out"))),
                             {"journal", "report", "hit"})
        if self.has_journal("out/journal"):
            self.verify("out/journal", 0, 2, 4)
        ended = self.scan("--canonical", "--quiet", "--journal", "out/journal",
                          *(["--resume"] if self.has_journal("out/journal")
                            else []), "tree")
        self.assertIn(ended.code, (1, 2, 4), ended)
        if ended.code == 1:
            self.assertEqual(ended.out, expected)

    def fails_in_workers(self, call, error, k, ever):
        """One run; True if a call failed in a worker."""
        for name in ("out/journal", "out/report", "out/hit"):
            self.remove(name)
        hit = self.path("out/hit")
        worker = os.path.join(os.path.dirname(harness.scanengine()),
                              "scanengine-worker")
        script = (f"#!/bin/sh\nexec '{harness.beside('fail_worker_call')}' "
                  f"{call} {error} {k} {'ever' if ever else 'once'} '{hit}' "
                  f"'{worker}' \"$@\"\n")
        ended = program.Case.scan(
            self, "--canonical", "--workers", "2", "--timeout", "20",
            "--journal", "out/journal", "-o", "out/report", "--worker-path",
            self.write("worker", script.encode(), mode=0o755), "tree")
        self.judge(ended)
        return os.path.exists(hit)

    def fails_by_filter(self, call, error, k, ever):
        """The same of the supervisor (and its workers), vfork and clone too."""
        for name in ("out/journal", "out/report", "out/hit"):
            self.remove(name)
        hit = self.path("out/hit")
        ended = program.Case.scan(
            self, call, str(error), str(k), "ever" if ever else "once", hit,
            harness.scanengine(), "--canonical", "--workers", "2", "--journal",
            "out/journal", "-o", "out/report", "tree",
            program=harness.beside("fail_worker_call"))
        self.judge(ended)
        return os.path.exists(hit)

    def sweep(self, call, error, ever, fails):
        """k = 1, 2, ... until nothing fails any more; in CI a few of them."""
        k, last = 1, 0
        while k < MOST_CALLS:
            try:
                if not fails(call, error, k, ever):
                    break
            except AssertionError as problem:
                self.problems.append(
                    f"{call} {errno.errorcode[error]} k={k} "
                    f"{'ever' if ever else 'once'}: {str(problem)[:3000]}")
            last = k
            k += by_size(self.rng.randrange(1, 4 + 2 * k), 1)
        return last

    def check(self, calls, fails=None):
        fails = fails or self.fails
        reached = {}
        for call, errors in calls.items():
            for error in errors:
                for ever in (False, True):
                    if ever and (call, error) in NEVER_EVER:
                        continue
                    if not harness.settings.full and self.rng.random() < 0.5:
                        continue
                    last = self.sweep(call, error, ever, fails)
                    reached[call] = max(reached.get(call, 0), last)
        self.assertEqual(self.problems, [], "\n".join(
            [f"{len(self.problems)} problems", *self.problems]))
        never = [call for call, last in reached.items() if last == 0]
        self.note(f"{sum(last > 0 for last in reached.values())} functions")
        if never:
            self.note(f"never called: {' '.join(never)}")


class T8(Calls):
    """The k-th system call fails, once or for ever."""

    NAME = "T8"

    def some(self, *names):
        return {name: CALLS[name] for name in names}

    def test_files(self):
        """open, read, write, sync, rename and the like of the supervisor"""
        self.check(self.some(
            "open", "openat", "close", "read", "pread", "write", "pwrite",
            "fdatasync", "fsync", "ftruncate", "rename", "linkat", "unlink",
            "mkdir", "flock", "fchmod", "dup"))

    def test_pipes_to_workers(self):
        """writes to workers fail for ever: others are started, at last none"""
        for k in range(1, 8):
            self.fails("write", errno.EIO, k, True)

    def test_walk(self):
        """stat, readdir and the like of the supervisor"""
        self.check(self.some("stat", "fstat", "fstatat", "fstatfs",
                             "fdopendir", "readdir", "readlink", "realpath"))

    def test_processes(self):
        """pipes, epoll, threads, pidfd, signals of the supervisor"""
        self.check(self.some(
            "pipe", "pipe2", "epoll_create1", "epoll_ctl", "epoll_wait", "poll",
            "eventfd", "timerfd_create", "timerfd_settime", "pthread_create",
            "fcntl", "waitpid", "kill", "sigaction", "pidfd_open",
            "pidfd_send_signal"))

    def test_memory(self):
        """mmap, memfd_create and malloc of the supervisor"""
        self.check(self.some("mmap", "munmap", "memfd_create",
                             "posix_fallocate", "malloc"))


    def test_new_processes(self):
        """vfork and clone of the supervisor"""
        self.need_filter()
        self.check({"vfork": (errno.EAGAIN, errno.ENOMEM),
                    "clone3": (errno.EAGAIN,)}, self.fails_by_filter)

    def test_workers(self):
        """calls of workers, their sandbox among them"""
        self.need_filter()
        self.check(WORKER_CALLS, self.fails_in_workers)

    def need_filter(self):
        path = harness.beside("fail_worker_call")
        if not os.path.exists(path):
            self.skipTest("fail_worker_call is not built")
        tried = self.start("getppid", "5", "1", "ever", self.path("out/hit"),
                           "/bin/true", program=path).wait()
        if tried.code != 0:
            self.skipTest(f"no seccomp filter with a listener: {tried.err}")


class T9(FaultCase):
    """Too few processes, descriptors, too little memory."""

    NAME = "T9"
    BORROWED = ("degrade_test.Processes", "degrade_test.Descriptors",
                "degrade_test.Memory")


class T20(Preloaded):
    """The wall clock jumps."""

    NAME = "T20"
    DAY = 86_400

    def test_jumps(self):
        """a day forth and back, of the supervisor and of its workers"""
        self.make_tree(500)
        expected = self.calm("tree")
        for name in ("scanengine", "scanengine-worker"):
            for days in (-1, 1):
                for _ in range(by_size(2, 20)):
                    self.remove("journal")
                    ended = self.scan(
                        "--canonical", "--timeout", "30", "--journal",
                        "journal", "tree", code=1,
                        env=self.preloaded(name, clock=days * self.DAY,
                                           at=self.rng.randrange(1, 40)))
                    self.assertEqual((ended.out, ended.err), (expected, ""))
                    self.check_journal("journal", 500)


class T23(FaultCase):
    """No room for shared memory."""

    NAME = "T23"
    BORROWED = ("degrade_test.Memory.test_no_shared_memory_leaves_this_process",
                "degrade_test.Memory.test_a_full_dev_shm_does_not_matter")
