#!/usr/bin/env python3
"""The program at a console: wine makes one of a terminal, and so does this."""

import fcntl
import os
import pty
import select
import struct
import termios
import threading

import wine_program
from wine_program import EVIL, program


class Terminal:
    """Keeps what is written to it; a console is at its other end."""

    def __init__(self, columns):
        self._keyboard, self.end = pty.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 50, columns, 0, 0))
        self._shown = []
        self._closed = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        # Not to its end: services of wine may have it for as long as they run.
        while not self._closed.is_set():
            if select.select([self._keyboard], [], [], 0.05)[0]:
                self._shown.append(os.read(self._keyboard, 65536))

    def shown(self):
        return b"".join(self._shown).decode(errors="replace")

    def close(self):
        self._closed.set()
        self._reader.join()
        os.close(self.end)
        os.close(self._keyboard)


class Console(wine_program.Case):
    def terminal(self, columns=100):
        terminal = Terminal(columns)
        self.addCleanup(terminal.close)
        return terminal

    # Messages go elsewhere: a console shows only what differs from what it shows.
    def at(self, terminal, *command, **options):
        return self.start_in_wine(*command, stdin=terminal.end,
                                  stdout=terminal.end, **options)

    def test_width_and_sequences(self):
        facts = os.path.join(os.path.dirname(wine_program.scanengine),
                             "console_facts.exe")
        for columns in (40, 97, 250):
            terminal = self.terminal(columns)
            ended = self.at(terminal, facts, "facts.txt",
                            stderr=terminal.end).wait()
            self.assertEqual(ended.code, 0, terminal.shown())
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
        # The console shows it when it comes to that.
        program.wait_until(lambda: "FINDINGS" in terminal.shown(), "the report")
        self.assertIn("modèle-模型.pkl", terminal.shown())
        self.assertRegex(terminal.shown(), "\x1b\\[[0-9;]*31m")
        self.assertNotIn("\x1b", self.scan(".", code=1).text)


if __name__ == "__main__":
    wine_program.main()
