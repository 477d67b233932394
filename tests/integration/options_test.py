#!/usr/bin/env python3
"""What is scanned and by what rules: the options that choose.

Usage: options_test.py PATH_TO_SCANENGINE
"""

import os
import shutil
import subprocess
import unittest

import program

HUB = "hub/models--fixture--tiny"
SNAPSHOT = HUB + "/snapshots/0123456789abcdef0123456789abcdef01234567"


class Input(program.Case):
    def paths(self, *args, code=1, **options):
        """Of a scan that finds something in each file: their paths."""
        ended = self.scan("--format", "json", *args, code=code, **options)
        for file in ended.files().values():
            if file["status"] != "skipped":
                self.assertTrue(file["findings"], file)
        return list(ended.files())

    def test_standard_input_from_a_pipe_and_from_a_file(self):
        self.write("evil.pkl", program.EVIL)
        piped = self.shell('cat evil.pkl | "$P" --canonical -')
        self.assertEqual(piped.code, 1, piped)
        self.assertIn("os.system", piped.text)
        self.assertEqual(list(piped.files()), ["-"])
        whole = self.shell('"$P" --canonical - < evil.pkl')
        self.assertEqual((whole.code, whole.out), (1, piped.out))
        appended = self.shell('"$P" --canonical - evil.pkl < evil.pkl')
        self.assertEqual(list(appended.files()), ["-", "evil.pkl"])

    def test_standard_input_in_every_mode(self):
        self.write("evil.pkl", program.EVIL)
        reports = {self.shell(f'cat evil.pkl | "$P" --canonical {args} -').out
                   for args in ("", "--isolation in-process", "--no-sandbox -q",
                                "--isolation per-file")}
        self.assertEqual(len(reports), 1, reports)

    def test_unvetted_imports_by_policy_and_strictness(self):
        self.write("mine.pkl", b"\x80\x02cmine.net\nf\nX\1\0\0\0x\x85R.")
        self.write("mine.tsv", b"vetted\tmine.net\tf\n")
        self.write("sub/policy.tsv", b"vetted\tmine.net\tf\n")

        def severities(*args, code=1):
            ended = self.scan("--format", "json", *args, ".", code=code)
            files = ended.files()
            name = next(path for path in files if path.endswith("mine.pkl"))
            return [f["severity"] for f in files[name]["findings"]]
        # A policy file within what is scanned gives no trust by itself.
        self.assertEqual(severities(), ["medium"])
        self.assertEqual(severities("--strict"), ["high"])
        self.assertEqual(severities("--strict", "--isolation", "in-process"),
                         ["high"])
        self.assertEqual(severities("--policy", "mine.tsv", code=0), [])
        self.assertEqual(severities("--policy", "mine.tsv", "--strict",
                                    code=0), [])

    def test_large_standard_input(self):
        tail = program.EVIL
        data = (b"\x80\x02B" + (64 << 20).to_bytes(4, "little") +
                bytes(64 << 20) + b"0" + tail[2:])
        self.write("big", data)
        ended = self.shell('cat big | "$P" -')
        self.assertEqual(ended.code, 1, ended)
        self.assertIn("os.system", ended.text)

    def test_an_empty_standard_input_is_no_success(self):
        """What feeds the pipe has most likely failed."""
        for command in ("printf '' | \"$P\" -", '"$P" - < /dev/null',
                        '"$P" - <&-'):
            ended = self.shell(command)
            self.assertEqual(ended.code, 1, (command, ended))
            self.assertIn("the input is empty", ended.text)

    def test_files_from(self):
        for name in ("a.pkl", "b c.pkl", "not listed.pkl", "new\nline.pkl"):
            self.write(name, program.EVIL)
        self.write("list", b"a.pkl\n\nb c.pkl")
        wanted = ["a.pkl", "b c.pkl"]
        self.assertEqual(self.paths("--files-from", "list"), wanted)
        with open(self.path("list"), "rb") as stdin:
            self.assertEqual(self.paths("--files-from", "-", stdin=stdin),
                             wanted)
        self.write("list0", b"a.pkl\0new\nline.pkl\0")
        ended = self.scan("--canonical", "-0", "--files-from", "list0", code=1)
        self.assertEqual(ended.json["totals"]["files"], 2)
        self.assertIn("a.pkl", ended.files())
        ended = self.scan("--files-from", "list0", code=3)
        self.assertIn("-0", ended.err)

    def test_files_from_an_empty_list_is_no_success(self):
        self.write("list", b"")
        self.assertIn(self.scan("--files-from", "list").code, (2, 3))

    def test_a_listed_file_that_is_missing(self):
        self.write("a.pkl", program.EVIL)
        self.write("list", b"a.pkl\nmissing.pkl\n")
        ended = self.scan("--canonical", "--files-from", "list", code=2)
        self.assertEqual(ended.statuses(), {"a.pkl": "scanned",
                                            "missing.pkl": "unreadable"})

    def test_include_and_exclude(self):
        for name in ("a.pkl", "b.bin", "sub/c.pkl", "sub/old/d.pkl"):
            self.write("in/" + name, program.EVIL)
        self.assertEqual(self.paths("--include", "*.pkl", "in"),
                         ["in/a.pkl", "in/sub/c.pkl", "in/sub/old/d.pkl"])
        self.assertEqual(self.paths("--exclude", "old", "in"),
                         ["in/a.pkl", "in/b.bin", "in/sub/c.pkl"])
        self.assertEqual(self.paths("--include", "*.pkl", "--include", "b.*",
                                    "--exclude", "sub/**", "in"),
                         ["in/a.pkl", "in/b.bin"])
        self.scan("--include", "*.nothing", "in", code=2)

    def test_links_out_of_the_root_are_followed_on_demand_alone(self):
        self.write("out/evil.pkl", program.EVIL)
        self.write("out/folder/evil.pkl", program.EVIL)
        self.write("in/good.pkl", program.GOOD)
        os.symlink("../out/evil.pkl", self.path("in/link.pkl"))
        os.symlink("../out/folder", self.path("in/folder"))
        ended = self.scan("--format", "json", "in", code=0)
        self.assertEqual(ended.statuses(), {"in/good.pkl": "scanned",
                                            "in/link.pkl": "skipped",
                                            "in/folder": "skipped"})
        ended = self.scan("--format", "json", "--follow-symlinks", "in", code=1)
        self.assertEqual(ended.statuses(), {"in/good.pkl": "scanned",
                                            "in/link.pkl": "scanned",
                                            "in/folder/evil.pkl": "scanned"})
        self.assertIn(self.path("out/folder"), ended.err)
        self.assertEqual(ended.json["totals"]["findings"]["critical"], 2)

    def test_a_root_that_is_a_link(self):
        self.write("out/evil.pkl", program.EVIL)
        os.symlink("out", self.path("folder"))
        os.symlink("out/evil.pkl", self.path("file"))
        self.assertEqual(self.paths("file"), ["file"])
        self.assertEqual(self.paths("folder"), ["folder/evil.pkl"])

    def test_a_file_that_is_named_twice_is_reported_once(self):
        self.write("in/evil.pkl", program.EVIL)
        ended = self.scan("--canonical", "in", "in", "in/evil.pkl", code=1)
        self.assertEqual(ended.json["totals"]["files"],
                         len(ended.json["files"]))


