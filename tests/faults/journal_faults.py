"""Faults of the journal: torn, flipped, cut off by a power cut.

T5 and T6 of the list of faults.
"""

import struct

import call_faults
import harness
from harness import FaultCase, by_size

FILES = 300
TAIL = 4096


class Damaged(FaultCase):
    """Makes a journal to damage."""

    def setUp(self):
        super().setUp()
        self.make_tree(FILES)
        self.scan("--journal", "whole", "tree", code=1)
        self.whole = self.read("whole")
        self.refused = 0

    def put(self, data):
        self.own(self.write("journal", data, mode=0o600))

    def check_resume(self):
        """Goes on to the right report, or refuses."""
        if not self.has_journal("journal"):
            return
        ended = self.scan("--canonical", "--quiet", "--journal", "journal",
                          "--resume", "tree")
        if ended.code in (3, 4):  # Its header does not count any more.
            self.assertEqual(ended.out, b"")
            self.assertNotEqual(ended.err, "")
            self.refused += 1
            return
        self.assertEqual(ended.out, self.calm("tree"))
        self.check_journal("journal", FILES)


class T5(Damaged):
    """A journal that is torn or damaged."""

    NAME = "T5"
    EXECUTABLES = (
        ("journal_reader_test", "Journal: cut at any byte*"),
        ("journal_reader_test", "Journal: any flipped bit*"))

    def test_torn(self):
        """cut at any byte of its end"""
        sizes = range(len(self.whole) - TAIL, len(self.whole))
        if not harness.settings.full:
            sizes = sorted(self.rng.sample(sizes, 60))
        for at, size in enumerate(sizes):
            self.put(self.whole[:size])
            said = self.verify("journal", 2)
            self.assertIn(said["tail"]["state"], ("torn", "whole"), size)
            self.assertEqual(said["verdict"], "incomplete", size)
            if at % 10 == 0:
                self.check_resume()

    def test_cut_anywhere(self):
        """cut at any byte from its start"""
        for _ in range(by_size(20, 2000)):
            self.put(self.whole[:self.rng.randrange(len(self.whole))])
            self.check_resume()
        self.note(f"{self.refused} refused")

    def test_flipped(self):
        """a single flipped bit is always told of, and never believed"""
        for at in range(by_size(60, 10_000)):
            data = bytearray(self.whole)
            data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
            self.put(bytes(data))
            ended = self.scan("verify", "journal")
            self.assertIn(ended.code, (2, 4), ended)
            if at % 10 == 0:
                self.check_resume()
        self.note(f"{self.refused} refused")


class T6(call_faults.Preloaded):
    """The machine crashes: of what was not synced, anything may be missing."""

    NAME = "T6"
    EXECUTABLES = (("journal_writer_test",
                    "Journal writer: a power cut leaves*"),)
    FILES = 1200
    HEAD = struct.Struct("<QQQ")

    def log_of_run(self, *more):
        """What a run did to its journal: (what, offset, bytes), in order."""
        self.remove("log")
        self.scan("--journal", "journal", *more, "tree", code=1,
                  env=self.preloaded(log=self.path("log"),
                                     logged=self.path("journal")))
        data, at, events = self.read("log"), 0, []
        while at < len(data):
            what, offset, size = self.HEAD.unpack_from(data, at)
            at += self.HEAD.size
            events.append((chr(what), offset, data[at:at + size]))
            at += size
        return events

    @staticmethod
    def apply(state, events):
        """The file |state| after |events|; what was never written is zero."""
        state = bytearray(state)
        for what, offset, data in events:
            if what == "T":
                del state[offset:]
                state.extend(bytes(offset - len(state)))
            elif what == "W":
                state.extend(bytes(max(0, offset + len(data) - len(state))))
                state[offset:offset + len(data)] = data
        return bytes(state)

    def crashes(self, events):
        """Pairs: what is certainly on disk, and what of the rest may be."""
        began = done = 0
        for at, (what, _, _) in enumerate(events):
            if what == "B":
                began = at
            elif what == "S":
                done = began
            yield events[:done], [event for event in events[done:at + 1]
                                  if event[0] in "WT"]

    def variants(self, pending):
        """All of it, nothing, cut in the middle, any subset in any order."""
        yield pending
        yield []
        if pending:
            what, offset, data = pending[-1]
            cut = self.rng.randrange(len(data) + 1)
            yield [*pending[:-1], (what, offset, data[:cut])]
            yield pending[1:]
            for _ in range(by_size(1, 4)):
                some = [event for event in pending if self.rng.random() < 0.5]
                self.rng.shuffle(some)
                yield some

    def found(self, data):
        """Outcomes in a journal of these bytes; whatever else is in it."""
        self.own(self.write("state", data, mode=0o600))
        if not data:
            return 0
        ended = self.scan("verify", "--json", "state")
        if ended.code == 4 and b'"found"' not in ended.out:
            return 0
        said = ended.json
        self.assertEqual(said["with_several"]["count"], 0, ended)
        return said["found"]["files"]

    def check_crash(self, durable, pending):
        """Whatever was synced is found; the run goes on from there."""
        synced = self.apply(b"", durable)
        state = self.apply(synced, pending)
        self.assertGreaterEqual(self.found(state), self.found(synced))
        self.own(self.write("state", state, mode=0o600))
        if not self.has_journal("state"):
            return
        ended = self.scan("--canonical", "--quiet", "--journal", "state",
                          "--resume", "tree")
        if ended.code == 4:  # Not even the header was synced.
            self.assertEqual(self.found(synced), 0, ended)
            return
        self.assertEqual(ended.out, self.calm("tree"))
        self.check_journal("state", self.FILES)

    def test_power_cut(self):
        """cut off at any write; unsynced writes lost, torn and reordered"""
        self.make_tree(self.FILES)
        self.calm("tree")
        events = self.log_of_run()
        kinds = [what for what, _, _ in events]
        self.assertEqual(self.apply(b"", events), self.read("journal"))
        self.assertIn("S", kinds)
        cases = [(durable, variant) for durable, pending
                 in self.crashes(events) for variant in self.variants(pending)]
        if not harness.settings.full:
            cases = self.rng.sample(cases, min(len(cases), 40))
        for durable, pending in cases:
            self.check_crash(durable, pending)
        self.note(f"{kinds.count('W')} writes, {kinds.count('S')} syncs")
