#!/usr/bin/env python3
"""What scanengine.exe says of files, of itself and of the machine."""

import bz2
import json
import lzma

import wine_program
from wine_program import EVIL, GOOD

# A frame of one block, EVIL as it is, and the mark of its end.
LZ4_FRAME = (b"\x04\x22\x4d\x18\x60\x40\x82" +
             (len(EVIL) | 0x80000000).to_bytes(4, "little") + EVIL + bytes(4))


class Command(wine_program.Case):
    def test_exit_codes(self):
        self.write("good.pkl", GOOD)
        self.write("evil.pkl", EVIL)
        self.scan("good.pkl", code=0)
        self.scan("evil.pkl", code=1)
        self.scan("good.pkl", "missing.pkl", code=2)
        self.scan("--no-such-flag", code=3)

    def test_a_finding_comes_from_a_worker_in_its_sandbox(self):
        self.write("evil.pkl", EVIL)
        run = self.scan("--format", "json", "evil.pkl", code=1).json["run"]
        self.assertEqual(run["isolation"], "process")
        self.assertGreaterEqual(run["workers_started"], 1)
        self.assertFalse(run["degraded"])
        for part in ("one-process", "ui-limits", "memory-limit",
                     "no-privileges", "low-integrity", "no-dynamic-code",
                     "no-child-processes", "image-loads",
                     "no-extension-points"):
            self.assertIn(part, run["sandbox"]["active"])
        missing = " ".join(run["sandbox"]["missing"])
        self.assertIn("network: not closed on Windows", missing)
        self.assertIn("reading: ", missing)

    def test_what_is_missing_is_an_error_if_it_is_required(self):
        self.write("good.pkl", GOOD)
        self.scan("--require-sandbox", "good.pkl", code=2)

    def test_version_and_formats_tell_what_is_left_out(self):
        version = self.scan("--version", code=0).text
        self.assertIn("low integrity", version)
        self.assertIn("not on Windows: ", version)
        self.assertIn("further decompressors: none in this build", version)
        formats = self.scan("--list-formats", code=0).text
        for name in ("bzip2", "lz4", "lzma", "xz"):
            self.assertRegex(formats,
                             f"(?m)^{name} +unsupported +left out of this build")

    def test_what_is_left_out_is_never_clean(self):
        self.write("a.pkl.bz2", bz2.compress(EVIL))
        self.write("a.pkl.xz", lzma.compress(EVIL))
        self.write("a.pkl.lz4", LZ4_FRAME)
        ended = self.scan("--canonical", ".", code=2)
        self.assertEqual(ended.statuses(), {"./a.pkl.bz2": "unsupported",
                                            "./a.pkl.xz": "unsupported",
                                            "./a.pkl.lz4": "unsupported"})
        for file in ended.json["files"]:
            self.assertIn("build", json.dumps(file), file)

    def test_doctor_says_what_is_weaker(self):
        text = self.scan("doctor").text
        self.assertIn("not verified on Windows", text)
        for part in ("sandbox-reading", "sandbox-network", "verification"):
            self.assertRegex(text, f"weaker +{part}")
        self.assertIn("respawn-after-crash", text)


if __name__ == "__main__":
    wine_program.main()
