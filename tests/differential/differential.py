#!/usr/bin/env python3
"""Compares the pickle machine with CPython's unpicklers over random streams.

Each stream is unpickled three times, with imports that do nothing (recorder.py):
by the C unpickler from bytes, by the C one from a file (which reads lying frames
in another way), and by the one in Python. What they import and call, in what
order, must be what the machine said (pickle_trace.cc). An import or call that the
machine does not see is a failure, always. What the machine sees and an unpickler
does not do must be one of EXPLAINED; those are counted.

The streams run in child processes with bounded memory and time. A batch that
ends its child is split until the stream is found.
"""

import argparse
import codecs
import collections
import json
import os
import pathlib
import random
import re
import resource
import struct
import subprocess
import sys
import time

import recorder
import streams

READERS = ("bytes", "file", "python")
BATCH = 1000
MEMORY = 1 << 30
CPU_SECONDS = 30

# Why an unpickler raises where the machine has no problem to tell of: what
# depends on the loader, or on types that only run time knows. A pattern for the
# error, and the reason.
EXPLAINED = {
    "text-utf8": (r"UnicodeDecodeError: 'utf-8'",
                  "the machine does not check that every str is UTF-8"),
    "text-encoding": (r"UnicodeDecodeError: 'ascii'",
                      "whether Python 2 strings are ASCII is the loader's choice"),
    "bytes-for-text": (r"STACK_GLOBAL requires str",
                       "a name of Python 2 is bytes if the loader wants so, and "
                       "what a call returns may be text"),
    "bytes-for-name": (r"object is not callable", "so is the name of an attribute"),
    "memory": (r"MemoryError", "a memo index or size that this run has no memory "
               "for; another may have"),
    "unknown-arguments": (r"argument list must be a tuple|args argument must be a "
                          r"tuple|after \* must be",
                          "what a call returned may be a tuple"),
    "unknown-keywords": (r"keywords must be strings|kwargs argument must be|"
                         r"after \*\* must be|unbound method dict.keys",
                         "what an import or a call gave may be a dict, or text"),
    "unknown-class": (r"class argument must be a type",
                      "what a call returned may be a class"),
    "unknown-state": (r"state is not a dictionary|unbound method dict.items|"
                      r"has no attribute 'items'",
                      "an object or state that a call returned may be of any "
                      "class"),
    "unknown-name": (r"attribute name must be string",
                     "what a call returned may be text"),
    "unknown-buffer": (r"bytes-like object is required, not '(Rec\w*|Meta)'",
                       "what a call returned may be a buffer"),
    "unknown-index": (r"list indices must be integers or slices, not (Rec|Meta)",
                      "what a call returned may be a number"),
    "touched-list": (r"list assignment index out of range",
                     "a call that was given the list may have made it longer"),
    "bytearray": (r"'bytes'|'?bytearray|byte must be in range|cannot be interpreted "
                  r"as an integer|an integer is required|string argument without|"
                  r"read-only memory|'memoryview'",
                  "bytes, bytearray and views of them are one sort of value to "
                  "the machine"),
    "unknown-planted": (r"object is not callable",
                        "what a dict holds that became an object's attributes is "
                        "not known; it may be no function"),
    "extension": (r"unregistered extension code",
                  "the extension registry belongs to the loader"),
    "frame": (r"pickle data was truncated|exhausted before end of frame|beginning "
              r"of a new frame", "frames that lie are noted once in a stream"),
}
PATTERNS = {name: re.compile(pattern)
            for name, (pattern, _) in EXPLAINED.items()}
SURPLUS = {
    "planted-maybe": "a planted attribute is called if the class has none of its "
                     "own; and APPEND calls extend in C, append in Python",
    "new-of-planted": "with a planted __new__ either that or the class's is called",
    "long-name": "a name of more than 1024 bytes is not kept",
}
OPTIONAL = {"append", "build", "planted-new"}
RAISING = {"raises", "differ", "unhashable", "not-callable", "frame"}


def unplain(text):
    if "%" not in text:
        return text
    raw = re.sub(rb"%(..)", lambda m: bytes.fromhex(m[1].decode()), text.encode())
    return raw.decode("utf-8", "surrogateescape")


def bytes_as_text(match):
    raw = match[0].encode("latin-1")
    text = raw.decode("utf-8", "surrogateescape")
    return ESCAPED.sub(lambda m: chr(ord(m[0]) - 0xdc00), text)


