#!/usr/bin/env python3
"""The program at a console: wine makes one of a terminal, and so does this."""

import fcntl
import os
import pty
import struct
import termios
import threading

import wine_program
from wine_program import EVIL, program


class Terminal:
    """Keeps what is written to it, as its program reads and ends."""

    def __init__(self, columns):
        self._keyboard, self.end = pty.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 50, columns, 0, 0))
        self._shown = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self._keyboard, 65536)
            except OSError:  # Nobody has its other end any more.
                return
            if not data:
                return
            self._shown.append(data)

    def shown(self):
        return b"".join(self._shown).decode(errors="replace")

    def type(self, data):
        os.write(self._keyboard, data)

    def close(self):
        if self.end is not None:
            os.close(self.end)
            self.end = None
            self._reader.join(program.RUN_SECONDS)
            os.close(self._keyboard)


class Console(wine_program.Case):
    def terminal(self, columns=100):
        terminal = Terminal(columns)
        self.addCleanup(terminal.close)
        return terminal

    def at(self, terminal, *command, **options):
        return self.start_in_wine(*command, stdin=terminal.end,
                                  stdout=terminal.end, stderr=terminal.end,
                                  **options)

    def test_width_and_sequences(self):
        facts = os.path.join(os.path.dirname(wine_program.scanengine),
                             "console_facts.exe")
        for columns in (40, 97, 250):
            terminal = self.terminal(columns)
            ended = self.at(terminal, facts, "facts.txt").wait()
            self.assertEqual(ended.code, 0, terminal.shown())
            terminal.close()
            self.assertEqual(
                self.read("facts.txt").decode().splitlines(),
                ["input: terminal", f"output: terminal, {columns} columns",
                 f"error: terminal, {columns} columns", "sequences: on",
                 "after the end: as before"])
        ended = self.start_in_wine(facts, "facts.txt").wait()
        self.assertEqual(
            self.read("facts.txt").decode().splitlines(),
            ["input: none", "output: none", "error: none", "sequences: off",
             "after the end: as before"], ended)

    def test_a_report_has_colours_and_all_scripts(self):
        self.write("modèle-模型.pkl", EVIL)
        terminal = self.terminal()
        self.assertEqual(
            self.at(terminal, wine_program.scanengine, ".").wait().code, 1)
        terminal.close()
        self.assertIn("modèle-模型.pkl", terminal.shown())
        self.assertRegex(terminal.shown(), "\x1b\\[[0-9;]*31m")
        self.assertNotIn("\x1b", self.scan(".", code=1).text)

    def test_ctrl_c_drains_and_twice_ends_the_workers(self):
        os.mkdir(self.path("in"))
        program.slow_file(self.path("in/0.zip"))
        for typed in (2, 1):
            terminal = self.terminal()
            run = self.at(terminal, wine_program.scanengine, "--format", "json",
                          "-o", "report.json", "--workers", "1", "in")
            self.busy_worker(run)
            terminal.type(b"\x03")
            program.wait_until(lambda t=terminal: "stop" in t.shown(),
                               "the notice")
            if typed == 2:
                terminal.type(b"\x03")
            else:
                os.truncate(self.path("in/0.zip"), 0)
            self.assertEqual(run.wait().code, 130, terminal.shown())
            self.wait_for_no_workers()


if __name__ == "__main__":
    wine_program.main()
