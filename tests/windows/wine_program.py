"""Runs scanengine.exe under wine as a user does; for the tests beside this file.

Each of them is called as
`python3 NAME_test.py RUN_IN_WINE PATH_TO_SCANENGINE_EXE NATIVE_SCANENGINE [TEST]...`
and needs what is built beside scanengine.exe.
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "integration"))

import program  # Beside the tests of the other system.
from program import EVIL, FIXTURES, GOOD

# Marks the processes of one test, in their environment.
_MARK = "SCANENGINE_TEST"

runner = scanengine = native = None


def on_windows(path):
    """As wine shows the path of a file here."""
    return "Z:" + path.replace("/", "\\")


class Run(program.Run):
    def kill(self):
        """wine is a child of timeout, which the runner becomes."""
        program.Run.kill(self)
        if self.process.stdin:
            self.process.stdin.close()

    def tell(self, word):
        """To the console driver."""
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()


class Case(program.Case):
    def setUp(self):
        super().setUp()
        self.env = {**os.environ, _MARK: self.dir}

    def start_in_wine(self, *command, **options):
        options.setdefault("cwd", self.dir)
        run = Run([runner, *command], env={**self.env, **options.pop("env", {})},
                  **options)
        self.addCleanup(run.discard)
        return run

    def start(self, *args, **options):
        return self.start_in_wine(scanengine, *args, **options)

    def drive(self, *args, **options):
        """Starts the console driver; |run.tell| makes it do something."""
        options.setdefault("stdin", subprocess.PIPE)
        driver = os.path.join(os.path.dirname(scanengine), "console_driver.exe")
        return self.start_in_wine(driver, *args, **options)

    def workers(self):
        """Process ids, here, of the workers that this test started."""
        found = []
        mark = f"{_MARK}={self.dir}".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
                with open(f"/proc/{pid}/environ", "rb") as file:
                    marked = mark in file.read().split(b"\0")
            except OSError:
                continue
            if (marked and b"scanengine-worker.exe" in line.split(b"\0")[0] and
                    program.is_alive(pid)):
                found.append(int(pid))
        return found

    def busy_worker(self, run):
        """Waits until a worker is in a slow file; its id."""
        def busy():
            for pid in self.workers():
                if program.cpu_ticks(pid) >= program.BUSY_TICKS:
                    return pid
            self.assertIsNone(run.process.poll(), "ended")
            return None
        return program.wait_until(busy, "a worker in a slow file")

    def wait_for_no_workers(self):
        program.wait_until(lambda: not self.workers(), "the end of all workers")


def main():
    global runner, scanengine, native
    if len(sys.argv) < 4:
        sys.exit(f"usage: {sys.argv[0]} RUN_IN_WINE EXE NATIVE [TEST]...")
    runner, scanengine, native = map(os.path.abspath, sys.argv[1:4])
    del sys.argv[1:4]
    os.umask(0o022)
    unittest.main(verbosity=2)