ESCAPED = re.compile("[\udc80-\udcff]")
HIGH_BYTES = re.compile("[\x80-\xff]+")


def same_text(seen, real):
    """True if the machine's |seen| is the name |real|, whatever encoding the
    loader chose for strings of Python 2."""
    if seen == real:
        return True
    seen = ESCAPED.sub(lambda m: chr(ord(m[0]) - 0xdc00), seen)
    raw = real.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    raw = ESCAPED.sub(lambda m: chr(ord(m[0]) - 0xdc00), raw)
    return (HIGH_BYTES.sub(bytes_as_text, seen) ==
            HIGH_BYTES.sub(bytes_as_text, raw))


def parse(trace):
    items = []
    for item in trace.split("\t"):
        fields = item.split("\x1f")
        items.append([unplain(field) for field in fields])
    return items


class Mismatch(Exception):
    pass


class Comparison:
    """Walks over the machine's items along what an unpickler did."""

    def __init__(self, items, encoding, never):
        self.items = items
        self.encoding = encoding
        self.never = never  # Items that are known to have happened to nobody.
        self.doubtful = []  # Items that may have been matched wrongly.
        self.counts = collections.Counter()
        self.at = 0
        self.offset_of = {}  # Number of a call -> offset of its opcode.
        self.calls = 0

    def skippable(self, item):
        if item[0] == "N":
            return True
        if item[0] != "C":
            return False
        if item[1] in OPTIONAL:
            self.counts["planted-maybe"] += 1
            return True
        before = self.items[self.at - 1] if self.at else [""]
        if before[0] == "C" and before[1] == "planted-new" and (
                before[4] == item[4]):
            self.counts["new-of-planted"] += 1
            return True
        return False

    def matches(self, item, event):
        if event[0] == "I":
            if item[0] == "U":
                return True
            if item[0] != "I":
                return False
            # With an empty name the machine may have the module alone.
            if not same_text(item[1].rstrip("."), self.joined(event).rstrip(".")):
                return False
            return len(event) < 4 or (same_text(item[2], event[3][0]) and
                                      same_text(item[3], event[3][1]))
        if item[0] != "C" or item[3] not in ("?", str(event[2])):
            return False
        seen, real = item[2], event[1]
        if seen[0] == "U":
            return real[0] == seen[1:] or seen == "U?" and item[1] in OPTIONAL
        if seen[0] == "R":
            return real[0] == "R" and self.offset_of.get(int(real[1:])) == seen[1:]
        return same_text(seen.rstrip("."), real.rstrip("."))

    @staticmethod
    def joined(event):
        return event[1] if not event[2] else "%s.%s" % event[1:3]

    def follow(self, event):
        while True:
            if self.at >= len(self.items):
                raise Mismatch("MISSED %r" % (event,))
            item = self.items[self.at]
            if self.at not in self.never and self.matches(item, event):
                break
            if not self.skippable(item):
                raise Mismatch("MISSED %r; the machine has %r" % (event, item))
            self.at += 1
        if item[0] == "C" and (item[1] in OPTIONAL or self.at and self.items[
                self.at - 1][1] == "planted-new"):
            self.doubtful.append(self.at)
        self.at += 1
        if event[0] == "C":
            self.offset_of[self.calls] = item[4]
            self.calls += 1
        elif item[0] == "U" and not item[1].startswith("extension"):
            self.counts["long-name"] += 1

    def finish(self, error, offset):
        rest = self.items[self.at:]
        last = rest[-1]
        if error is None:
            for item in rest:
                if item[0] == "N" and item[1] in ("raises", "unhashable",
                                                  "not-callable"):
                    raise Mismatch("the machine says it raises: %r" % (item,))
                if item[0] in "CIU" and not self.skippable(item):
                    raise Mismatch("the machine has %r, too" % (item,))
                self.at += 1
            if last[1] != "1":
                raise Mismatch("the unpickler stops, the machine fails")
            if offset is not None and int(last[2]) != offset:
                raise Mismatch("STOP at %d and %s" % (offset, last[2]))
            return
        for item in rest:
            if item[0] == "N" and item[1] in RAISING:
                return
            if item[0] == "E" and item[1] == "0":
                return
            if item[0] in "CIUE" and not self.skippable(item):
                break
            self.at += 1
        self.explain(error, item, self.items[self.at - 1])

    def explain(self, error, item, before):
        text = "%s: %s" % (type(error).__name__, error)
        for name, pattern in PATTERNS.items():
            if not pattern.search(text):
                continue
            if name == "frame" and not any(i[:2] == ["N", "frame"]
                                           for i in self.items):
                continue
            if name == "bytes-for-text" and item[0] != "U" and (
                    self.encoding != "bytes"):
                continue
            if name == "bytes-for-name" and self.encoding != "bytes":
                continue
            # The call itself is not what the machine goes on to if it came
            # after that of a planted __new__, and was passed over with it.
            calls = [i for i in (item, before) if i[0] == "C"]
            if name == "unknown-planted" and not any(
                    i[1] in OPTIONAL and i[2] == "U?" for i in calls):
                continue
            if name == "touched-list" and not any(
                    i[0] == "C" and i[3] != "0" for i in self.items[:self.at]):
                continue
            if name == "unknown-arguments" and item[0] == "C" and not any(
                    i[3] == "?" for i in calls):
                continue
            if name == "unknown-keywords" and not any(
                    i[1] == "new" and i[5] == "?" for i in calls):
                if self.encoding != "bytes" or "must be strings" not in text:
                    continue
            self.counts[name] += 1
            return
        raise Mismatch("the unpickler raises %s, the machine goes on to %r" %
                       (text, item))


