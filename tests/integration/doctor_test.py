#!/usr/bin/env python3
"""`scanengine doctor`: what it says of this machine and of poorer ones.

Usage: doctor_test.py PATH_TO_SCANENGINE
"""

import errno
import os
import shutil
import unittest

import program

CODES = {"capable": 0, "weaker": 2, "unable": 4}
STEPS = ["cache", "start", "hello", "scan", "batch", "outside", "soft-timeout",
         "board", "cancel", "respawn", "crash", "respawn-after-crash", "end"]


class Doctor(program.Case):
    def diagnose(self, *args, denied=None, **options):
        """The JSON that it prints; its exit code is that of its verdict."""
        command = ["doctor", "--json", *args]
        if denied:
            rules = ",".join(f"{name}={error}"
                             for name, error in denied.items())
            command = [rules, program.binary(), *command]
            options["program"] = program.beside("deny_calls")
        ended = self.scan(*command, **options)
        self.assertEqual(ended.err, "")
        diagnosis = ended.json
        self.assertEqual(diagnosis["schema"], "scanengine-doctor/1")
        self.assertEqual(ended.code, CODES[diagnosis["verdict"]], ended)
        return diagnosis

    def state(self, diagnosis, name):
        checks = {check["name"]: check for check in diagnosis["checks"]}
        check = checks[name]
        self.assertEqual(check["state"] == "ok", check["consequence"] == "")
        return check["state"]

    def check_lives(self, diagnosis):
        steps = diagnosis["round_trip"]["steps"]
        self.assertEqual([step["name"] for step in steps], STEPS)
        for step in steps:
            self.assertTrue(step["ok"], step)
        self.assertTrue(diagnosis["round_trip"]["complete"])

    def check_dies_at(self, diagnosis, name, detail):
        self.assertEqual(diagnosis["verdict"], "unable")
        self.assertFalse(diagnosis["round_trip"]["complete"])
        last = diagnosis["round_trip"]["steps"][-1]
        self.assertEqual((last["name"], last["ok"]), (name, False))
        self.assertIn(detail, last["detail"])

    def test_a_worker_lives_through_every_step(self):
        diagnosis = self.diagnose()
        self.assertIn(diagnosis["verdict"], ("capable", "weaker"))
        self.check_lives(diagnosis)
        self.assertIn("limits", diagnosis["sandbox"]["active"])
        self.assertGreaterEqual(diagnosis["workers"]["count"], 1)

    def test_an_ordinary_user_may_ask(self):
        self.check_lives(self.diagnose(nobody=True))

    def test_text_has_a_verdict_last(self):
        ended = self.scan("doctor")
        self.assertEqual(ended.err, "")
        verdict = {0: "CAPABLE", 2: "WEAKER"}[ended.code]
        self.assertTrue(ended.text.splitlines()[-1].startswith(verdict))
        for name in STEPS:
            self.assertIn(f" {name} ", ended.text)

    def test_nothing_is_left_behind(self):
        folder = self.new_folder()
        self.check_lives(self.diagnose(
            env={**os.environ, "TMPDIR": folder, "HOME": folder,
                 "XDG_STATE_HOME": ""}))
        self.assertEqual(os.listdir(folder), [])
        self.assertEqual(os.listdir(self.dir), [])

    def test_the_count_of_workers_follows_cores_and_wishes(self):
        self.assertEqual(self.diagnose("-j", "3")["workers"],
                         {"count": 3, "why": "as asked for", "shortage": ""})
        cores = os.sched_getaffinity(0)
        one = self.diagnose(
            preexec_fn=lambda: os.sched_setaffinity(0, {min(cores)}))
        self.assertEqual(one["workers"]["count"], 1)
        self.assertIn("1 usable core", one["workers"]["why"])

    def test_a_limit_of_descriptors_is_weaker(self):
        if not shutil.which("prlimit"):
            self.skipTest("not run: no prlimit")
        diagnosis = self.diagnose_limited("--nofile=22")
        self.assertEqual(self.state(diagnosis, "limit-files"), "weaker")
        self.assertEqual(diagnosis["workers"]["count"], 1)
        self.assertNotEqual(diagnosis["workers"]["shortage"], "")
        self.check_lives(diagnosis)

    def diagnose_limited(self, limit):
        ended = self.scan(limit, program.binary(), "doctor", "--json", "-j",
                          "8", program=shutil.which("prlimit"))
        self.assertEqual(ended.code, CODES[ended.json["verdict"]], ended)
        return ended.json

    def test_a_folder_for_state_that_cannot_be_written_is_weaker(self):
        diagnosis = self.diagnose(
            nobody=True, env={**os.environ, "XDG_STATE_HOME": "/proc"})
        self.assertEqual(self.state(diagnosis, "state-folder"), "weaker")

    def test_without_a_worker_it_is_unable(self):
        diagnosis = self.diagnose("--worker-path", self.path("none"))
        self.assertEqual(self.state(diagnosis, "worker-program"), "missing")
        self.check_dies_at(diagnosis, "start", "No such file")

    def test_with_a_program_that_is_no_worker_it_is_unable(self):
        worker = self.write("worker", b"#!/bin/sh\necho oh no >&2\nexit 9\n",
                            mode=0o755)
        self.check_dies_at(self.diagnose("--worker-path", worker), "hello",
                           "exit code 9")

    def test_a_kernel_without_landlock_is_weaker(self):
        diagnosis = self.diagnose(
            denied={"landlock_create_ruleset": errno.ENOSYS})
        self.assertEqual(self.state(diagnosis, "landlock"), "missing")
        self.assertEqual(diagnosis["verdict"], "weaker")
        self.assertIn("landlock: not in this kernel",
                      diagnosis["sandbox"]["missing"])
        self.check_lives(diagnosis)

    def test_a_kernel_without_seccomp_is_weaker(self):
        diagnosis = self.diagnose(denied={"seccomp": errno.ENOSYS})
        self.assertEqual(self.state(diagnosis, "seccomp"), "missing")
        self.assertEqual(diagnosis["verdict"], "weaker")
        self.check_lives(diagnosis)

    def test_a_kernel_that_workers_cannot_do_without_is_unable(self):
        diagnosis = self.diagnose(denied={"pidfd_open": errno.ENOSYS})
        self.assertEqual(self.state(diagnosis, "pidfd"), "missing")
        self.check_dies_at(diagnosis, "start", "Function not implemented")
        diagnosis = self.diagnose(denied={"memfd_create": errno.ENOSYS})
        self.assertEqual(self.state(diagnosis, "shared-memory"), "missing")
        self.check_dies_at(diagnosis, "cache", "Function not implemented")

    def test_wrong_usage_is_3(self):
        for args in (["."], ["--format", "ndjson"], ["--no-such-option"]):
            with self.subTest(args=args):
                ended = self.scan("doctor", *args, code=3)
                self.assertSingleLine(ended.err)


if __name__ == "__main__":
    program.main()
