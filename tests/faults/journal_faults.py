"""Faults of the journal: torn, flipped, cut off by a power cut.

T5 and T6 of the list of faults.
"""

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
