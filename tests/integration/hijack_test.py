#!/usr/bin/env python3
"""What a worker that a file has taken over can do to the rest of a run.

Each way is tried first without the sandbox, where it must work: else the test of
it would be void, and says so. The worker is tests/integration/hijacked_worker.cc,
or misbehaving_worker.cc where it breaks the protocol.

Usage: hijack_test.py PATH_TO_SCANENGINE
"""

import os
import signal
import threading
import time
import unittest

import program

FILES = 60
# The supervisor of so small a run takes a few megabytes; what a worker wrote
# must not add up in it.
SUPERVISOR_MEMORY = 64 << 20

TRIGGER = "trigger.pkl"
# Large: it is handed out first.
TRIGGER_BYTES = b"\x80\x02" + b"N0" * (1 << 20) + b"N."


class Hijacked(program.Case):
    def setUp(self):
        super().setUp()
        self.write(f"tree/{TRIGGER}", TRIGGER_BYTES)
        for i in range(FILES):
            self.write(f"tree/f{i}.pkl",
                       program.GOOD if i % 4 else program.EVIL)

    def worker(self, helper, *args):
        """A worker program that is |helper| with |args| before its own."""
        script = f"""#!/bin/sh\nexec '{program.beside(helper)}' """
        script += " ".join(args) + ' "$@"\n'
        return self.write(f"worker-{'-'.join(args)}", script.encode(),
                          mode=0o755)

    def run_in(self, worker, *args):
        run = self.start("--worker-path", worker, "--format", "json",
                         "--workers", "3", *args, "tree")
        watch = PeakMemory(run.pid)
        ended = run.wait()
        watch.stop()
        self.supervisor_memory = watch.peak
        return ended

    def hijacked(self, mode, *args):
        return self.run_in(self.worker("hijacked_worker", mode), *args)

    def trigger(self, ended):
        return ended.files()[f"tree/{TRIGGER}"]

    def check_others(self, ended):
        """All other files are scanned, and what is evil is found."""
        files = ended.files()
        self.assertEqual(len(files), FILES + 1)
        for i in range(FILES):
            file = files[f"tree/f{i}.pkl"]
            self.assertEqual(file["status"], "scanned", file)
            self.assertEqual(bool(file["findings"]), i % 4 == 0, file)
        self.assertFalse(ended.json["run"]["degraded"])

    def lacks(self, part):
        missing = self.hijacked("honest").json["run"]["sandbox"]["missing"]
        return any(text.startswith(part) for text in missing)


class PeakMemory:
    """Peak of the resident memory of a process, in bytes, as it runs."""

    def __init__(self, pid):
        self.peak = 0
        self._pid = pid
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self):
        self._ending.set()
        self._thread.join()

    def _watch(self):
        while not self._ending.is_set():
            try:
                with open(f"/proc/{self._pid}/status") as file:
                    for line in file:
                        if line.startswith("VmHWM:"):
                            self.peak = max(self.peak,
                                            int(line.split()[1]) << 10)
            except OSError:
                return
            time.sleep(0.01)


class Honest(Hijacked):
    def test_the_worker_of_these_tests_scans_like_a_real_one(self):
        ended = self.hijacked("honest")
        self.assertEqual(ended.code, 1, ended)
        self.check_others(ended)
        self.assertEqual(self.trigger(ended)["status"], "scanned")
        self.assertEqual(ended.json["totals"],
                         self.run_in(program.worker_binary()).json["totals"])