def walk(items, encoding, events, error, offset):
    """Compares; an item that need not have happened may be matched with what
    something else did, so that it is tried without it, too."""
    never = set()
    first = None
    while True:
        comparison = Comparison(items, encoding, never)
        try:
            for event in events:
                comparison.follow(event)
            comparison.finish(error, offset)
            return comparison.counts
        except Mismatch as mismatch:
            first = first or mismatch
            if not comparison.doubtful or len(never) > 20:
                raise first from None
            never.add(comparison.doubtful[-1])


def compare(data, encoding, traces, totals):
    """Runs one stream; returns what differs, as text."""
    plain = parse(traces[0])
    other = parse(traces[1]) if len(traces) > 1 else plain
    failures = []
    for reader in READERS:
        events, error, offset = recorder.run(data, encoding, reader)
        totals["runs"] += 1
        totals["events"] += len(events)
        if reader == "bytes":
            totals["calls"] += recorder.LOG.calls
            totals["several"] += recorder.LOG.calls > 2
        totals["stopped-" + reader] += error is None
        try:
            counts = walk(other if reader == "file" else plain, encoding, events,
                          error, offset)
        except Mismatch as mismatch:
            failures.append("%s: %s" % (reader, mismatch))
            continue
        for name, count in counts.items():
            totals["%s/%s" % (name, reader)] += count
    return failures


# ---- Safety: nothing of this may happen while a stream runs.

FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "open", "import",
             "subprocess.Popen", "socket.connect", "socket.bind", "exec",
             "compile", "os.remove", "os.rename", "os.mkdir", "os.listdir",
             "ctypes.dlopen", "shutil.rmtree", "pickle.find_class", "os.kill"}
GUARDED = [False]
SAVED_STDERR = os.dup(2)


def guard(event, arguments):
    if GUARDED[0] and event in FORBIDDEN and arguments[:1] != (recorder.PROBE,):
        os.write(SAVED_STDERR, b"differential: a stream did %s %s\n" %
                 (event.encode(), ascii(arguments)[:200].encode()))
        os._exit(99)


def make_batch(seed, number, size, samples):
    rng = random.Random("%d/%d" % (seed, number))
    maker = streams.StreamMaker(rng, samples)
    return [maker.stream() for _ in range(size)]


def traced(trace, batch):
    packed = b"".join(struct.pack("<I", len(data)) + data for data, _ in batch)
    done = subprocess.run([trace], input=packed, stdout=subprocess.PIPE,
                          timeout=600, check=False)
    lines = done.stdout.split(b"\n")[:-1]
    if done.returncode != 0 or len(lines) != len(batch):
        raise SystemExit("pickle_trace failed with %d after %d of %d streams" %
                         (done.returncode, len(lines), len(batch)))
    return [part.decode("ascii").split("\x1e") for part in lines]


