#!/usr/bin/env python3
"""Runs that are stopped, and what is left behind: nothing.

Usage: stop_test.py PATH_TO_SCANENGINE
"""

import os
import signal
import unittest

import program


def shared_memory():
    """Names in shared memory that could be of this program."""
    try:
        return {name for name in os.listdir("/dev/shm") if "scan" in name
                and not name.startswith("scanengine-test-")}
    except OSError:
        return set()


class Stop(program.Case):
    def setUp(self):
        super().setUp()
        self.memory = shared_memory()

    def start_and_hold(self, *args):
        """A run whose only worker is held within the first of many files."""
        program.slow_file(self.make_in())
        for i in range(3000):
            self.write(f"in/f{i:04d}.pkl", program.EVIL)
        run = self.start("--format", "json", "--workers", "1", "--timeout",
                         "150", *args, "in/0.zip", "in")
        return run, program.hold_worker(run)

    def make_in(self):
        os.mkdir(self.path("in"))
        return self.path("in/0.zip")

    def check_nothing_left(self, *pids):
        for pid in pids:
            program.wait_until(lambda: not program.is_alive(pid),
                               f"the end of worker {pid}")
        self.assertEqual(shared_memory() - self.memory, set())

    def check_partial(self, ended, code):
        self.assertEqual(ended.code, code, ended)
        report = ended.json
        self.assertTrue(report["run"]["stopped"])
        self.assertFalse(report["totals"]["complete"])
        return report["totals"]["by_status"]

    def test_interrupt_drains_and_reports_what_is_done(self):
        run, worker = self.start_and_hold()
        run.process.send_signal(signal.SIGINT)
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        self.assertTrue(program.is_alive(worker))
        os.truncate(self.path("in/0.zip"), 0)  # The rest would take long.
        os.kill(worker, signal.SIGCONT)
        ended = run.wait()
        by_status = self.check_partial(ended, 130)
        self.assertEqual(by_status["changed"], 1)
        self.assertEqual(by_status["crashed"], 0)
        self.check_nothing_left(worker)

    def test_interrupt_twice_ends_the_workers(self):
        run, worker = self.start_and_hold()
        run.process.send_signal(signal.SIGINT)
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        run.process.send_signal(signal.SIGINT)
        ended = run.wait()
        by_status = self.check_partial(ended, 130)
        self.assertGreaterEqual(by_status["cancelled"], 1)
        self.assertEqual(ended.statuses()["in/0.zip"], "cancelled")
        self.check_nothing_left(worker)

    def test_terminate_drains_with_a_code_of_its_own(self):
        run, worker = self.start_and_hold()
        run.process.send_signal(signal.SIGTERM)
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        os.truncate(self.path("in/0.zip"), 0)
        os.kill(worker, signal.SIGCONT)
        self.check_partial(run.wait(), 143)
        self.check_nothing_left(worker)

    def test_the_text_report_says_that_it_is_partial(self):
        run, worker = self.start_and_hold("--format", "text")
        for _ in range(2):
            run.process.send_signal(signal.SIGTERM)
            program.wait_until(lambda: "stop" in run.messages(), "the notice")
        ended = run.wait()
        self.assertEqual(ended.code, 143, ended)
        self.assertIn("STOPPED: the report is partial", ended.text)
        self.check_nothing_left(worker)

    def test_an_output_file_is_written_when_stopped(self):
        run, worker = self.start_and_hold("-o", "report")
        run.process.send_signal(signal.SIGINT)
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        run.process.send_signal(signal.SIGINT)
        ended = run.wait()
        self.assertEqual(ended.code, 130, ended)
        self.assertIn(b'"stopped":true', self.read("report"))
        self.check_nothing_left(worker)

    def test_in_process_is_stopped_as_well(self):
        program.slow_file(self.make_in(), members=99)
        self.write("in/f.pkl", program.EVIL)
        run = self.start("--format", "json", "--isolation", "in-process",
                         "--timeout", "150", "in/0.zip", "in/f.pkl")
        program.wait_until(lambda: program.cpu_ticks(run.pid) >=
                           program.BUSY_TICKS, "work")
        run.process.send_signal(signal.SIGINT)
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        run.process.send_signal(signal.SIGINT)
        ended = run.wait()
        by_status = self.check_partial(ended, 130)
        self.assertEqual(by_status["cancelled"], 2, ended)

    def test_kill_leaves_nothing_and_the_next_run_works(self):
        run, worker = self.start_and_hold()
        run.process.kill()
        run.process.wait()
        self.check_nothing_left(worker)
        self.scan("in/f0000.pkl", code=1)
        self.check_nothing_left()

    def test_a_normal_end_leaves_nothing(self):
        for i in range(20):
            self.write(f"f{i}.pkl", program.GOOD)
        self.scan("--workers", "4", ".", code=0)
        self.check_nothing_left()


class LostWorkers(program.Case):
    def hold(self, *args):
        program.slow_file(self.path("slow.zip"))
        self.write("evil.pkl", program.EVIL)
        run = self.start("--format", "json", "--workers", "1", *args,
                         "slow.zip", "evil.pkl")
        return run, program.hold_worker(run)

    def test_a_held_worker_is_timed_out_and_the_rest_scanned(self):
        run, worker = self.hold("--timeout", "8", "--retries", "0")
        ended = run.wait()
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.statuses(), {"slow.zip": "timed-out",
                                            "evil.pkl": "scanned"})
        self.assertGreaterEqual(ended.json["run"]["timeouts"], 1)
        self.assertFalse(program.is_alive(worker))

    def test_a_slow_file_is_timed_out_by_its_worker(self):
        program.slow_file(self.path("slow.zip"), members=200)
        self.write("evil.pkl", program.EVIL)
        ended = self.scan("--format", "json", "--timeout", "0.5", "--retries",
                          "0", "slow.zip", "evil.pkl", code=2)
        self.assertEqual(ended.statuses(), {"slow.zip": "timed-out",
                                            "evil.pkl": "scanned"})

    def test_a_crash_costs_that_file_alone(self):
        run, worker = self.hold("--retries", "0", "--timeout", "150")
        os.kill(worker, signal.SIGSEGV)
        os.kill(worker, signal.SIGCONT)
        ended = run.wait()
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.statuses(), {"slow.zip": "crashed",
                                            "evil.pkl": "scanned"})
        self.assertIn("SIGSEGV", ended.files()["slow.zip"]["run"]["ended"])
        self.assertEqual(ended.json["run"]["crashes"], 1)


if __name__ == "__main__":
    program.main()
