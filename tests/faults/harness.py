"""What the tests of faults share: the common rule, an ordinary user, a seed.

Each test runs the program under a fault and then checks the rule that holds for
all of them:

- the exit code is one of those in --help;
- no process of the run is left, nothing in shared memory, nothing in its folder
  for temporary files, no half-written report;
- every listed file has exactly one final outcome in the journal;
- the canonical report equals that of a calm run but for files that were hit.

As root most faults do nothing: the program runs as a user who owns nothing but
the folder of the test.
"""

import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(FOLDER), "integration"))

import chaos  # pylint: disable=wrong-import-position
import program  # pylint: disable=wrong-import-position
import stop_test  # pylint: disable=wrong-import-position

EXIT_CODES = (0, 1, 2, 3, 4, 130, 143)

# A test that takes longer hangs: what CI runs, and the full size.
CI_SECONDS = 1500
FULL_SECONDS = 6 * 3600


class Settings:
    """How large the tests are, and what they draw."""

    full = False
    seed = 1


settings = Settings()


def by_size(small, full):
    """|small| in CI, |full| with --full."""
    return full if settings.full else small


def user():
    """Options of subprocess with which a command runs as an ordinary user."""
    if not program.IS_ROOT:
        return {}
    return {"user": program.NOBODY, "group": program.NOBODY,
            "extra_groups": []}


def scanengine():
    """The program where that user can start it, with all helpers beside it."""
    if not program.IS_ROOT:
        return program.binary()
    path = program.nobody_binary()
    folder = os.path.dirname(path)
    if folder != os.path.dirname(program.binary()):
        for name in ("misbehaving_worker", "hijacked_worker", "deny_calls",
                     "fail_worker_call", "libfail_call.so"):
            copy = os.path.join(folder, name)
            if os.path.exists(program.beside(name)) and not os.path.exists(copy):
                shutil.copy(program.beside(name), copy)
    return path


def beside(name):
    return os.path.join(os.path.dirname(scanengine()), name)


def python():
    """An interpreter that that user can start; None without one."""
    for path in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([path, "-c", ""], check=True, capture_output=True,
                           cwd="/", **user())
            return path
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def _session(pid):
    fields = program._stat_fields(pid)  # pylint: disable=protected-access
    if fields is None or fields[0] in "ZX":
        return None
    return int(fields[3])


def processes_of(session):
    """Live processes of a run: it leads a session of its own."""
    return [int(name) for name in os.listdir("/proc")
            if name.isdigit() and _session(int(name)) == session]