def run_batch(arguments, samples, number, first, last, output):
    """In the child: makes streams |first| to |last| of batch |number|, compares
    them and writes totals and failures as JSON."""
    batch = make_batch(arguments.seed, number, last, samples)[first:]
    traces = traced(arguments.trace, batch)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    recorder.register_extensions()
    for codec in ("raw_unicode_escape", "latin-1", "ascii", "utf-8"):
        codecs.lookup(codec)
    # CPython writes of its own errors there when memory runs out.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    totals = collections.Counter()
    failures = []
    sys.addaudithook(guard)
    GUARDED[0] = True
    for (data, encoding), trace in zip(batch, traces):
        totals["streams"] += 1
        totals["bytes"] += len(data)
        for text in compare(data, encoding, trace, totals):
            failures.append([data.hex(), encoding, text])
    GUARDED[0] = False
    os.write(output, json.dumps([totals, failures[:20]]).encode())


class Run:
    """Hands batches to child processes and adds up what they find."""

    def __init__(self, arguments, samples):
        self.arguments = arguments
        self.samples = samples
        self.totals = collections.Counter()
        self.failures = []
        self.children = {}  # Process id -> (pipe, number, first, last).

    def start(self, number, first, last):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reading)
                run_batch(self.arguments, self.samples, number, first, last,
                          writing)
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        self.children[child] = (reading, number, first, last)

    def reap(self):
        """Waits for one child and takes its result."""
        child = next(iter(self.children))
        reading, number, first, last = self.children.pop(child)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            totals, failures = json.loads(answer)
            self.totals.update(totals)
            self.failures += failures
        elif code > 0:
            raise SystemExit("a batch failed with %d" % code)
        elif last - first == 1:
            # A stream that crashes CPython or takes all of its time.
            data, _ = make_batch(self.arguments.seed, number, last,
                                 self.samples)[first]
            self.totals["unpickler-died"] += 1
            print("an unpickler ended with %d: %s" % (code, data.hex()))
        else:
            middle = (first + last) // 2
            self.start(number, first, middle)
            self.start(number, middle, last)

    def run(self):
        left = self.arguments.streams
        number = 0
        begin = shown = time.monotonic()
        while left > 0 or self.children:
            if left > 0 and len(self.children) < self.arguments.jobs:
                size = min(BATCH, left)
                left -= size
                self.start(number, 0, size)
                number += 1
            else:
                self.reap()
            if len(self.failures) > 200:
                left = 0
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                print("%d streams, %d s" % (self.totals["streams"],
                                            shown - begin), flush=True)
        return time.monotonic() - begin


def report(totals, seconds):
    count = max(1, totals["streams"])
    print("%d streams of %d bytes on average in %d s, %d runs, %d imports and calls "
          "compared" % (totals["streams"], totals["bytes"] // count, seconds,
                        totals["runs"], totals["events"]))
    print("reach STOP: " + ", ".join(
        "%s %.1f %%" % (reader, 100 * totals["stopped-" + reader] / count)
        for reader in READERS))
    print("calls a stream: %.2f; three or more calls: %.1f %%" %
          (totals["calls"] / count, 100 * totals["several"] / count))
    print("explained, by unpickler (C from bytes, C from a file, Python):")
    reasons = {name: reason for name, (_, reason) in EXPLAINED.items()}
    reasons.update(SURPLUS)
    for name, reason in reasons.items():
        counts = [totals["%s/%s" % (name, reader)] for reader in READERS]
        if any(counts):
            print("  %-18s %8d %8d %8d  %s" % (name, *counts, reason))
    if totals["unpickler-died"]:
        print("  %-18s %8d  CPython itself crashed or took too long" %
              ("unpickler-died", totals["unpickler-died"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trace", required=True, help="the pickle_trace program")
    parser.add_argument("--streams", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--one", help="compare this stream, in hexadecimal")
    parser.add_argument("--encoding", default="ASCII")
    arguments = parser.parse_args()
    if sys.version_info[:2] < (3, 9):
        raise SystemExit("needs Python 3.9 or later")
    if arguments.one:
        batch = [(bytes.fromhex(arguments.one), arguments.encoding)]
        traces = traced(arguments.trace, batch)
        print(*(parse(part) for part in traces[0]), sep="\n")
        recorder.register_extensions()
        for reader in READERS:
            print(reader, *recorder.run(*batch[0], reader))
        print(compare(*batch[0], traces[0], collections.Counter()))
        return 0
    folder = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
    run = Run(arguments, streams.real_pickles(folder))
    seconds = run.run()
    report(run.totals, seconds)
    for data, encoding, text in run.failures[:20]:
        print("DIFFERENCE %s\n  --encoding %s --one %s" % (text, encoding, data))
    print("%d unexplained differences" % len(run.failures))
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
