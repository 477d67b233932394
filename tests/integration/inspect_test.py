#!/usr/bin/env python3
"""What `scanengine inspect` shows of files, and that no file hurts it.

Usage: inspect_test.py PATH_TO_SCANENGINE
"""

import io
import json
import os
import pickle
import pickletools
import re
import unittest
import zipfile

import program

EVIL_TEXT = """\
evil.pkl: pickle, 23 B
  pickle, 23 B
      streams: 1
  [1] pickle, bytes 0 to 23, protocol 2, opcodes 6, end complete
    imports: 1
      dangerous     os.system"""

GLOBAL = b"\x80\x02cos\nsystem\n"


class Inspect(program.Case):
    def inspect(self, *args, **options):
        return self.scan("inspect", *args, **options)

    def sections(self, *args, code=0, **options):
        ended = self.inspect("--json", *args, code=code, **options)
        self.assertEqual(ended.json["schema"], "scanengine-inspect/1")
        return ended.json["files"][0]["sections"]

    def assertHarmless(self, text):
        """Line feeds only, and nothing that turns the direction of text."""
        self.assertIsNone(re.search(
            "[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e"
            "\u2060-\u2069\ufeff]", text))

    def use_worker(self, mode):
        """Options for a worker that fails on paths with "trigger"."""
        misbehaving = os.path.join(os.path.dirname(program.binary()),
                                   "misbehaving_worker")
        path = self.write("worker", b'#!/bin/sh\nexec "%s" --mode %s "$@"\n' %
                          (misbehaving.encode(), mode.encode()), 0o755)
        return ["--worker-path", path]

    # What is shown.

    def test_a_call_is_shown_and_exits_with_0(self):
        self.write("evil.pkl", program.EVIL)
        ended = self.inspect("evil.pkl", code=0)
        self.assertEqual(ended.err, "")
        self.assertTrue(ended.text.startswith(EVIL_TEXT), ended)
        self.assertIn("v1 = os.system('id')  # dangerous\n", ended.text)
        self.assertIn("findings: 1 critical", ended.text)

    def test_json_has_the_same_facts(self):
        self.write("evil.pkl", program.EVIL)
        [section] = self.sections("evil.pkl")
        self.assertEqual(section["steps"], [
            {"offset": 21, "action": "call", "verdict": "dangerous",
             "value": 1, "within": 0, "text": "os.system('id')",
             "outcome": "", "chain": []}])
        self.assertEqual(section["outline"],
                         [{"depth": 0, "text": "v1 = os.system(...)"}])

    def test_real_models(self):
        wanted = {
            "real/torch/state_dict.pt": "tensor (",
            "real/joblib/arrays.joblib": "array (60, 50)",
            "real/joblib/arrays_gzip.joblib": "NumpyArrayWrapper",
            "real/numpy/objects.npy": "'shape': (3,)",
            "real/numpy/stored.npz": "header {'descr'",
            "real/safetensors/model.safetensors":
                "tensor a: F32 [2, 3], bytes 0 to 24",
            "real/gguf/llama.gguf": "tensor token_embd.weight: F32 [4, 3]",
        }
        for name, text in wanted.items():
            with self.subTest(name=name):
                ended = self.inspect(os.path.join(program.FIXTURES, name),
                                     code=0)
                self.assertIn(text, ended.text)
                self.assertEqual(ended.err, "")

    def test_every_fixture_in_every_mode(self):
        names = []
        for top in ("real", "hostile"):
            for folder, _, files in os.walk(os.path.join(program.FIXTURES,
                                                         top)):
                names += [os.path.join(folder, name) for name in files]
        usual = self.inspect("--opcodes", *names, code=2)
        self.assertHarmless(usual.text)
        self.assertEqual(usual.err, "")
        for args in (["--workers", "1"], ["--isolation", "per-file"]):
            ended = self.inspect("--opcodes", *args, *names, code=2)
            self.assertEqual(ended.text, usual.text)
        ended = self.inspect("--opcodes", "--isolation", "in-process", *names,
                             code=2)
        self.assertEqual(
            ended.text.replace(" (in-process: without isolation)", ""),
            usual.text)
        # All but a few links to what is shown under its own name.
        self.assertGreater(
            ended.text.count(" (in-process: without isolation)\n"), 150)

    def test_members_of_containers(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("in/a.pkl", program.GOOD)
            archive.writestr("in/b.pkl", program.EVIL)
        self.write("x.zip", out.getvalue())
        members = [section["member"] for section in self.sections("x.zip")]
        self.assertEqual(members, ["in/a.pkl", "in/b.pkl", ""])
        for glob in ("b.pkl", "in/b*", "*b.pkl"):
            [section] = self.sections("--member", glob, "x.zip")
            self.assertEqual(section["member"], "in/b.pkl")
        self.assertEqual(self.sections("--member", "c", "x.zip"), [])

    def test_pickles_in_pickles(self):
        self.write("x.pkl", pickle.dumps({"a": program.EVIL}, 4))
        outer, inner = self.sections("x.pkl")
        self.assertEqual((outer["parent"], inner["parent"]), (0, 1))
        self.assertEqual(inner["steps"][0]["text"], "os.system('id')")

    def test_standard_input(self):
        self.write("evil.pkl", program.EVIL)
        ended = self.shell('"$P" inspect - < evil.pkl')
        self.assertEqual(ended.code, 0, ended)
        self.assertTrue(ended.text.startswith("-: pickle, 23 B\n"), ended)
        self.assertIn("os.system('id')", ended.text)

    def test_opcodes_are_those_of_pickletools(self):
        data = pickle.dumps({"a": [1, -2, b"x", 2.5], "b": (None, True)}, 2)
        self.write("x.pkl", data)
        [section] = self.sections("--opcodes", "x.pkl")
        self.assertEqual(
            [(row["offset"], row["name"]) for row in section["opcodes"]],
            [(at, op.name) for op, _, at in pickletools.genops(data)])

    # What cannot be shown.

    def test_what_is_no_model_is_one_clear_line_and_exits_with_2(self):
        self.write("a.txt", b"hello world, this is text\n")
        ended = self.inspect("a.txt", code=2)
        self.assertEqual(ended.text, "a.txt: 26 B, not-a-model\n\n")
        self.write("x.7z", b"7z\xbc\xaf\x27\x1c" + bytes(60))
        ended = self.inspect("x.7z", code=2)
        self.assertIn("x.7z: 7z, 66 B, unsupported: 7z is not supported yet\n",
                      ended.text)

    def test_no_such_file_and_a_folder(self):
        os.mkdir(self.path("folder"))
        for name in ("missing", "folder"):
            ended = self.inspect(name, code=2)
            self.assertTrue(ended.text.startswith(f"{name}: "), ended)
            self.assertEqual(ended.text.count("\n"), 2, ended)

    def test_wrong_usage(self):
        for args in ([], ["--fail-on", "high", "x"], ["--member"],
                     ["--format", "ndjson", "x"], ["-", "-"]):
            with self.subTest(args=args):
                ended = self.inspect(*args, code=3)
                self.assertEqual(ended.out, b"")
                self.assertSingleLine(ended.err)

    def test_a_worker_that_dies_hurts_its_own_file_only(self):
        self.write("trigger.pkl", program.EVIL)
        self.write("other.pkl", program.GOOD)
        for mode, status in (("segv", "crashed"), ("kill", "crashed"),
                             ("exit-7", "crashed"),
                             ("noise-on-stdout", "protocol")):
            with self.subTest(mode=mode):
                ended = self.inspect(*self.use_worker(mode), "trigger.pkl",
                                     "other.pkl", code=2)
                lines = ended.text.split("\n\n")
                self.assertTrue(lines[0].startswith("other.pkl: "), ended)
                self.assertRegex(lines[1],
                                 rf"^trigger\.pkl: 23 B, {status}: .+$")

    def test_a_deadline_is_told(self):
        self.write("trigger.pkl", program.EVIL)
        ended = self.inspect(*self.use_worker("hang"), "--timeout", "0.2",
                             "--retries", "0", "trigger.pkl", code=2)
        self.assertIn("timed-out: ", ended.text)

    def test_without_workers_nothing_is_parsed_if_isolation_is_required(self):
        self.write("evil.pkl", program.EVIL)
        ended = self.inspect("--require-isolation", "--worker-path", "missing",
                             "evil.pkl", code=2)
        self.assertIn("not-run", ended.text)
        self.assertNotIn("os.system", ended.text)

    # Hostile files.

    def test_a_broken_stream_shows_what_ran_before(self):
        self.write("x.pkl", program.EVIL[:-1] + b"\xff")
        ended = self.inspect("--opcodes", "x.pkl")
        self.assertIn("v1 = os.system('id')  # dangerous\n", ended.text)
        self.assertIn("problem: ", ended.text)

    def test_names_cannot_drive_the_terminal(self):
        evil = b"\x1b[2J\x1b]0;x\x07\x9b\xe2\x80\xae"
        self.write("x.pkl", b"\x80\x02c" + evil + b"\n" + evil +
                   b"\nX\x08\x00\x00\x00\x1b[31m\n\r\x08\x85R.")
        name = "\x1b[2Jx.pkl"
        os.rename(self.path("x.pkl"), self.path(name))
        for args in ([], ["--opcodes"], ["--json"]):
            self.assertHarmless(self.inspect(*args, name).text)

    def test_a_million_opcodes_are_bounded(self):
        self.write("x.pkl", GLOBAL + b"q\0" + b"h\0)R0" * 250_000 + b".")
        ended = self.inspect("x.pkl", code=2)
        self.assertIn("cut short", ended.text)
        self.assertIn("opcodes 1000004, end complete", ended.text)
        self.assertLess(len(ended.out), 4 << 20)
        ended = self.inspect("--json", "--opcodes", "x.pkl", code=2)
        self.assertLess(len(ended.out), 64 << 20)
        self.assertTrue(ended.json["files"][0]["truncated"])

    def test_a_million_opcodes_of_data_are_shown_whole(self):
        self.write("x.pkl", b"\x80\x02](" + b"K\1" * 1_000_000 + b"e.")
        ended = self.inspect("x.pkl", code=0)
        self.assertIn("list, 1000000 items", ended.text)

    def test_deep_values_and_bombs(self):
        self.write("deep.pkl", b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 +
                   b".")
        self.write("bomb.pkl", b"\x80\x02]" + b"2\x86" * 100_000 + b".")
        self.write("cycle.pkl", b"\x80\x02]q\0h\0a.")
        ended = self.inspect("deep.pkl", "bomb.pkl", "cycle.pkl", code=0)
        self.assertIn("(not shown: too deep)", ended.text)
        self.assertIn("(shown above)", ended.text)
        self.assertLess(len(ended.out), 100_000)

    # Where it goes.

    def test_a_reader_that_leaves(self):
        self.write("x.pkl", GLOBAL + b"q\0" + b"h\0)R0" * 50_000 + b".")
        ended = self.shell('"$P" inspect x.pkl | head -n 1')
        self.assertEqual(ended.text.count("\n"), 1, ended)
        self.assertEqual(ended.err, "")
        ended = self.shell('"$P" inspect x.pkl > /dev/full')
        self.assertEqual(ended.code, 2, ended)
        self.assertSingleLine(ended.err)

    def test_output_file(self):
        self.write("evil.pkl", program.EVIL)
        ended = self.inspect("--json", "-o", "out.json", "evil.pkl", code=0)
        self.assertEqual((ended.out, ended.err), (b"", ""))
        self.assertEqual(json.loads(self.read("out.json"))["schema"],
                         "scanengine-inspect/1")


if __name__ == "__main__":
    program.main()