class HubCache(program.Case):
    def setUp(self):
        super().setUp()
        shutil.copytree(os.path.join(program.FIXTURES, "real", "hub"),
                        self.path("hub"), symlinks=True)

    def test_the_cache_as_root_scans_every_blob(self):
        statuses = self.scan("--canonical", "hub", code=0).statuses()
        blobs = {path: status for path, status in statuses.items()
                 if "/blobs/" in path}
        self.assertEqual(sorted(blobs.values()),
                         ["not-a-model"] * 2 + ["scanned"] * 2)

    def test_a_snapshot_as_root_scans_what_its_links_lead_to(self):
        statuses = self.scan("--canonical", SNAPSHOT, code=0).statuses()
        self.assertEqual(statuses, {
            SNAPSHOT + "/README.md": "not-a-model",
            SNAPSHOT + "/config.json": "not-a-model",
            SNAPSHOT + "/model.safetensors": "scanned",
            SNAPSHOT + "/pytorch_model.bin": "scanned"})

    def test_an_evil_blob_is_found_by_either_root(self):
        blobs = self.path(HUB, "blobs")
        for name in os.listdir(blobs):
            with open(os.path.join(blobs, name), "wb") as out:
                out.write(program.EVIL)
        for root in ("hub", SNAPSHOT, SNAPSHOT + "/model.safetensors"):
            with self.subTest(root=root):
                self.assertIn("os.system", self.scan(root, code=1).text)


