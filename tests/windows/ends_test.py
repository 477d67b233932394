#!/usr/bin/env python3
"""Runs that are ended by a person, by a window that closes, or all of a sudden."""

import os
import signal

import wine_program
from wine_program import EVIL, program


class Ends(wine_program.Case):
    def start_slow(self, *args):
        """A run that was seen in the first of many files."""
        os.mkdir(self.path("in"))
        program.slow_file(self.path("in/0.zip"))
        for i in range(300):
            self.write(f"in/f{i:04d}.pkl", EVIL)
        run = self.drive("run", wine_program.scanengine, "--format", "json",
                         "--workers", "1", "--timeout", "150", *args,
                         "in/0.zip", "in")
        self.busy_worker(run)
        return run

    def check_partial(self, ended, code):
        self.assertEqual(ended.code, code, ended)
        self.assertTrue(ended.json["run"]["stopped"])
        self.assertFalse(ended.json["totals"]["complete"])
        self.wait_for_no_workers()
        return ended.statuses()

    def test_ctrl_break_drains(self):
        run = self.start_slow()
        run.tell("break")
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        self.assertTrue(self.workers())
        os.truncate(self.path("in/0.zip"), 0)  # The rest would take long.
        statuses = self.check_partial(run.wait(), 130)
        self.assertEqual(statuses["in/0.zip"], "changed")

    def test_ctrl_break_twice_ends_the_workers(self):
        run = self.start_slow()
        run.tell("break")
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        run.tell("break")
        statuses = self.check_partial(run.wait(), 130)
        self.assertEqual(statuses["in/0.zip"], "cancelled")

    def test_a_window_that_closes_ends_the_workers_and_leaves_a_report(self):
        run = self.start_slow()
        run.tell("close")
        statuses = self.check_partial(run.wait(), 143)
        self.assertEqual(statuses["in/0.zip"], "cancelled")

    def test_no_worker_outlives_a_supervisor_that_is_ended(self):
        for isolation in ("process", "per-file"):
            with self.subTest(isolation):
                run = self.start_slow("--isolation", isolation)
                run.tell("kill")
                self.assertEqual(run.wait().code, 42)
                self.wait_for_no_workers()
                self.setUp()

    def test_no_worker_outlives_a_supervisor_that_is_killed_from_here(self):
        run = self.start_slow()
        for pid in program.children(run.pid):
            program.send(pid, signal.SIGKILL)
        run.kill()
        self.wait_for_no_workers()


if __name__ == "__main__":
    wine_program.main()