class Forbidden(Hijacked):
    """What the kernel tells of is a `sandbox-violation`, of that file alone."""

    def check_violation(self, mode):
        ended = self.hijacked(mode)
        self.assertEqual(ended.code, 2, ended)
        trigger = self.trigger(ended)
        self.assertEqual(trigger["status"], "sandbox-violation", trigger)
        self.assertEqual(trigger["run"]["ended"], "SIGSYS")
        self.check_others(ended)

    def bare(self, mode):
        if self.lacks("seccomp"):
            self.skipTest("not run: no seccomp here")
        return self.hijacked(mode, "--no-sandbox")

    def test_a_socket(self):
        ended = self.bare("socket")
        self.assertEqual(self.trigger(ended)["status"], "scanned",
                         "void: it does not work without the sandbox")
        self.check_violation("socket")

    def test_another_program(self):
        # /bin/true takes the worker's place and ends well.
        ended = self.bare("execve")
        self.assertEqual(self.trigger(ended)["run"]["ended"], "exit code 0",
                         "void: it does not work without the sandbox")
        self.check_violation("execve")

    def test_a_fork_bomb(self):
        ended = self.bare("fork-bomb")
        self.assertEqual(self.trigger(ended)["status"], "scanned",
                         "void: it does not work without the sandbox")
        self.check_others(ended)
        self.check_violation("fork-bomb")

    def test_a_kill_of_the_supervisor(self):
        ended = self.bare("kill-supervisor")
        self.assertEqual(ended.code, -signal.SIGKILL,
                         "void: it does not work without the sandbox")
        self.check_violation("kill-supervisor")

    def test_a_shrink_of_its_board(self):
        # Without the sandbox the seal alone holds it, and the supervisor reads
        # on from a whole page.
        ended = self.bare("shrink-board")
        self.assertEqual(ended.code, 1, ended)
        self.check_others(ended)
        self.check_violation("shrink-board")

    def test_a_write_to_what_all_workers_read(self):
        # Held by the seal and by the limit of file sizes, which stay without
        # the sandbox; sandbox_test.cc shows that it works without a seal.
        for args in ((), ("--no-sandbox",)):
            with self.subTest(args=args):
                ended = self.hijacked("write-cache", *args)
                trigger = self.trigger(ended)
                self.assertEqual(trigger["status"], "sandbox-violation")
                self.assertEqual(trigger["run"]["ended"], "SIGXFSZ")
                self.check_others(ended)
                ended = self.hijacked("map-cache", *args)
                self.assertEqual(self.trigger(ended)["status"], "scanned")
                self.check_others(ended)


class Floods(Hijacked):
    def check_flood(self, ended, status, code):
        self.assertEqual(ended.code, code, ended)
        self.assertEqual(self.trigger(ended)["status"], status)
        self.check_others(ended)
        self.assertLess(self.supervisor_memory, SUPERVISOR_MEMORY)
        self.assertGreater(self.supervisor_memory, 0)

    def test_ten_gigabytes_to_standard_error(self):
        ended = self.hijacked("ten-gigabytes-to-stderr")
        self.check_flood(ended, "scanned", 1)
        self.assertEqual(ended.err, "")

    def test_standard_output_of_a_worker_leads_there_too(self):
        ended = self.hijacked("ten-gigabytes-to-stdout")
        self.check_flood(ended, "scanned", 1)
        self.assertEqual(ended.err, "")

    def test_an_endless_flood_of_the_protocol(self):
        ended = self.run_in(
            self.worker("misbehaving_worker", "--mode", "flood-stdout"))
        self.assertEqual(self.trigger(ended)["status"], "protocol")
        self.assertLess(self.supervisor_memory, SUPERVISOR_MEMORY)


class Lies(Hijacked):
    def misbehave(self, mode):
        """The workers of these find nothing: statuses tell."""
        ended = self.run_in(
            self.worker("misbehaving_worker", "--mode", mode))
        statuses = ended.statuses()
        self.assertEqual(len(statuses), FILES + 1)
        trigger = statuses.pop(f"tree/{TRIGGER}")
        self.assertEqual(set(statuses.values()), {"scanned"})
        return ended, trigger

    def test_a_reply_for_a_task_that_it_does_not_hold(self):
        for mode in ("reply-foreign", "reply-never-sent"):
            with self.subTest(mode=mode):
                ended, trigger = self.misbehave(mode)
                self.assertEqual(trigger, "protocol")
                self.assertEqual(ended.code, 2, ended)
                detail = self.trigger(ended)["detail"]
                self.assertEqual(detail, "answered a task that it does not "
                                 "hold")

    def test_a_second_reply(self):
        # The first one counts; whatever the second is blamed on is tried again.
        ended, trigger = self.misbehave("reply-twice")
        self.assertEqual(trigger, "scanned")
        self.assertEqual(ended.code, 0, ended)

    def later_finding(self, isolation):
        """Findings in the file that is scanned after the one that lies."""
        self.write("two/trigger.pkl", TRIGGER_BYTES)
        self.write("two/evil.pkl", program.EVIL)
        ended = self.scan("--worker-path",
                          self.worker("hijacked_worker", "lie"), "--isolation",
                          isolation, "--workers", "1", "--format", "json",
                          "two")
        self.assertEqual(ended.statuses(), {"two/evil.pkl": "scanned",
                                            "two/trigger.pkl": "scanned"})
        return ended.code, len(ended.files()["two/evil.pkl"]["findings"])

    def test_of_later_files_are_believed_unless_each_has_its_own_worker(self):
        # SECURITY.md, "What remains".
        self.assertEqual(self.later_finding("process"), (0, 0))
        self.assertEqual(self.later_finding("per-file"), (1, 1))


if __name__ == "__main__":
    program.main()