class FaultCase(program.Case):
    """A test whose runs keep the common rule."""

    def setUp(self):
        super().setUp()
        signal.alarm(by_size(CI_SECONDS, FULL_SECONDS))
        self.rng = random.Random(f"{settings.seed} {type(self).__name__} "
                                 f"{self._testMethodName}")
        self.runs = 0
        self.notes = []
        self.memory = stop_test.shared_memory()
        self.temp = self.folder("temp")
        self.own(self.dir)
        self.expected = {}

    def note(self, text):
        """Something to say in the line of this test."""
        self.notes.append(text)

    def own(self, path):
        """Gives |path| to the user that the program runs as."""
        if program.IS_ROOT:
            os.chown(path, program.NOBODY, program.NOBODY)
        return path

    def folder(self, name):
        """A folder in which the program may write."""
        os.makedirs(self.path(name), exist_ok=True)
        return self.own(self.path(name))

    def remove(self, *names):
        for name in names:
            if os.path.lexists(self.path(name)):
                os.unlink(self.path(name))

    def start(self, *args, program=None, env=None, **options):
        # pylint: disable=arguments-differ,redefined-outer-name
        env = {**os.environ, "TMPDIR": self.temp,
               "XDG_STATE_HOME": self.path("state"), **(env or {})}
        for name, value in user().items():
            options.setdefault(name, value)
        run = super().start(*args, program=program or scanengine(), env=env,
                            **options)
        self.runs += 1
        plain_wait = run.wait

        def wait():
            ended = plain_wait()
            self.check_nothing_left(run.pid)
            return ended
        run.wait = wait
        return run

    def scan(self, *args, code=None, **options):
        ended = super().scan(*args, code=code, **options)
        self.assertIn(ended.code, EXIT_CODES, ended)
        return ended

    def check_nothing_left(self, session):
        program.wait_until(lambda: not processes_of(session),
                           f"the end of all of run {session}")
        self.assertEqual(stop_test.shared_memory() - self.memory, set())
        self.assertEqual(os.listdir(self.temp), [])
        self.assertEqual([name for name in os.listdir(self.dir)
                          if name.startswith(".scanengine")], [])

    def make_tree(self, files, name="tree"):
        """As chaos.py has it: one in fifty is evil. Returns the folder."""
        os.mkdir(self.path(name))
        chaos.make_tree(self.path(name), files, self.rng)
        return name

    def calm(self, *args):
        """The canonical report of an undisturbed run, made once."""
        if args not in self.expected:
            ended = self.scan("--canonical", "--no-journal", *args)
            self.assertEqual(ended.err, "")
            self.expected[args] = ended.out
        return self.expected[args]

    def verify(self, journal, *codes):
        """What `verify` says of a journal in which no file counts twice."""
        ended = program.Case.scan(self, "verify", "--json", journal)
        self.assertIn(ended.code, codes or (0, 2), ended)
        said = ended.json
        self.assertEqual(said["with_several"]["count"], 0, ended)
        self.assertEqual(said["not_listed"]["count"], 0, ended)
        return said

    def check_journal(self, journal, files):
        """Each of |files| files has exactly one final outcome."""
        said = self.verify(journal, 0)
        self.assertEqual(said["verdict"], "complete", said)
        self.assertEqual((said["listed"], said["found"]["files"]),
                         (files, files), said)

    def has_journal(self, journal):
        path = self.path(journal)
        return os.path.exists(path) and os.path.getsize(path) > 0

    def resume(self, journal, *args):
        """Goes on without a fault; the canonical report is the calm one's."""
        more = ["--resume"] if self.has_journal(journal) else []
        ended = self.scan("--canonical", "--quiet", "--journal", journal, *more,
                          *args)
        self.assertEqual(ended.out, self.calm(*args), ended.err)
        return ended

    def check_same_but(self, report, expected, hit):
        """|report| equals |expected| but for paths that |hit| is true of."""
        found, wanted = (program.Ended(0, bytes(document), "").files()
                         for document in (report, expected))
        self.assertEqual(sorted(found), sorted(wanted))
        for path, file in found.items():
            if not hit(path, file):
                self.assertEqual(file, wanted[path])

    def kill_workers(self, run, every):
        """Kills a random worker of |run| each |every| seconds to its end."""
        kills = 0
        while True:
            try:
                run.process.wait(every)
                return kills
            except subprocess.TimeoutExpired:
                pass
            workers = chaos.children(run.pid)
            if workers:
                program.send(self.rng.choice(workers), signal.SIGKILL)
                kills += 1


def mount_memory(case, name, size):
    """A small disk at |name|, or the test is not run. Gone with the test."""
    path = case.folder(name)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "none", path],
        capture_output=True, check=False)
    if mounted.returncode != 0:
        case.skipTest("file systems cannot be mounted here")
    case.addCleanup(subprocess.run, ["umount", "-l", path], check=False,
                    stderr=subprocess.DEVNULL)
    return path


def mount_failing(case, source, name):
    """A disk at |name| with the files of folder |source|, of which the second
    half cannot be read; or the test is not run. Gone with the test."""
    image = case.path("image")
    path = case.folder(name)

    def run(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True,
                                  check=False)
        except FileNotFoundError:
            case.skipTest(f"there is no {command[0]}")
        if done.returncode != 0:
            case.skipTest(f"{command[0]} does not work here: {done.stderr}")
        return done.stdout.strip()

    size = 2 * sum(os.path.getsize(entry) for entry in os.scandir(source))
    with open(image, "wb") as file:
        file.truncate(size)
    # Everything but the files themselves is at the beginning.
    run("mkfs.ext4", "-q", "-b", "4096", "-O", "^has_journal", "-d", source,
        image)
    device = run("losetup", "--find", "--show", "--read-only", image)
    case.addCleanup(subprocess.run, ["losetup", "--detach", device],
                    check=False, stderr=subprocess.DEVNULL)
    os.truncate(image, size // 4)
    run("mount", "-o", "ro", device, path)
    case.addCleanup(subprocess.run, ["umount", "-l", path], check=False,
                    stderr=subprocess.DEVNULL)


def make_device(case, path, kind, major, minor):
    """A device, or the test is not run."""
    try:
        os.mknod(path, kind | 0o666, os.makedev(major, minor))
    except PermissionError:
        case.skipTest("devices cannot be made here")
    assert stat.S_IFMT(os.lstat(path).st_mode) == kind


def number_of(name):
    """T7 -> 7; what has no number comes last."""
    match = re.fullmatch(r"T(\d+)", name)
    return (int(match[1]) if match else 1000, name)


def dumps(value):
    return json.dumps(value, sort_keys=True)