class Rules(program.Case):
    def test_max_file_size(self):
        self.write("small.pkl", program.EVIL)
        self.write("large.pkl", program.EVIL + bytes(2000))
        ended = self.scan("--canonical", "--max-file-size", "1K", ".", code=2)
        self.assertEqual(ended.statuses(), {"./small.pkl": "scanned",
                                            "./large.pkl": "limit"})
        piped = self.shell('"$P" --canonical --max-file-size 1K - < large.pkl')
        self.assertEqual((piped.code, list(piped.statuses().values())),
                         (2, ["limit"]))
        piped = self.shell(
            'cat large.pkl | "$P" --canonical --max-file-size 1K -')
        self.assertEqual(piped.code, 2, piped)

    def test_a_policy_vets_and_condemns_names(self):
        self.write("model.pkl", b"\x80\x02cacme.models\nNet\n)R.")
        self.scan("model.pkl", code=1)
        self.write("vet.tsv", b"vetted\tacme.models\tNet\t-\t-\tours\n")
        for mode in ("process", "per-file", "in-process"):
            self.scan("--isolation", mode, "--policy", "vet.tsv", "model.pkl",
                      "--fail-on", "low", code=0)
        self.scan("--policy", "vet.tsv", "--debug-worker", "model.pkl", code=0)
        self.write("bad.tsv", b"dangerous\tacme.models\tNet\tcode\t-\truns\n")
        ended = self.scan("--policy", "vet.tsv", "--policy", "bad.tsv",
                          "--fail-on", "high", "model.pkl", code=1)
        self.assertIn("calls acme.models.Net", ended.text)

    def test_a_mistake_in_a_policy_is_told_with_its_line(self):
        self.write("p.tsv", b"# ours\nvetted\tacme\tNet\t-\t-\tx\nvetted acme\n")
        self.write("model.pkl", program.GOOD)
        ended = self.scan("--policy", "p.tsv", "model.pkl", code=3)
        self.assertIn("p.tsv:3", ended.err)
        self.assertSingleLine(ended.err)
        self.assertEqual(ended.out, b"")

    def test_a_policy_in_the_scanned_folder_is_of_no_effect(self):
        self.write("in/model.pkl", b"\x80\x02cacme.models\nNet\n)R.")
        self.write("in/vetted.tsv", b"vetted\tacme.models\tNet\t-\t-\tours\n")
        self.write("in/.scanengine/policy.tsv", self.read("in/vetted.tsv"))
        self.scan("in", code=1)


class Pages(program.Case):
    def test_debug_worker_scans_one_file_without_workers(self):
        self.write("evil.pkl", program.EVIL)
        self.write("good.pkl", program.GOOD)
        ended = self.scan("--debug-worker", "evil.pkl", code=1)
        self.assertIn("os.system", ended.text)
        self.scan("--debug-worker", "good.pkl", code=0)
        self.scan("--debug-worker", "missing.pkl", code=2)

    def test_list_formats(self):
        ended = self.scan("--list-formats", code=0)
        scanned = {line.split()[0] for line in ended.text.splitlines()
                   if " yes " in line}
        self.assertEqual(scanned, {
            "compressed", "gguf", "joblib", "npz", "numpy", "pickle",
            "pytorch-legacy", "pytorch-zip", "safetensors", "tar", "zip"})
        self.assertIn("unsupported", ended.text)

    def test_version(self):
        ended = self.scan("--version", code=0)
        self.assertRegex(ended.text, r"\Ascanengine \d+\.\d+\.\d+\S*\n")
        self.assertIn("protocol ", ended.text)

    def test_help(self):
        self.assertIn("--workers", self.scan("-h", code=0).text)
        self.assertIn("--require-isolation", self.scan("--help", code=0).text)

    def test_the_worker_is_not_to_be_started_by_hand(self):
        ended = subprocess.run([program.worker_binary()], capture_output=True,
                               timeout=60, check=False)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn(b"--debug-worker", ended.stderr)

    def test_the_word_scan_may_come_first(self):
        self.write("evil.pkl", program.EVIL)
        self.assertEqual(self.scan("scan", "--canonical", "evil.pkl").out,
                         self.scan("--canonical", "evil.pkl", code=1).out)


if __name__ == "__main__":
    program.main()
