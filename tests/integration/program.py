"""Runs the program scanengine as a user does; for the tests beside this file.

Each of them is called as `python3 NAME_test.py PATH_TO_SCANENGINE [TEST]...`
and needs the worker beside that program.
"""

import functools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from struct import pack

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "fixtures")

# An ordinary user that owns nothing.
NOBODY = 65534
IS_ROOT = os.geteuid() == 0

# A run that takes longer hangs. Generous: machines are slow and busy.
RUN_SECONDS = 200
TEST_SECONDS = 240

GOOD = b"\x80\x02K\x01."
EVIL = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R."

# Work of a fifth of a second tells that a process is in a slow file: its start
# takes far less.
BUSY_TICKS = 20

_binary = None
_nobody_binary = None


class Ended:
    """How a run ended: exit code (negative: a signal), output, messages."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self):
        return (f"exit {self.code}\n--- stdout\n{self.text[-3000:]}\n"
                f"--- stderr\n{self.err[-3000:]}")

    @property
    def text(self):
        return self.out.decode(errors="backslashreplace")

    @property
    def json(self):
        return json.loads(self.out)

    def files(self):
        """Of a JSON report: the files by path."""
        return {file["path"]: file for file in self.json["files"]}

    def statuses(self):
        return {path: file["status"] for path, file in self.files().items()}


def _as_nobody():
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


class Run:
    """A run that goes on. Output goes to files: a pipe could hold us up."""

    def __init__(self, command, **options):
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", self._out)
        options.setdefault("stderr", self._err)
        self.process = subprocess.Popen(command, start_new_session=True,
                                        **options)
        self.pid = self.process.pid

    def wait(self):
        try:
            self.process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"hangs: {self._ended()}") from None
        return self._ended()

    def messages(self):
        """What is on standard error so far."""
        size = os.fstat(self._err.fileno()).st_size
        return os.pread(self._err.fileno(), size, 0).decode(errors="replace")

    def kill(self):
        for worker in children(self.pid):
            send(worker, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def discard(self):
        """Ends it, whatever state it is in."""
        self.kill()
        self._out.close()
        self._err.close()

    def _ended(self):
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read())
        return Ended(self.process.returncode, texts[0],
                     texts[1].decode(errors="backslashreplace"))


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def children(pid):
    """Process ids of the children of |pid| that are there now."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(word) for word in file.read().split()]
    except OSError:
        pass
    return found


def _stat_fields(pid):
    """Fields of /proc/PID/stat from the third (state) on; None if gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_ticks(pid):
    """Processor time of |pid| in ticks; 0 if it is gone."""
    fields = _stat_fields(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def is_alive(pid):
    fields = _stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def wait_until(condition, what):
    """Polls; fails only when a whole run would be given up."""
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.001)
    raise AssertionError(f"never happened: {what}")


def hold_worker(run):
    """Stops the worker of |run| within a slow file and returns its id."""
    def busy():
        for pid in children(run.pid):
            if cpu_ticks(pid) >= BUSY_TICKS:
                return pid
        assert run.process.poll() is None, "ended"
        return None

    pid = wait_until(busy, "a worker in a slow file")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: (_stat_fields(pid) or "Z")[0] in "TZX", "stop")
    return pid


@functools.cache
def _slow_member():
    """A harmless pickle of 192 MiB: its CRC and sizes, and itself deflated."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, -15)
    crc, size, packed = 0, 0, b""
    for part in [b"\x80\x04"] + [b"N0" * (1 << 19)] * 192 + [b"N."]:
        crc = zlib.crc32(part, crc)
        size += len(part)
        packed += squeeze.compress(part)
    packed += squeeze.flush()
    return pack("<III", crc, len(packed), size), packed


def slow_file(path, members=12):
    """A small zip file that takes seconds: opcodes that unpack to a lot."""
    sizes, packed = _slow_member()
    directory = b""
    with open(path, "wb") as out:
        for i in range(members):
            name = b"m%02d.pkl" % i
            start = out.tell()
            out.write(b"PK\3\4" + pack("<HHHHH", 20, 0, 8, 0, 0x21) + sizes +
                      pack("<HH", len(name), 0) + name + packed)
            directory += (b"PK\1\2" + pack("<HHHHHH", 20, 20, 0, 8, 0, 0x21) +
                          sizes + pack("<HHHHHII", len(name), 0, 0, 0, 0, 0,
                                       start) + name)
        end = out.tell()
        out.write(directory + b"PK\5\6" +
                  pack("<HHHHIIH", 0, 0, members, members, len(directory), end,
                       0))


def binary():
    return _binary


def worker_binary():
    return os.path.join(os.path.dirname(_binary), "scanengine-worker")


def beside(name):
    """A helper of these tests; it is built beside the program."""
    return os.path.join(os.path.dirname(_binary), name)


def nobody_binary():
    """The program where user NOBODY can start it: a copy if need be."""
    global _nobody_binary
    if _nobody_binary is None:
        _nobody_binary = _binary
        try:
            subprocess.run([_binary, "--version"], check=True, cwd="/",
                           stdout=subprocess.DEVNULL, **_as_nobody())
        except (OSError, subprocess.CalledProcessError):
            folder = tempfile.mkdtemp(prefix="scanengine-program-")
            os.chmod(folder, 0o755)
            for name in (_binary, worker_binary()):
                shutil.copy(name, folder)
            _nobody_binary = os.path.join(folder, os.path.basename(_binary))
    return _nobody_binary


class Case(unittest.TestCase):
    """A test with a folder of its own, in which the program runs."""

    maxDiff = None

    def setUp(self):
        def give_up(*_):
            raise AssertionError("the test hangs")
        signal.signal(signal.SIGALRM, give_up)
        signal.alarm(TEST_SECONDS)
        self.addCleanup(signal.alarm, 0)
        self.dir = self.new_folder()

    def new_folder(self, parent=None):
        """A folder that all may enter. rm: trees too deep for Python."""
        folder = tempfile.mkdtemp(prefix="scanengine-test-", dir=parent)
        os.chmod(folder, 0o755)
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=False)
        return folder

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, data, mode=0o644):
        """Makes the file, with the folders that lead to it."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def start(self, *args, program=None, nobody=False, **options):
        if nobody and IS_ROOT:
            program = program or nobody_binary()
            options.update(_as_nobody())
        options.setdefault("cwd", self.dir)
        run = Run([program or _binary, *args], **options)
        self.addCleanup(run.discard)
        return run

    def scan(self, *args, code=None, **options):
        """Runs to the end; |code|: the exit code that is asked for."""
        ended = self.start(*args, **options).wait()
        if code is not None:
            self.assertEqual(ended.code, code, ended)
        return ended

    def shell(self, script, **options):
        """A shell script in which "$P" is the program."""
        run = Run(["sh", "-c", script], cwd=self.dir,
                  env={**os.environ, "P": _binary}, **options)
        self.addCleanup(run.discard)
        return run.wait()

    def assertSingleLine(self, text):
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("scanengine: "), text)


def set_binary(path):
    global _binary
    if not os.access(path, os.X_OK):
        sys.exit(f"{sys.argv[0]}: {path} is no program")
    _binary = os.path.abspath(path)


def remove_copies():
    """Of the program, which nobody_binary() made."""
    if _nobody_binary not in (None, _binary):
        shutil.rmtree(os.path.dirname(_nobody_binary))


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_TO_SCANENGINE [TEST]...")
    set_binary(sys.argv.pop(1))
    os.umask(0o022)
    tests = unittest.main(verbosity=2, exit=False)
    remove_copies()
    sys.exit(0 if tests.result.wasSuccessful() else 1)
